// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/tape/tape.hpp>
#include <heliograd/testing/draw.hpp>

namespace heliograd::inline HELIOGRAD_ABI::testing {

struct GradcheckOptions {
  double step = 1e-6;  ///< relative to max(1, |x|)
  double relative_tolerance = 1e-6;
  double absolute_tolerance = 1e-8;
  std::size_t most_entries = 0;  ///< 0: every entry of every input; else about this many per input
};

/// For gradients of gradients.
inline constexpr GradcheckOptions second_order_options{.relative_tolerance = 1e-5, .absolute_tolerance = 1e-7};

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

/// Compares the gradient of the gradient with central differences of the gradient, for a loss that `function(tape)` builds
/// from `params` (by `tape.watch`, and reshaped as it likes).
///
/// The direction is fixed: with random numbers v, H v as `Tape::gradients` and `backward` give it stands against the change
/// of \f$ \langle v, \nabla f \rangle \f$. That `gradients` and `backward` agree about \f$ \nabla f \f$ is asked as well.
template <class B, int Rank, class Function>
GradcheckReport gradgradcheck(Function const& function, std::vector<Param<Rank, B>> const& params,
                              GradcheckOptions const& options = second_order_options) {
  using Scalar = typename B::scalar_type;
  Tape<B> tape;
  auto const exec = tape.exec();
  Draws draws(7);
  std::vector<Tensor<Rank, B>> directions;
  for (auto const& param : params) {
    std::vector<Scalar> values(param.value.size());
    for (auto& v : values) v = static_cast<Scalar>(draws.uniform(0.5, 1.5) * (draws.bits() & 1u ? 1.0 : -1.0));
    directions.push_back(make_tensor<B>("direction", shape_of(param.value)));
    from_host(exec, directions.back(), values);
  }
  auto const gradients_of_params = [&] {
    std::vector<std::vector<Scalar>> result;
    for (auto const& param : params) result.push_back(to_host(exec, param.grad));
    return result;
  };
  auto const reset = [&] {
    tape.clear();
    for (auto const& param : params) fill(exec, param.grad, Scalar(0));
  };

  // The gradient by backward, the gradient as a value, and the gradient of its projection.
  reset();
  tape.backward(function(tape));
  auto const once = gradients_of_params();
  reset();
  std::vector<Var<Rank, B>> xs;
  for (auto const& param : params) xs.push_back(tape.watch(param));
  auto const gradients = tape.gradients(function(tape), xs);
  std::vector<std::vector<Scalar>> twice;
  auto const zero = make_zeros<B>("zero", Shape<0>{});
  auto projected = tape.constant(zero);
  for (std::size_t k = 0; k < params.size(); ++k) {
    twice.push_back(to_host(exec, gradients[k].value));
    projected = projected + sum(gradients[k] * tape.constant(directions[k]));
  }
  GradcheckReport report;
  auto const hold = [&](double analytic, double numeric, std::size_t input, std::size_t entry) {
    double const margin =
        std::abs(analytic - numeric) / (options.absolute_tolerance + options.relative_tolerance * std::abs(numeric));
    if (!(margin <= report.worst_margin)) report = {margin, analytic, numeric, input, entry};
  };
  for (std::size_t k = 0; k < params.size(); ++k)
    for (std::size_t i = 0; i < once[k].size(); ++i)
      hold(static_cast<double>(twice[k][i]), static_cast<double>(once[k][i]), k, i);
  if (!report.passed()) return report;

  // A gradient that nothing moves (of a linear function) has no gradient: zero.
  if (projected.wants_grad()) tape.backward(projected);
  auto const second = gradients_of_params();

  auto const slope = [&] {
    reset();
    tape.backward(function(tape));
    auto const gradient = gradients_of_params();
    double total = 0;
    for (std::size_t k = 0; k < params.size(); ++k) {
      auto const v = to_host(exec, directions[k]);
      for (std::size_t i = 0; i < v.size(); ++i)
        total += static_cast<double>(v[i]) * static_cast<double>(gradient[k][i]);
    }
    return total;
  };
  for (std::size_t k = 0; k < params.size(); ++k) {
    auto const at = to_host(exec, params[k].value);
    std::size_t const stride =
        options.most_entries == 0 ? 1 : std::max<std::size_t>(1, at.size() / options.most_entries);
    for (std::size_t i = 0; i < at.size(); i += stride) {
      double const step = options.step * std::max(1.0, std::abs(static_cast<double>(at[i])));
      auto moved = at;
      moved[i] = static_cast<Scalar>(at[i] + step);
      double const up = static_cast<double>(moved[i]);
      from_host(exec, params[k].value, moved);
      double const high = slope();
      moved[i] = static_cast<Scalar>(at[i] - step);
      double const down = static_cast<double>(moved[i]);
      from_host(exec, params[k].value, moved);
      double const low = slope();
      hold(static_cast<double>(second[k][i]), (high - low) / (up - down), k, i);
    }
    from_host(exec, params[k].value, at);
  }
  reset();
  return report;
}

/// The same for a function of one tensor of the given shape, with values drawn from [-1, 1).
template <class B, class Function, int Rank>
GradcheckReport gradgradcheck(Function const& function, Shape<Rank> const& shape,
                              GradcheckOptions const& options = second_order_options) {
  auto param = make_param<B>("gradgradcheck", shape);
  Draws draws(1);
  std::vector<typename B::scalar_type> values(shape.size());
  for (auto& v : values) v = static_cast<typename B::scalar_type>(draws.uniform(-1, 1));
  from_host(typename B::execution_space{}, param.value, values);
  return gradgradcheck<B, Rank>([&](Tape<B>& tape) { return function(tape.watch(param)); },
                                std::vector<Param<Rank, B>>{param}, options);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::testing
