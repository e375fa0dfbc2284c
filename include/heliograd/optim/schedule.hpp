// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include <heliograd/base/config.hpp>

/// \file
/// Learning rates as functions of the number of steps taken. A schedule has no state, but for PlateauRate: after a restart
/// the step alone tells where it is. Anything callable with a step can serve as one.
namespace heliograd::inline HELIOGRAD_ABI::optim {

/// Always the same.
struct ConstantRate {
  double rate = 1e-3;
  double operator()(std::uint64_t) const { return rate; }
};

/// `rate` for `hold` steps, then along a straight line to `final_rate`, reached at step `end` and kept.
struct LinearRate {
  double rate = 1e-3;
  std::uint64_t hold = 0;
  std::uint64_t end = 1;
  double final_rate = 0;
  double operator()(std::uint64_t step) const {
    if (step >= end) return final_rate;
    if (step <= hold) return rate;
    double const done = static_cast<double>(step - hold) / static_cast<double>(end - hold);
    return rate + (final_rate - rate) * done;
  }
};

/// Multiplied by `factor` every `period` steps, continuously.
struct ExponentialRate {
  double rate = 1e-3;
  double factor = 0.96;
  std::uint64_t period = 1;
  double operator()(std::uint64_t step) const {
    return rate * std::pow(factor, static_cast<double>(step) / static_cast<double>(period));
  }
};

/// Multiplied by `factor` at every multiple of `period` steps: halved, unless told otherwise.
struct SteppedRate {
  double rate = 1e-3;
  double factor = 0.5;
  std::uint64_t period = 1;
  double operator()(std::uint64_t step) const { return rate * std::pow(factor, static_cast<double>(step / period)); }
};

/// Rises along a straight line over `warmup` steps, then falls along half a cosine to `final_rate`, reached at step `end`
/// and kept (Loshchilov, Hutter: SGDR; ICLR 2017).
struct CosineRate {
  double rate = 1e-3;
  std::uint64_t end = 1;
  double final_rate = 0;
  std::uint64_t warmup = 0;
  double operator()(std::uint64_t step) const {
    if (step >= end) return final_rate;
    if (step < warmup) return rate * static_cast<double>(step + 1) / static_cast<double>(warmup);
    double const done = static_cast<double>(step - warmup) / static_cast<double>(end - warmup);
    return final_rate + (rate - final_rate) * 0.5 * (1 + std::cos(std::numbers::pi * done));
  }
};

/// Multiplied by `factor` when more than `patience` values in a row were no progress, which is to be below the lowest one by
/// more than `threshold` of it. Unlike the others it has a memory.
struct PlateauRate {
  double rate = 1e-3;
  double factor = 0.1;
  std::uint64_t patience = 10;
  double threshold = 1e-4;
  /// \name What it remembers, to be kept with a checkpoint.
  ///@{
  double lowest = std::numeric_limits<double>::infinity();
  std::uint64_t waited = 0;
  std::uint64_t falls = 0;
  ///@}

  /// Takes note of a value, not negative, that shall fall; one that is NaN is no progress.
  void see(double value) {
    if (value < (1 - threshold) * lowest) {
      lowest = value;
      waited = 0;
    } else if (++waited > patience) {
      ++falls;
      waited = 0;
    }
  }
  double operator()(std::uint64_t) const { return rate * std::pow(factor, static_cast<double>(falls)); }
};

/// Another schedule, multiplied by a factor that rises along a straight line to 1 over the first `steps` steps.
template <class Schedule>
struct WarmUp {
  Schedule schedule;
  std::uint64_t steps = 1;
  double operator()(std::uint64_t step) const {
    double const share = step < steps ? static_cast<double>(step + 1) / static_cast<double>(steps) : 1.0;
    return share * schedule(step);
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::optim
