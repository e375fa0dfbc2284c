// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include <heliograd/core/sink.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/conv2d_options.hpp>
#include <heliograd/kernel/detail/conv2d_choice.hpp>
#include <heliograd/kernel/detail/conv2d_device.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>
#include <heliograd/kernel/detail/conv2d_host.hpp>
#include <heliograd/kernel/detail/conv2d_taps.hpp>
#include <heliograd/kernel/detail/conv2d_thin.hpp>
#include <heliograd/kernel/detail/delivery.hpp>
#include <heliograd/kernel/detail/winograd.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// The three directions of a convolution by whatever algorithm and on whatever space. They are the three derivatives of one
/// form, T(x, w, y) = sum of x w y over all products of the convolution: forward is its derivative to y, the others those to
/// x and w. A transposed convolution is the same form with the roles of x and y exchanged.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// A convolution with a 1x1 filter does not care where a pixel stands: all pixels of the batch in one row.
inline Conv2dGeometry in_one_row(Conv2dGeometry g) {
  if (g.filter_height != 1 || g.filter_width != 1 || g.stride != 1 || g.padding != Padding2d(0)) return g;
  std::int64_t const pixels = static_cast<std::int64_t>(g.images) * g.height * g.width;
  if (pixels == 0 || pixels > std::numeric_limits<int>::max()) return g;
  g.images = g.height = g.out_height = 1;
  g.width = g.out_width = static_cast<int>(pixels);
  return g;
}

/// Calls task.template operator()<F>() for the transforms F of an algorithm that has some; false for the others.
template <class Task>
bool with_winograd(ConvAlgorithm algorithm, Conv2dGeometry const& g, Task const& task) {
  bool const four = algorithm == ConvAlgorithm::winograd_f4 || algorithm == ConvAlgorithm::polyphase_f4;
  if (!four && algorithm != ConvAlgorithm::winograd_f2 && algorithm != ConvAlgorithm::polyphase) return false;
  int const taps = (g.filter_height + g.stride - 1) / g.stride;  // of the folded filter
  if (four && taps == 4)
    task.template operator()<Winograd<4, 4>>();
  else if (four && taps == 3)
    task.template operator()<Winograd<4, 3>>();
  else if (four)
    task.template operator()<Winograd<4, 2>>();
  else if (taps == 3)
    task.template operator()<Winograd<2, 3>>();
  else
    task.template operator()<Winograd<3, 2>>();
  return true;
}

/// A sink for one group of channels.
template <class B>
Sink<4, B> shifted(Sink<4, B> const& sink, std::int64_t numbers) {
  return {view_at<TensorRef<4, B>>(sink.out.data() + numbers, shape_of(sink.out)), sink.beta};
}

/// Delivers the correlation of x with the filters.
template <class B, class T = typename B::scalar_type>
void conv2d_any(Workspace<B>& ws, Conv2dGeometry const& geometry, Conv2dOptions const& options, T const* x,
                T const* weight, Delivery<T> const& y) {
  if constexpr (B::on_host) {
    ConvAlgorithm const algorithm = choose(geometry, options);
    bool const by_pixels = algorithm == ConvAlgorithm::gemm || algorithm == ConvAlgorithm::thin;
    Conv2dGeometry const g = by_pixels ? in_one_row(geometry) : geometry;
    for (int group = 0; group < g.groups; ++group) {
      std::int64_t const in = static_cast<std::int64_t>(group) * g.in_channels;
      std::int64_t const out = static_cast<std::int64_t>(group) * g.out_channels;
      Delivery<T> const to = y.shifted(out);
      bool const done =
          with_winograd(algorithm, g, [&]<class F>() { conv2d_winograd<F, B>(ws, g, x + in, weight + out, to); });
      if (algorithm == ConvAlgorithm::thin)
        conv2d_thin<B>(ws, g, x + in, weight + out, to);
      else if (algorithm == ConvAlgorithm::taps)
        conv2d_taps<B>(ws, g, x + in, weight + out, to);
      else if (!done)
        conv2d_host<B>(ws, g, x + in, weight + out, to);
    }
  } else {
    for_each_item(ws, "heliograd::conv2d", static_cast<std::size_t>(geometry.y_index(geometry.images, 0, 0, 0)),
                  Conv2dElement<T>{geometry, x, weight, y});
  }
}

/// Delivers the gradient with respect to x: the results of a transposed convolution, which have bias and epilogue.
template <class B, class T = typename B::scalar_type>
void conv2d_backward_data_any(Workspace<B>& ws, Conv2dGeometry const& geometry, Conv2dOptions const& options,
                              T const* gy, T const* weight, Delivery<T> const& gx) {
  if constexpr (B::on_host) {
    ConvAlgorithm const algorithm = choose(geometry, options);
    bool const by_pixels = algorithm == ConvAlgorithm::gemm || algorithm == ConvAlgorithm::thin;
    Conv2dGeometry const g = by_pixels ? in_one_row(geometry) : geometry;
    for (int group = 0; group < g.groups; ++group) {
      std::int64_t const in = static_cast<std::int64_t>(group) * g.in_channels;
      std::int64_t const out = static_cast<std::int64_t>(group) * g.out_channels;
      Delivery<T> const to = gx.shifted(in);
      bool const done = with_winograd(
          algorithm, g, [&]<class F>() { conv2d_backward_data_winograd<F, B>(ws, g, gy + out, weight + out, to); });
      if (algorithm == ConvAlgorithm::thin)
        conv2d_backward_data_thin<B>(ws, g, gy + out, weight + out, to);
      else if (algorithm == ConvAlgorithm::taps)
        conv2d_backward_data_taps<B>(ws, g, gy + out, weight + out, to);
      else if (!done)
        conv2d_backward_data_host<B>(ws, g, gy + out, weight + out, to);
    }
  } else {
    for_each_item(ws, "heliograd::conv2d_backward_data",
                  static_cast<std::size_t>(geometry.x_index(geometry.images, 0, 0, 0)),
                  Conv2dBackwardDataElement<T>{geometry, gy, weight, gx});
  }
}

/// gw = beta gw + the gradient with respect to the weights.
template <class B, class T = typename B::scalar_type>
void conv2d_backward_weight_any(Workspace<B>& ws, Conv2dGeometry const& geometry, Conv2dOptions const& options,
                                T const* x, T const* gy, Sink<4, B> gw) {
  if constexpr (B::on_host) {
    ConvAlgorithm const algorithm = choose(geometry, options);
    bool const by_pixels = algorithm == ConvAlgorithm::gemm || algorithm == ConvAlgorithm::thin;
    Conv2dGeometry const g = by_pixels ? in_one_row(geometry) : geometry;
    for (int group = 0; group < g.groups; ++group) {
      std::int64_t const in = static_cast<std::int64_t>(group) * g.in_channels;
      std::int64_t const out = static_cast<std::int64_t>(group) * g.out_channels;
      bool const done = with_winograd(algorithm, g, [&]<class F>() {
        conv2d_backward_weight_winograd<F, B>(ws, g, x + in, gy + out, shifted(gw, out));
      });
      if (algorithm == ConvAlgorithm::thin)
        conv2d_backward_weight_thin<B>(ws, g, x + in, gy + out, shifted(gw, out));
      else if (!done)
        conv2d_backward_weight_host<B>(ws, g, x + in, gy + out, shifted(gw, out));
    }
  } else {
    reduce<1>(
        ws, "heliograd::conv2d_backward_weight", gw.out.size(),
        static_cast<std::size_t>(geometry.images) * static_cast<std::size_t>(geometry.out_height) * geometry.out_width,
        Conv2dWeightTerm<T>{geometry, x, gy}, DeliverSum<4, B>{gw});
  }
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail

#ifdef HELIOGRAD_COMPILED
#include <heliograd/kernel/detail/conv2d_compiled.hpp>
#endif
