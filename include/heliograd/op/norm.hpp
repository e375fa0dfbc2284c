// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include <heliograd/kernel/norm.hpp>
#include <heliograd/op/activation.hpp>

/// \file
/// Normalisations and per-channel lines. Images are [n, h, w, c], but any rank from 2 on will do: the first axis counts
/// samples, the last one channels. Each function has an optional rectifier built in (`negative_slope`), so that norm and
/// activation are two passes over memory forward and two backward.
namespace heliograd::inline HELIOGRAD_ABI {

/// What all normalisations have in common.
struct NormOptions {
  double epsilon = 1e-5;
  double negative_slope = 1;  ///< factor for negative results: 1 no activation, 0 ReLU, 0.2 a leaky one
};

/// Mean and variance of each channel [c], which batch normalisation gathers while training. Plain memory: saved, not trained.
template <class B>
struct RunningStatistics {
  TensorRef<1, B> mean, variance;
};

namespace detail {

using kernel::NormDeviation;
using kernel::NormGroups;
using kernel::NormStatistic;

template <int Rank>
kernel::ChannelRows channel_rows(Shape<Rank> const& shape, bool over_batch) {
  static_assert(Rank >= 2, "heliograd: a normalisation needs a batch axis and a channel axis");
  std::size_t rows = 1;
  for (int axis = over_batch ? 0 : 1; axis < Rank - 1; ++axis) rows *= shape[axis];
  return {over_batch ? 1 : shape[0], rows, shape[Rank - 1]};
}

template <int Rank, class B>
Sink<1, B> flat(Sink<Rank, B> const& sink) {
  return {TensorRef<1, B>(sink.out.data(), sink.out.size()), sink.beta};
}

template <int Rank, class B>
void expect_learnt(char const* name, Var<Rank, B> const& x, Var<1, B> const& scale, Var<1, B> const& shift) {
  std::size_t const channels = x.shape()[Rank - 1];
  for (Var<1, B> const* v : {&scale, &shift})
    expect_shape(v->value.size() == 0 || v->value.size() == channels,
                 std::string(name) + (v == &scale ? ": scale has " : ": shift has ") + to_string(v->shape()) +
                     ", expected one number for each channel of x " + to_string(x.shape()) + ", or none");
}

/// The sums over groups of elements, and numbers of groups spread over their elements: each the other's adjoint.
template <int Rank>
struct GroupSum {
  NormGroups groups;
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& x, Sink<1, B> const& y) const {
    kernel::group_sum<B>(ws, groups, x.data(), y);
  }
};
template <int Rank>
struct GroupSpread {
  NormGroups groups;
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& v, Sink<Rank, B> const& y) const {
    kernel::group_spread<B>(ws, groups, v.data(), y.out.data(), y.beta);
  }
};
template <int Rank, class B>
Var<1, B> group_sum(Var<Rank, B> x, NormGroups const& groups) {
  return linear_pair("heliograd::group_sum", Shape<1>{groups.count()}, x, GroupSum<Rank>{groups},
                     GroupSpread<Rank>{groups});
}
template <int Rank, class B>
Var<Rank, B> group_spread(Var<1, B> v, NormGroups const& groups, Shape<Rank> const& shape) {
  return linear_pair("heliograd::group_spread", shape, v, GroupSpread<Rank>{groups}, GroupSum<Rank>{groups});
}

/// What a normalisation knows of x when it starts.
struct NormKnown {
  NormGroups groups;
  NormStatistic const* statistic = nullptr;  ///< null: mean 0, factor 1
  bool own = false;                          ///< the statistics are those of x, and move with it
  NormDeviation deviation = NormDeviation::biased;
  double epsilon = 0;

  double count() const { return static_cast<double>(groups.rows.size()) / static_cast<double>(groups.count()); }
};

/// How strongly a factor 1 / (s + epsilon) falls with its own x: 1 / ((m - 1) s f), and 0 where s is.
template <class Scalar>
struct PullFormula {
  Scalar epsilon, rest;
  template <class T>
  KOKKOS_FUNCTION T operator()(T factor) const {
    T const share = T(1) - T(epsilon) * factor;
    return share > T(0) ? T(1) / (T(rest) * share) : T(0);
  }
};

template <int Rank, class B>
Var<Rank, B> normalise(char const* name, Var<Rank, B> x, NormKnown known, Var<1, B> scale, Var<1, B> shift,
                       double negative_slope);
template <int Rank, class B>
Var<Rank, B> normalised(Var<Rank, B> x, NormKnown const& known);
template <class B>
Var<1, B> norm_pull(Var<1, B> v, Var<1, B> factor, NormKnown const& known);

/// The factors of the groups, as numbers that move with x.
template <int Rank, class B>
Var<1, B> norm_factor(Var<Rank, B> x, NormKnown const& known) {
  Tape<B>& tape = x.tape();
  auto const f = tape.make(Shape<1>{known.groups.count()}, known.own && x.wants_grad());
  kernel::norm_factor<B>(tape.workspace(), known.groups, known.statistic, f.value.data());
  if (f.wants_grad())
    tape.record(
        "heliograd::norm_factor", f,
        [=](Tape<B>& t) {
          auto const sink = t.into(x);
          kernel::norm_factor_backward<B>(t.workspace(), known.groups, known.statistic, x.value.data(), f.grad().data(),
                                          sink.out.data(), sink.beta);
        },
        [=](Tape<B>& t, Var<1, B> gf) {
          if (!t.wants(x)) return;
          auto const slope = norm_pull(-gf * (f * f), f, known);
          t.deliver(x, group_spread(slope, known.groups, x.shape()) * normalised(x, known));
        });
  return f;
}

/// v times the pull of each group.
template <class B>
Var<1, B> norm_pull(Var<1, B> v, Var<1, B> factor, NormKnown const& known) {
  using Scalar = typename B::scalar_type;
  double const m = known.count();
  if (known.deviation == NormDeviation::biased) return affine(v, 1 / m, 0);
  PullFormula<Scalar> const pull{static_cast<Scalar>(known.epsilon), static_cast<Scalar>(m > 1 ? m - 1 : 1)};
  return v * pointwise("heliograd::norm_pull", pull, factor);
}

/// Without line and rectifier.
template <int Rank, class B>
Var<Rank, B> normalised(Var<Rank, B> x, NormKnown const& known) {
  return known.statistic ? normalise<Rank, B>("heliograd::normalised", x, known, {}, {}, 1) : x;
}

/// Scale and shift are [c], [n * c] or empty.
template <int Rank, class B>
Var<Rank, B> normalise(char const* name, Var<Rank, B> x, NormKnown known, Var<1, B> scale, Var<1, B> shift,
                       double negative_slope) {
  Tape<B>& tape = x.tape();
  NormGroups const groups = known.groups;
  if (scale.value.size() == 0) scale = tape.detach(scale);
  if (shift.value.size() == 0) shift = tape.detach(shift);
  auto const y = tape.make_over(x, x.wants_grad() || scale.wants_grad() || shift.wants_grad(), Kept::input);
  kernel::norm<B>(tape.workspace(), groups, x.value.data(), known.statistic, scale.value, shift.value, negative_slope,
                  y.value.data());
  if (!y.wants_grad()) return y;

  auto const once = [=](Tape<B>& t) {
    // In the order in which they are written, as some may be one Var.
    auto const gscale = scale.wants_grad() ? t.into(scale) : Sink<1, B>{};
    auto const gshift = shift.wants_grad() ? t.into(shift) : Sink<1, B>{};
    auto const gx = x.wants_grad() ? flat(t.into_over(x, y)) : Sink<1, B>{};
    kernel::norm_backward<B>(t.workspace(), groups, x.value.data(), known.statistic, scale.value, shift.value,
                             negative_slope, y.grad().data(), gx, gscale, gshift);
  };
  auto const twice = [=](Tape<B>& t, Var<Rank, B> gy) {
    auto g = gy;  // behind the bend, whose side is told by y, which may be gone
    if (negative_slope != 1) {
      auto const again = t.make(x.shape(), false);
      kernel::norm<B>(t.workspace(), groups, x.value.data(), known.statistic, scale.value, shift.value, negative_slope,
                      again.value.data());
      g = StraightSlope<kernel::LeakyRelu>{"heliograd::norm_bend", {negative_slope}}(again, again, gy);
    }
    auto const unit = normalised(x, known);
    // A line for each channel of each segment, or one for all segments, seen as one.
    kernel::ChannelRows const r = groups.rows;
    bool const per_segment = std::max(scale.value.size(), shift.value.size()) == r.lines();
    NormGroups const line{per_segment ? r : kernel::ChannelRows{1, r.segments * r.rows, r.channels}};
    if (t.wants(scale)) t.deliver(scale, group_sum(g * unit, line));
    if (t.wants(shift)) t.deliver(shift, group_sum(g, line));
    if (!t.wants(x)) return;
    auto const h = scale.value.size() > 0 ? g * group_spread(scale, line, x.shape()) : g;
    if (!known.statistic) return t.deliver(x, h);
    auto const factor = norm_factor(x, known);
    auto const spread = [&](Var<1, B> v) { return group_spread(v, groups, x.shape()); };
    if (!known.own) return t.deliver(x, spread(factor) * h);
    auto const mean = affine(group_sum(h, groups), 1 / known.count(), 0);
    auto const along = norm_pull(group_sum(h * unit, groups), factor, known);
    t.deliver(x, spread(factor) * (h - spread(mean) - unit * spread(along)));
  };
  tape.record(name, y, once, twice);
  return y;
}

/// The same with statistics of x itself.
template <int Rank, class B>
Var<Rank, B> normalise_by_own(char const* name, Var<Rank, B> x, NormGroups groups, NormDeviation deviation,
                              Var<1, B> scale, Var<1, B> shift, NormOptions const& options,
                              RunningStatistics<B> const& running = {}, double momentum = 0) {
  expect(options.epsilon >= 0, std::string(name) + ": epsilon must not be negative");
  Tape<B>& tape = x.tape();
  auto* const statistic = tape.template keep<NormStatistic>(groups.count());
  kernel::norm_statistics<B>(tape.workspace(), groups, x.value.data(), deviation, options.epsilon, statistic,
                             running.mean.data(), running.variance.data(), momentum);
  return normalise(name, x, NormKnown{groups, statistic, true, deviation, options.epsilon}, scale, shift,
                   options.negative_slope);
}

template <int Rank, class B>
void expect_running(char const* name, Var<Rank, B> const& x, RunningStatistics<B> const& running) {
  std::size_t const channels = x.shape()[Rank - 1];
  expect_shape(running.mean.size() == channels && running.variance.size() == channels,
               std::string(name) + ": running mean and variance have " + to_string(shape_of(running.mean)) + " and " +
                   to_string(shape_of(running.variance)) + ", expected one number for each channel of x " +
                   to_string(x.shape()));
}

}  // namespace detail

/// Normalises each channel over the batch and all pixels, by statistics of this batch (Ioffe, Szegedy: ICML 2015).
///
/// Shapes   x [n, ..., c]; scale, shift [c] or empty -> the shape of x.
/// Math     \f$ y = a_c (x - \mu_c) / \sqrt{v_c + \epsilon} + b_c \f$, \f$ \mu_c, v_c \f$ mean and mean square about it over
///          all axes but the last; then the rectifier, if there is one.
/// Gradient x: through mean and variance too; scale: \f$ \sum \bar y \hat x \f$; shift: \f$ \sum \bar y \f$. A channel of
///          one number, or of equal numbers, has variance 0: all is finite.
/// Keeps    x, and 32 bytes for each channel.
/// Cost     two reads and one write forward, four reads and one write backward. Sums in double, in a fixed tree.
/// Throws   ShapeError if scale or shift have another size.
template <int Rank, class B>
Var<Rank, B> batch_norm(Var<Rank, B> x, Var<1, B> scale, Var<1, B> shift, NormOptions const& options = {}) {
  detail::expect_learnt("batch_norm", x, scale, shift);
  return detail::normalise_by_own("heliograd::batch_norm", x, {detail::channel_rows(x.shape(), true)},
                                  detail::NormDeviation::biased, scale, shift, options);
}

/// The same while training: also moves running statistics, \f$ r \leftarrow (1 - m) r + m s \f$, towards the mean and the
/// *unbiased* variance (sum of squares over count - 1) of this batch.
template <int Rank, class B>
Var<Rank, B> batch_norm(Var<Rank, B> x, Var<1, B> scale, Var<1, B> shift, RunningStatistics<B> const& running,
                        double momentum = 0.1, NormOptions const& options = {}) {
  detail::expect_learnt("batch_norm", x, scale, shift);
  detail::expect_running("batch_norm", x, running);
  return detail::normalise_by_own("heliograd::batch_norm", x, {detail::channel_rows(x.shape(), true)},
                                  detail::NormDeviation::biased, scale, shift, options, running, momentum);
}

/// Normalises by given statistics, as a trained batch normalisation is applied. A line for each channel: samples do not see
/// each other. Gradients to x, scale and shift; the statistics are constants.
template <int Rank, class B>
Var<Rank, B> fixed_norm(Var<Rank, B> x, Var<1, B> scale, Var<1, B> shift, RunningStatistics<B> const& running,
                        NormOptions const& options = {}) {
  detail::expect_learnt("fixed_norm", x, scale, shift);
  detail::expect_running("fixed_norm", x, running);
  Tape<B>& tape = x.tape();
  auto* const statistic = tape.template keep<detail::NormStatistic>(running.mean.size());
  kernel::norm_fixed_statistics<B>(tape.workspace(), running.mean, running.variance, options.epsilon, statistic);
  return detail::normalise("heliograd::fixed_norm", x,
                           detail::NormKnown{{detail::channel_rows(x.shape(), true)}, statistic}, scale, shift,
                           options.negative_slope);
}

/// Normalises each channel of each image by itself (Ulyanov, Vedaldi, Lempitsky: 2016); otherwise as `batch_norm`.
/// Shapes   x [n, ..., c]; scale, shift [c] or empty -> the shape of x.
template <int Rank, class B>
Var<Rank, B> instance_norm(Var<Rank, B> x, Var<1, B> scale, Var<1, B> shift, NormOptions const& options = {}) {
  detail::expect_learnt("instance_norm", x, scale, shift);
  return detail::normalise_by_own("heliograd::instance_norm", x, {detail::channel_rows(x.shape(), false)},
                                  detail::NormDeviation::biased, scale, shift, options);
}
template <int Rank, class B>
Var<Rank, B> instance_norm(Var<Rank, B> x, NormOptions const& options = {}) {
  return instance_norm(x, {}, {}, options);
}

/// Adaptive instance normalisation (Huang, Belongie: ICCV 2017): an instance norm whose line comes from a style.
/// Shapes   x [n, ..., c]; scale, shift [n, c] -> the shape of x.
/// Math     \f$ y = a_{nc} \hat x + b_{nc} \f$
/// Gradient as `instance_norm`, with a gradient for each image's scale and shift.
template <int Rank, class B>
Var<Rank, B> adain(Var<Rank, B> x, Var<2, B> scale, Var<2, B> shift, NormOptions const& options = {}) {
  Shape<2> const expected{x.shape()[0], x.shape()[Rank - 1]};
  expect_shape(scale.shape() == expected && shift.shape() == expected,
               "adain: scale and shift are " + to_string(scale.shape()) + " and " + to_string(shift.shape()) +
                   ", expected " + to_string(expected) + ", a number for each channel of each image of x " +
                   to_string(x.shape()));
  Tape<B>& tape = x.tape();
  return detail::normalise_by_own("heliograd::adain", x, {detail::channel_rows(x.shape(), false)},
                                  detail::NormDeviation::biased, tape.reshape(scale, Shape{expected.size()}),
                                  tape.reshape(shift, Shape{expected.size()}), options);
}

/// How `image_norm` divides.
enum class ImageNormForm {
  munit,            ///< (x - mean) / (s + epsilon), s with count - 1: Huang, Liu, Belongie, Kautz (MUNIT; ECCV 2018)
  epsilon_in_root,  ///< (x - mean) / sqrt(v + epsilon), v with count: the usual layer norm
};

/// Normalises each image by one mean and one deviation over all its pixels and channels.
/// Shapes   x [n, ..., c]; scale, shift [c] or empty -> the shape of x.
/// Math     \f$ y = a_c (x - \mu_n) / (s_n + \epsilon) + b_c \f$, \f$ s_n^2 = \sum (x - \mu_n)^2 / (m - 1) \f$; or the other
///          form. Where all numbers of an image are equal, the gradient through \f$ s_n \f$ (a kink there) is zero.
template <int Rank, class B>
Var<Rank, B> image_norm(Var<Rank, B> x, Var<1, B> scale, Var<1, B> shift, NormOptions const& options = {},
                        ImageNormForm form = ImageNormForm::munit) {
  detail::expect_learnt("image_norm", x, scale, shift);
  return detail::normalise_by_own(
      "heliograd::image_norm", x, {detail::channel_rows(x.shape(), false), true},
      form == ImageNormForm::munit ? detail::NormDeviation::unbiased : detail::NormDeviation::biased, scale, shift,
      options);
}

/// A line for each channel: what a bias, a channel's gain, or attention by channels does. One kernel with the rectifier.
/// Shapes   x [n, ..., c]; scale, shift [c], [1] (one number for all) or empty -> the shape of x.
/// Math     \f$ y = a_c x + b_c \f$
/// Gradient x: \f$ a_c \bar y \f$; scale: \f$ \sum \bar y x \f$; shift: \f$ \sum \bar y \f$.
/// Keeps    x.
template <int Rank, class B>
Var<Rank, B> scale_shift(Var<Rank, B> x, Var<1, B> scale, Var<1, B> shift, double negative_slope = 1) {
  auto rows = detail::channel_rows(x.shape(), true);
  if (std::max(scale.value.size(), shift.value.size()) == 1)
    rows = {1, x.value.size(), 1};
  else
    detail::expect_learnt("scale_shift", x, scale, shift);
  return detail::normalise<Rank, B>("heliograd::scale_shift", x, {{rows}}, scale, shift, negative_slope);
}
/// The same with a line for each channel of each image: scale and shift are [n, c].
template <int Rank, class B>
Var<Rank, B> scale_shift(Var<Rank, B> x, Var<2, B> scale, Var<2, B> shift, double negative_slope = 1) {
  Shape<2> const expected{x.shape()[0], x.shape()[Rank - 1]};
  for (Var<2, B> const* v : {&scale, &shift})
    expect_shape(v->value.size() == 0 || v->shape() == expected,
                 std::string("scale_shift: ") + (v == &scale ? "scale has " : "shift has ") + to_string(v->shape()) +
                     ", expected " + to_string(expected) + ", a number for each channel of each image of x " +
                     to_string(x.shape()) + ", or none");
  Tape<B>& tape = x.tape();
  auto const flat = [&](Var<2, B> const& v) { return tape.reshape(v, Shape{v.value.size()}); };
  return detail::normalise<Rank, B>("heliograd::scale_shift", x, {{detail::channel_rows(x.shape(), false)}},
                                    flat(scale), flat(shift), negative_slope);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
