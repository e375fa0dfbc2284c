// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <heliograd/base/config.hpp>
#include <heliograd/core/simd.hpp>

/// \file
/// The transforms of Winograd's minimal filtering, derived. `Outputs` results of a filter of `Taps` taps are those
/// coefficients of a product of polynomials that matter: evaluate both factors at as many points as the product has
/// coefficients (one of them infinity), multiply point by point, interpolate. Transposed, the same reads
///     y = output . (filter g  *  input d),   * entry by entry,
/// with V the powers of the points: filter = V and output = V^T, cut to size, input = (V^-1)^T. (S. Winograd: Arithmetic
/// complexity of computations; SIAM 1980. A. Lavin, S. Gray: Fast algorithms for convolutional neural networks; CVPR 2016.)
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

template <int Rows, int Columns>
struct ConstMatrix {
  static constexpr int rows = Rows;
  static constexpr int columns = Columns;
  double entry[Rows][Columns] = {};

  constexpr ConstMatrix<Columns, Rows> transposed() const {
    ConstMatrix<Columns, Rows> result;
    for (int i = 0; i < Rows; ++i)
      for (int j = 0; j < Columns; ++j) result.entry[j][i] = entry[i][j];
    return result;
  }
  /// Whether rows i and i + 1 are the sum and the difference of two: their entries agree up to signs, and some differ.
  constexpr bool paired(int i) const {
    if (i + 1 >= Rows) return false;
    int same = 0;
    int opposite = 0;
    for (int j = 0; j < Columns; ++j) {
      if (entry[i][j] == 0 && entry[i + 1][j] == 0) continue;
      if (entry[i][j] == entry[i + 1][j])
        ++same;
      else if (entry[i][j] == -entry[i + 1][j])
        ++opposite;
      else
        return false;
    }
    return same > 0 && opposite > 0;
  }
};

template <int Outputs, int Taps>
struct Winograd {
  static constexpr int outputs = Outputs;
  static constexpr int taps = Taps;
  static constexpr int inputs = Outputs + Taps - 1;
  static constexpr int products = inputs * inputs;

 private:
  /// The finite points: small, in pairs of opposite sign, which share half of the arithmetic. Powers and differences of
  /// small powers of two are exact.
  static constexpr double points[] = {0, 1, -1, 0.5, -0.5, 2, -2};

  /// prod (x - point l) over l < count, l != skipped: its coefficients, lowest first.
  static constexpr ConstMatrix<1, inputs> product_of_roots(int count, int skipped) {
    ConstMatrix<1, inputs> polynomial;
    polynomial.entry[0][0] = 1;
    for (int l = 0; l < count; ++l) {
      if (l == skipped) continue;
      for (int j = inputs - 1; j >= 0; --j)
        polynomial.entry[0][j] = (j > 0 ? polynomial.entry[0][j - 1] : 0) - points[l] * polynomial.entry[0][j];
    }
    return polynomial;
  }
  static constexpr double value_at(ConstMatrix<1, inputs> const& polynomial, double x) {
    double value = 0;
    for (int j = inputs - 1; j >= 0; --j) value = value * x + polynomial.entry[0][j];
    return value;
  }
  /// Row k: the powers of point k, and of infinity the highest alone.
  template <int Columns>
  static constexpr ConstMatrix<inputs, Columns> powers() {
    ConstMatrix<inputs, Columns> v;
    for (int k = 0; k < inputs - 1; ++k)
      for (int j = 0; j < Columns; ++j) v.entry[k][j] = j == 0 ? 1 : v.entry[k][j - 1] * points[k];
    v.entry[inputs - 1][Columns - 1] = 1;
    return v;
  }
  /// Lagrange's polynomials have a denominator each; it goes to the filter, so that pixels are transformed by small numbers.
  static constexpr double denominator(int k) { return value_at(product_of_roots(inputs - 1, k), points[k]); }

 public:
  static constexpr ConstMatrix<inputs, inputs> input = [] {
    ConstMatrix<inputs, inputs> matrix;
    for (int k = 0; k < inputs; ++k) {
      auto const polynomial = product_of_roots(inputs - 1, k);
      double const sign = k < inputs - 1 && denominator(k) < 0 ? -1 : 1;
      for (int j = 0; j < inputs; ++j) matrix.entry[k][j] = sign * polynomial.entry[0][j];
    }
    return matrix;
  }();
  static constexpr ConstMatrix<inputs, taps> filter = [] {
    auto matrix = powers<taps>();
    for (int k = 0; k < inputs - 1; ++k)
      for (int j = 0; j < taps; ++j) matrix.entry[k][j] /= denominator(k) < 0 ? -denominator(k) : denominator(k);
    return matrix;
  }();
  static constexpr ConstMatrix<outputs, inputs> output = powers<outputs>().transposed();
  static constexpr ConstMatrix<inputs, outputs> output_transposed = output.transposed();
  static constexpr ConstMatrix<taps, inputs> filter_transposed = filter.transposed();
};

/// The sum over the columns j that `Wanted(j)` names of Matrix[Row][j] * in[j], of which only what must be is computed.
template <auto const& Matrix, int Row, class V, class Wanted, std::size_t... J>
[[gnu::always_inline]] inline V combination(V const* in, Wanted, std::index_sequence<J...>) {
  using T = typename V::scalar_type;
  V total(T(0));
  bool first = true;
  auto const add = [&]<int Column>() __attribute__((always_inline)) {
    constexpr double factor = Matrix.entry[Row][Column];
    if constexpr (factor != 0 && Wanted{}(Column)) {
      if (factor == 1)
        total = first ? in[Column] : total + in[Column];
      else if (factor == -1)
        total = first ? -in[Column] : total - in[Column];
      else
        total = first ? V(static_cast<T>(factor)) * in[Column] : fma(V(static_cast<T>(factor)), in[Column], total);
      first = false;
    }
  };
  (add.template operator()<static_cast<int>(J)>(), ...);
  return total;
}

/// out = Matrix in, for vectors of V.
template <auto const& Matrix, class V, int Row = 0>
[[gnu::always_inline]] inline void multiply(V const* in, V* out) {
  using M = std::remove_cvref_t<decltype(Matrix)>;
  constexpr auto columns = std::make_index_sequence<static_cast<std::size_t>(M::columns)>{};
  if constexpr (Row < M::rows) {
    if constexpr (Matrix.paired(Row)) {
      V const same =
          combination<Matrix, Row>(in, [](int j) { return Matrix.entry[Row][j] == Matrix.entry[Row + 1][j]; }, columns);
      V const opposite =
          combination<Matrix, Row>(in, [](int j) { return Matrix.entry[Row][j] != Matrix.entry[Row + 1][j]; }, columns);
      out[Row] = same + opposite;
      out[Row + 1] = same - opposite;
      multiply<Matrix, V, Row + 2>(in, out);
    } else {
      out[Row] = combination<Matrix, Row>(in, [](int) { return true; }, columns);
      multiply<Matrix, V, Row + 1>(in, out);
    }
  }
}

/// A square of vectors in memory: entry (i, j) begins at data + i * row + j * column.
template <class T>
struct VectorSquare {
  T* data;
  std::int64_t row, column;

  T* at(int i, int j) const { return data + i * row + j * column; }
};

/// to = Matrix from Matrix^T: down the columns, then along the rows. One function serves all that use a matrix: with squares of
/// 7 it is long. Squares are passed by reference and read number by number: g++ copies one that is passed by value in pieces that
/// it has not been written in, which a processor cannot do before everything that was stored earlier has left for the cache.
template <auto const& Matrix, class T>
[[gnu::noinline]] void transform(VectorSquare<T const> const& from, VectorSquare<T> const& to) {
  using M = std::remove_cvref_t<decltype(Matrix)>;
  using V = Simd<T>;
  V half_way[M::rows][M::columns];
#pragma GCC unroll 8
  for (int j = 0; j < M::columns; ++j) {
    V column[M::columns];
    V result[M::rows];
#pragma GCC unroll 8
    for (int i = 0; i < M::columns; ++i) column[i] = V::load(from.at(i, j));
    multiply<Matrix>(column, result);
#pragma GCC unroll 8
    for (int i = 0; i < M::rows; ++i) half_way[i][j] = result[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < M::rows; ++i) {
    V result[M::rows];
    multiply<Matrix>(half_way[i], result);
#pragma GCC unroll 8
    for (int j = 0; j < M::rows; ++j) result[j].store(to.at(i, j));
  }
}

/// The same, but of the vectors of `from` the first `lanes` numbers are read, the others are zeros.
template <auto const& Matrix, class T>
void transform(VectorSquare<T const> const& from, VectorSquare<T> const& to, int lanes) {
  using M = std::remove_cvref_t<decltype(Matrix)>;
  using V = Simd<T>;
  if (lanes >= V::size) return transform<Matrix, T>(from, to);
  T filled[M::columns][M::columns][V::size];
  for (int i = 0; i < M::columns; ++i)
    for (int j = 0; j < M::columns; ++j) V::load(from.at(i, j), lanes).store(filled[i][j]);
  transform<Matrix, T>({filled[0][0], M::columns * V::size, V::size}, to);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
