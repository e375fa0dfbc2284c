// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/reduce.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics::detail {

template <class T>
KOKKOS_FORCEINLINE_FUNCTION bool is_finite(T value) {
  return value - value == T(0);
}

/// Which pixels of one image count: those that are finite and that the mask, where there is one, marks with a positive number.
template <class T>
struct MaskedImage {
  T const* x;
  T const* mask;
  KOKKOS_FUNCTION bool valid(std::size_t i) const { return is_finite(x[i]) && (!mask || mask[i] > T(0)); }
};

/// The same for a prediction and the truth: both must be finite.
template <class T>
struct MaskedPair {
  T const* prediction;
  T const* truth;
  T const* mask;
  KOKKOS_FUNCTION bool valid(std::size_t i) const {
    return is_finite(prediction[i]) && is_finite(truth[i]) && (!mask || mask[i] > T(0));
  }
};

template <class View>
void expect_same_shape(char const* name, View const& image, char const* what, View const& other) {
  expect_shape(shape_of(image) == shape_of(other), std::string(name) + ": the image has " + to_string(shape_of(image)) +
                                                       ", the " + what + " has " + to_string(shape_of(other)) +
                                                       "; they must be equal");
}

template <class View>
void expect_mask(char const* name, View const& image, View const& mask) {
  if (mask.data()) expect_same_shape(name, image, "mask", mask);
}

/// Checks the shapes; a mask without data is no mask.
template <class B>
MaskedPair<typename B::scalar_type> masked_pair(char const* name, ConstTensorRef<2, B> const& prediction,
                                                ConstTensorRef<2, B> const& truth, ConstTensorRef<2, B> const& mask) {
  expect_same_shape(name, prediction, "truth", truth);
  expect_mask(name, prediction, mask);
  return {prediction.data(), truth.data(), mask.data()};
}
template <class B>
MaskedImage<typename B::scalar_type> masked_image(char const* name, ConstTensorRef<2, B> const& image,
                                                  ConstTensorRef<2, B> const& mask) {
  expect_mask(name, image, mask);
  return {image.data(), mask.data()};
}

/// Device memory brought to the host; waits.
template <class B, class T>
std::vector<T> fetch(Workspace<B>& ws, T const* data, std::size_t count) {
  std::vector<T> values(count);
  copy_flat<Kokkos::HostSpace, typename B::memory_space, typename B::execution_space, T>(ws.exec(), values.data(), data,
                                                                                         count);
  ws.exec().fence("heliograd::metrics");
  return values;
}

template <int N>
struct StoreSums {
  kernel::Sums<N>* out;
  KOKKOS_FUNCTION void operator()(std::size_t segment, kernel::Sums<N> const& total) const { out[segment] = total; }
};

/// kernel::reduce with its results on the host.
template <int N, class B, class Term>
std::vector<kernel::Sums<N>> sums(Workspace<B>& ws, char const* label, std::size_t segments, std::size_t length,
                                  Term const& term) {
  auto scope = ws.scope();
  auto* const out = scope.template take<kernel::Sums<N>>(segments);
  kernel::reduce<N>(ws, label, segments, length, term, StoreSums<N>{out});
  return fetch<B, kernel::Sums<N>>(ws, out, segments);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics::detail
