// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/tape/tape.hpp>
#include <heliograd/testing/draw.hpp>

namespace heliograd::inline HELIOGRAD_ABI::testing {

struct GradcheckOptions {
  double step = 1e-6;  ///< relative to max(1, |x|)
  double relative_tolerance = 1e-6;
  double absolute_tolerance = 1e-8;
  std::size_t most_entries = 0;  ///< 0: every entry of every input; else about this many per input
};

struct GradcheckReport {
  double worst_margin = 0;  ///< largest |analytic - numeric| / (absolute + relative * |numeric|); passes up to 1
  double analytic = 0;
  double numeric = 0;
  std::size_t input = 0;  ///< which argument, counted from 0
  std::size_t entry = 0;  ///< its flat index

  bool passed() const { return worst_margin <= 1.0; }
  std::string message() const {
    return "input " + std::to_string(input) + ", entry " + std::to_string(entry) + ": analytic " +
           std::to_string(analytic) + ", central difference " + std::to_string(numeric) + ", margin " +
           std::to_string(worst_margin);
  }
};

/// Compares the gradient the tape computes with central differences.
///
/// `function` takes one Var per parameter and returns a loss, Var<0, B>; it must be smooth where it is checked. The
/// parameters' gradients are overwritten, their values are as before afterwards. Use a double backend: single precision
/// leaves no digits for the difference.
template <class B, class Function, int... Rank>
GradcheckReport gradcheck(Function const& function, GradcheckOptions const& options, Param<Rank, B>&... params) {
  Tape<B> tape;
  using Scalar = typename B::scalar_type;
  auto const loss = [&] {
    tape.clear();
    return function(tape.watch(params)...);
  };
  auto const value = [&] { return static_cast<double>(item(tape.exec(), loss().value)); };

  (fill(tape.exec(), params.grad, Scalar(0)), ...);
  tape.backward(loss());

  GradcheckReport report;
  std::size_t input = 0;
  auto const check = [&](auto& param) {
    auto const gradient = to_host(tape.exec(), param.grad);
    auto const at = to_host(tape.exec(), param.value);
    std::size_t const stride =
        options.most_entries == 0 ? 1 : std::max<std::size_t>(1, at.size() / options.most_entries);
    for (std::size_t i = 0; i < at.size(); i += stride) {
      Scalar const step = static_cast<Scalar>(options.step * std::max(1.0, std::abs(static_cast<double>(at[i]))));
      auto moved = at;
      moved[i] = at[i] + step;
      double const up = static_cast<double>(moved[i]);
      from_host(tape.exec(), param.value, moved);
      double const high = value();
      moved[i] = at[i] - step;
      double const down = static_cast<double>(moved[i]);
      from_host(tape.exec(), param.value, moved);
      double const low = value();
      double const numeric = (high - low) / (up - down);
      double const analytic = static_cast<double>(gradient[i]);
      double const margin =
          std::abs(analytic - numeric) / (options.absolute_tolerance + options.relative_tolerance * std::abs(numeric));
      if (!(margin <= report.worst_margin)) report = {margin, analytic, numeric, input, i};
    }
    from_host(tape.exec(), param.value, at);
    ++input;
  };
  (check(params), ...);
  return report;
}

/// The same for a function of one tensor of the given shape, with values drawn from [-1, 1).
template <class B, class Function, int Rank>
GradcheckReport gradcheck(Function const& function, Shape<Rank> const& shape, GradcheckOptions const& options = {}) {
  auto param = make_param<B>("gradcheck", shape);
  Draws draws(1);
  std::vector<typename B::scalar_type> values(shape.size());
  for (auto& v : values) v = static_cast<typename B::scalar_type>(draws.uniform(-1, 1));
  from_host(typename B::execution_space{}, param.value, values);
  return gradcheck<B>(function, options, param);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::testing
