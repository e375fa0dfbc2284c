// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstdint>

#include <heliograd/optim/clip.hpp>

namespace heliograd::inline HELIOGRAD_ABI::optim {

struct LossScaleOptions {
  int start = 16;       ///< the first scale is 2^start
  int most = 24;        ///< and none is larger than 2^most
  int least = 0;        ///< or smaller than 2^least
  int patience = 2000;  ///< after as many good steps in a row the scale is doubled
};

/// A loss multiplied by a power of two, so that gradients do not fall below what a number format can hold; and the guard
/// that passes over a step whose gradients are not finite (Micikevicius et al.: Mixed precision training; ICLR 2018).
///
/// A step: `tape.backward(loss, scale.factor())`, then `if (scale.unscale(ws, store)) adam.update(ws);`. Dividing by a power
/// of two is exact, so wherever nothing overflows or underflows the training has the bits of one without a scale.
class LossScale {
 public:
  explicit LossScale(LossScaleOptions const& options = {})
      : options_(options), exponent_(static_cast<std::uint64_t>(options.start)) {
    expect(options.least >= 0 && options.least <= options.start && options.start <= options.most &&
               options.most < 128 && options.patience > 0,
           "LossScale: expected 0 <= least <= start <= most < 128 and a positive patience");
  }

  /// What the loss is to be multiplied by.
  double factor() const { return std::ldexp(1.0, static_cast<int>(exponent_)); }

  /// Divides all gradients by the factor and returns true if they are finite. Otherwise sets them to zero, halves the factor,
  /// and returns false: this step is not to be taken. Waits for the workspace's instance.
  template <class B>
  bool unscale(Workspace<B>& ws, FlatStore<B> const& store) {
    if (!std::isfinite(gradient_norm(ws, store))) {
      store.zero_grad(ws.exec());
      if (static_cast<int>(exponent_) > options_.least) --exponent_;
      good_steps_ = 0;
      ++skipped_;
      return false;
    }
    if (exponent_ > 0) scale_gradients(ws, store, 1 / factor());
    if (++good_steps_ == static_cast<std::uint64_t>(options_.patience)) {
      if (static_cast<int>(exponent_) < options_.most) ++exponent_;
      good_steps_ = 0;
    }
    return true;
  }

  /// All of its state, for checkpoints: three integers.
  struct State {
    std::uint64_t exponent = 0;
    std::uint64_t good_steps = 0;
    std::uint64_t skipped = 0;  ///< steps passed over since the beginning
    bool operator==(State const&) const = default;
  };
  State state() const { return {exponent_, good_steps_, skipped_}; }
  void set_state(State const& state) {
    exponent_ = state.exponent;
    good_steps_ = state.good_steps;
    skipped_ = state.skipped;
  }

 private:
  LossScaleOptions options_;
  std::uint64_t exponent_;
  std::uint64_t good_steps_ = 0;
  std::uint64_t skipped_ = 0;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::optim
