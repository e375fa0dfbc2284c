// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

#include <heliograd/core/accumulate.hpp>
#include <heliograd/core/copy.hpp>
#include <heliograd/core/fill.hpp>
#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

/// While it lives, what the tape makes lies in one piece, which its end releases together with the nodes.
template <class B>
class Passage {
 public:
  explicit Passage(Tape<B>& tape) : tape_(&tape), nodes_(tape.nodes_.size()), mark_(tape.values_.arena().mark()) {
    ++tape.checkpoints_;
  }
  Passage(Passage const&) = delete;
  Passage& operator=(Passage const&) = delete;
  ~Passage() {
    tape_->nodes_.resize(nodes_);
    tape_->values_.arena().release(mark_);
    --tape_->checkpoints_;
  }
  /// Plays what was recorded since.
  void play_back() { tape_->play_back_to(nodes_); }

 private:
  Tape<B>* tape_;
  std::size_t nodes_;
  typename Arena<typename B::memory_space>::Mark mark_;
};

template <class B>
struct Checkpoint {
  /// Runs the function, keeps its result alone, and forgets what it recorded.
  template <class Function, class... Vars>
  static auto run(Tape<B>& tape, Function const& function, Vars const&... x) {
    auto scope = tape.workspace().scope();
    auto const [result, wants_grad] = [&] {
      Passage passage(tape);
      auto const inner = function(false, x...);
      auto const kept = scope.tensor(inner.shape());
      copy(tape.workspace(), kept, inner.value);
      return std::pair{kept, inner.wants_grad()};
    }();
    auto const y = tape.make(shape_of(result), wants_grad);
    copy(tape.workspace(), y.value, result);
    if (!y.wants_grad()) return y;
    tape.record(
        "heliograd::checkpoint", y, [=](Tape<B>& t) { replay(t, function, y, x...); },
        [=](Tape<B>& t, auto const& gy) { differentiate(t, function, gy, x...); });
    tape.nodes_.back().opaque = true;
    return y;
  }

  /// Runs the function once more, now to pass the gradient of y through it.
  template <class Function, class Y, class... Vars>
  static void replay(Tape<B>& tape, Function const& function, Y const& y, Vars const&... x) {
    Passage passage(tape);
    auto const inner = again(tape, function, x...);
    accumulate(tape.workspace(), tape.into(inner), y.grad());
    passage.play_back();
  }

  /// Runs the function once more, to stay on the tape: the gradients that are made of it need its values.
  template <class Function, class Y, class... Vars>
  static void differentiate(Tape<B>& tape, Function const& function, Y const& gy, Vars const&... x) {
    std::size_t const first = tape.nodes_.size();
    tape.differentiate_from(first, again(tape, function, x...), gy);
  }

  /// function(true, x...), recorded; its work is not counted twice.
  template <class Function, class... Vars>
  static auto again(Tape<B>& tape, Function const& function, Vars const&... x) {
    std::size_t const macs = tape.macs_;
    bool const recording = tape.recording();
    tape.set_recording(true);
    auto const inner = function(true, x...);
    tape.set_recording(recording);
    tape.macs_ = macs;
    return inner;
  }
};

/// A batch in parts, each with all its intermediate values to itself.
template <class B>
struct Stream {
  std::size_t images;  ///< in a part

  /// Calls task(part, first image, images).
  template <class Task>
  void for_each_part(std::size_t batch, Task const& task) const {
    for (std::size_t first = 0, part = 0; first < batch; first += images, ++part)
      task(part, first, std::min(images, batch - first));
  }

  template <class View>
  static View slice(View const& whole, std::size_t first, std::size_t count) {
    auto shape = shape_of(whole);
    std::size_t const one = shape[0] > 0 ? shape.size() / shape[0] : 0;
    shape[0] = count;
    return view_at<View>(whole.data() + first * one, shape);
  }
  /// Images of x, whose gradient nobody sees.
  template <int Rank>
  static Var<Rank, B> images_of(Tape<B>& tape, Var<Rank, B> const& x, std::size_t first, std::size_t count) {
    auto part = tape.constant(slice(x.value, first, count));
    if (tape.recording() && x.wants_grad()) part.slot = tape.host_.template make<typename Tape<B>::Slot>();
    return part;
  }

  template <class Function, int Rank>
  auto run(Tape<B>& tape, Function const& function, Var<Rank, B> const& x) const {
    std::size_t const batch = x.shape()[0];
    auto scope = tape.workspace().scope();
    auto const [head, wants_grad] = [&] {  // the first part tells the shape
      Passage passage(tape);
      auto const inner = function(false, std::size_t{0}, images_of(tape, x, 0, std::min(images, batch)));
      auto const kept = scope.tensor(inner.shape());
      copy(tape.workspace(), kept, inner.value);
      return std::pair{kept, inner.wants_grad()};
    }();
    auto shape = shape_of(head);
    expect_shape(shape[0] == std::min(images, batch), "heliograd::stream: the function made " + to_string(shape) +
                                                          " of " + std::to_string(std::min(images, batch)) +
                                                          " images; it must give one result for each");
    shape[0] = batch;
    auto const y = tape.make(shape, wants_grad);
    for_each_part(batch, [&](std::size_t part, std::size_t first, std::size_t count) {
      auto const out = slice(y.value, first, count);
      if (part == 0) return copy(tape.workspace(), out, head);
      Passage passage(tape);
      copy(tape.workspace(), out, function(false, part, images_of(tape, x, first, count)).value);
    });
    if (!y.wants_grad()) return y;
    tape.record("heliograd::stream", y, [=, self = *this](Tape<B>& t) { self.replay(t, function, y, x); });
    tape.nodes_.back().opaque = true;
    return y;
  }

  template <class Function, int RankY, int Rank>
  void replay(Tape<B>& tape, Function const& function, Var<RankY, B> const& y, Var<Rank, B> const& x) const {
    Sink<Rank, B> const gx = x.wants_grad() ? tape.into(x) : Sink<Rank, B>{};
    for_each_part(x.shape()[0], [&](std::size_t part, std::size_t first, std::size_t count) {
      Passage passage(tape);
      auto in = tape.constant(slice(x.value, first, count));
      if (x.wants_grad())  // its gradient is the slice of x's
        in.slot = tape.host_.template make<typename Tape<B>::Slot>(slice(gx.out, first, count).data(),
                                                                   gx.beta != typename B::scalar_type(0), true);
      auto const numbered = [&](bool again, auto const& at) { return function(again, part, at); };
      auto const inner = Checkpoint<B>::again(tape, numbered, in);
      if (inner.wants_grad()) {
        accumulate(tape.workspace(), tape.into(inner), slice(y.grad(), first, count));
        passage.play_back();
      }
      if (in.slot && !in.slot->reached) fill(tape.workspace(), in.grad(), typename B::scalar_type(0));
    });
  }
};

}  // namespace detail

/// A part of a network whose intermediate values are not kept: the backward pass computes them once more.
///
/// \param function `function(again, x...)` -> Var; `again` is false the first time and true in the backward pass. It must
///        compute the same both times: with the same random numbers, and without moving state again. It captures plain values
///        and pointers, of things that outlive the step. (`nn::checkpoint` sees to all that for a layer and a Mode.)
///
/// Gradient the same bits as without the checkpoint. It can be differentiated as often as the ops inside; `Tape::gradients` runs
///          the function once more, and what it computes then stays until `clear()`: nothing is saved but in the first pass.
/// Keeps    x and the result; while it is played, the values of one run.
/// Cost     the forward pass twice, and two copies of the result.
/// Source   Chen, Xu, Zhang, Guestrin: Training deep nets with sublinear memory cost, arXiv 1604.06174.
template <class Function, int Rank, class B, class... More>
  requires std::invocable<Function const&, bool, Var<Rank, B>, More...>
auto checkpoint(Function const& function, Var<Rank, B> x, More... more) {
  static_assert(std::is_trivially_destructible_v<Function>,
                "heliograd::checkpoint: the function may capture numbers, views and pointers only");
  return detail::Checkpoint<B>::run(x.tape(), function, x, more...);
}

/// A part of a network that takes the batch a few images at a time, forward and again backward: its intermediate values are
/// those of a few images, small enough for the processor's cache, however large the batch.
///
/// \param function `function(again, part, x)` -> Var, one result for each image of x; as for `checkpoint`, and `part` counts the
///        calls of a pass. What it computes of an image must not depend on the others. (`nn::stream` for a layer and a Mode.)
/// \param images at a time.
///
/// Gradient sums over images are sums over parts of sums: the same for any number of threads, other roundings for other
///          parts.
/// Keeps    x and the result.
/// Cost     the forward pass twice.
/// Throws   UsageError for no images; ShapeError if the results are not one for each image. Second derivatives are refused: they
///          would hold all parts at once, and saving that is what a stream is for. Take a checkpoint, or none.
template <class Function, int Rank, class B>
  requires std::invocable<Function const&, bool, std::size_t, Var<Rank, B>>
auto stream(Function const& function, std::size_t images, Var<Rank, B> x) {
  static_assert(std::is_trivially_destructible_v<Function>,
                "heliograd::stream: the function may capture numbers, views and pointers only");
  expect(images > 0, "heliograd::stream: a part must have at least one image");
  return detail::Stream<B>{images}.run(x.tape(), function, x);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
