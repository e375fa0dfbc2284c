// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <heliograd/base/error.hpp>
#include <heliograd/core/accumulate.hpp>
#include <heliograd/core/copy.hpp>
#include <heliograd/core/fill.hpp>
#include <heliograd/core/huge_pages.hpp>
#include <heliograd/core/pack.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/tape/detail/block_pool.hpp>
#include <heliograd/tape/detail/host_arena.hpp>
#include <heliograd/tape/param.hpp>
#include <heliograd/tape/var.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

template <class B>
class Aside;

namespace detail {
template <class B>
struct Checkpoint;
template <class B>
class Passage;
template <class B>
struct Stream;
}  // namespace detail

struct TapeOptions {
  /// A dry run: ops check shapes and plan their memory, but take none and launch nothing. Then `macs` and `peak_bytes` say
  /// what a step would cost, in milliseconds whatever the size. Values must not be read.
  bool dry = false;
  /// The backward pass gives back the memory of values as it goes: afterwards only scalars, and what `retain` was called for,
  /// may be read until `clear()`. The step then needs little more memory than its values.
  bool reuse_values = false;
  /// With `reuse_values`, on a host: what large values took goes back to the system at once, for the gradients of parameters
  /// (`FlatStore::zero_grad`). Where these are much of a step's memory it needs that much less, and one or two percent more time.
  bool give_back_pages = false;
};

/// What the pullback of an op reads of the op's input and output, the gradient of its output aside: on an op's page, "Keeps".
enum class Kept : unsigned char { both, input, output, neither };

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
  using Slot = GradientSlot<scalar_type>;

  explicit Tape(execution_space exec = {}, TapeOptions const& options = {})
      : workspace_(exec, options.dry),
        values_(options.dry, dry_values),
        gradients_(options.dry, dry_gradients),
        reuse_values_(options.reuse_values),
        give_back_pages_(options.give_back_pages && !options.dry) {
    expect(Kokkos::is_initialized(), "Tape: Kokkos is not initialised; keep a Kokkos::ScopeGuard in main");
  }
  Tape(Tape const&) = delete;
  Tape& operator=(Tape const&) = delete;

  execution_space const& exec() const { return workspace_.exec(); }
  Workspace<B>& workspace() { return workspace_; }

  /// \name Putting values on the tape. Tensors and parameters must outlive the step.
  ///@{

  /// A value nobody wants a gradient of: the tensor itself, or a copy if it lies otherwise than kernels read it (a slice that skips
  /// memory, Fortran's order).
  template <class View>
  auto constant(View const& tensor) -> Var<static_cast<int>(View::rank()), B> {
    constexpr int rank = static_cast<int>(View::rank());
    using Ref = TensorRef<rank, B>;
    if constexpr (may_have_gaps<View>) {
      static_assert(std::is_same_v<typename View::memory_space, memory_space> &&
                        std::is_same_v<typename View::non_const_value_type, scalar_type>,
                    "heliograd::Tape: the view is in another memory or of other numbers than the tape's backend");
      if (!is_row_major(tensor)) {
        auto const packed = make(shape_of(tensor), false);
        if (!workspace_.dry()) pack(exec(), tensor, packed.value.data());
        return packed;
      }
      return handle<rank>(view_at<Ref>(tensor.data(), shape_of(tensor)));
    } else {
      return handle<rank>(Ref(tensor));
    }
  }

  /// A parameter: its gradient is added to `param.grad`. A frozen parameter is a constant. However often it is watched, it
  /// has one gradient.
  template <int Rank>
  Var<Rank, B> watch(Param<Rank, B> const& param) {
    auto var = handle<Rank>(param.value);
    if (recording_ && !param.frozen()) {
      Watched& watched = watched_[param.grad.data()];
      if (watched.generation != generation_)
        watched = {generation_,
                   host_.template make<Slot>(param.grad.data(), true, true)
#if HELIOGRAD_CHECKS
                       ,
                   param.value.data(),
                   param.value.size() * sizeof(scalar_type),
                   fingerprint(param.value.data(), param.value.size() * sizeof(scalar_type)),
                   nodes_.size()
#endif
        };
      var.slot = watched.slot;
    }
    return var;
  }

  /// A value whose gradient is wanted, but which is no parameter: an input of a network. After `backward` it is `x.grad()`;
  /// `gradients` gives it as a Var.
  template <class View>
  auto variable(View const& tensor) -> Var<static_cast<int>(View::rank()), B> {
    auto var = constant(tensor);
    if (recording_) var.slot = host_.template make<Slot>(nullptr, false, true);
    return var;
  }

  /// The uninitialised output of an op. `wants_grad` is true if any input wants one. An op whose pullback does not read what it
  /// has made says so: then the next op may write over it.
  template <int Rank>
  Var<Rank, B> make(Shape<Rank> const& shape, bool wants_grad, Kept kept = Kept::both) {
    std::size_t const bytes = shape.size() * sizeof(scalar_type);
    auto* const data =
        static_cast<scalar_type*>(checkpoints_ > 0 ? values_.arena().take_untouched(bytes) : values_.take(bytes));
    auto var = handle<Rank>(view_at<TensorRef<Rank, B>>(data, shape));
    return made(var, wants_grad, kept);
  }

  /// A value that no memory holds, between two steps that are computed as one. It has a gradient, if it wants one.
  template <int Rank>
  Var<Rank, B> unstored(Shape<Rank> const& shape, bool wants_grad) {
    auto var = handle<Rank>(view_at<TensorRef<Rank, B>>(static_cast<scalar_type*>(nullptr), shape));
    if (recording_ && wants_grad) var.slot = host_.template make<Slot>();
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
    var.whole = x.whole;
    var.unread = x.unread;
    return var;
  }

  /// The uninitialised output of an op that makes each element of y of the same element of x alone: in the memory of x, if x
  /// is spent and the op's pullback does not read it.
  template <int Rank>
  Var<Rank, B> make_over(Var<Rank, B> const& x, bool wants_grad, Kept kept = Kept::both) {
    if (!x.spent || (recording_ && (kept == Kept::both || kept == Kept::input)))
      return make(x.shape(), wants_grad, kept);
    if (x.slot) x.slot->gone = true;
    return made(handle<Rank>(x.value), wants_grad, kept);
  }

  /// `x` for its only use, by an op that reads it once: `relu(tape.spend(x))` may write over it, in the backward pass its gradient
  /// may. (A function of several ops might overwrite it in the first.) What the op that made x needs to pass its gradient on
  /// stays as it is. If nothing is recorded, ops may have read x before.
  template <int Rank>
  Var<Rank, B> spend(Var<Rank, B> x) const {
    x.spent = x.whole && checkpoints_ == 0 && (!recording_ || x.unread);
    return x;
  }

  /// In an op that has read x and whose pullback does not: a spent x makes room for what follows.
  template <int Rank>
  void let_go(Var<Rank, B> const& x) {
    if (!x.spent) return;
    if (x.slot) x.slot->gone = true;
    give_back(x);
  }

  /// A promise that nothing reads `x` any more. If nothing is recorded, its memory goes to the ops that follow: a network that
  /// is applied needs as much as its widest place. Otherwise, and for values that no op made (a slice of one, a caller's tensor),
  /// nothing happens.
  template <int Rank>
  void done_with(Var<Rank, B> const& x) {
    if (!recording_ && checkpoints_ == 0 && x.whole) give_back(x);
  }

  /// Memory that lives until clear(): what an op keeps for its pullback besides Vars.
  template <class T>
  T* keep(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T>, "heliograd::Tape::keep: arena objects are never destroyed");
    return static_cast<T*>(values_.arena().take(count * sizeof(T)));
  }
  ///@}

  /// Records how the gradient of `y` is passed on. The pullback is called as `pullback(tape)`, only if a gradient has
  /// arrived at `y`; it may capture Vars, views and plain values. Call it only if `y.wants_grad()`.
  template <int Rank, class Pullback>
  void record(char const* name, Var<Rank, B> const& y, Pullback const& pullback) {
    record(name, std::tuple<Var<Rank, B>>(y), pullback);
  }

  /// The same for an op that can be differentiated again. `twice(tape, gy)` is the pullback written in ops: it has the
  /// gradient of `y` as a Var and delivers Vars, `if (tape.wants(x)) tape.deliver(x, contribution)`.
  template <int Rank, class Pullback, class Twice>
  void record(char const* name, Var<Rank, B> const& y, Pullback const& pullback, Twice const& twice) {
    record(name, std::tuple<Var<Rank, B>>(y), pullback, twice);
  }

  /// \name Ops with several results: one node, a `std::tuple` or `std::array` of Vars that all want a gradient.
  ///@{

  /// The pullback is called once, if a gradient has arrived at one of `ys` at least; those of the others are zeros then.
  template <class Vars, class Pullback>
  void record(char const* name, Vars const& ys, Pullback const& pullback) {
    add_node(name, ys, pullback, nullptr);
  }

  /// `twice(tape, gy...)` has a gradient for each of `ys`, likewise.
  template <class Vars, class Pullback, class Twice>
  void record(char const* name, Vars const& ys, Pullback const& pullback, Twice const& twice) {
    struct Both {
      Pullback once;
      Twice twice;
      void operator()(Tape& tape) const { once(tape); }
    };
    add_node(name, ys, Both{pullback, twice}, [](void const* at, Tape& tape, Output const* outputs) {
      tape.call_twice(static_cast<Both const*>(at)->twice, static_cast<Vars const*>(nullptr), outputs);
    });
  }
  ///@}

  /// Where a pullback delivers its contribution to the gradient of `x`. Ask once per contribution: the first one
  /// overwrites, the next ones add.
  template <int Rank>
  Sink<Rank, B> into(Var<Rank, B> const& x) {
    Slot& slot = *x.slot;
    if (!slot.data) slot.data = static_cast<scalar_type*>(gradients_.take(x.shape().size() * sizeof(scalar_type)));
    Sink<Rank, B> const sink{x.grad(), slot.reached ? scalar_type(1) : scalar_type(0)};
    slot.reached = true;
    return sink;
  }

  /// The same for a pullback that has read x for the last time: if x was spent, its gradient takes its place.
  template <int Rank>
  Sink<Rank, B> into_spent(Var<Rank, B> const& x) {
    Slot& slot = *x.slot;
    if (x.spent && !slot.data && !slot.gone && !slot.retain) {
      slot.data = x.value.data();
      slot.gone = true;
    }
    return into(x);
  }

  /// The same for a pullback of `y` that makes each element of x's gradient of the same element of y's: if nobody else needs the
  /// gradient of y, that of x takes over its memory. The kernel reads `y.grad()` as before, each element once.
  template <int Rank>
  Sink<Rank, B> into_over(Var<Rank, B> const& x, Var<Rank, B> const& y) {
    if (x.slot->data || y.slot->retain || x.slot == y.slot) return into(x);
    x.slot->data = y.slot->data;
    y.slot->taken = true;
    return into(x);
  }

  /// For a pullback of `y` that adds y's gradient to that of x as it is. If that needs no memory of its own, none is moved. The
  /// pullback may still read `y.grad()`, but must not write there.
  template <int Rank>
  void pass_on(Var<Rank, B> const& x, Var<Rank, B> const& y) {
    auto const sink = into_over(x, y);
    if (sink.out.data() != y.grad().data()) accumulate(workspace_, sink, y.grad());
  }

  /// Keeps the gradient of `x` readable until clear(), and its value.
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
    expect_unchanged();
    fill(workspace_, into(loss).out, static_cast<scalar_type>(seed));
    play_back_to(0);
  }

  /// \name Gradients that can be differentiated again.
  ///@{

  /// The gradients of the sum of all elements of `y`, as values on the tape: a loss of them has gradients in turn. One Var
  /// for one x, else a tuple; an x that y does not depend on gets zeros. Each x is a parameter that is watched, a
  /// `variable`, or the output of any op. Under NoGrad the gradients are constants.
  ///
  /// Only ops between the xs and y are asked, and nothing else is computed. Throws where one of them was recorded without
  /// a second derivative.
  template <int RankY, int Rank, int... More>
  auto gradients(Var<RankY, B> const& y, Var<Rank, B> const& x, Var<More, B> const&... more) {
    differentiate(y, {x.slot, more.slot...});
    if constexpr (sizeof...(More) == 0)
      return arrived(*x.slot, x.shape());
    else
      return std::tuple{arrived(*x.slot, x.shape()), arrived(*more.slot, more.shape())...};
  }

  /// The same for any number of xs of one rank.
  template <int RankY, int Rank>
  std::vector<Var<Rank, B>> gradients(Var<RankY, B> const& y, std::vector<Var<Rank, B>> const& xs) {
    std::vector<Slot*> slots;
    for (auto const& x : xs) slots.push_back(x.slot);
    differentiate(y, slots);
    std::vector<Var<Rank, B>> result;
    for (auto const& x : xs) result.push_back(arrived(*x.slot, x.shape()));
    return result;
  }

  /// In a second-order pullback: whether a contribution to the gradient of `x` is of use.
  template <int Rank>
  bool wants(Var<Rank, B> const& x) const {
    return x.slot && x.slot->pass == pass_;
  }

  /// In a second-order pullback: adds a contribution to the gradient of `x`. One that nobody wants is dropped.
  template <int Rank>
  void deliver(Var<Rank, B> const& x, Var<Rank, B> const& contribution) {
    expect_shape(contribution.shape() == x.shape(), "Tape::deliver: the contribution has " +
                                                        to_string(contribution.shape()) + ", its value has " +
                                                        to_string(x.shape()));
    if (!wants(x)) return;
    Slot& slot = *x.slot;
    auto total = contribution;
    if (slot.again_value) total = sum(arrived(slot, x.shape()), contribution);
    slot.again_value = total.value.data();
    slot.again = total.slot;
  }
  ///@}

  /// Forgets all values and nodes, keeps the memory: from the second on, equal steps get the same addresses.
  void clear() {
    nodes_.clear();
    values_.rewind();
    gradients_.rewind();
    host_.rewind();
    played_ = false;
    macs_ = 0;
    ++generation_;
  }

  bool recording() const { return recording_; }
  void set_recording(bool on) { recording_ = on; }

  /// Counts clear() calls: a Var belongs to one generation.
  std::uint64_t generation() const { return generation_; }

  /// One of the values an op has made.
  struct Output {
    Slot* slot;
    std::size_t const* extent;
    int rank;
    std::size_t bytes;
    void* value;
#if HELIOGRAD_CHECKS
    std::uint64_t fingerprint;
#endif
  };

  struct Node {
    char const* name;
    void (*play)(void const*, Tape&);
    void (*play_twice)(void const*, Tape&, Output const*);  // null: there is no second derivative
    void const* closure;
    std::size_t closure_bytes;
    Output const* first;
    std::size_t count;    // of its outputs
    bool opaque = false;  // holds more than Vars tell: parameters that are watched inside a checkpoint

    Output const* begin() const { return first; }
    Output const* end() const { return first + count; }

    template <class Predicate>
    bool any_output(Predicate const& predicate) const {
      return std::any_of(begin(), end(), predicate);
    }

    /// Calls visit(word) for everything in the pullback that could be a Var's slot, its own outputs' aside: Vars lie in it as
    /// they are. Compare, do not follow: most of it is something else.
    template <class Visit>
    void for_each_slot(Visit const& visit) const {
      for (std::size_t at = 0; at + sizeof(Slot*) <= closure_bytes; at += alignof(Slot*)) {
        Slot const* word;
        std::memcpy(&word, static_cast<std::byte const*>(closure) + at, sizeof word);
        if (!any_output([&](Output const& y) { return y.slot == word; })) visit(word);
      }
    }
    bool holds_one_of(std::unordered_set<Slot const*> const& slots) const {
      bool found = opaque;
      for_each_slot([&](Slot const* word) { found = found || slots.contains(word); });
      return found;
    }
  };

  /// The recorded ops, oldest first.
  std::vector<Node> const& nodes() const { return nodes_; }

  /// \name What the step costs.
  ///@{

  /// Ops say how many multiply-adds their definition has, whatever algorithm computes it.
  void add_work(std::size_t macs) { macs_ += macs; }
  /// The multiply-adds of convolutions and matrix products since `clear()`, without their gradients.
  std::size_t macs() const { return macs_; }

  bool dry() const { return workspace_.dry(); }

  /// The most bytes that were held at one time for values, for gradients and for scratch, the sum of the three: what of the
  /// arenas was ever touched. Parameters are not included.
  std::size_t peak_bytes() const {
    return values_.arena().peak_bytes() + gradients_.arena().peak_bytes() + workspace_.scratch().peak_bytes();
  }
  ///@}

  /// Bytes of device memory reserved for values, gradients and scratch.
  std::size_t reserved_bytes() const {
    return values_.arena().reserved_bytes() + gradients_.arena().reserved_bytes() +
           workspace_.scratch().reserved_bytes();
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

  /// A new value that is an op's.
  template <int Rank>
  Var<Rank, B> made(Var<Rank, B> var, bool wants_grad, Kept kept) {
    var.whole = true;
    if (recording_ && wants_grad) var.slot = host_.template make<Slot>();
    var.unread = !var.slot || kept == Kept::input || kept == Kept::neither;
    return var;
  }

  template <int Rank>
  void give_back(Var<Rank, B> const& x) {
#if HELIOGRAD_CHECKS
    fill(workspace_, x.value, std::numeric_limits<scalar_type>::quiet_NaN());
#endif
    values_.give_back(x.value.data(), x.value.size() * sizeof(scalar_type));
  }

  template <class Vars, class Closure>
  void add_node(char const* name, Vars const& ys, Closure const& closure,
                void (*play_twice)(void const*, Tape&, Output const*)) {
    static_assert(std::is_trivially_destructible_v<Closure>,
                  "heliograd::Tape::record: a pullback may capture Vars, TensorRefs, numbers and plain options only");
    using Outputs = std::array<Output, std::tuple_size_v<Vars>>;
    auto* const outputs =
        host_.template make<Outputs>(std::apply([&](auto const&... y) { return Outputs{output(name, y)...}; }, ys));
    nodes_.push_back({name, [](void const* at, Tape& tape) { (*static_cast<Closure const*>(at))(tape); }, play_twice,
                      host_.template make<Closure>(closure), sizeof(Closure), outputs->data(), outputs->size()});
  }

  template <int Rank>
  Output output(char const* name, Var<Rank, B> const& y) {
    expect(y.wants_grad(), std::string("Tape::record: the output of ") + name + " wants no gradient");
    auto* const shape = host_.template make<Shape<Rank>>(y.shape());
    std::size_t const bytes = shape->size() * sizeof(scalar_type);
    return {y.slot,
            shape->extent.data(),
            Rank,
            bytes,
            y.value.data()
#if HELIOGRAD_CHECKS
                ,
            fingerprint(y.value.data(), bytes)
#endif
    };
  }

  /// Plays the pullbacks of all nodes from number `first` on, newest first. When a node has been played nothing reads its
  /// value any more: all that did was recorded later.
  void play_back_to(std::size_t first) {
    for (std::size_t i = nodes_.size(); i-- > first;) {
      Node const node = nodes_[i];  // a copy: a checkpoint adds nodes of its own for a while
      if (node.any_output([](Output const& y) { return y.slot->reached; })) {
        for (Output const& y : node)
          if (!y.slot->reached) {
            y.slot->data = static_cast<scalar_type*>(gradients_.take(y.bytes));
            fill(workspace_, TensorRef<1, B>(y.slot->data, y.bytes / sizeof(scalar_type)), scalar_type(0));
          }
        node.play(node.closure, *this);
        for (Output const& y : node)
          if (!y.slot->retain) {
            if (!y.slot->taken) gradients_.give_back(y.slot->data, y.bytes);
            y.slot->data = nullptr;
          }
      }
      if (reuse_values_ && checkpoints_ == 0)
        for (Output const& y : node)
          if (!y.slot->retain && !y.slot->gone && y.rank > 0 && made_here(y.value)) reuse(y);
    }
  }
  /// Gradients may have the memory of a value.
  void reuse(Output const& y) {
#if HELIOGRAD_CHECKS
    TensorRef<1, B> const spent(static_cast<scalar_type*>(y.value), y.bytes / sizeof(scalar_type));
    fill(workspace_, spent, std::numeric_limits<scalar_type>::quiet_NaN());
#endif
    if (give_back_pages_) give_back_pages<memory_space>(y.value, y.bytes);
    gradients_.give_back(y.value, y.bytes);
  }
  /// Whether a value may be memory of this tape. (A caller's tensor is not.)
  bool made_here(void const* data) const { return values_.arena().holds(data); }

  /// Checked builds: throws if what pullbacks read was written to since.
  void expect_unchanged() {
#if HELIOGRAD_CHECKS
    if (dry()) return;
    for (Node const& node : nodes_)
      for (Output const& y : node)
        expect(y.slot->gone || fingerprint(y.value, y.bytes) == y.fingerprint,
               std::string("Tape: the output of ") + node.name +
                   " was changed after it was computed, and gradients need it as it was; write to a copy");
    for (auto const& [gradient, watched] : watched_)
      expect(watched.generation != generation_ || fingerprint(watched.value, watched.bytes) == watched.fingerprint,
             "Tape: a parameter was changed between its use and the backward pass, and gradients need it as it was; "
             "update "
             "parameters after Tape::backward");
#endif
  }
#if HELIOGRAD_CHECKS
  /// Of the bytes that lie somewhere; waits for them.
  std::uint64_t fingerprint(void const* data, std::size_t bytes) {
    if (dry() || data == nullptr || bytes == 0) return 0;
    std::vector<std::byte> seen(bytes);
    copy_flat<Kokkos::HostSpace, memory_space>(exec(), seen.data(), static_cast<std::byte const*>(data), bytes);
    exec().fence("heliograd::Tape: fingerprint");
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (std::byte const b : seen) hash = (hash ^ static_cast<std::uint64_t>(b)) * 0x100000001b3u;
    return hash;
  }
#endif

  /// What has arrived at a slot as a Var; zeros if nothing has.
  template <int Rank>
  Var<Rank, B> arrived(Slot const& slot, Shape<Rank> const& shape) {
    if (!slot.again_value) {
      auto const zeros = make(shape, false);
      fill(workspace_, zeros.value, scalar_type(0));
      return zeros;
    }
    auto var = handle<Rank>(view_at<TensorRef<Rank, B>>(slot.again_value, shape));
    var.slot = slot.again;
    return var;
  }

  /// Calls twice(tape, gy...) with what has arrived at the outputs.
  template <class Twice, class... Vars>
  void call_twice(Twice const& twice, std::tuple<Vars...> const*, Output const* outputs) {
    std::apply([&](auto const&... gy) { twice(*this, gy...); }, std::tuple<Vars...>{arrived_at<Vars>(outputs)...});
  }
  template <class Twice, class V, std::size_t count>
  void call_twice(Twice const& twice, std::array<V, count> const*, Output const* outputs) {
    std::array<V, count> gys;
    for (V& gy : gys) gy = arrived_at<V>(outputs);
    std::apply([&](auto const&... gy) { twice(*this, gy...); }, gys);
  }
  /// What has arrived at the output, which is a V, and on to the next one.
  template <class V>
  V arrived_at(Output const*& output) {
    decltype(std::declval<V>().shape()) shape;
    std::size_t const* from = output->extent;
    for (std::size_t& extent : shape.extent) extent = *from++;
    return arrived(*output++->slot, shape);
  }

  /// a + b: contributions to one gradient.
  template <int Rank>
  Var<Rank, B> sum(Var<Rank, B> a, Var<Rank, B> b) {
    auto const y = make(a.shape(), a.wants_grad() || b.wants_grad());
    accumulate(workspace_, Sink<Rank, B>{y.value, 0}, a.value);
    accumulate(workspace_, Sink<Rank, B>{y.value, 1}, b.value);
    if (y.wants_grad())
      record(
          "heliograd::gradient_sum", y,
          [=](Tape& t) {
            if (a.wants_grad()) accumulate(t.workspace(), t.into(a), y.grad());
            if (b.wants_grad()) accumulate(t.workspace(), t.into(b), y.grad());
          },
          [=](Tape& t, Var<Rank, B> gy) {
            t.deliver(a, gy);
            t.deliver(b, gy);
          });
    return y;
  }

  /// Plays the second-order pullbacks between y and the wanted slots, newest first.
  template <int Rank, class Slots = std::initializer_list<Slot*>>
  void differentiate(Var<Rank, B> const& y, Slots const& wanted) {
    expect_unchanged();
    expect(!played_, "Tape::gradients: backward has been played; call it before, or clear() and run the step again");
    ++pass_;
    reach_.clear();
    for (Slot* const slot : wanted) {
      expect(slot != nullptr, "Tape::gradients: a gradient is asked of a constant; make it a variable, or watch it");
      reached(slot);
    }
    auto const seed = make(y.shape(), false);
    fill(workspace_, seed.value, scalar_type(1));
    differentiate_from(0, y, seed);
  }
  void reached(Slot* slot) {
    slot->pass = pass_;
    slot->again_value = nullptr;
    slot->again = nullptr;
    reach_.insert(slot);
  }

  /// Passes the gradient of y on through the nodes from number `first` on that depend on a wanted value.
  template <int Rank>
  void differentiate_from(std::size_t first, Var<Rank, B> const& y, Var<Rank, B> const& gy) {
    std::vector<std::size_t> path;
    for (std::size_t i = first; i < nodes_.size() && y.wants_grad(); ++i)
      if (nodes_[i].holds_one_of(reach_)) {
        for (Output const& out : nodes_[i]) reached(out.slot);
        path.push_back(i);
      }
    deliver(y, gy);
    for (auto i = path.rbegin(); i != path.rend(); ++i) {
      Node const node = nodes_[*i];  // a copy: nodes are added
      if (!node.any_output([](Output const& out) { return out.slot->again_value != nullptr; })) continue;
      expect(node.play_twice != nullptr,
             std::string("Tape::gradients: ") + node.name +
                 " was recorded without a second derivative; give Tape::record the pullback in ops as its fourth "
                 "argument, or detach what need not be differentiated");
      node.play_twice(node.closure, *this, node.first);
    }
  }

  struct Watched {
    std::uint64_t generation = 0;
    Slot* slot = nullptr;
#if HELIOGRAD_CHECKS
    void const* value = nullptr;
    std::size_t bytes = 0;
    std::uint64_t fingerprint = 0;
    std::size_t nodes = 0;  // that were recorded before
#endif
  };

  friend class Aside<B>;
  friend struct detail::Checkpoint<B>;
  friend class detail::Passage<B>;
  friend struct detail::Stream<B>;

  // Where a dry tape's addresses begin: beyond those of any memory, so that a caller's tensor is not taken for the tape's.
  static constexpr std::uintptr_t dry_values = std::uintptr_t{1} << 61;
  static constexpr std::uintptr_t dry_gradients = std::uintptr_t{1} << 62;

  Workspace<B> workspace_;
  detail::BlockPool<memory_space> values_;
  detail::BlockPool<memory_space> gradients_;
  detail::HostArena host_;
  std::vector<Node> nodes_;
  std::unordered_map<scalar_type const*, Watched> watched_;  // by their gradients
  std::uint64_t generation_ = 1;
  std::uint32_t pass_ = 0;
  std::unordered_set<Slot const*> reach_;  // what depends on a value that `gradients` is asked about
  std::size_t macs_ = 0;
  int checkpoints_ = 0;  // that are being run or played: what they take is released in one piece
  bool reuse_values_;
  bool give_back_pages_;
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
