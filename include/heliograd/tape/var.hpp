// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>

#include <heliograd/core/sink.hpp>
#include <heliograd/core/tensor.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

template <class B>
class Tape;

/// The gradient of one Var, kept by the tape. Its memory is taken when the first contribution arrives and goes back to the
/// tape when the op that made the Var has passed it on.
template <class Scalar>
struct GradientSlot {
  Scalar* data = nullptr;
  bool reached = false;  ///< a contribution has arrived: later ones add to it
  bool retain = false;   ///< keep the memory until clear()
  bool taken = false;    ///< the memory has become that of another gradient
  bool gone = false;     ///< the memory of the value has become another's: see `Tape::spend`

  /// \name The gradient as a value on the tape, while `Tape::gradients` computes it.
  ///@{
  std::uint32_t pass = 0;         ///< the call that wants it
  Scalar* again_value = nullptr;  ///< null: no contribution yet
  GradientSlot* again = nullptr;  ///< its own gradient
  ///@}
};

/// A value on a tape. A handle: trivially destructible, cheap to copy, safe to capture in a pullback. It dies with
/// `Tape::clear()`.
template <int Rank, class B>
struct Var {
  using scalar_type = typename B::scalar_type;

  TensorRef<Rank, B> value;
  GradientSlot<scalar_type>* slot = nullptr;  ///< null: nobody wants its gradient
  Tape<B>* owner = nullptr;
  bool whole = false;   ///< its memory is a block of the tape's, which can be given back
  bool unread = false;  ///< the pullback of the op that made it does not read it
  bool spent = false;   ///< nobody reads it but the op it is handed to: see `Tape::spend`
#if HELIOGRAD_CHECKS
  std::uint64_t generation = 0;
#endif

  Tape<B>& tape() const;
  bool wants_grad() const { return slot != nullptr; }
  Shape<Rank> shape() const { return shape_of(value); }

  /// The gradient that has arrived. In a pullback: that of the op's output. Elsewhere: of a watched parameter, or of a Var
  /// handed to `Tape::retain`.
  TensorRef<Rank, B> grad() const { return view_at<TensorRef<Rank, B>>(slot ? slot->data : nullptr, shape()); }
};

}  // namespace heliograd::inline HELIOGRAD_ABI
