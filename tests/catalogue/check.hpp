// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <tuple>
#include <vector>

#include <heliograd/testing/compare.hpp>
#include <heliograd/testing/op_case.hpp>
#include "spaces.hpp"

/// \file
/// Everything that is asked of an op, from its one declaration. A catalogue file ends in
/// `TEST_CASE("catalogue: activation") { test::check_all(activation_cases()); }`.
namespace test {

namespace hgt = heliograd::testing;

/// Values against the reference, in both precisions; exactly so on integers.
template <class Op>
void check_values(hgt::OpCase<Op> const& op_case) {
  for (bool const integers : {false, true}) {
    if (integers && !op_case.exact_on_integers) continue;
    INFO((integers ? "integers" : "uniform draws"));
    auto const inputs = hgt::draw_inputs(op_case, integers);
    auto const expected = op_case.reference(inputs);
    auto const largest = [&] {
      double m = 0;
      for (double const v : expected.values) m = std::max(m, std::abs(v));
      return m;
    }();
    CHECK(largest > 0);  // a reference of zeros proves nothing
    auto const in_float = hgt::evaluate<FloatBackend>(op_case, inputs, {}, false);
    auto const in_double = hgt::evaluate<DoubleBackend>(op_case, inputs, {}, false);
    REQUIRE(in_float.shape == expected.shape);
    REQUIRE(in_double.shape == expected.shape);
    auto const float_error = hgt::compare(in_float.values, expected.values);
    auto const double_error = hgt::compare(in_double.values, expected.values);
    INFO("float: relative error " << float_error.relative << ", worst at " << float_error.where);
    INFO("double: relative error " << double_error.relative << ", worst at " << double_error.where);
    CHECK(float_error.relative <= (integers ? 0.0 : op_case.float_bar));
    CHECK(double_error.relative <= (integers ? 0.0 : op_case.double_bar));
  }
}

/// Double-precision gradients against central differences of the reference-checked forward pass; single-precision
/// gradients against double-precision ones.
template <class Op>
void check_gradients(hgt::OpCase<Op> const& op_case) {
  auto const inputs = hgt::draw_inputs(op_case, false);
  auto const in_double = hgt::evaluate<DoubleBackend>(op_case, inputs);
  if (in_double.gradients.empty()) return;
  auto const weights = hgt::projection(in_double.values.size());
  auto const loss = [&](std::vector<hgt::HostTensor> const& at) {
    auto const y = hgt::evaluate<DoubleBackend>(op_case, at, {}, false).values;
    double total = 0;
    for (std::size_t i = 0; i < y.size(); ++i) total += weights[i] * y[i];
    return total;
  };
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!op_case.inputs[k].differentiable) continue;
    double worst = 0;
    std::size_t where = 0;
    for (std::size_t i = 0; i < inputs[k].size(); ++i) {
      double const step = 1e-6 * std::max(1.0, std::abs(inputs[k].values[i]));
      auto moved = inputs;
      moved[k].values[i] = inputs[k].values[i] + step;
      double const up = moved[k].values[i];
      double const high = loss(moved);
      moved[k].values[i] = inputs[k].values[i] - step;
      double const numeric = (high - loss(moved)) / (up - moved[k].values[i]);
      double const margin = std::abs(in_double.gradients[k][i] - numeric) / (1e-8 + 1e-6 * std::abs(numeric));
      if (!(margin <= worst)) {
        worst = margin;
        where = i;
      }
    }
    INFO("gradient of input " << k << ": worst at entry " << where);
    CHECK(worst <= 1.0);
  }
  auto const in_float = hgt::evaluate<FloatBackend>(op_case, inputs);
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!op_case.inputs[k].differentiable) continue;
    auto const error = hgt::compare(in_float.gradients[k], in_double.gradients[k]);
    INFO("single-precision gradient of input " << k << ": worst at entry " << error.where);
    CHECK(error.relative <= op_case.gradient_bar);
  }
}

/// The same bits, values and gradients, run to run and with 1, 2 and 3 threads.
template <class Op>
void check_bits(hgt::OpCase<Op> const& op_case) {
  auto const inputs = hgt::draw_inputs(op_case, false);
  auto const once = hgt::evaluate<FloatBackend>(op_case, inputs);
  CHECK(hgt::evaluate<FloatBackend>(op_case, inputs) == once);
#ifdef KOKKOS_ENABLE_OPENMP
  if constexpr (std::is_same_v<ExecutionSpace, Kokkos::OpenMP>)
    for (int const threads : {1, 2, 3}) {
      INFO("threads: " << threads);
      CHECK(hgt::evaluate<FloatBackend>(op_case, inputs, Kokkos::OpenMP(threads)) == once);
    }
#endif
}

template <class Op>
void check(hgt::OpCase<Op> const& op_case) {
  INFO("op case: " << op_case.name);
  check_values(op_case);
  check_gradients(op_case);
  check_bits(op_case);
}

/// Checks every case of a family.
template <class... Op>
void check_all(std::tuple<hgt::OpCase<Op>...> const& cases) {
  std::apply([](auto const&... op_case) { (check(op_case), ...); }, cases);
}

/// The same where all cases have one type, made by one function.
template <class Op>
void check_all(std::vector<hgt::OpCase<Op>> const& cases) {
  for (auto const& op_case : cases) check(op_case);
}

}  // namespace test
