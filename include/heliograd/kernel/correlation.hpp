// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/core/dual.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/store_mean.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// What is asked of two images.
enum class Agreement {
  concordance,  ///< that they are equal (Lin: a concordance correlation coefficient; Biometrics 1989)
  pearson,      ///< that one is a straight line of the other
};

/// How the agreement of two tensors is measured.
struct CorrelationOptions {
  Agreement agreement = Agreement::concordance;
  double epsilon = 1e-8;    ///< keeps constant images finite: added to the denominators
  bool each_image = false;  ///< a coefficient for each entry of the first axis, averaged; else one over everything
};

namespace kernel {

/// The agreement of one pair, and its slope: \f$ \partial C / \partial x_i = w_i (a_x (x_i - m_x) + b (y_i - m_y) + s) \f$, and
/// with \f$ a_y, -s \f$ and x, y exchanged for y.
template <class Number>
struct AgreementCoefficients {
  Number mean[2];
  Number own[2];
  Number other;
  Number shift;
  Number value;
};
using AgreementSlope = AgreementCoefficients<double>;

namespace detail {

/// The slope of n pixels with these means and second moments about them, for numbers and for duals.
template <class Number>
KOKKOS_FUNCTION AgreementCoefficients<Number> agreement_slope(Agreement agreement, double epsilon, double n,
                                                              Number const& mx, Number const& my, Number const& sxx,
                                                              Number const& syy, Number const& sxy) {
  using Kokkos::sqrt;
  Number const zero(0.0), one(1.0), two(2.0), shield(epsilon);
  AgreementCoefficients<Number> s{{mx, my}, {zero, zero}, zero, zero, one};  // fewer than two pixels do not disagree
  if (n > 1 && agreement == Agreement::pearson) {
    Number const xx = sxx + shield, yy = syy + shield;
    Number const root = sqrt(xx) * sqrt(yy);
    s.value = sxy / root;
    s.other = one / root;
    s.own[0] = -s.value / xx;
    s.own[1] = -s.value / yy;
  } else if (n > 1) {
    Number const f(n - 1), m = mx - my;
    Number const scale = (sxx + syy) / f + m * m + shield;
    s.value = two * sxy / f / scale;
    s.other = two / (scale * f);
    s.own[0] = s.own[1] = -two * s.value / (scale * f);
    s.shift = -two * s.value * m / (scale * Number(n));
  }
  return s;
}

template <class T>
struct WeightOf {
  T const* weight;  ///< null: all count 1
  KOKKOS_FUNCTION double operator()(std::size_t i) const {
    if (!weight) return 1.0;
    double const w = static_cast<double>(weight[i]);
    return w > 0 ? w : 0.0;
  }
};

template <class T>
struct AgreementMeans {
  T const* x;
  T const* y;
  WeightOf<T> weight;
  std::size_t length;
  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t i, Sums<3>& one) const {
    std::size_t const at = segment * length + i;
    double const w = weight(at);
    one[0] = w;
    one[1] = w > 0 ? w * static_cast<double>(x[at]) : 0.0;
    one[2] = w > 0 ? w * static_cast<double>(y[at]) : 0.0;
  }
};

struct StoreAgreementMeans {
  Sums<3>* means;
  KOKKOS_FUNCTION void operator()(std::size_t segment, Sums<3> const& total) const {
    double const n = total[0] > 0 ? total[0] : 1.0;
    means[segment][0] = total[0];
    means[segment][1] = total[1] / n;
    means[segment][2] = total[2] / n;
  }
};

/// Second moments about the means.
template <class T>
struct AgreementMoments {
  T const* x;
  T const* y;
  WeightOf<T> weight;
  std::size_t length;
  Sums<3> const* means;
  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t i, Sums<3>& one) const {
    std::size_t const at = segment * length + i;
    double const w = weight(at);
    double const dx = w > 0 ? static_cast<double>(x[at]) - means[segment][1] : 0.0;
    double const dy = w > 0 ? static_cast<double>(y[at]) - means[segment][2] : 0.0;
    one[0] = w * dx * dx;
    one[1] = w * dy * dy;
    one[2] = w * dx * dy;
  }
};

struct StoreAgreement {
  Agreement agreement;
  double epsilon;
  Sums<3> const* means;
  AgreementSlope* slope;
  KOKKOS_FUNCTION void operator()(std::size_t segment, Sums<3> const& total) const {
    Sums<3> const& mean = means[segment];
    slope[segment] =
        agreement_slope<double>(agreement, epsilon, mean[0], mean[1], mean[2], total[0], total[1], total[2]);
  }
};

struct DisagreementTerm {
  AgreementSlope const* slope;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t segment, Sums<1>& one) const {
    one[0] = 1 - slope[segment].value;
  }
};

template <int Rank, class B>
struct DisagreementGradient {
  using T = typename B::scalar_type;
  T const* x[2];
  WeightOf<T> weight;
  AgreementSlope const* slope;
  int which;  ///< whose gradient: 0 that of x, 1 that of y
  std::size_t length, segments;
  T const* gloss;
  Sink<Rank, B> gx;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const segment = segments > 1 ? i / length : 0;
    AgreementSlope const& s = slope[segment];
    double const w = weight(i);
    double const own = static_cast<double>(x[which][i]) - s.mean[which];
    double const other = static_cast<double>(x[1 - which][i]) - s.mean[1 - which];
    double const sum = s.own[which] * own + s.other * other + (which == 0 ? s.shift : -s.shift);
    double const scale = -static_cast<double>(*gloss) / static_cast<double>(segments);
    gx.add(i, static_cast<T>(w > 0 ? scale * w * sum : 0.0));
  }
};

/// Second moments about the means, and how means and moments change as x moves along vx and y along vy.
template <class T>
struct AgreementMotion {
  AgreementMoments<T> moments;
  T const* vx;
  T const* vy;
  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t i, Sums<8>& one) const {
    std::size_t const at = segment * moments.length + i;
    double const w = moments.weight(at);
    Sums<3> const& mean = moments.means[segment];
    double const dx = w > 0 ? static_cast<double>(moments.x[at]) - mean[1] : 0.0;
    double const dy = w > 0 ? static_cast<double>(moments.y[at]) - mean[2] : 0.0;
    double const tx = w > 0 ? static_cast<double>(vx[at]) : 0.0;
    double const ty = w > 0 ? static_cast<double>(vy[at]) : 0.0;
    one[0] = w * dx * dx;
    one[1] = w * dy * dy;
    one[2] = w * dx * dy;
    one[3] = w * tx;
    one[4] = w * ty;
    one[5] = 2 * w * dx * tx;
    one[6] = 2 * w * dy * ty;
    one[7] = w * (dx * ty + dy * tx);
  }
};

using AgreementBend = AgreementCoefficients<Dual<double, 1>>;

struct StoreAgreementBend {
  Agreement agreement;
  double epsilon;
  Sums<3> const* means;
  AgreementBend* bend;
  KOKKOS_FUNCTION static Dual<double, 1> moving(double value, double slope) {
    Dual<double, 1> d(value);
    d.slope[0] = slope;
    return d;
  }
  KOKKOS_FUNCTION void operator()(std::size_t segment, Sums<8> const& total) const {
    Sums<3> const& mean = means[segment];
    double const n = mean[0] > 0 ? mean[0] : 1.0;
    bend[segment] =
        agreement_slope(agreement, epsilon, mean[0], moving(mean[1], total[3] / n), moving(mean[2], total[4] / n),
                        moving(total[0], total[5]), moving(total[1], total[6]), moving(total[2], total[7]));
  }
};

template <int Rank, class B>
struct DisagreementBend {
  using T = typename B::scalar_type;
  T const *x, *y, *vx, *vy;
  WeightOf<T> weight;
  AgreementBend const* bend;
  std::size_t length, segments;
  Sink<Rank, B> gx;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    AgreementBend const& s = bend[segments > 1 ? i / length : 0];
    double const w = weight(i);
    if (!(w > 0)) return gx.add(i, T(0));
    auto const own = StoreAgreementBend::moving(static_cast<double>(x[i]), static_cast<double>(vx[i])) - s.mean[0];
    auto const other = StoreAgreementBend::moving(static_cast<double>(y[i]), static_cast<double>(vy[i])) - s.mean[1];
    double const slope = (s.own[0] * own + s.other * other + s.shift).slope[0];
    gx.add(i, static_cast<T>(-w * slope / static_cast<double>(segments)));
  }
};

}  // namespace detail

/// loss = one minus the agreement of x and y, averaged over `segments` equal parts of both.
///
/// Moments in two passes and in double; a pixel counts its weight where it is positive and not at all elsewhere, and variances
/// are unbiased, divided by the sum of the weights less one. Writes what the backward pass needs to `slope`, one per segment, in
/// device memory.
template <class B, int Rank>
void mean_disagreement(Workspace<B>& ws, CorrelationOptions const& options, std::size_t segments,
                       ConstTensorRef<Rank, B> const& x, ConstTensorRef<Rank, B> const& y,
                       ConstTensorRef<Rank, B> const& weight, TensorRef<0, B> const& loss, AgreementSlope* slope) {
  using T = typename B::scalar_type;
  constexpr char const* label = "heliograd::mean_disagreement";
  std::size_t const length = x.size() / segments;
  detail::WeightOf<T> const w{weight.data()};
  auto scope = ws.scope();
  auto* const means = scope.template take<Sums<3>>(segments);
  reduce<3>(ws, label, segments, length, detail::AgreementMeans<T>{x.data(), y.data(), w, length},
            detail::StoreAgreementMeans{means});
  reduce<3>(ws, label, segments, length, detail::AgreementMoments<T>{x.data(), y.data(), w, length, means},
            detail::StoreAgreement{options.agreement, options.epsilon, means, slope});
  reduce<1>(ws, label, 1, segments, detail::DisagreementTerm{slope},
            detail::StoreMean<T>{loss.data(), static_cast<double>(segments)});
}

/// gx = beta gx + gloss d loss / d x, for `which` 0; that of y for 1.
template <class B, int Rank>
void mean_disagreement_backward(Workspace<B>& ws, std::size_t segments, ConstTensorRef<Rank, B> const& x,
                                ConstTensorRef<Rank, B> const& y, ConstTensorRef<Rank, B> const& weight,
                                AgreementSlope const* slope, int which, ConstTensorRef<0, B> const& gloss,
                                Sink<Rank, B> const& gx) {
  using T = typename B::scalar_type;
  for_each_element(ws, "heliograd::mean_disagreement_backward", x.size(),
                   detail::DisagreementGradient<Rank, B>{{x.data(), y.data()},
                                                         detail::WeightOf<T>{weight.data()},
                                                         slope,
                                                         which,
                                                         x.size() / segments,
                                                         segments,
                                                         gloss.data(),
                                                         gx});
}

/// gx = beta gx + how d loss / d x changes as x moves along vx and y along vy.
template <class B, int Rank>
void mean_disagreement_bend(Workspace<B>& ws, CorrelationOptions const& options, std::size_t segments,
                            ConstTensorRef<Rank, B> const& x, ConstTensorRef<Rank, B> const& y,
                            ConstTensorRef<Rank, B> const& vx, ConstTensorRef<Rank, B> const& vy,
                            ConstTensorRef<Rank, B> const& weight, Sink<Rank, B> const& gx) {
  using T = typename B::scalar_type;
  constexpr char const* label = "heliograd::mean_disagreement_bend";
  std::size_t const length = x.size() / segments;
  detail::WeightOf<T> const w{weight.data()};
  auto scope = ws.scope();
  auto* const means = scope.template take<Sums<3>>(segments);
  auto* const bend = scope.template take<detail::AgreementBend>(segments);
  reduce<3>(ws, label, segments, length, detail::AgreementMeans<T>{x.data(), y.data(), w, length},
            detail::StoreAgreementMeans{means});
  reduce<8>(ws, label, segments, length,
            detail::AgreementMotion<T>{{x.data(), y.data(), w, length, means}, vx.data(), vy.data()},
            detail::StoreAgreementBend{options.agreement, options.epsilon, means, bend});
  for_each_element(
      ws, label, x.size(),
      detail::DisagreementBend<Rank, B>{x.data(), y.data(), vx.data(), vy.data(), w, bend, length, segments, gx});
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
