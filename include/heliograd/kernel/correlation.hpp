// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

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
struct AgreementSlope {
  double mean[2];
  double own[2];
  double other;
  double shift;
  double value;
};

namespace detail {

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
    double const n = means[segment][0], mx = means[segment][1], my = means[segment][2];
    AgreementSlope s{{mx, my}, {0, 0}, 0, 0, 1};  // fewer than two pixels do not disagree
    if (n > 1 && agreement == Agreement::pearson) {
      double const xx = total[0] + epsilon, yy = total[1] + epsilon;
      double const root = Kokkos::sqrt(xx) * Kokkos::sqrt(yy);
      s.value = total[2] / root;
      s.other = 1 / root;
      s.own[0] = -s.value / xx;
      s.own[1] = -s.value / yy;
    } else if (n > 1) {
      double const f = n - 1, m = mx - my;
      double const scale = (total[0] + total[1]) / f + m * m + epsilon;
      s.value = 2 * total[2] / f / scale;
      s.other = 2 / (scale * f);
      s.own[0] = s.own[1] = -2 * s.value / (scale * f);
      s.shift = -2 * s.value * m / (scale * n);
    }
    slope[segment] = s;
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

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
