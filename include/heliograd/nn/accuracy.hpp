// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <type_traits>

#include <heliograd/kernel/conv2d_options.hpp>
#include <heliograd/kernel/conv_transpose2d.hpp>
#include <heliograd/tape/fields.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

namespace detail {
template <class T>
struct IsConvOptions
    : std::bool_constant<std::is_same_v<T, Conv2dOptions> || std::is_same_v<T, ConvTranspose2dOptions>> {};
}  // namespace detail

/// Makes all convolutions of a model strict or fast: `set_accuracy(model, ConvAccuracy::fast)`.
template <class Model>
void set_accuracy(Model& model, ConvAccuracy accuracy) {
  auto const set = [&](std::string const&, auto& options) { options.accuracy = accuracy; };
  heliograd::detail::walk<detail::IsConvOptions>(std::string{}, set, model);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
