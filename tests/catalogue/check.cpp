// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/check.hpp"

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <catch2/catch_message.hpp>
#include <catch2/interfaces/catch_interfaces_capture.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <heliograd/testing/compare.hpp>
#include <heliograd/testing/gradcheck.hpp>
#include "catalogue/record.hpp"

namespace test {

namespace {

namespace hgt = heliograd::testing;
using hgt::Evaluation;
using hgt::HostTensor;
using hgt::OpCase;
using Tensors = std::vector<HostTensor>;
namespace tools = Kokkos::Tools::Experimental;

/// In extended precision: its rounding must not be taken for an error of what is compared.
double dot(std::vector<double> const& a, std::vector<double> const& b) {
  long double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += static_cast<long double>(a[i]) * b[i];
  return static_cast<double>(total);
}

/// The sum of |a * b|: what an error of their dot product is measured against.
double scale_of(std::vector<double> const& a, std::vector<double> const& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += std::abs(a[i] * b[i]);
  return total;
}

std::vector<double> integer_weights(std::size_t count) {
  hgt::Draws draws(98);
  return hgt::draw_integers(draws, count, -3, 3);
}

/// Values against the reference, in both precisions; exactly so on integers.
void check_values(OpCase const& op_case, Margins& margins) {
  for (bool const integers : {false, true}) {
    if (integers && !op_case.exact_on_integers) continue;
    INFO((integers ? "integers" : "uniform draws"));
    auto const inputs = hgt::draw_inputs(op_case, integers);
    auto const expected = op_case.reference(inputs);
    CHECK(std::any_of(expected.values.begin(), expected.values.end(),
                      [](double v) { return v != 0; }));  // a reference of zeros proves nothing
    auto const in_float = hgt::evaluate<float>(op_case, inputs, {.backward = false});
    auto const in_double = hgt::evaluate<double>(op_case, inputs, {.backward = false});
    REQUIRE(in_float.shape == expected.shape);
    REQUIRE(in_double.shape == expected.shape);
    auto const float_error = hgt::compare(in_float.values, expected.values);
    auto const double_error = hgt::compare(in_double.values, expected.values);
    INFO("float: relative error " << float_error.relative << ", worst at " << float_error.where);
    INFO("double: relative error " << double_error.relative << ", worst at " << double_error.where);
    CHECK(float_error.relative <= (integers ? 0.0 : op_case.float_bar));
    CHECK(double_error.relative <= (integers ? 0.0 : op_case.double_bar));
    if (integers) continue;
    margins.in_float = float_error.relative / op_case.float_bar;
    margins.in_double = double_error.relative / op_case.double_bar;
  }
}

/// Double-precision gradients against central differences of the reference-checked forward pass; single-precision
/// gradients against double-precision ones, on integers exactly where the op is exact.
void check_gradients(OpCase const& op_case, Margins& margins) {
  auto const inputs = hgt::draw_inputs(op_case, false);
  auto const in_double = hgt::evaluate<double>(op_case, inputs);
  if (in_double.gradients.empty()) return;
  auto const weights = hgt::projection(in_double.values.size());
  auto const loss = [&](Tensors const& at) {
    return dot(weights, hgt::evaluate<double>(op_case, at, {.backward = false}).values);
  };
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!op_case.inputs[k].differentiable) continue;
    double worst = 0;
    std::size_t where = 0;
    auto moved = inputs;
    for (std::size_t i = 0; i < inputs[k].size(); ++i) {
      double const at = inputs[k].values[i];
      double const step = 1e-6 * std::max(1.0, std::abs(at));
      double const up = at + step;
      double const down = at - step;
      moved[k].values[i] = up;
      double const high = loss(moved);
      moved[k].values[i] = down;
      double const numeric = (high - loss(moved)) / (up - down);
      moved[k].values[i] = at;
      double const margin = std::abs(in_double.gradients[k][i] - numeric) / (1e-8 + 1e-6 * std::abs(numeric));
      if (!(margin <= worst)) {
        worst = margin;
        where = i;
      }
    }
    INFO("gradient of input " << k << ": worst at entry " << where);
    CHECK(worst <= 1.0);
    margins.gradient = std::max(margins.gradient, worst);
  }
  auto const again = hgt::evaluate<double>(op_case, inputs, {.used_again = true});
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!op_case.inputs[k].differentiable) continue;
    auto expected = in_double.gradients[k];
    for (double& g : expected) g += 1;
    INFO("gradient of input " << k << ", which is used a second time");
    CHECK(hgt::compare(again.gradients[k], expected).relative <= 1e-14);
  }
  auto const in_float = hgt::evaluate<float>(op_case, inputs);
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!op_case.inputs[k].differentiable) continue;
    auto const error = hgt::compare(in_float.gradients[k], in_double.gradients[k]);
    INFO("single-precision gradient of input " << k << ": worst at entry " << error.where);
    CHECK(error.relative <= op_case.gradient_bar);
    margins.gradient_in_float = std::max(margins.gradient_in_float, error.relative / op_case.gradient_bar);
  }
  if (!op_case.exact_on_integers) return;
  auto const integers = hgt::draw_inputs(op_case, true);
  hgt::EvaluateOptions const options{.weights = integer_weights(in_double.values.size())};
  INFO("single- and double-precision gradients on integers");
  CHECK(hgt::evaluate<float>(op_case, integers, options) == hgt::evaluate<double>(op_case, integers, options));
}

/// One Var given to two inputs of the same shape gets the sum of both gradients.
void check_given_twice(OpCase const& op_case) {
  auto const& specs = op_case.inputs;
  for (std::size_t b = 1; b < specs.size(); ++b)
    for (std::size_t a = 0; a < b; ++a) {
      if (specs[a].shape != specs[b].shape || !specs[a].differentiable || !specs[b].differentiable) continue;
      INFO("inputs " << a << " and " << b << " are one Var");
      auto inputs = hgt::draw_inputs(op_case, false);
      inputs[b].values = inputs[a].values;
      auto const apart = hgt::evaluate<double>(op_case, inputs);
      auto const one = hgt::evaluate<double>(op_case, inputs, {.in_a_chain = true, .given_twice = {a, b}});
      CHECK(one.values == apart.values);
      double worst = 0, largest = 0;
      for (std::size_t i = 0; i < inputs[a].size(); ++i) {
        double const first = apart.gradients[a][i], second = apart.gradients[b][i];
        double const off = std::abs(one.gradients[a][i] - (first + second));
        if (!(off <= worst)) worst = off;
        largest = std::max({largest, std::abs(first), std::abs(second)});
      }
      INFO("off by " << worst << " where gradients are up to " << largest);
      CHECK(worst <= 1e-14 * largest);
    }
}

/// Of no images an op makes none, and its other inputs have gradients of zero.
template <class Scalar>
void check_no_images(OpCase const& op_case) {
  INFO("no images");
  auto inputs = hgt::draw_inputs(op_case, false);
  for (std::size_t const k : op_case.per_image) {
    inputs[k].shape[0] = 0;
    inputs[k].values.clear();
  }
  auto const none = hgt::evaluate<Scalar>(op_case, inputs);
  CHECK(none.shape.at(0) == 0);
  for (auto const& gradient : none.gradients)
    CHECK(std::all_of(gradient.begin(), gradient.end(), [](double g) { return g == 0; }));
}

/// Double-precision gradients against complex-step derivatives of the reference: up to about a hundred entries of each input.
void check_complex_step(OpCase const& op_case, Margins& margins) {
  if (!op_case.reference.analytic()) return;
  constexpr double step = 1e-20;
  auto const inputs = hgt::draw_inputs(op_case, false);
  auto const gradients = hgt::evaluate<double>(op_case, inputs).gradients;
  std::vector<hgt::ComplexTensor> moved;
  for (auto const& x : inputs) moved.push_back({x.shape, {x.values.begin(), x.values.end()}});
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!op_case.inputs[k].differentiable) continue;
    std::vector<double> exact, found;
    for (std::size_t i = 0; i < inputs[k].size(); i += 1 + inputs[k].size() / 100) {
      moved[k].values[i] = {inputs[k].values[i], step};
      auto const y = op_case.reference(moved);
      auto const weights = hgt::projection(y.size());
      double slope = 0;
      for (std::size_t o = 0; o < y.size(); ++o) slope += weights[o] * y.values[o].imag();
      exact.push_back(slope / step);
      found.push_back(gradients.at(k).at(i));
      moved[k].values[i] = inputs[k].values[i];
    }
    auto const error = hgt::compare(found, exact);
    INFO("gradient of input " << k << " by the complex step: relative error " << error.relative);
    CHECK(error.relative <= 1e-12);
    margins.complex_step = std::max(margins.complex_step, error.relative / 1e-12);
  }
}

/// Gradients of gradients against central differences of gradients, for the sum of weights * y * y: a linear op has some as
/// well. Where the op has none it says so, by name, and must not be one of which they are expected.
void check_second_order(OpCase const& op_case, Margins& margins) {
  using B = hgt::AnyOp::backend<double>;
  B::execution_space const exec;
  hgt::Inputs<B> inputs(exec, op_case.inputs, hgt::draw_inputs(op_case, false));
  std::vector<heliograd::Param<1, B>> params;
  for (auto const& param : inputs.params())
    if (!param.frozen()) params.push_back(param);
  if (params.empty()) return;
  heliograd::Tensor<1, B> weights;
  auto const loss = [&](heliograd::Tape<B>& tape) {
    hgt::Extents shape;
    inputs.begin(tape);
    auto const y = op_case.op.in<double>()(inputs, shape);
    if (weights.size() != y.value.size()) {
      weights = heliograd::make_tensor<B>("weights", y.shape());
      auto values = hgt::projection(y.value.size());
      for (double& w : values) w /= std::sqrt(static_cast<double>(values.size()));  // keeps the sum's rounding small
      heliograd::from_host(exec, weights, values);
    }
    return heliograd::sum(y * y * tape.constant(weights));
  };
  try {
    auto const report = hgt::gradgradcheck<B, 1>(loss, params);
    INFO("second order: " << report.message());
    CHECK(report.passed());
    margins.twice = report.worst_margin;
  } catch (heliograd::UsageError const& error) {
    INFO(error.what());
    CHECK(!op_case.second_order);
  }
}

/// f(x) - f(0) is linear in each input while the others are held, and the gradient is its adjoint.
template <class Scalar>
void check_linear(OpCase const& op_case, bool integers) {
  INFO((std::is_same_v<Scalar, float> ? "float" : "double") << (integers ? ", integers" : ", uniform draws"));
  double const bar = integers ? 0.0 : std::is_same_v<Scalar, float> ? 1e-6 : 1e-14;
  auto const inputs = hgt::draw_inputs(op_case, integers);
  auto const others = hgt::draw_inputs(op_case, integers, 2);
  hgt::EvaluateOptions const value{.backward = false};
  auto const count = hgt::evaluate<Scalar>(op_case, inputs, value).values.size();
  auto const weights = integers ? integer_weights(count) : hgt::projection(count);
  // Rounded as the op sees them, so that the dot products below are of the same numbers.
  auto const seen = [](std::vector<double> v) {
    for (double& x : v) x = static_cast<double>(static_cast<Scalar>(x));
    return v;
  };
  auto const w = seen(weights);
  auto const at_x = hgt::evaluate<Scalar>(op_case, inputs, {.weights = weights});
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!op_case.inputs[k].differentiable) continue;
    INFO("input " << k);
    auto const with = [&](std::vector<double> const& values) {
      auto moved = inputs;
      moved[k].values = values;
      return hgt::evaluate<Scalar>(op_case, moved, value).values;
    };
    auto const x = seen(inputs[k].values);
    auto const other = seen(others[k].values);
    auto together = x;
    for (std::size_t i = 0; i < x.size(); ++i) together[i] += other[i];
    auto const at_zero = with(std::vector<double>(x.size(), 0.0));
    auto const at_other = with(other);
    auto const at_sum = with(together);
    double worst = 0;
    double largest = 0;
    auto image = at_x.values;
    for (std::size_t i = 0; i < count; ++i) {
      worst = std::max(worst, std::abs(at_sum[i] - at_x.values[i] - at_other[i] + at_zero[i]));
      largest = std::max({largest, std::abs(at_x.values[i]), std::abs(at_other[i]), std::abs(at_sum[i])});
      image[i] -= at_zero[i];
    }
    INFO("additivity: off by " << worst << " where values are up to " << largest);
    CHECK(worst <= 2 * bar * largest);
    auto const& gradient = at_x.gradients.at(k);
    double const forward = dot(image, w);
    double const backward = dot(x, gradient);
    double const scale = std::max(scale_of(at_x.values, w) + scale_of(at_zero, w), scale_of(x, gradient));
    INFO("adjoint: <Ax, y> = " << forward << ", <x, A'y> = " << backward << ", terms add up to " << scale);
    CHECK(std::abs(forward - backward) <= bar * scale);
  }
}

Tensors repeat_images(OpCase const& op_case, Tensors const& inputs, std::vector<Tensors> const& images) {
  auto batch = inputs;
  for (std::size_t const k : op_case.per_image) {
    batch[k].shape[0] = 0;
    batch[k].values.clear();
    for (auto const& image : images) {
      batch[k].shape[0] += image[k].shape[0];
      batch[k].values.insert(batch[k].values.end(), image[k].values.begin(), image[k].values.end());
    }
  }
  return batch;
}

/// Each image has the same bits, value and gradient, alone and in a batch of at least three.
template <class Scalar>
void check_batch(OpCase const& op_case) {
  INFO((std::is_same_v<Scalar, float> ? "float" : "double"));
  std::size_t const count = std::max<std::size_t>(3, op_case.inputs[op_case.per_image.front()].shape.front());
  auto const shared = hgt::draw_inputs(op_case, false);
  std::vector<Tensors> images;
  for (std::size_t image = 0; image < count; ++image) {
    auto one = shared;
    auto const fresh = hgt::draw_inputs(op_case, false, 10 + image);
    for (std::size_t const k : op_case.per_image) {
      auto const size = fresh[k].size() / fresh[k].shape[0];
      one[k].shape[0] = 1;
      one[k].values.assign(fresh[k].values.begin(), fresh[k].values.begin() + static_cast<std::ptrdiff_t>(size));
    }
    images.push_back(one);
  }
  auto const batch = repeat_images(op_case, shared, images);
  auto const together = hgt::evaluate<Scalar>(op_case, batch);
  REQUIRE(together.shape.at(0) == count);
  auto const weights = hgt::projection(together.values.size());
  auto const part = [&](std::vector<double> const& v, std::size_t image) {
    auto const size = static_cast<std::ptrdiff_t>(v.size() / count);
    auto const begin = v.begin() + static_cast<std::ptrdiff_t>(image) * size;
    return std::vector<double>(begin, begin + size);
  };
  for (std::size_t image = 0; image < count; ++image) {
    INFO("image " << image);
    auto const alone = hgt::evaluate<Scalar>(op_case, images[image], {.weights = part(weights, image)});
    CHECK(alone.values == part(together.values, image));
    if (together.gradients.empty()) continue;
    for (std::size_t const k : op_case.per_image) {
      if (!op_case.inputs[k].differentiable) continue;
      INFO("gradient of input " << k);
      CHECK(alone.gradients.at(k) == part(together.gradients[k], image));
    }
  }
}

/// What must not go through is refused, in both precisions, with a message that says what is wrong.
void check_refusals(OpCase const& op_case) {
  for (auto const& refusal : op_case.refusals) {
    Tensors inputs;
    std::string shapes;
    for (auto const& shape : refusal.shapes) {
      inputs.push_back(hgt::host_zeros(shape));
      std::fill(inputs.back().values.begin(), inputs.back().values.end(), 1.0);
      shapes += " [";
      for (std::size_t axis = 0; axis < shape.size(); ++axis)
        shapes += (axis ? ", " : "") + std::to_string(shape[axis]);
      shapes += "]";
    }
    REQUIRE(inputs.size() == op_case.inputs.size());
    INFO("inputs" << shapes);
    auto const message = [&](auto run) {
      try {
        run();
      } catch (heliograd::Error const& error) {
        return std::string(error.what());
      }
      return std::string("not refused");
    };
    auto const in_double = message([&] { hgt::evaluate<double>(op_case, inputs); });
    CHECK(in_double == message([&] { hgt::evaluate<float>(op_case, inputs); }));
    CHECK_THAT(in_double, Catch::Matchers::StartsWith("heliograd: "));
    for (auto const& text : refusal.texts) CHECK_THAT(in_double, Catch::Matchers::ContainsSubstring(text));
  }
}

/// The same bits, values and gradients, run to run, of slices that skip memory, in the middle of a longer computation, and with 1,
/// 2, 3 and 8 threads.
void check_bits(OpCase const& op_case) {
  auto const inputs = hgt::draw_inputs(op_case, false);
  auto const once = hgt::evaluate<float>(op_case, inputs);
  CHECK(hgt::evaluate<float>(op_case, inputs) == once);
  {
    INFO("of slices that skip memory");
    CHECK(hgt::evaluate<float>(op_case, inputs, {.with_gaps = true}) == once);
  }
  {
    INFO("between other ops, on memory that holds NaN");
    CHECK(hgt::evaluate<float>(op_case, inputs, {.in_a_chain = true}) == once);
  }
#ifdef KOKKOS_ENABLE_OPENMP
  if constexpr (std::is_same_v<hgt::AnyOp::execution_space, Kokkos::OpenMP>)
    for (int const threads : {1, 2, 3, 8}) {
      INFO("threads: " << threads);
      CHECK(hgt::evaluate<float>(op_case, inputs, {.exec = Kokkos::OpenMP(threads)}) == once);
    }
#endif
}

std::size_t launches = 0;

/// Counts what is launched on any device while it lives.
struct CountLaunches {
  CountLaunches() {
    launches = 0;
    auto const begin = [](char const*, std::uint32_t, std::uint64_t*) { ++launches; };
    tools::set_begin_parallel_for_callback(begin);
    tools::set_begin_parallel_reduce_callback(begin);
    tools::set_begin_parallel_scan_callback(begin);
    tools::set_begin_deep_copy_callback([](Kokkos_Profiling_SpaceHandle, char const*, void const*,
                                           Kokkos_Profiling_SpaceHandle, char const*, void const*,
                                           std::uint64_t) { ++launches; });
  }
  ~CountLaunches() {
    tools::set_begin_parallel_for_callback(nullptr);
    tools::set_begin_parallel_reduce_callback(nullptr);
    tools::set_begin_parallel_scan_callback(nullptr);
    tools::set_begin_deep_copy_callback(nullptr);
  }
};

/// A dry run has the same shapes, forward and backward, and launches nothing.
void check_dry(OpCase const& op_case) {
  using B = hgt::AnyOp::backend<float>;
  B::execution_space const exec;
  auto const tensors = hgt::draw_inputs(op_case, false);
  auto const expected = hgt::evaluate<float>(op_case, tensors, {.backward = false}).shape;
  hgt::Inputs<B> inputs(exec, op_case.inputs, tensors);
  heliograd::Tape<B> tape(exec, {.dry = true});
  hgt::Extents shape;
  CountLaunches const counting;
  inputs.begin(tape);
  auto const y = op_case.op.in<float>()(inputs, shape);
  if (y.wants_grad()) tape.backward(heliograd::sum(y));
  INFO("a dry run");
  CHECK(shape == expected);
  CHECK(launches == 0);
}

Margins check(OpCase const& op_case) {
  INFO("op case: " << op_case.name);
  Margins margins;
  check_refusals(op_case);
  if (!op_case.reference) {
    CHECK(!op_case.refusals.empty());
    return margins;
  }
  check_values(op_case, margins);
  check_gradients(op_case, margins);
  check_given_twice(op_case);
  check_complex_step(op_case, margins);
  check_second_order(op_case, margins);
  if (op_case.linear) {
    check_linear<double>(op_case, false);
    check_linear<float>(op_case, false);
    if (op_case.exact_on_integers) check_linear<double>(op_case, true);
  }
  if (!op_case.per_image.empty()) {
    check_batch<float>(op_case);
    check_batch<double>(op_case);
    check_no_images<float>(op_case);
    check_no_images<double>(op_case);
  }
  check_bits(op_case);
  check_dry(op_case);
  return margins;
}

}  // namespace

void check_all(std::vector<OpCase> const& cases) {
  std::vector<Margins> margins;
  for (auto const& op_case : cases) margins.push_back(check(op_case));
  char const* const folder = std::getenv("HELIOGRAD_RECORD");
  if (folder == nullptr) return;
  auto const name = Catch::getResultCapture().getCurrentTestName();
  record(folder, name.substr(name.find(": ") + 2), cases, margins);
}

void check_sweep(std::vector<OpCase> const& cases) {
  for (auto const& op_case : cases) {
    INFO("op case: " << op_case.name);
    REQUIRE(op_case.exact_on_integers);
    auto const inputs = hgt::draw_inputs(op_case, true);
    auto const expected = op_case.reference(inputs);
    hgt::EvaluateOptions const options{.backward = op_case.linear, .weights = integer_weights(expected.size())};
    auto const in_float = hgt::evaluate<float>(op_case, inputs, options);
    REQUIRE(in_float.shape == expected.shape);
    CHECK(hgt::compare(in_float.values, expected.values).differing == 0);
    CHECK(in_float == hgt::evaluate<double>(op_case, inputs, options));
    if (op_case.linear) check_linear<float>(op_case, true);
  }
}

}  // namespace test
