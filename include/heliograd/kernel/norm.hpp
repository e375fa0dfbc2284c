// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <heliograd/kernel/channel_lines.hpp>

/// \file
/// Normalisation: mean and deviation of groups of numbers, and the lines that make them 0 and 1.
///
/// The variance is computed in two passes, the second in cache: a chunk's mean first, then the squares about it; chunks are
/// joined by the formula of Chan, Golub and LeVeque in a fixed tree, in double. So statistics cost one read of memory.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// What is normalised together.
struct NormGroups {
  ChannelRows rows;
  bool joined = false;  ///< all channels of a segment share one mean and one deviation

  KOKKOS_FUNCTION std::size_t count() const { return joined ? rows.segments : rows.lines(); }
  KOKKOS_FUNCTION std::size_t group(std::size_t line) const { return joined ? line / rows.channels : line; }
};

/// How a deviation becomes a factor.
enum class NormDeviation {
  biased,   ///< 1 / sqrt(v + epsilon), v the mean square about the mean
  unbiased  ///< 1 / (s + epsilon), s the root of the sum of squares over m - 1
};

/// What a group is normalised with: (x - mean) factor. The other two say how the factor and the mean move with x.
struct NormStatistic {
  double mean = 0;
  double factor = 1;
  double share = 0;  ///< 1 / m, or 0 where mean and factor do not depend on x
  double pull = 0;   ///< minus d ln(factor) / dx over the normalised x
};

namespace detail {

struct Moments {
  double count, mean, squares;  ///< squares: the sum of squares about the mean

  KOKKOS_FUNCTION Moments& operator+=(Moments const& other) {
    if (other.count == 0) return *this;
    double const total = count + other.count;
    double const distance = other.mean - mean;
    mean += distance * (other.count / total);
    squares += other.squares + distance * distance * (count * (other.count / total));
    count = total;
    return *this;
  }
};

template <class T>
struct MomentsHost {
  T const* x;
  RowWalk walk;
  Moments* partial;  // [line][chunk]

  void operator()(std::size_t item) const {
    std::size_t const count = walk.rows(item);
    for_each_strip(walk, item, [&](LaneStrip const& strip) {
      double lane[1][RowWalk::longest];
      T centre[RowWalk::longest];
      std::size_t const channels = std::min(strip.width, walk.shape.channels);
      Moments* const out = partial + (walk.segment(item) * walk.shape.channels + strip.first) * walk.chunks;
      std::size_t const chunk = item % walk.chunks;
      sum_lanes<T>(ValueTerm<T>{x}, strip, 0, lane);
      for (std::size_t c = 0; c < channels; ++c) {
        double sum = join_lanes(lane[0], strip.width, channels, c);
        out[c * walk.chunks + chunk] = {static_cast<double>(count), sum / static_cast<double>(count), 0};
        centre[c] = static_cast<T>(out[c * walk.chunks + chunk].mean);
      }
      for (std::size_t l = channels; l < strip.width; ++l) centre[l] = centre[l - channels];
      sum_lanes<T>(SquareTerm<T>{x, centre, walk.chunk_rows * walk.shape.channels}, strip, 0, lane);
      for (std::size_t c = 0; c < channels; ++c) {
        Moments& moments = out[c * walk.chunks + chunk];
        double const off = moments.mean - static_cast<double>(centre[c]);
        double const squares = join_lanes(lane[0], strip.width, channels, c) - moments.count * off * off;
        moments.squares = squares > 0 ? squares : squares <= 0 ? 0 : squares;  // NaN stays
      }
    });
  }
};

template <class T>
struct MomentsDevice {
  T const* x;
  RowChunks walk;
  Moments* partial;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    double const count = static_cast<double>(walk.rows(item));
    double sum = 0, squares = 0;
    walk.template sum<T>(ValueTerm<T>{x}, item, 0, &sum);
    double const mean = sum / count;
    T const centre = static_cast<T>(mean);
    walk.template sum<T>(SquareTerm<T>{x, &centre}, item, 0, &squares);
    double const off = mean - static_cast<double>(centre);
    squares -= count * off * off;
    partial[walk.line(item) * walk.chunks + walk.chunk(item)] = {count, mean, squares < 0 ? 0 : squares};
  }
};

/// Joins the moments of a group, and moves running statistics towards them where there are any.
template <class T>
struct FinishMoments {
  std::size_t parts;
  Moments* partial;
  NormDeviation deviation;
  double epsilon;
  NormStatistic* statistic;
  T* running_mean;  // null: none
  T* running_variance;
  double momentum;

  KOKKOS_FUNCTION void operator()(std::size_t group) const {
    Moments* const p = partial + group * parts;
    for (std::size_t stride = 1; stride < parts; stride *= 2)
      for (std::size_t i = 0; i + stride < parts; i += 2 * stride) p[i] += p[i + stride];
    double const m = p[0].count;
    double const rest = m > 1 ? m - 1 : 1;
    NormStatistic s;
    s.mean = p[0].mean;
    s.share = 1 / m;
    if (deviation == NormDeviation::biased) {
      s.factor = 1 / Kokkos::sqrt(p[0].squares / m + epsilon);
      s.pull = s.share;
    } else {
      double const root = Kokkos::sqrt(p[0].squares / rest);
      s.factor = 1 / (root + epsilon);
      s.pull = root > 0 ? 1 / (rest * root * s.factor) : 0;
    }
    statistic[group] = s;
    if (running_mean) {
      running_mean[group] = static_cast<T>((1 - momentum) * running_mean[group] + momentum * s.mean);
      running_variance[group] =
          static_cast<T>((1 - momentum) * running_variance[group] + momentum * (p[0].squares / rest));
    }
  }
};

template <class T>
struct FixedStatistic {
  T const* mean;
  T const* variance;
  double epsilon;
  NormStatistic* statistic;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    statistic[i] = {static_cast<double>(mean[i]), 1 / Kokkos::sqrt(static_cast<double>(variance[i]) + epsilon), 0, 0};
  }
};

/// The learnt line behind a normalisation: one number for each channel, or for each channel of each segment, or none.
template <class T>
struct LearntLine {
  T const* scale;
  T const* shift;
  bool per_segment;
  std::size_t channels;

  KOKKOS_FUNCTION std::size_t at(std::size_t line) const { return per_segment ? line : line % channels; }
  KOKKOS_FUNCTION double scale_of(std::size_t line) const { return scale ? static_cast<double>(scale[at(line)]) : 1.0; }
  KOKKOS_FUNCTION double shift_of(std::size_t line) const { return shift ? static_cast<double>(shift[at(line)]) : 0.0; }
};

template <class B>
LearntLine<typename B::scalar_type> learnt_line(NormGroups const& groups, ConstTensorRef<1, B> const& scale,
                                                ConstTensorRef<1, B> const& shift) {
  return {scale.size() > 0 ? scale.data() : nullptr, shift.size() > 0 ? shift.data() : nullptr,
          std::max(scale.size(), shift.size()) == groups.rows.lines(), groups.rows.channels};
}

template <class T>
struct MakeLines {
  NormGroups groups;
  NormStatistic const* statistic;  // null: mean 0, factor 1
  LearntLine<T> learnt;
  T* centre;
  T* scale;
  T* offset;

  KOKKOS_FUNCTION void operator()(std::size_t line) const {
    NormStatistic const s = statistic ? statistic[groups.group(line)] : NormStatistic{};
    double const slope = s.factor * learnt.scale_of(line);
    // The centre has the digits of T; what is missing goes to the offset. x - centre is exact where it matters.
    centre[line] = static_cast<T>(s.mean);
    scale[line] = static_cast<T>(slope);
    offset[line] = static_cast<T>(learnt.shift_of(line) - (s.mean - static_cast<double>(centre[line])) * slope);
  }
};

/// From the sums of a line: those over the normalised x in place of x - centre.
template <class T>
struct NormaliseSums {
  NormGroups groups;
  NormStatistic const* statistic;
  T const* centre;
  Sums<2>* sums;
  KOKKOS_FUNCTION void operator()(std::size_t line) const {
    NormStatistic const s = statistic ? statistic[groups.group(line)] : NormStatistic{};
    Sums<2>& sum = sums[line];
    sum[1] = s.factor * (sum[1] - (s.mean - static_cast<double>(centre[line])) * sum[0]);
  }
};

/// pull and push of `channel_lines_backward`, group by group: the part of the gradient that flows through mean and factor.
template <class T>
struct MakePulls {
  NormGroups groups;
  NormStatistic const* statistic;
  LearntLine<T> learnt;
  T const* centre;
  Sums<2> const* sums;
  T* pull;
  T* push;
  KOKKOS_FUNCTION void operator()(std::size_t group) const {
    NormStatistic const s = statistic ? statistic[group] : NormStatistic{};
    std::size_t const size = groups.joined ? groups.rows.channels : 1;
    double mean = 0, product = 0;
    for (std::size_t line = group * size; line < (group + 1) * size; ++line) {
      mean += learnt.scale_of(line) * sums[line][0];
      product += learnt.scale_of(line) * sums[line][1];
    }
    double const slope = -s.factor * s.factor * s.pull * product;
    for (std::size_t line = group * size; line < (group + 1) * size; ++line) {
      pull[line] = static_cast<T>(slope);
      push[line] = static_cast<T>(-s.factor * s.share * mean - slope * (s.mean - static_cast<double>(centre[line])));
    }
  }
};

/// Which: 0 the gradient of the shift, 1 of the scale.
template <class T, int Which>
struct DeliverLearnt {
  Sums<2> const* sums;
  std::size_t segments, channels;  // segments that share a number
  T* out;
  T beta;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    double total = 0;
    for (std::size_t s = 0; s < segments; ++s) total += sums[s * channels + i][Which];
    out[i] = (beta != T(0) ? beta * out[i] : T(0)) + static_cast<T>(total);
  }
};

/// Element j of a group.
KOKKOS_INLINE_FUNCTION std::size_t group_element(NormGroups const& g, std::size_t group, std::size_t j) {
  if (g.joined) return group * g.rows.rows * g.rows.channels + j;
  return (group / g.rows.channels * g.rows.rows + j) * g.rows.channels + group % g.rows.channels;
}
template <class T>
struct GroupTerm {
  NormGroups groups;
  T const* x;
  KOKKOS_FUNCTION void operator()(std::size_t group, std::size_t j, Sums<1>& one) const {
    one[0] = static_cast<double>(x[group_element(groups, group, j)]);
  }
};
template <class B>
struct DeliverGroup {
  Sink<1, B> sink;
  KOKKOS_FUNCTION void operator()(std::size_t group, Sums<1> const& total) const {
    sink.add(group, static_cast<typename B::scalar_type>(total[0]));
  }
};
template <class T>
struct GroupSpread {
  NormGroups groups;
  T const* v;
  T* y;
  T beta;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    ChannelRows const& r = groups.rows;
    T const value = v[groups.group(i / (r.rows * r.channels) * r.channels + i % r.channels)];
    y[i] = beta != T(0) ? beta * y[i] + value : value;
  }
};
template <class T>
struct FactorOf {
  NormStatistic const* statistic;
  T* factor;
  KOKKOS_FUNCTION void operator()(std::size_t group) const { factor[group] = static_cast<T>(statistic[group].factor); }
};
template <class T>
struct FactorBackward {
  NormGroups groups;
  NormStatistic const* statistic;
  T const* x;
  T const* gfactor;
  T* gx;
  T beta;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    ChannelRows const& r = groups.rows;
    std::size_t const group = groups.group(i / (r.rows * r.channels) * r.channels + i % r.channels);
    NormStatistic const s = statistic[group];
    double const slope = -s.factor * s.factor * s.factor * s.pull * static_cast<double>(gfactor[group]);
    T const contribution = static_cast<T>(slope * (static_cast<double>(x[i]) - s.mean));
    gx[i] = beta != T(0) ? beta * gx[i] + contribution : contribution;
  }
};

}  // namespace detail

/// Mean and deviation of each group. Running statistics, one number for each group, move towards the mean and the unbiased
/// variance: r <- (1 - momentum) r + momentum s; without memory there are none. A group of one number has variance zero.
template <class B>
void norm_statistics(Workspace<B>& ws, NormGroups const& groups, typename B::scalar_type const* x,
                     NormDeviation deviation, double epsilon, NormStatistic* statistic,
                     typename B::scalar_type* running_mean = nullptr,
                     typename B::scalar_type* running_variance = nullptr, double momentum = 0) {
  using T = typename B::scalar_type;
  using Walk = std::conditional_t<B::on_host, detail::RowWalk, detail::RowChunks>;
  using Pass = std::conditional_t<B::on_host, detail::MomentsHost<T>, detail::MomentsDevice<T>>;
  if (groups.rows.size() == 0) return;
  auto const walk = Walk::over(groups.rows);
  auto scope = ws.scope();
  auto* const partial = scope.template take<detail::Moments>(groups.rows.lines() * walk.chunks);
  for_each_item(ws, "heliograd::norm_moments", walk.items(), Pass{x, walk, partial});
  std::size_t const parts = walk.chunks * (groups.joined ? groups.rows.channels : 1);
  for_each_item(ws, "heliograd::norm_statistics", groups.count(),
                detail::FinishMoments<T>{parts, partial, deviation, epsilon, statistic, running_mean, running_variance,
                                         momentum});
}

/// The statistics of batch normalisation at rest: given numbers for each channel.
template <class B>
void norm_fixed_statistics(Workspace<B>& ws, ConstTensorRef<1, B> const& mean, ConstTensorRef<1, B> const& variance,
                           double epsilon, NormStatistic* statistic) {
  using T = typename B::scalar_type;
  for_each_element(ws, "heliograd::norm_fixed_statistics", mean.size(),
                   detail::FixedStatistic<T>{mean.data(), variance.data(), epsilon, statistic});
}

/// y = bend((x - mean) factor scale + shift). Scale and shift have a number for each channel or for each channel of each
/// segment, or are empty. Without statistics mean is 0 and factor 1. y may be x.
template <class B>
void norm(Workspace<B>& ws, NormGroups const& groups, typename B::scalar_type const* x, NormStatistic const* statistic,
          ConstTensorRef<1, B> const& scale, ConstTensorRef<1, B> const& shift, double negative_slope,
          typename B::scalar_type* y) {
  using T = typename B::scalar_type;
  std::size_t const lines = groups.rows.lines();
  auto scope = ws.scope();
  T* const numbers = scope.template take<T>(3 * lines);
  auto const learnt = detail::learnt_line<B>(groups, scale, shift);
  for_each_element(ws, "heliograd::norm_lines", lines,
                   detail::MakeLines<T>{groups, statistic, learnt, numbers, numbers + lines, numbers + 2 * lines});
  channel_lines<B>(ws, "heliograd::norm", groups.rows, x,
                   {numbers, numbers + lines, numbers + 2 * lines, static_cast<T>(negative_slope)}, y);
}

/// The gradients of `norm`, through mean and factor too. A sink without memory is not wanted; gx may be gy.
template <class B>
void norm_backward(Workspace<B>& ws, NormGroups const& groups, typename B::scalar_type const* x,
                   NormStatistic const* statistic, ConstTensorRef<1, B> const& scale, ConstTensorRef<1, B> const& shift,
                   double negative_slope, typename B::scalar_type const* gy, Sink<1, B> const& gx,
                   Sink<1, B> const& gscale, Sink<1, B> const& gshift) {
  using T = typename B::scalar_type;
  std::size_t const lines = groups.rows.lines();
  auto scope = ws.scope();
  T* const numbers = scope.template take<T>(5 * lines);
  auto* const sums = scope.template take<Sums<2>>(lines);
  auto const learnt = detail::learnt_line<B>(groups, scale, shift);
  ChannelLines<T> const line{numbers, numbers + lines, numbers + 2 * lines, static_cast<T>(negative_slope)};
  for_each_element(ws, "heliograd::norm_lines", lines,
                   detail::MakeLines<T>{groups, statistic, learnt, numbers, numbers + lines, numbers + 2 * lines});
  channel_gradient_sums<B>(ws, "heliograd::norm_backward_sums", groups.rows, x, gy, line, sums);
  for_each_element(ws, "heliograd::norm_backward_normalise", lines,
                   detail::NormaliseSums<T>{groups, statistic, line.centre, sums});
  std::size_t const sharing = learnt.per_segment ? 1 : groups.rows.segments;
  std::size_t const learnt_size =
      learnt.per_segment ? lines : groups.rows.channels;  // also where there are no segments
  if (gscale.out.data())
    for_each_element(ws, "heliograd::norm_backward_scale", learnt_size,
                     detail::DeliverLearnt<T, 1>{sums, sharing, learnt_size, gscale.out.data(), gscale.beta});
  if (gshift.out.data())
    for_each_element(ws, "heliograd::norm_backward_shift", learnt_size,
                     detail::DeliverLearnt<T, 0>{sums, sharing, learnt_size, gshift.out.data(), gshift.beta});
  if (!gx.out.data()) return;
  T* const pull = numbers + 3 * lines;
  T* const push = numbers + 4 * lines;
  for_each_item(ws, "heliograd::norm_backward_pulls", groups.count(),
                detail::MakePulls<T>{groups, statistic, learnt, line.centre, sums, pull, push});
  channel_lines_backward<B>(ws, "heliograd::norm_backward", groups.rows, x, gy, line, pull, push, gx.out.data(),
                            gx.beta);
}

/// y = beta y + the sum over each group.
template <class B>
void group_sum(Workspace<B>& ws, NormGroups const& groups, typename B::scalar_type const* x, Sink<1, B> const& y) {
  using T = typename B::scalar_type;
  if (groups.count() == 0) return;
  reduce<1>(ws, "heliograd::group_sum", groups.count(), groups.rows.size() / groups.count(),
            detail::GroupTerm<T>{groups, x}, detail::DeliverGroup<B>{y});
}

/// y = beta y + each group's number, at all elements of the group.
template <class B>
void group_spread(Workspace<B>& ws, NormGroups const& groups, typename B::scalar_type const* v,
                  typename B::scalar_type* y, typename B::scalar_type beta) {
  using T = typename B::scalar_type;
  for_each_element(ws, "heliograd::group_spread", groups.rows.size(), detail::GroupSpread<T>{groups, v, y, beta});
}

/// The factor of each group as a number that can be differentiated, and its gradient.
template <class B>
void norm_factor(Workspace<B>& ws, NormGroups const& groups, NormStatistic const* statistic,
                 typename B::scalar_type* factor) {
  for_each_element(ws, "heliograd::norm_factor", groups.count(),
                   detail::FactorOf<typename B::scalar_type>{statistic, factor});
}
template <class B>
void norm_factor_backward(Workspace<B>& ws, NormGroups const& groups, NormStatistic const* statistic,
                          typename B::scalar_type const* x, typename B::scalar_type const* gfactor,
                          typename B::scalar_type* gx, typename B::scalar_type beta) {
  for_each_element(ws, "heliograd::norm_factor_backward", groups.rows.size(),
                   detail::FactorBackward<typename B::scalar_type>{groups, statistic, x, gfactor, gx, beta});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
