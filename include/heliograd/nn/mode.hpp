// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/base/error.hpp>
#include <heliograd/core/random.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// Whether a model is being trained or applied. There is no such switch inside a model: layers to which it matters take it
/// as an argument, so one model can do both at the same time. Randomness comes from a generator of the caller's.
///
/// | mode | dropout | batch norm uses | state (running statistics, power iterations) |
/// |---|---|---|---|
/// | `train(rng)` | active | the batch | moves |
/// | `apply()` | off | running statistics | stays |
/// | `apply_with_batch_statistics()` | off | the batch | stays |
/// | `sample(rng)` | active | the batch | stays |
/// | `sample_with_running_statistics(rng)` | active | running statistics | stays |
///
/// `sample` is how the first image-translation codes infer, and how Monte-Carlo dropout gives a mean and a deviation.
class Mode {
 public:
  static Mode train(Rng& rng) { return Mode(&rng, true, true); }
  static Mode apply() { return Mode(nullptr, false, false); }
  static Mode apply_with_batch_statistics() { return Mode(nullptr, false, true); }
  static Mode sample(Rng& rng) { return Mode(&rng, false, true); }
  static Mode sample_with_running_statistics(Rng& rng) { return Mode(&rng, false, false); }

  /// State moves: running statistics, power iterations.
  bool training() const { return training_; }
  /// Dropout is active.
  bool random() const { return rng_ != nullptr; }
  /// Batch normalisation uses the batch at hand.
  bool batch_statistics() const { return batch_statistics_; }
  /// Throws   UsageError unless `random()`.
  Rng& rng() const {
    expect(random(), "nn::Mode: a model that is applied draws no random numbers; use train(rng) or sample(rng)");
    return *rng_;
  }

  /// The same with another generator, if it is random.
  Mode with(Rng& rng) const { return Mode(rng_ ? &rng : nullptr, training_, batch_statistics_); }

  /// The same once more, as a checkpoint needs it: the same random numbers if `rng` is as it was, the same statistics, and state
  /// stays, because it has moved already.
  Mode again(Rng& rng) const { return Mode(rng_ ? &rng : nullptr, false, batch_statistics_); }

 private:
  Mode(Rng* rng, bool training, bool batch_statistics)
      : rng_(rng), training_(training), batch_statistics_(batch_statistics) {}
  Rng* rng_;
  bool training_, batch_statistics_;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
