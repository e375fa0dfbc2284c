// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/testing/draw.hpp>

/// \file
/// One declaration of an op, from which its tests come: values against a plain reference in double, exactness on integers,
/// gradients against central differences, the same bits for any number of threads. Users prove their own ops with it.
namespace heliograd::inline HELIOGRAD_ABI::testing {

/// A tensor on the host, as references see it.
struct HostTensor {
  std::vector<std::size_t> shape;
  std::vector<double> values;

  std::size_t size() const { return values.size(); }
};

/// A host tensor of zeros.
inline HostTensor host_zeros(std::vector<std::size_t> shape) {
  std::size_t size = 1;
  for (std::size_t const extent : shape) size *= extent;
  return {std::move(shape), std::vector<double>(size)};
}

/// One input of an op and how its values are drawn.
struct InputSpec {
  std::vector<std::size_t> shape;
  double low = -1;
  double high = 1;
  bool differentiable = true;
  std::vector<double> kinks = {};  ///< points where the op has no derivative
};

/// The inputs of one evaluation, on a backend. `in.template var<4>(0)` is the first one as a rank-4 Var.
template <class B>
class Inputs {
 public:
  Inputs(Tape<B>& tape, std::vector<InputSpec> const& specs, std::vector<HostTensor> const& tensors)
      : tape_(&tape), specs_(&specs) {
    for (std::size_t k = 0; k < tensors.size(); ++k) {
      std::vector<typename B::scalar_type> values(tensors[k].values.begin(), tensors[k].values.end());
      auto param = make_param<B>("input", Shape{values.size()});
      if (!specs[k].differentiable) param.grad = {};
      from_host(tape.exec(), param.value, values);
      params_.push_back(param);
    }
    tape.exec().fence("heliograd::testing: inputs are ready");
  }

  Tape<B>& tape() const { return *tape_; }

  template <int Rank>
  Var<Rank, B> var(std::size_t k) const {
    auto const& extents = (*specs_)[k].shape;
    expect_shape(extents.size() == static_cast<std::size_t>(Rank),
                 "op case: input " + std::to_string(k) + " was declared with another rank");
    Shape<Rank> shape;
    for (int axis = 0; axis < Rank; ++axis) shape[axis] = extents[static_cast<std::size_t>(axis)];
    return tape_->reshape(tape_->watch(params_[k]), shape);
  }

  std::vector<typename B::scalar_type> gradient(std::size_t k) const {
    return params_[k].frozen() ? std::vector<typename B::scalar_type>{} : to_host(tape_->exec(), params_[k].grad);
  }

 private:
  Tape<B>* tape_;
  std::vector<InputSpec> const* specs_;
  std::vector<Param<1, B>> params_;
};

/// The declaration. `op` is a generic lambda `[](auto const& in) { return relu(in.template var<4>(0)); }`.
template <class Op>
struct OpCase {
  std::string name;
  std::vector<InputSpec> inputs;
  Op op;
  std::function<HostTensor(std::vector<HostTensor> const&)> reference;
  bool exact_on_integers = false;  ///< sums and products only: no rounding at all on small integers
  int integer_range = 4;           ///< integers are drawn from -range..range
  double float_bar = 5e-7;         ///< relative L2 error of single precision
  double double_bar = 2e-15;       ///< relative L2 error of double precision
  double gradient_bar = 1e-5;      ///< relative L2 distance of single from double precision gradients
};
/// The inputs of a case: uniform draws, or small integers.
template <class Op>
std::vector<HostTensor> draw_inputs(OpCase<Op> const& op_case, bool integers, std::uint64_t seed = 1) {
  Draws draws(seed);
  std::vector<HostTensor> tensors;
  for (InputSpec const& spec : op_case.inputs) {
    HostTensor tensor = host_zeros(spec.shape);
    tensor.values = integers ? draw_integers(draws, tensor.size(), -op_case.integer_range, op_case.integer_range)
                             : draw_uniform(draws, tensor.size(), spec.low, spec.high, spec.kinks);
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

/// What one run gives.
template <class Scalar>
struct Evaluation {
  std::vector<std::size_t> shape;
  std::vector<Scalar> values;
  std::vector<std::vector<Scalar>> gradients;  ///< of sum(weights * values), one per input

  bool operator==(Evaluation const&) const = default;
};

/// The weights of the scalar that is differentiated: fixed, of either sign, none small.
inline std::vector<double> projection(std::size_t count) {
  Draws draws(99);
  std::vector<double> weights(count);
  for (double& w : weights) w = draws.uniform(0.5, 1.5) * (draws.bits() & 1u ? 1.0 : -1.0);
  return weights;
}

/// Runs a case on a backend: values, and with `backward` the gradients of sum(projection * values).
template <class B, class Op>
Evaluation<typename B::scalar_type> evaluate(OpCase<Op> const& op_case, std::vector<HostTensor> const& tensors,
                                             typename B::execution_space const& exec = {}, bool backward = true) {
  using Scalar = typename B::scalar_type;
  Tape<B> tape(exec);
  Inputs<B> const inputs(tape, op_case.inputs, tensors);
  auto const y = op_case.op(inputs);
  Evaluation<Scalar> result;
  auto const shape = y.shape();
  result.shape.assign(shape.extent.begin(), shape.extent.end());
  result.values = to_host(exec, y.value);
  if (backward && y.wants_grad()) {
    auto const weights = projection(shape.size());
    auto const r = make_tensor<B>("projection", shape);
    from_host(exec, r, std::vector<Scalar>(weights.begin(), weights.end()));
    tape.backward(sum(y * tape.constant(r)));
    for (std::size_t k = 0; k < tensors.size(); ++k) result.gradients.push_back(inputs.gradient(k));
  }
  return result;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::testing
