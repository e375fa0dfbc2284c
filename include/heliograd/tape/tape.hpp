// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <heliograd/base/error.hpp>
#include <heliograd/core/fill.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/tape/detail/block_pool.hpp>
#include <heliograd/tape/detail/host_arena.hpp>
#include <heliograd/tape/param.hpp>
#include <heliograd/tape/var.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// Records ops as they run and plays their pullbacks in reverse.
///
/// One tape belongs to one execution-space instance; there is no global tape. Values and gradients live in arenas that
/// `clear()` rewinds, so a steady training step allocates nothing. An op is recorded as a closure that holds Vars, views and
/// numbers; creation order is a topological order, so the backward pass is a loop, however deep the graph.
template <class B>
class Tape {
 public:
  using execution_space = typename B::execution_space;
  using memory_space = typename B::memory_space;
  using scalar_type = typename B::scalar_type;

  explicit Tape(execution_space exec = {}) : workspace_(exec) {
    expect(Kokkos::is_initialized(), "Tape: Kokkos is not initialised; keep a Kokkos::ScopeGuard in main");
  }
  Tape(Tape const&) = delete;
  Tape& operator=(Tape const&) = delete;

  execution_space const& exec() const { return workspace_.exec(); }
  Workspace<B>& workspace() { return workspace_; }

  /// \name Putting values on the tape. Tensors and parameters must outlive the step.
  ///@{

  /// A value nobody wants a gradient of.
  template <class View>
  auto constant(View const& tensor) -> Var<static_cast<int>(View::rank()), B> {
    auto var = handle<static_cast<int>(View::rank())>(TensorRef<static_cast<int>(View::rank()), B>(tensor));
    return var;
  }

  /// A parameter: its gradient is added to `param.grad`. A frozen parameter is a constant.
  template <int Rank>
  Var<Rank, B> watch(Param<Rank, B> const& param) {
    auto var = handle<Rank>(param.value);
    if (recording_ && !param.frozen())
      var.slot = host_.template make<GradientSlot<scalar_type>>(param.grad.data(), true, true);
    return var;
  }

  /// The uninitialised output of an op. `wants_grad` is true if any input wants one.
  template <int Rank>
  Var<Rank, B> make(Shape<Rank> const& shape, bool wants_grad) {
    auto* const data = static_cast<scalar_type*>(values_.take(shape.size() * sizeof(scalar_type)));
    auto var = handle<Rank>(view_at<TensorRef<Rank, B>>(data, shape));
    if (recording_ && wants_grad) var.slot = host_.template make<GradientSlot<scalar_type>>();
    return var;
  }

  /// The same value without its history: no gradient flows back through it.
  template <int Rank>
  Var<Rank, B> detach(Var<Rank, B> x) {
    x.slot = nullptr;
    return x;
  }

  /// The same elements under another shape; the gradient is shared as well, so nothing is recorded or copied.
  template <int Rank, int OldRank>
  Var<Rank, B> reshape(Var<OldRank, B> const& x, Shape<Rank> const& shape) {
    expect_shape(shape.size() == x.value.size(),
                 "reshape: " + to_string(x.shape()) + " cannot become " + to_string(shape));
    auto var = handle<Rank>(view_at<TensorRef<Rank, B>>(x.value.data(), shape));
    var.slot = x.slot;
    return var;
  }

  /// Memory that lives until clear(): what an op keeps for its pullback besides Vars.
  template <class T>
  T* keep(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T>, "heliograd::Tape::keep: arena objects are never destroyed");
    return static_cast<T*>(values_.take(count * sizeof(T)));
  }
  ///@}

  /// Records how the gradient of `y` is passed on. The pullback is called as `pullback(tape)`, only if a gradient has
  /// arrived at `y`; it may capture Vars, views and plain values. Call it only if `y.wants_grad()`.
  template <int Rank, class Pullback>
  void record(char const* name, Var<Rank, B> const& y, Pullback const& pullback) {
    static_assert(std::is_trivially_destructible_v<Pullback>,
                  "heliograd::Tape::record: a pullback may capture Vars, TensorRefs, numbers and plain options only");
    expect(y.wants_grad(), std::string("Tape::record: the output of ") + name + " wants no gradient");
    auto* const closure = host_.template make<Pullback>(pullback);
    nodes_.push_back({name, [](void const* at, Tape& tape) { (*static_cast<Pullback const*>(at))(tape); }, closure,
                      y.slot, y.value.size() * sizeof(scalar_type)});
  }

  /// Where a pullback delivers its contribution to the gradient of `x`. Ask once per contribution: the first one
  /// overwrites, the next ones add.
  template <int Rank>
  Sink<Rank, B> into(Var<Rank, B> const& x) {
    GradientSlot<scalar_type>& slot = *x.slot;
    if (!slot.data) slot.data = static_cast<scalar_type*>(gradients_.take(x.value.size() * sizeof(scalar_type)));
    Sink<Rank, B> const sink{x.grad(), slot.reached ? scalar_type(1) : scalar_type(0)};
    slot.reached = true;
    return sink;
  }

  /// Keeps the gradient of `x` readable until clear().
  template <int Rank>
  void retain(Var<Rank, B> const& x) {
    expect(x.wants_grad(), "Tape::retain: this Var has no gradient");
    x.slot->retain = true;
  }

  /// Adds seed * d(loss) to the gradient of every watched parameter.
  void backward(Var<0, B> const& loss, double seed = 1.0) {
    expect(loss.wants_grad(),
           "Tape::backward: the loss depends on no parameter (frozen model, NoGrad, or a loss of constants)");
    expect(!played_, "Tape::backward: already played; call clear() and run the step again");
    played_ = true;
    fill(exec(), into(loss).out, static_cast<scalar_type>(seed));
    for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
      GradientSlot<scalar_type>& slot = *node->slot;
      if (!slot.reached) continue;
      node->play(node->closure, *this);
      if (!slot.retain) {
        gradients_.give_back(slot.data, node->bytes);
        slot.data = nullptr;
      }
    }
  }

  /// Forgets all values and nodes, keeps the memory: the next step gets the same addresses.
  void clear() {
    nodes_.clear();
    values_.rewind();
    gradients_.rewind();
    host_.rewind();
    played_ = false;
    ++generation_;
  }

  bool recording() const { return recording_; }
  void set_recording(bool on) { recording_ = on; }

  /// Counts clear() calls: a Var belongs to one generation.
  std::uint64_t generation() const { return generation_; }

  struct Node {
    char const* name;
    void (*play)(void const*, Tape&);
    void const* closure;
    GradientSlot<scalar_type>* slot;
    std::size_t bytes;
  };

  /// The recorded ops, oldest first.
  std::vector<Node> const& nodes() const { return nodes_; }

  /// Bytes of device memory reserved for values, gradients and scratch.
  std::size_t reserved_bytes() const {
    return values_.reserved_bytes() + gradients_.arena().reserved_bytes() + workspace_.scratch().reserved_bytes();
  }

 private:
  template <int Rank>
  Var<Rank, B> handle(TensorRef<Rank, B> const& value) {
    Var<Rank, B> var;
    var.value = value;
    var.owner = this;
#if HELIOGRAD_CHECKS
    var.generation = generation_;
#endif
    return var;
  }

  Workspace<B> workspace_;
  Arena<memory_space> values_;
  detail::BlockPool<memory_space> gradients_;
  detail::HostArena host_;
  std::vector<Node> nodes_;
  std::uint64_t generation_ = 1;
  bool recording_ = true;
  bool played_ = false;
};

template <int Rank, class B>
Tape<B>& Var<Rank, B>::tape() const {
#if HELIOGRAD_CHECKS
  expect(owner != nullptr, "Var: empty; it was never put on a tape");
  expect(generation == owner->generation(), "Var: used after Tape::clear(); its memory belongs to the next step");
#endif
  return *owner;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
