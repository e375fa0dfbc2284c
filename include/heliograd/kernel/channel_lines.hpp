// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <numeric>
#include <type_traits>

#include <heliograd/core/past_caches.hpp>
#include <heliograd/core/simd.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// A straight line per channel with a bend at zero, y = bend((x - centre) scale + offset): what every normalisation comes
/// down to once its statistics are known, with the rectifier that follows it. And the sums over rows, channel by channel,
/// that statistics and gradients need.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// How a tensor [..., c] is seen: [segments][rows][channels]. Sums run along the rows.
struct ChannelRows {
  std::size_t segments, rows, channels;

  KOKKOS_FUNCTION std::size_t lines() const { return segments * channels; }
  KOKKOS_FUNCTION std::size_t size() const { return segments * rows * channels; }
};

/// bend((x - centre) scale + offset), a set of numbers for each channel of each segment. The bend multiplies negative values
/// by `negative_slope`: 1 is none, 0 the rectifier.
template <class T>
struct ChannelLines {
  T const* centre;
  T const* scale;
  T const* offset;
  T negative_slope;
};

namespace detail {

/// The numbers of a vector as doubles, in vectors as long as the machine's: longer ones a compiler keeps in memory.
template <class V>
struct Widened {
  static constexpr int vectors = V::size / Simd<double>::size;
  Simd<double> part[vectors];

  Widened() = default;
  explicit Widened(V x) {
    typedef double Long __attribute__((vector_size(sizeof(double) * V::size)));
    Long const wide = __builtin_convertvector(x.lanes, Long);
    __builtin_memcpy(part, &wide, sizeof(part));
  }
  [[gnu::always_inline]] static Widened load(double const* from) {
    Widened result;
    for (int i = 0; i < vectors; ++i) result.part[i] = Simd<double>::load(from + i * Simd<double>::size);
    return result;
  }
  [[gnu::always_inline]] void store(double* to) const {
    for (int i = 0; i < vectors; ++i) part[i].store(to + i * Simd<double>::size);
  }
  [[gnu::always_inline]] friend Widened operator*(Widened a, Widened const& b) {
    for (int i = 0; i < vectors; ++i) a.part[i] = a.part[i] * b.part[i];
    return a;
  }
  [[gnu::always_inline]] Widened& operator+=(Widened const& other) {
    for (int i = 0; i < vectors; ++i) part[i] += other.part[i];
    return *this;
  }
};
template <class T>
KOKKOS_FUNCTION double widen(T x) {
  return x;
}
template <class T>
Widened<Simd<T>> widen(Simd<T> x) {
  return Widened<Simd<T>>(x);
}

/// A number or a vector of them from an address.
template <class V, class T>
KOKKOS_FUNCTION V fetch(T const* from) {
  if constexpr (std::is_same_v<V, T>)
    return *from;
  else
    return V::load(from);
}
template <class T>
KOKKOS_FUNCTION T where_positive(T condition, T a, T b) {
  return condition > T(0) ? a : b;
}

/// Terms of sums along rows. `add<V>(at, line, sum)` adds the summands of the element at flat index `at` (or of the elements
/// of a vector from there on), whose channel's numbers are at index `line` of arrays by channel.
template <class T>
struct ValueTerm {
  static constexpr int sums = 1;
  T const* x;
  template <class V, class Sum>
  KOKKOS_FUNCTION void add(std::size_t at, std::size_t, Sum* sum) const {
    sum[0] += widen(fetch<V>(x + at));
  }
};
/// Squares of distances from a centre. x is in cache; `ahead` of it is what is wanted next.
template <class T>
struct SquareTerm {
  static constexpr int sums = 1;
  T const* x;
  T const* centre;
  std::size_t ahead = 0;
  template <class V, class Sum>
  KOKKOS_FUNCTION void add(std::size_t at, std::size_t line, Sum* sum) const {
    if constexpr (!std::is_same_v<V, T>) __builtin_prefetch(x + at + ahead);
    auto const d = widen(V(fetch<V>(x + at) - fetch<V>(centre + line)));
    sum[0] += d * d;
  }
};
/// The gradient g that passes the bend, and g (x - centre).
template <class T>
struct GradientTerm {
  static constexpr int sums = 2;
  T const* x;
  T const* gy;
  ChannelLines<T> line;
  template <class V, class Sum>
  KOKKOS_FUNCTION void add(std::size_t at, std::size_t l, Sum* sum) const {
    V const d = fetch<V>(x + at) - fetch<V>(line.centre + l);
    V g = fetch<V>(gy + at);
    if (line.negative_slope != T(1))
      g = where_positive(V(d * fetch<V>(line.scale + l) + fetch<V>(line.offset + l)), g, V(V(line.negative_slope) * g));
    auto const wide = widen(g);
    sum[0] += wide;
    sum[1] += wide * widen(d);
  }
};

/// Passes over an image. `value<V>(at, line)` is the result for the element at flat index `at` (or for those of a vector from
/// there on), whose channel's numbers are at index `line`.

/// bend(line(x)).
template <class T>
struct LineForward {
  using scalar = T;
  T const* x;
  T* out;
  ChannelLines<T> line;
  bool past_caches = false;
  template <class V>
  KOKKOS_FUNCTION V value(std::size_t at, std::size_t l) const {
    V const z = (fetch<V>(x + at) - fetch<V>(line.centre + l)) * fetch<V>(line.scale + l) + fetch<V>(line.offset + l);
    return where_positive(V(-z), V(V(line.negative_slope) * z), z);
  }
};
/// beta gx + scale g + pull (x - centre) + push, g the gradient that passes the bend.
template <class T>
struct LineBackward {
  using scalar = T;
  T const* x;
  T const* gy;
  ChannelLines<T> line;
  T const* pull;
  T const* push;
  T* out;
  T beta;
  bool past_caches = false;
  template <class V>
  KOKKOS_FUNCTION V value(std::size_t at, std::size_t l) const {
    V const d = fetch<V>(x + at) - fetch<V>(line.centre + l);
    V const z = d * fetch<V>(line.scale + l) + fetch<V>(line.offset + l);
    V const gradient = fetch<V>(gy + at);
    V const g = where_positive(z, gradient, V(V(line.negative_slope) * gradient));
    V const contribution = fetch<V>(line.scale + l) * g + (fetch<V>(pull + l) * d + fetch<V>(push + l));
    return beta != T(0) ? V(V(beta) * fetch<V>(out + at) + contribution) : contribution;
  }
};

/// How the host cuts the rows: in chunks that stay in cache, walked in periods of lanes. A period is a whole number of rows
/// and of vectors if there are few channels, else one row.
struct RowWalk {
  static constexpr std::size_t block = 32;            ///< lanes that are summed in registers
  static constexpr std::size_t longest = 32 * block;  ///< lanes for which memory is held on the stack

  ChannelRows shape;
  std::size_t period, chunk_rows, chunks;

  static RowWalk over(ChannelRows const& shape) {
    std::size_t period = std::lcm(shape.channels, block);
    if (period > longest) period = shape.channels;
    std::size_t const step = period / shape.channels;
    std::size_t const wanted = std::max<std::size_t>(64, 8 * host_chunk / shape.channels);
    std::size_t const chunk_rows = (wanted + step - 1) / step * step;
    return {shape, period, chunk_rows, (shape.rows + chunk_rows - 1) / chunk_rows};
  }
  std::size_t items() const { return shape.segments * chunks; }
  std::size_t segment(std::size_t item) const { return item / chunks; }
  std::size_t first_row(std::size_t item) const { return item % chunks * chunk_rows; }
  std::size_t rows(std::size_t item) const { return std::min(chunk_rows, shape.rows - first_row(item)); }
  std::size_t begin(std::size_t item) const { return (segment(item) * shape.rows + first_row(item)) * shape.channels; }
};

/// A strip of lanes: `width` elements side by side, `steps` times, `stride` apart, and `rest` elements after that. Lane l
/// belongs to channel first + l % channels.
struct LaneStrip {
  std::size_t first, begin, width, stride, steps, rest;
};

/// Calls task(strip) for strips that cover an item of the walk.
template <class Task>
void for_each_strip(RowWalk const& walk, std::size_t item, Task const& task) {
  std::size_t const begin = walk.begin(item), rows = walk.rows(item), channels = walk.shape.channels;
  if (walk.period <= RowWalk::longest) {
    std::size_t const size = rows * channels;
    task(LaneStrip{0, begin, walk.period, walk.period, size / walk.period, size % walk.period});
  } else
    for (std::size_t first = 0; first < channels; first += RowWalk::block)
      task(LaneStrip{first, begin + first, std::min(RowWalk::block, channels - first), channels, rows, 0});
}

/// The sums of a strip's columns, lane by lane; the numbers of lane l are at line + l of the term's arrays.
template <class T, class Term>
void sum_lanes(Term const& term, LaneStrip const& strip, std::size_t line, double (*lane)[RowWalk::longest]) {
  using Vector = Simd<T>;
  using Wide = Widened<Vector>;
  constexpr std::size_t size = static_cast<std::size_t>(Vector::size);
  constexpr std::size_t groups = RowWalk::block / size;
  std::size_t const whole = strip.width / RowWalk::block * RowWalk::block;
  for (int k = 0; k < Term::sums; ++k) std::fill(lane[k], lane[k] + whole, 0.0);
  // A few steps at a time, so that memory is read in order and sums are seldom put away.
  constexpr std::size_t steps_at_once = 8;
  for (std::size_t first = 0; first < strip.steps; first += steps_at_once) {
    std::size_t const end = std::min(first + steps_at_once, strip.steps);
    for (std::size_t l = 0; l < whole; l += RowWalk::block) {
      Wide sum[groups][Term::sums];
      for (std::size_t g = 0; g < groups; ++g)
        for (int k = 0; k < Term::sums; ++k) sum[g][k] = Wide::load(lane[k] + l + g * size);
      std::size_t at = strip.begin + first * strip.stride + l;
      for (std::size_t step = first; step < end; ++step, at += strip.stride)
        for (std::size_t g = 0; g < groups; ++g) term.template add<Vector>(at + g * size, line + l + g * size, sum[g]);
      for (std::size_t g = 0; g < groups; ++g)
        for (int k = 0; k < Term::sums; ++k) sum[g][k].store(lane[k] + l + g * size);
    }
  }
  std::size_t l = whole;
  for (; l < strip.width; ++l) {
    double sum[Term::sums] = {};
    for (std::size_t step = 0; step < strip.steps; ++step)
      term.template add<T>(strip.begin + l + step * strip.stride, line + l, sum);
    for (int k = 0; k < Term::sums; ++k) lane[k][l] = sum[k];
  }
  for (l = 0; l < strip.rest; ++l) {
    double sum[Term::sums] = {};
    term.template add<T>(strip.begin + strip.steps * strip.stride + l, line + l, sum);
    for (int k = 0; k < Term::sums; ++k) lane[k][l] += sum[k];
  }
}

/// The sum over the lanes of one channel of a strip, by a fixed tree.
inline double join_lanes(double const* lane, std::size_t width, std::size_t channels, std::size_t channel) {
  std::size_t const count = width / channels;
  if (count == 1) return lane[channel];
  double part[RowWalk::longest];
  for (std::size_t i = 0; i < count; ++i) part[i] = lane[i * channels + channel];
  for (std::size_t stride = 1; stride < count; stride *= 2)
    for (std::size_t i = 0; i + stride < count; i += 2 * stride) part[i] += part[i + stride];
  return part[0];
}

/// Copies of the numbers of `channels` channels, side by side, so that a whole period of lanes can be loaded.
template <class T>
void spread_lanes(T const* from, std::size_t channels, std::size_t width, T* to) {
  for (std::size_t l = 0; l < width; l += channels) std::copy(from, from + channels, to + l);
}

/// The lines of the channels under a strip, reachable lane by lane.
template <class T>
struct LaneLines {
  T memory[5][RowWalk::longest];

  /// `from` itself if a period is one row, else a copy in row k of the memory.
  T const* reach(T const* from, RowWalk const& walk, int k) {
    if (walk.period == walk.shape.channels) return from;
    spread_lanes(from, walk.shape.channels, walk.period, memory[k]);
    return memory[k];
  }
  ChannelLines<T> reach(ChannelLines<T> const& line, RowWalk const& walk, std::size_t segment) {
    std::size_t const at = segment * walk.shape.channels;
    return {reach(line.centre + at, walk, 0), reach(line.scale + at, walk, 1), reach(line.offset + at, walk, 2),
            line.negative_slope};
  }
};

/// Host: one chunk of rows per work item.
template <class T, class Element>
void run_lanes(RowWalk const& walk, std::size_t item, Element const& element) {
  using V = Simd<T>;
  constexpr std::size_t lanes = static_cast<std::size_t>(V::size);
  std::size_t const begin = walk.begin(item);
  std::size_t const size = walk.rows(item) * walk.shape.channels;
  std::size_t const period = walk.period;
  bool const past_caches = element.past_caches && begin % lanes == 0 && period % lanes == 0;
  for (std::size_t first = 0; first < size; first += period) {
    std::size_t const at = begin + first, width = std::min(period, size - first);
    std::size_t l = 0;
    if (past_caches)
      for (; l + lanes <= width; l += lanes)
        store_past_caches(element.template value<V>(at + l, l), element.out + at + l);
    else
      for (; l + lanes <= width; l += lanes) element.template value<V>(at + l, l).store(element.out + at + l);
    for (; l < width; ++l) element.out[at + l] = element.template value<T>(at + l, l);
  }
  if (past_caches) finish_past_caches();
}

template <class T>
struct LineForwardHost {
  LineForward<T> element;
  RowWalk walk;
  void operator()(std::size_t item) const {
    LaneLines<T> lanes;
    LineForward<T> local = element;
    local.line = lanes.reach(element.line, walk, walk.segment(item));
    run_lanes<T>(walk, item, local);
  }
};
template <class T>
struct LineBackwardHost {
  LineBackward<T> element;
  RowWalk walk;
  void operator()(std::size_t item) const {
    LaneLines<T> lanes;
    LineBackward<T> local = element;
    std::size_t const at = walk.segment(item) * walk.shape.channels;
    local.line = lanes.reach(element.line, walk, walk.segment(item));
    local.pull = lanes.reach(element.pull + at, walk, 3);
    local.push = lanes.reach(element.push + at, walk, 4);
    run_lanes<T>(walk, item, local);
  }
};
/// Devices: one element.
template <class Element>
struct LineElement {
  Element element;
  ChannelRows shape;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    element.out[i] = element.template value<typename Element::scalar>(
        i, i / (shape.rows * shape.channels) * shape.channels + i % shape.channels);
  }
};

/// Devices: one channel of one chunk of rows.
struct RowChunks {
  static constexpr std::size_t chunk_rows = 256;
  ChannelRows shape;
  std::size_t chunks;

  static RowChunks over(ChannelRows const& shape) { return {shape, (shape.rows + chunk_rows - 1) / chunk_rows}; }
  std::size_t items() const { return shape.lines() * chunks; }
  KOKKOS_FUNCTION std::size_t channel(std::size_t item) const { return item % shape.channels; }
  KOKKOS_FUNCTION std::size_t chunk(std::size_t item) const { return item / shape.channels % chunks; }
  KOKKOS_FUNCTION std::size_t segment(std::size_t item) const { return item / shape.channels / chunks; }
  KOKKOS_FUNCTION std::size_t line(std::size_t item) const { return segment(item) * shape.channels + channel(item); }
  KOKKOS_FUNCTION std::size_t rows(std::size_t item) const {
    std::size_t const left = shape.rows - chunk(item) * chunk_rows;
    return left < chunk_rows ? left : chunk_rows;
  }
  KOKKOS_FUNCTION std::size_t begin(std::size_t item) const {
    return (segment(item) * shape.rows + chunk(item) * chunk_rows) * shape.channels + channel(item);
  }
  /// The sums of a term over the item's rows.
  template <class T, class Term>
  KOKKOS_FUNCTION void sum(Term const& term, std::size_t item, std::size_t at_line, double* total) const {
    std::size_t const count = rows(item);
    std::size_t at = begin(item);
    for (std::size_t row = 0; row < count; ++row, at += shape.channels) term.template add<T>(at, at_line, total);
  }
};

template <class T>
struct GradientSumsHost {
  GradientTerm<T> term;
  RowWalk walk;
  Sums<2>* partial;  // [line][chunk]

  void operator()(std::size_t item) const {
    LaneLines<T> lanes;
    GradientTerm<T> local = term;
    local.line = lanes.reach(term.line, walk, walk.segment(item));
    for_each_strip(walk, item, [&](LaneStrip const& strip) {
      double lane[2][RowWalk::longest];
      sum_lanes<T>(local, strip, strip.first, lane);
      std::size_t const channels = std::min(strip.width, walk.shape.channels);
      for (std::size_t c = 0; c < channels; ++c) {
        std::size_t const line = walk.segment(item) * walk.shape.channels + strip.first + c;
        for (int k = 0; k < 2; ++k)
          partial[line * walk.chunks + item % walk.chunks][k] = join_lanes(lane[k], strip.width, channels, c);
      }
    });
  }
};
template <class T>
struct GradientSumsDevice {
  GradientTerm<T> term;
  RowChunks walk;
  Sums<2>* partial;
  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    Sums<2> total;
    walk.template sum<T>(term, item, walk.line(item), total.value);
    partial[walk.line(item) * walk.chunks + walk.chunk(item)] = total;
  }
};
struct StoreSums {
  Sums<2>* out;
  KOKKOS_FUNCTION void operator()(std::size_t line, Sums<2> const& total) const { out[line] = total; }
};

}  // namespace detail

/// y = bend((x - centre) scale + offset) for tensors seen as `shape`; the lines are arrays [segments][channels].
template <class B>
void channel_lines(Workspace<B>& ws, char const* label, ChannelRows const& shape, typename B::scalar_type const* x,
                   ChannelLines<typename B::scalar_type> const& line, typename B::scalar_type* y) {
  using T = typename B::scalar_type;
  detail::LineForward<T> element{x, y, line};
  if (shape.size() == 0) return;
  if constexpr (B::on_host) {
    element.past_caches = y != x && goes_past_caches(y, shape.size());
    auto const walk = detail::RowWalk::over(shape);
    for_each_item(ws, label, walk.items(), detail::LineForwardHost<T>{element, walk});
  } else
    for_each_item(ws, label, shape.size(), detail::LineElement<detail::LineForward<T>>{element, shape});
}

/// gx = beta gx + scale g + pull (x - centre) + push, where g is gy behind the bend.
template <class B>
void channel_lines_backward(Workspace<B>& ws, char const* label, ChannelRows const& shape,
                            typename B::scalar_type const* x, typename B::scalar_type const* gy,
                            ChannelLines<typename B::scalar_type> const& line, typename B::scalar_type const* pull,
                            typename B::scalar_type const* push, typename B::scalar_type* gx,
                            typename B::scalar_type beta) {
  using T = typename B::scalar_type;
  detail::LineBackward<T> element{x, gy, line, pull, push, gx, beta};
  if (shape.size() == 0) return;
  if constexpr (B::on_host) {
    element.past_caches = gx != x && gx != gy && beta == T(0) && goes_past_caches(gx, shape.size());
    auto const walk = detail::RowWalk::over(shape);
    for_each_item(ws, label, walk.items(), detail::LineBackwardHost<T>{element, walk});
  } else
    for_each_item(ws, label, shape.size(), detail::LineElement<detail::LineBackward<T>>{element, shape});
}

/// sums[segment][channel] = (sum of g, sum of g (x - centre)) over the rows, in double, in a fixed tree.
template <class B>
void channel_gradient_sums(Workspace<B>& ws, char const* label, ChannelRows const& shape,
                           typename B::scalar_type const* x, typename B::scalar_type const* gy,
                           ChannelLines<typename B::scalar_type> const& line, Sums<2>* sums) {
  using T = typename B::scalar_type;
  using Walk = std::conditional_t<B::on_host, detail::RowWalk, detail::RowChunks>;
  using Pass = std::conditional_t<B::on_host, detail::GradientSumsHost<T>, detail::GradientSumsDevice<T>>;
  if (shape.lines() == 0) return;
  auto const walk = Walk::over(shape);
  auto scope = ws.scope();
  auto* const partial = scope.template take<Sums<2>>(shape.lines() * walk.chunks);
  for_each_item(ws, label, walk.items(), Pass{{x, gy, line}, walk, partial});
  for_each_item(ws, label, shape.lines(), detail::ReduceTree<detail::StoreSums, 2>{{sums}, walk.chunks, partial});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
