// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include <heliograd/core/accumulate.hpp>
#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

template <class B>
struct Checkpoint {
  using Memory = Arena<typename B::memory_space>;

  /// Runs the function, keeps its result alone, and forgets what it recorded.
  template <class Function, class... Vars>
  static auto run(Tape<B>& tape, Function const& function, Vars const&... x) {
    std::size_t const nodes = tape.nodes_.size();
    typename Memory::Mark const mark = tape.values_.mark();
    auto const inner = function(false, x...);
    auto scope = tape.workspace().scope();
    auto const result = scope.tensor(inner.shape());
    copy(tape.workspace(), result, inner.value);
    tape.nodes_.resize(nodes);
    tape.values_.release(mark);
    auto const y = tape.make(inner.shape(), inner.wants_grad());
    copy(tape.workspace(), y.value, result);
    if (!y.wants_grad()) return y;
    tape.record("heliograd::checkpoint", y, [=](Tape<B>& t) { replay(t, function, y, x...); });
    tape.nodes_.back().opaque = true;
    return y;
  }

  /// Runs the function once more, now to pass the gradient of y through it.
  template <class Function, class Y, class... Vars>
  static void replay(Tape<B>& tape, Function const& function, Y const& y, Vars const&... x) {
    std::size_t const nodes = tape.nodes_.size();
    typename Memory::Mark const mark = tape.values_.mark();
    std::size_t const macs = tape.macs_;
    bool const recording = tape.recording();
    tape.set_recording(true);
    auto const inner = function(true, x...);
    tape.set_recording(recording);
    accumulate(tape.workspace(), tape.into(inner), y.grad());
    tape.play_back_to(nodes);
    tape.nodes_.resize(nodes);
    tape.values_.release(mark);
    tape.macs_ = macs;
  }
};

}  // namespace detail

/// A part of a network whose intermediate values are not kept: the backward pass computes them once more.
///
/// \param function `function(again, x...)` -> Var; `again` is false the first time and true in the backward pass. It must
///        compute the same both times: with the same random numbers, and without moving state again. It captures plain values
///        and pointers, of things that outlive the step. (`nn::checkpoint` sees to all that for a layer and a Mode.)
///
/// Gradient the same bits as without the checkpoint.
/// Keeps    x and the result; while it is played, the values of one run.
/// Cost     the forward pass twice, and two copies of the result.
/// Throws   Second derivatives through a checkpoint are refused.
/// Source   Chen, Xu, Zhang, Guestrin: Training deep nets with sublinear memory cost, arXiv 1604.06174.
template <class Function, int Rank, class B, class... More>
  requires std::invocable<Function const&, bool, Var<Rank, B>, More...>
auto checkpoint(Function const& function, Var<Rank, B> x, More... more) {
  static_assert(std::is_trivially_destructible_v<Function>,
                "heliograd::checkpoint: the function may capture numbers, views and pointers only");
  return detail::Checkpoint<B>::run(x.tape(), function, x, more...);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
