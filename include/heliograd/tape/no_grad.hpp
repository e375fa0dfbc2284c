// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// While it lives, the tape records nothing: inference by the code that trains.
template <class B>
class NoGrad {
 public:
  explicit NoGrad(Tape<B>& tape) : tape_(&tape), before_(tape.recording()) { tape.set_recording(false); }
  NoGrad(NoGrad const&) = delete;
  NoGrad& operator=(NoGrad const&) = delete;
  ~NoGrad() { tape_->set_recording(before_); }

 private:
  Tape<B>* tape_;
  bool before_;
};

}  // namespace heliograd::inline HELIOGRAD_ABI
