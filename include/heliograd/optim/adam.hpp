// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include <heliograd/kernel/launch.hpp>
#include <heliograd/optim/weight_decay.hpp>
#include <heliograd/tape/flat_store.hpp>

namespace heliograd::inline HELIOGRAD_ABI::optim {

/// What epsilon is added to.
enum class AdamEpsilon {
  after_correction,   ///< the root of the bias-corrected second moment (the paper's algorithm, PyTorch)
  before_correction,  ///< the root of the plain second moment (the paper's reordered form, Keras and TensorFlow)
};

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  AdamEpsilon epsilon_added = AdamEpsilon::after_correction;
  double weight_decay = 0;
  WeightDecay decay = WeightDecay::in_gradient;
};

namespace detail {

/// The numbers of one step, as the kernel wants them.
template <class T>
struct AdamStep {
  T* value;
  T* gradient;
  T* first;
  T* second;
  T keep1, add1, keep2, add2;  // beta and 1 - beta
  T rate, epsilon;
  T l2, shrink;
  bool reset;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    T const x = value[i];
    T const g = gradient[i] + l2 * x;
    if (reset) gradient[i] = T(0);
    T const m = keep1 * first[i] + add1 * g;
    T const v = keep2 * second[i] + add2 * (g * g);
    first[i] = m;
    second[i] = v;
    // v is never negative; saying so lets the host compiler vectorise the root.
    value[i] = shrink * x - rate * m / (Kokkos::sqrt(Kokkos::abs(v)) + epsilon);
  }
};

}  // namespace detail

/// Adam (Kingma, Ba: a method for stochastic optimization; ICLR 2015), with bias correction, over the parameters of a model
/// in a flat store.
///
/// Math     \f$ m \leftarrow \beta_1 m + (1-\beta_1) g, \; v \leftarrow \beta_2 v + (1-\beta_2) g^2, \;
///          x \leftarrow x - \eta \frac{m / (1-\beta_1^t)}{\sqrt{v / (1-\beta_2^t)} + \epsilon} \f$
/// Cost     one kernel for all parameters: 4 reads and 4 writes a number; it also sets the gradients to zero. (3 writes where zeros
///          are free: `FlatStore::zero_grad`.)
template <class B>
class Adam {
 public:
  using scalar_type = typename B::scalar_type;

  /// Starts from zero moments.
  explicit Adam(FlatStore<B> const& store, AdamOptions const& options = {})
      : options_(options),
        store_(store),
        first_(make_zeros<B>("heliograd::adam_first", Shape{store.size()})),
        second_(make_zeros<B>("heliograd::adam_second", Shape{store.size()})) {
    expect(options.beta1 >= 0 && options.beta1 < 1 && options.beta2 >= 0 && options.beta2 < 1,
           "Adam: beta1 and beta2 must lie in [0, 1), found " + std::to_string(options.beta1) + " and " +
               std::to_string(options.beta2));
    expect(options.epsilon > 0 && options.weight_decay >= 0,
           "Adam: epsilon must be positive, weight_decay not negative");
    typename B::execution_space{}.fence("heliograd::Adam: moments are zero");
  }

  AdamOptions const& options() const { return options_; }

  /// Reads the gradients, moves the parameters, sets the gradients to zero.
  void update(Workspace<B>& ws) { update(ws, options_.learning_rate); }

  /// The same with the learning rate of a schedule.
  void update(Workspace<B>& ws, double learning_rate) {
    ++steps_;
    AdamOptions const& o = options_;
    double const t = static_cast<double>(steps_);
    double const correction1 = 1 - std::pow(o.beta1, t);
    double const root_correction2 = std::sqrt(1 - std::pow(o.beta2, t));
    bool const after = o.epsilon_added == AdamEpsilon::after_correction;
    bool const decoupled = o.decay == WeightDecay::decoupled;
    bool const free_zeros = store_.zero_grad_is_free();
    auto const number = [](double x) { return static_cast<scalar_type>(x); };
    kernel::for_each_element(
        ws, "heliograd::adam", store_.size(),
        detail::AdamStep<scalar_type>{
            store_.values().data(), store_.gradients().data(), first_.data(), second_.data(), number(o.beta1),
            number(1 - o.beta1), number(o.beta2), number(1 - o.beta2),
            // Both epsilons by the same kernel: the correction of the root goes into the rate and into epsilon.
            number(learning_rate * root_correction2 / correction1),
            number(after ? o.epsilon * root_correction2 : o.epsilon), number(decoupled ? 0 : o.weight_decay),
            number(decoupled ? 1 - learning_rate * o.weight_decay : 1), !free_zeros});
    if (free_zeros) store_.zero_grad(ws.exec());
  }

  /// \name All of its state, for checkpoints: two flat tensors in the order of the store, and the number of steps taken.
  ///@{
  Tensor<1, B> const& first() const { return first_; }
  Tensor<1, B> const& second() const { return second_; }
  std::uint64_t steps() const { return steps_; }
  void set_steps(std::uint64_t steps) { steps_ = steps; }
  ///@}

 private:
  AdamOptions options_;
  FlatStore<B> store_;
  Tensor<1, B> first_;
  Tensor<1, B> second_;
  std::uint64_t steps_ = 0;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::optim
