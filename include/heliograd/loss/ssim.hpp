// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/ssim.hpp>
#include <heliograd/loss/detail/pair.hpp>

namespace heliograd::inline HELIOGRAD_ABI::loss {

namespace detail {
struct SsimForm {
  SsimOptions options;
  template <class B, class View>
  void slope(Workspace<B>& ws, View const& x, View const& y, Sink<4, B> const& gx) const {
    auto scope = ws.scope();
    auto* const slopes = scope.template take<typename B::scalar_type>(kernel::ssim_slope_count(x, options));
    auto const loss = scope.tensor(Shape<0>{});
    kernel::ssim_loss<B>(ws, x, y, options, loss, slopes);
    fill(ws, loss, typename B::scalar_type(1));
    kernel::ssim_loss_backward<B>(ws, x, y, options, slopes, loss, gx);
  }
  template <class B, class View>
  void bend(Workspace<B>& ws, View const& x, View const& y, View const& vx, View const& vy,
            Sink<4, B> const& gx) const {
    kernel::ssim_loss_bend<B>(ws, x, y, vx, vy, options, gx);
  }
};
}  // namespace detail

/// One minus the mean structural similarity, in an 11 x 11 Gaussian window that stays inside the image; each channel by
/// itself (Wang, Bovik, Sheikh, Simoncelli: Image quality assessment; IEEE TIP 2004).
/// Shapes   two [n, h, w, c] with h, w of at least 11 -> [].
/// Math     \f$ L = 1 - \langle l \, s \rangle,
///          l = \frac{2 \mu_x \mu_y + c_1}{\mu_x^2 + \mu_y^2 + c_1},
///          s = \frac{2 \sigma_{xy} + c_2}{\sigma_x^2 + \sigma_y^2 + c_2} \f$, biased window moments about the window's mean,
///          \f$ c_i = (k_i \cdot \text{range})^2 \f$; with luminance_of_magnitude l compares the means of |x| and |y|.
/// Gradient exact; finite everywhere, for constant images as well. That of |x| at 0 is 0. Twice differentiable.
/// Keeps    three maps a little larger than the image (four with luminance_of_magnitude) for each argument that wants a gradient.
/// Cost     about 300 operations per pixel forward, 80 backward (400 and 110 with luminance_of_magnitude); a target that wants a gradient doubles both. The second
///          derivatives take about 40 images of scratch, and no vector code.
/// Throws   ShapeError if the shapes differ or hold no window; UsageError without a data range.
template <class B>
Var<0, B> ssim(Var<4, B> prediction, Var<4, B> target, SsimOptions const& options) {
  constexpr char const* name = "heliograd::loss::ssim";
  using T = typename B::scalar_type;
  detail::expect_pair(name, prediction, target);
  kernel::expect_ssim(name, options);
  kernel::expect_ssim_image(name, prediction.shape()[1], prediction.shape()[2]);
  Tape<B>& tape = prediction.tape();
  auto const loss = tape.make(Shape<0>{}, prediction.wants_grad() || target.wants_grad());
  auto const keep = [&](bool wanted) {
    return loss.wants_grad() && wanted ? tape.template keep<T>(kernel::ssim_slope_count(prediction.value, options))
                                       : nullptr;
  };
  T* const to_prediction = keep(prediction.wants_grad());
  T* const to_target = keep(target.wants_grad());
  kernel::ssim_loss<B>(tape.workspace(), prediction.value, target.value, options, loss.value, to_prediction);
  if (to_target) kernel::ssim_loss<B>(tape.workspace(), target.value, prediction.value, options, loss.value, to_target);
  if (loss.wants_grad())
    tape.record(
        name, loss,
        [=](Tape<B>& t) {
          if (to_prediction)
            kernel::ssim_loss_backward<B>(t.workspace(), prediction.value, target.value, options, to_prediction,
                                          loss.grad(), t.into(prediction));
          if (to_target)
            kernel::ssim_loss_backward<B>(t.workspace(), target.value, prediction.value, options, to_target,
                                          loss.grad(), t.into(target));
        },
        [=](Tape<B>& t, Var<0, B> gloss) {
          detail::deliver_slope(t, name, detail::SsimForm{options}, prediction, target, gloss);
        });
  return loss;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss
