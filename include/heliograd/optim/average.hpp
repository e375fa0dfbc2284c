// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <heliograd/kernel/launch.hpp>
#include <heliograd/tape/flat_store.hpp>

namespace heliograd::inline HELIOGRAD_ABI::optim {

namespace detail {
template <class T>
struct MoveTowards {
  T* average;
  T const* value;
  T weight;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { average[i] += weight * (value[i] - average[i]); }
};
template <class T>
struct Exchange {
  T* a;
  T* b;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    T const kept = a[i];
    a[i] = b[i];
    b[i] = kept;
  }
};
}  // namespace detail

/// A running average of a model's parameters over the steps of a training: often the better weights (Polyak, Juditsky 1992).
///
/// Math     \f$ \bar x \leftarrow d \bar x + (1 - d) x \f$, with d growing from 1/10 to `decay` over the first steps so that
///          the average does not remember where the training began: \f$ d_t = \min(decay, t / (t + 9)) \f$.
template <class B>
class RunningAverage {
 public:
  explicit RunningAverage(FlatStore<B> const& store, double decay = 0.999)
      : store_(store), average_(make_tensor<B>("heliograd::running_average", Shape{store.size()})), decay_(decay) {
    expect(decay >= 0 && decay < 1, "RunningAverage: decay must lie in [0, 1)");
    typename B::execution_space const exec;
    copy(exec, average_, store_.values());
    exec.fence("heliograd::RunningAverage: starts at the present values");
  }

  /// To be called after each step of the optimiser.
  void update(Workspace<B>& ws) {
    using Scalar = typename B::scalar_type;
    ++steps_;
    double const t = static_cast<double>(steps_);
    kernel::for_each_element(ws, "heliograd::running_average", store_.size(),
                             detail::MoveTowards<Scalar>{average_.data(), store_.values().data(),
                                                         static_cast<Scalar>(1 - std::min(decay_, t / (t + 9)))});
  }

  /// Exchanges the model's parameters with the average: once to evaluate or save the average, once more to go on training.
  void exchange(Workspace<B>& ws) const {
    using Scalar = typename B::scalar_type;
    kernel::for_each_element(ws, "heliograd::running_average_exchange", store_.size(),
                             detail::Exchange<Scalar>{average_.data(), store_.values().data()});
  }

  /// \name State, for checkpoints.
  ///@{
  Tensor<1, B> const& average() const { return average_; }
  std::uint64_t steps() const { return steps_; }
  void set_steps(std::uint64_t steps) { steps_ = steps; }
  ///@}

 private:
  FlatStore<B> store_;
  Tensor<1, B> average_;
  double decay_;
  std::uint64_t steps_ = 0;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::optim
