// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include <heliograd/kernel/launch.hpp>
#include <heliograd/optim/weight_decay.hpp>
#include <heliograd/tape/flat_store.hpp>

namespace heliograd::inline HELIOGRAD_ABI::optim {

struct SgdOptions {
  double learning_rate = 1e-2;
  double momentum = 0;
  bool nesterov = false;  ///< step along the gradient and the velocity it will lead to
  double weight_decay = 0;
  WeightDecay decay = WeightDecay::in_gradient;
};

namespace detail {
template <class T>
struct SgdStep {
  T* value;
  T* gradient;
  T* velocity;  // null without momentum
  T momentum, rate, l2, shrink;
  bool nesterov, reset;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    T const x = value[i];
    T const g = gradient[i] + l2 * x;
    if (reset) gradient[i] = T(0);
    T step = g;
    if (velocity) {
      T const v = momentum * velocity[i] + g;
      velocity[i] = v;
      step = nesterov ? g + momentum * v : v;
    }
    value[i] = shrink * x - rate * step;
  }
};
}  // namespace detail

/// Gradient descent, plain or with momentum, over the parameters of a model in a flat store.
///
/// Math     \f$ v \leftarrow \mu v + g, \; x \leftarrow x - \eta v \f$; with nesterov
///          \f$ x \leftarrow x - \eta (g + \mu v) \f$ (Sutskever et al., ICML 2013)
/// Cost     one kernel for all parameters: 2 reads and 2 writes a number, 3 and 3 with momentum; it also sets the gradients
///          to zero.
template <class B>
class Sgd {
 public:
  using scalar_type = typename B::scalar_type;

  /// Starts at rest.
  explicit Sgd(FlatStore<B> const& store, SgdOptions const& options = {})
      : options_(options),
        store_(store),
        velocity_(make_zeros<B>("heliograd::sgd_velocity", Shape{options.momentum > 0 ? store.size() : 0})) {
    expect(options.momentum >= 0 && options.momentum < 1,
           "Sgd: momentum must lie in [0, 1), found " + std::to_string(options.momentum));
    expect(!options.nesterov || options.momentum > 0, "Sgd: nesterov needs momentum; give one, or leave nesterov off");
    expect(options.weight_decay >= 0, "Sgd: weight_decay must not be negative");
    typename B::execution_space{}.fence("heliograd::Sgd: the velocity is zero");
  }

  SgdOptions const& options() const { return options_; }

  /// Reads the gradients, moves the parameters, sets the gradients to zero.
  void update(Workspace<B>& ws) { update(ws, options_.learning_rate); }

  /// The same with the learning rate of a schedule.
  void update(Workspace<B>& ws, double learning_rate) {
    ++steps_;
    SgdOptions const& o = options_;
    bool const decoupled = o.decay == WeightDecay::decoupled;
    bool const free_zeros = store_.zero_grad_is_free();
    auto const number = [](double x) { return static_cast<scalar_type>(x); };
    kernel::for_each_element(
        ws, "heliograd::sgd", store_.size(),
        detail::SgdStep<scalar_type>{
            store_.values().data(), store_.gradients().data(), o.momentum > 0 ? velocity_.data() : nullptr,
            number(o.momentum), number(learning_rate), number(decoupled ? 0 : o.weight_decay),
            number(decoupled ? 1 - learning_rate * o.weight_decay : 1), o.nesterov, !free_zeros});
    if (free_zeros) store_.zero_grad(ws.exec());
  }

  /// \name All of its state, for checkpoints: a flat tensor in the order of the store (empty without momentum), and the
  /// number of steps taken.
  ///@{
  Tensor<1, B> const& velocity() const { return velocity_; }
  std::uint64_t steps() const { return steps_; }
  void set_steps(std::uint64_t steps) { steps_ = steps; }
  ///@}

 private:
  SgdOptions options_;
  FlatStore<B> store_;
  Tensor<1, B> velocity_;
  std::uint64_t steps_ = 0;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::optim
