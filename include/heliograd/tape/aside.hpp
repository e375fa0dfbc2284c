// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <unordered_map>

#include <heliograd/base/error.hpp>
#include <heliograd/core/fill.hpp>
#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// A computation beside the one that is on the tape: while it lives, what the tape makes and records is its own, and its end
/// forgets it and frees its memory. What was on the tape stays: a discriminator learns from images whose generator has yet to
/// learn, and then the generator's gradients get the memory that the discriminator's values had.
///
/// What it reads of before must be constant (`Tape::detach`), but for parameters, whose gradients it adds to; it must not spend
/// it. Asides end in the reverse order of their beginning.
template <class B>
class Aside {
 public:
  explicit Aside(Tape<B>& tape)
      : tape_(&tape), first_(tape.nodes_.size()), values_(tape.values_.mark()), gradients_(tape.gradients_.mark()) {}
  Aside(Aside const&) = delete;
  Aside& operator=(Aside const&) = delete;
  ~Aside() {
#if HELIOGRAD_CHECKS
    std::erase_if(tape_->watched_, [this](auto const& entry) { return entry.second.nodes >= first_; });
#endif
    tape_->nodes_.resize(first_);
    tape_->gradients_.release(gradients_);
    tape_->values_.release(values_);
  }

  /// Adds seed * d(loss) to the gradient of every parameter that was watched in it. Once: the nodes are forgotten.
  void backward(Var<0, B> const& loss, double seed = 1.0) {
    expect(loss.wants_grad(), "Aside::backward: the loss depends on no parameter (frozen model, NoGrad, or constants)");
    fill(tape_->workspace_, tape_->into(loss).out, static_cast<typename B::scalar_type>(seed));
    tape_->play_back_to(first_);
    tape_->nodes_.resize(first_);
  }

 private:
  Tape<B>* tape_;
  std::size_t first_;  // of its nodes
  typename detail::BlockPool<typename B::memory_space>::Mark values_, gradients_;
};

}  // namespace heliograd::inline HELIOGRAD_ABI
