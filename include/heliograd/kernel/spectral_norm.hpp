// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// The largest singular value of a weight by power iteration. A weight [..., c_out] is a matrix with one row for each input
/// of a sum and one column for each output.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// A matrix [rows, columns], and approximations of its singular vectors: u [columns], v [rows].
template <class T>
struct SpectralMatrix {
  T const* weight;
  std::size_t rows, columns;
  T* u;
  T* v;
};

namespace detail {

/// Row `segment` of the matrix times u, or column `segment` times v.
template <class T, bool Row>
struct SpectralTerm {
  SpectralMatrix<T> m;
  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t i, Sums<1>& one) const {
    std::size_t const row = Row ? segment : i, column = Row ? i : segment;
    one[0] = static_cast<double>(m.weight[row * m.columns + column]) * static_cast<double>(Row ? m.u[i] : m.v[i]);
  }
};
struct StoreDouble {
  double* out;
  KOKKOS_FUNCTION void operator()(std::size_t segment, Sums<1> const& total) const { out[segment] = total[0]; }
};
struct SquareOf {
  double const* x;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, Sums<1>& one) const { one[0] = x[i] * x[i]; }
};
template <class T>
struct UnitVector {
  double const* raw;
  double const* square;
  double epsilon;
  T* out;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    double const length = Kokkos::sqrt(*square);
    out[i] = static_cast<T>(raw[i] / (length > epsilon ? length : epsilon));
  }
};
template <class T>
struct SigmaTerm {
  SpectralMatrix<T> m;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, Sums<1>& one) const {
    one[0] = static_cast<double>(m.v[i / m.columns]) * static_cast<double>(m.u[i % m.columns]) *
             static_cast<double>(m.weight[i]);
  }
};
template <class T>
struct DivideBySigma {
  T const* x;
  double const* sigma;
  T* y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { y[i] = static_cast<T>(static_cast<double>(x[i]) / *sigma); }
};
template <class T>
struct ProductTerm {
  T const* a;
  T const* b;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, Sums<1>& one) const {
    one[0] = static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
};
template <class T>
struct SpectralBackward {
  SpectralMatrix<T> m;
  T const* gy;
  double const* sigma;
  double const* product;  // of gy and the weight
  T* gx;
  T beta;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    double const along =
        *product / *sigma * static_cast<double>(m.v[i / m.columns]) * static_cast<double>(m.u[i % m.columns]);
    T const contribution = static_cast<T>((static_cast<double>(gy[i]) - along) / *sigma);
    gx[i] = (beta != T(0) ? beta * gx[i] : T(0)) + contribution;
  }
};

template <class T>
struct SpectralOuter {
  SpectralMatrix<T> m;
  T* y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { y[i] = m.v[i / m.columns] * m.u[i % m.columns]; }
};

/// Overwrites u or v by the other vector seen through the matrix, at length one.
template <bool Row, class B>
void spectral_step(Workspace<B>& ws, SpectralMatrix<typename B::scalar_type> const& m, double epsilon) {
  using T = typename B::scalar_type;
  std::size_t const size = Row ? m.rows : m.columns, length = Row ? m.columns : m.rows;
  auto scope = ws.scope();
  auto* const raw = scope.template take<double>(size + 1);
  reduce<1>(ws, "heliograd::spectral_step", size, length, SpectralTerm<T, Row>{m}, StoreDouble{raw});
  reduce<1>(ws, "heliograd::spectral_length", 1, size, SquareOf{raw}, StoreDouble{raw + size});
  for_each_element(ws, "heliograd::spectral_unit", size, UnitVector<T>{raw, raw + size, epsilon, Row ? m.v : m.u});
}

}  // namespace detail

/// One power iteration: v = W u and then u = v W, both brought to length one (a length below epsilon counts as epsilon).
template <class B>
void spectral_iteration(Workspace<B>& ws, SpectralMatrix<typename B::scalar_type> const& m, double epsilon) {
  detail::spectral_step<true>(ws, m, epsilon);
  detail::spectral_step<false>(ws, m, epsilon);
}

/// sigma = v W u and y = W / sigma.
template <class B>
void spectral_norm(Workspace<B>& ws, SpectralMatrix<typename B::scalar_type> const& m, double* sigma,
                   typename B::scalar_type* y) {
  using T = typename B::scalar_type;
  std::size_t const size = m.rows * m.columns;
  reduce<1>(ws, "heliograd::spectral_sigma", 1, size, detail::SigmaTerm<T>{m}, detail::StoreDouble{sigma});
  for_each_element(ws, "heliograd::spectral_norm", size, detail::DivideBySigma<T>{m.weight, sigma, y});
}

/// gx = beta gx + (gy - (gy . W / sigma) v u) / sigma: u and v are constants.
template <class B>
void spectral_norm_backward(Workspace<B>& ws, SpectralMatrix<typename B::scalar_type> const& m, double const* sigma,
                            typename B::scalar_type const* gy, typename B::scalar_type* gx,
                            typename B::scalar_type beta) {
  using T = typename B::scalar_type;
  std::size_t const size = m.rows * m.columns;
  auto scope = ws.scope();
  auto* const product = scope.template take<double>(1);
  reduce<1>(ws, "heliograd::spectral_product", 1, size, detail::ProductTerm<T>{gy, m.weight},
            detail::StoreDouble{product});
  for_each_element(ws, "heliograd::spectral_norm_backward", size,
                   detail::SpectralBackward<T>{m, gy, sigma, product, gx, beta});
}

/// y = v u, the matrix of all products: the gradient of sigma.
template <class B>
void spectral_outer(Workspace<B>& ws, SpectralMatrix<typename B::scalar_type> const& m, typename B::scalar_type* y) {
  for_each_element(ws, "heliograd::spectral_outer", m.rows * m.columns,
                   detail::SpectralOuter<typename B::scalar_type>{m, y});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
