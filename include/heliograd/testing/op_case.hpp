// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/testing/draw.hpp>

/// \file
/// One declaration of an op, from which its tests come: values against a plain reference in double, exactness on integers,
/// gradients against central differences, linearity and the adjoint, independence of the images of a batch, refusals, the
/// same bits for any number of threads; and from which its benchmark, its comparison with PyTorch and its row in the table
/// of ops come. Users prove their own ops with it.
///
/// The op is the only template in it, instantiated once for each precision (`AnyOp`): another question asked of every op
/// costs no compile time per case.
namespace heliograd::inline HELIOGRAD_ABI::testing {

using Extents = std::vector<std::size_t>;

/// A tensor on the host, as references see it.
template <class T>
struct HostTensorOf {
  Extents shape;
  std::vector<T> values;

  std::size_t size() const { return values.size(); }
};
using HostTensor = HostTensorOf<double>;
using ComplexTensor = HostTensorOf<std::complex<double>>;

/// A host tensor of zeros.
template <class T = double>
HostTensorOf<T> host_zeros(Extents shape) {
  std::size_t size = 1;
  for (std::size_t const extent : shape) size *= extent;
  return {std::move(shape), std::vector<T>(size)};
}

/// The definition of an op, in plain loops: a function from `std::vector<HostTensor>` to HostTensor. If it takes complex tensors
/// as well (a generic lambda, analytic in all differentiable inputs), gradients are compared with its complex-step derivatives
/// \f$ \mathrm{Im}\, f(x + i h) / h \f$, which no difference spoils: h is 1e-20.
class Reference {
 public:
  Reference() = default;
  template <class F>
    requires std::invocable<F const&, std::vector<HostTensor> const&>
  Reference(F const& f) : real_(f) {  // NOLINT(google-explicit-constructor): a case is declared with the lambda itself
    if constexpr (std::invocable<F const&, std::vector<ComplexTensor> const&>) complex_ = f;
  }

  explicit operator bool() const { return static_cast<bool>(real_); }
  bool analytic() const { return static_cast<bool>(complex_); }
  HostTensor operator()(std::vector<HostTensor> const& in) const { return real_(in); }
  ComplexTensor operator()(std::vector<ComplexTensor> const& in) const { return complex_(in); }

 private:
  std::function<HostTensor(std::vector<HostTensor> const&)> real_;
  std::function<ComplexTensor(std::vector<ComplexTensor> const&)> complex_;
};

/// One input of an op and how its values are drawn.
struct InputSpec {
  Extents shape;
  double low = -1;
  double high = 1;
  bool differentiable = true;
  std::vector<double> kinks = {};  ///< points where the op has no derivative
};

/// The inputs of one evaluation, on a backend. `in.template var<4>(0)` is the first one as a rank-4 Var.
template <class B>
class Inputs {
 public:
  using Scalar = typename B::scalar_type;

  Inputs(typename B::execution_space const& exec, std::vector<InputSpec> const& specs,
         std::vector<HostTensor> const& tensors) {
    for (std::size_t k = 0; k < tensors.size(); ++k) {
      std::vector<Scalar> const values(tensors[k].values.begin(), tensors[k].values.end());
      auto param = make_param<B>("input", Shape{values.size()});
      if (!specs[k].differentiable) param.grad = {};
      from_host(exec, param.value, values);
      params_.push_back(param);
      shapes_.push_back(tensors[k].shape);
    }
    exec.fence("heliograd::testing: inputs are ready");
  }

  Tape<B>& tape() const { return *tape_; }

  template <int Rank>
  Var<Rank, B> var(std::size_t k) const {
    auto const& extents = shapes_.at(k);
    expect_shape(extents.size() == static_cast<std::size_t>(Rank),
                 "op case: input " + std::to_string(k) + " was declared with another rank");
    Shape<Rank> shape;
    for (int axis = 0; axis < Rank; ++axis) shape[axis] = extents[static_cast<std::size_t>(axis)];
    return tape_->reshape(vars_.at(k), shape);
  }

  /// Puts the inputs on a tape: as parameters, or as what another op made of them, whose gradient memory is not zero.
  void begin(Tape<B>& tape, bool intermediate = false) {
    tape_ = &tape;
    vars_.clear();
    for (auto const& param : params_) {
      auto const x = tape.watch(param);
      vars_.push_back(intermediate ? affine(x, 1.0, 0.0) : x);
    }
  }

  /// The same as slices of tensors that hold NaN between their elements.
  void begin_with_gaps(Tape<B>& tape) {
    tape_ = &tape;
    vars_.clear();
    wide_.clear();
    for (auto const& param : params_) {
      std::vector<Scalar> values(2 * param.value.size(), std::numeric_limits<Scalar>::quiet_NaN());
      auto const narrow = to_host(tape.exec(), param.value);
      for (std::size_t i = 0; i < narrow.size(); ++i) values[2 * i] = narrow[i];
      wide_.push_back(make_tensor<B>("input with gaps", Shape{narrow.size(), std::size_t{2}}));
      from_host(tape.exec(), wide_.back(), values);
      auto const slice = Kokkos::subview(wide_.back(), Kokkos::ALL, 0);
      vars_.push_back(param.frozen() ? tape.constant(slice) : tape.variable(slice));
    }
  }

  /// Input `second` becomes the Var that input `first` is.
  void give_twice(std::size_t first, std::size_t second) { vars_.at(second) = vars_.at(first); }

  /// Inputs a gradient is wanted of are parameters that are not frozen.
  std::vector<Param<1, B>> const& params() const { return params_; }
  /// All inputs, flat.
  std::vector<Var<1, B>> const& vars() const { return vars_; }

 private:
  Tape<B>* tape_ = nullptr;
  std::vector<Extents> shapes_;
  std::vector<Param<1, B>> params_;
  std::vector<Var<1, B>> vars_;
  std::vector<Tensor<2, B>> wide_;
};

/// Whether op cases are run in a precision. A program that needs one of them only (a compile check, a benchmark) says
/// `template <> inline constexpr bool heliograd::testing::runs_in<double> = false;` before it declares cases.
template <class Scalar>
inline constexpr bool runs_in = true;

/// An op of any inputs and output rank, ready to run in single and double precision on the default execution space.
class AnyOp {
 public:
  using execution_space = Kokkos::DefaultExecutionSpace;
  template <class Scalar>
  using backend = Backend<execution_space, Scalar>;
  /// Runs the op; gives its output as a flat Var, and its shape.
  template <class Scalar>
  using Run = std::function<Var<1, backend<Scalar>>(Inputs<backend<Scalar>> const&, Extents&)>;

  /// From a generic lambda `[](auto const& in) { return relu(in.template var<4>(0)); }`.
  template <class Op>
    requires(!std::same_as<std::remove_cvref_t<Op>, AnyOp>)
  AnyOp(Op const& op)  // NOLINT(google-explicit-constructor): a case is declared with the lambda itself
      : single_(erase<float>(op)), double_(erase<double>(op)) {}

  template <class Scalar>
  Run<Scalar> const& in() const {
    if constexpr (std::same_as<Scalar, float>)
      return single_;
    else
      return double_;
  }

 private:
  template <class Scalar, class Op>
  static Run<Scalar> erase(Op const& op) {
    if constexpr (runs_in<Scalar>)
      return [op](Inputs<backend<Scalar>> const& inputs, Extents& shape) {
        auto const y = op(inputs);
        auto const extents = y.shape().extent;
        shape.assign(extents.begin(), extents.end());
        return inputs.tape().reshape(y, Shape{y.value.size()});
      };
    else
      return {};
  }

  Run<float> single_;
  Run<double> double_;
};

/// Inputs of these shapes (values 1) must be refused with an `heliograd::Error` whose message contains all the texts: the
/// shapes in question as they are written in messages, "[2, 3, 5, 3]", and the remedy if there is one.
struct Refusal {
  std::vector<Extents> shapes;
  std::vector<std::string> texts;
};

/// What one forward evaluation does: floating-point operations, and bytes read and written in single precision.
struct Work {
  double flops = 0;
  double bytes = 0;
};

/// The declaration. Fields are in the order in which cases need them; name the later ones: `c.linear = true`.
struct OpCase {
  std::string name;  ///< the op, and after a comma or a colon what is special: "conv2d: 3x3, reflect"
  std::vector<InputSpec> inputs;
  AnyOp op;  ///< a generic lambda `[](auto const& in) { return relu(in.template var<4>(0)); }`
  /// The definition, in plain loops. Without one the case stands for its refusals alone: an op with options that are
  /// never right.
  Reference reference = {};
  bool exact_on_integers = false;  ///< sums and products only: no rounding at all on small integers, gradients likewise
  int integer_range = 4;           ///< integers are drawn from -range..range
  double float_bar = 5e-7;         ///< relative L2 error of single precision
  double double_bar = 2e-15;       ///< relative L2 error of double precision
  double gradient_bar = 1e-5;      ///< relative L2 distance of single from double precision gradients
  /// Affine in each differentiable input while the others are held (a convolution in its image, its weights, its bias):
  /// additivity and \f$ \langle A x, y \rangle = \langle x, A^T y \rangle \f$ are checked, exactly if `exact_on_integers`.
  bool linear = false;
  /// Its gradient must be differentiable again. Gradients of gradients are compared with central differences wherever there
  /// are any.
  bool second_order = false;
  /// Inputs whose first axis counts images that do not see each other; the first axis of the output counts them as well. Each
  /// image must get the same bits, value and gradient, in any batch and anywhere in it.
  std::vector<std::size_t> per_image = {};
  std::vector<Refusal> refusals = {};
  /// Work of one forward evaluation, from the shapes of the inputs; for benchmarks and the table.
  std::function<Work(std::vector<Extents> const&)> work = {};
  /// The same with PyTorch, as a Python expression of the inputs `x[0]`, `x[1]`... (in this library's layouts, NHWC and
  /// [kh, kw, c_in, c_out]) that gives the output in this library's layout. `torch`, `F` (torch.nn.functional), `nchw(t)`,
  /// `nhwc(t)` and `oihw(t)` are at hand: "nhwc(F.conv2d(nchw(x[0]), oihw(x[1]), x[2], padding=1))". Empty: PyTorch has none.
  std::string peer = {};
  double peer_bar =
      0;  ///< relative L2 distance allowed from PyTorch in double; 0: 1e-12. More needs a reason beside it
};

/// The op a case is about.
inline std::string op_name(OpCase const& op_case) { return op_case.name.substr(0, op_case.name.find_first_of(":,")); }

/// The inputs of a case: uniform draws, or small integers.
inline std::vector<HostTensor> draw_inputs(OpCase const& op_case, bool integers, std::uint64_t seed = 1) {
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

/// What one run gives. Single-precision results are held in double, which changes no bit of them.
struct Evaluation {
  Extents shape;
  std::vector<double> values;
  std::vector<std::vector<double>> gradients;  ///< of sum(weights * values), one per input, empty for constants

  bool operator==(Evaluation const&) const = default;
};

/// The weights of the scalar that is differentiated: fixed, of either sign, none small.
inline std::vector<double> projection(std::size_t count) {
  Draws draws(99);
  std::vector<double> weights(count);
  for (double& w : weights) w = draws.uniform(0.5, 1.5) * (draws.bits() & 1u ? 1.0 : -1.0);
  return weights;
}

/// How a case is evaluated.
struct EvaluateOptions {
  bool backward = true;
  std::vector<double> weights = {};  ///< of the sum that is differentiated; empty: `projection`
  /// The inputs are results of another op, and gradient memory holds NaN: an op that reads what it should overwrite, or
  /// overwrites what it should add to, gives other gradients.
  bool in_a_chain = false;
  bool with_gaps = false;  ///< the inputs are slices that skip memory
  /// Every input is also added to the sum as it is, so that its gradient is larger by one, and the op must add its own.
  bool used_again = false;
  std::pair<std::size_t, std::size_t> given_twice = {0, 0};  ///< two inputs that are one Var, the first
  AnyOp::execution_space exec = {};
};

/// Runs a case in a precision: values, and the gradients of sum(weights * values).
template <class Scalar>
Evaluation evaluate(OpCase const& op_case, std::vector<HostTensor> const& tensors,
                    EvaluateOptions const& options = {}) {
  using B = AnyOp::backend<Scalar>;
  Tape<B> tape(options.exec);
  Inputs<B> inputs(options.exec, op_case.inputs, tensors);
  Evaluation result;
  auto const step = [&](std::vector<double> const& weights) {
    tape.clear();
    for (auto const& param : inputs.params())
      if (!param.frozen()) fill(options.exec, param.grad, Scalar(0));
    if (options.with_gaps)
      inputs.begin_with_gaps(tape);
    else
      inputs.begin(tape, options.in_a_chain);
    inputs.give_twice(options.given_twice.first, options.given_twice.second);
    auto const y = op_case.op.in<Scalar>()(inputs, result.shape);
    auto const values = to_host(options.exec, y.value);
    result.values.assign(values.begin(), values.end());
    if (!options.backward || !y.wants_grad()) return;
    auto const given = weights.empty() ? projection(values.size()) : weights;
    auto const r = make_tensor<B>("projection", y.shape());
    from_host(options.exec, r, std::vector<Scalar>(given.begin(), given.end()));
    auto total = sum(y * tape.constant(r));
    if (options.used_again)
      for (auto const& x : inputs.vars())
        if (x.wants_grad()) total = total + sum(x);
    tape.backward(total);
    result.gradients.clear();
    for (std::size_t k = 0; k < tensors.size(); ++k) {
      auto const& param = inputs.params()[k];
      auto const gradient = param.frozen()      ? std::vector<Scalar>{}
                            : options.with_gaps ? to_host(options.exec, inputs.vars()[k].grad())
                                                : to_host(options.exec, param.grad);
      result.gradients.emplace_back(gradient.begin(), gradient.end());
    }
  };
  if (options.in_a_chain && options.backward) {
    step({});
    step(std::vector<double>(result.values.size(), std::numeric_limits<double>::quiet_NaN()));
  }
  step(options.weights);
  return result;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::testing
