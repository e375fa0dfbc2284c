// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/base/error.hpp>
#include <heliograd/core/random.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// Whether a model is being trained or applied. There is no such switch inside a model: layers to which it matters take it
/// as an argument, so one model can do both at the same time. Training brings the random numbers it needs.
class Mode {
 public:
  static Mode train(Rng& rng) { return Mode(&rng); }
  static Mode apply() { return Mode(nullptr); }

  bool training() const { return rng_ != nullptr; }
  /// Throws   UsageError unless training.
  Rng& rng() const {
    expect(training(), "nn::Mode: a model that is applied draws no random numbers");
    return *rng_;
  }

 private:
  explicit Mode(Rng* rng) : rng_(rng) {}
  Rng* rng_;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
