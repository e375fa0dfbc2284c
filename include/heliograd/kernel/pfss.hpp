// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>
#include <type_traits>

#include <heliograd/core/simd.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/fft.hpp>
#include <heliograd/kernel/pfss_grid.hpp>

/// \file
/// The potential-field source-surface model by finite differences: the potential psi on all shells, the radial field on the
/// source surface, and the transposes and derivatives of both. All arithmetic is in double precision.
///
/// A Fourier transform in longitude leaves T tridiagonal, one matrix for each order m. Instead of its eigenvectors (n_s of
/// them for every m) the radial operator is taken apart, which is small and the same for all m: n_r - 1 tridiagonal systems
/// (T_m + pole_n) y = psi_0 per order, in a form without subtractions, then one small matrix product over n.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

/// Where the columns under work lie: lane l of row j of column n at n * column + j * row + block * lanes.
struct PfssLayout {
  std::size_t column, row, block;
};

/// Solves (T + pole_n) x = rhs for `Lanes` lanes of the spectrum at a time, all of one block.
///
/// The pivot of row j is V_{j+1} + e_j, where e_j, the part above the sum of the off-diagonals, obeys
/// e_{j+1} = U_{j+1} sigma + pole + V_{j+1} e_j / (e_j + V_{j+1}): sums and quotients of positive numbers only.
template <int Lanes>
struct PfssColumns {
  PfssRows rows;
  double const* pole;  ///< null: solves T x = rhs
  double scale;        ///< 1 / (step_s step_phi)
  std::size_t n_s;
  std::size_t blocks, first_lane;
  double const* rhs;
  PfssLayout in;
  double* x;
  PfssLayout out;
  double* multiplier;  ///< laid out as x

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const block = item % blocks;
    std::size_t const n = item / blocks;
    double const* const from = rhs + n * in.column + block * in.block;
    double* const to = x + n * out.column + block * out.block;
    double* const mul = multiplier + n * out.column + block * out.block;
    double const* const sigma = rows.sigma + first_lane + block * Lanes;
    double const shift = pole != nullptr ? pole[n] : 0.0;
    double excess[Lanes], g[Lanes];
    for (int l = 0; l < Lanes; ++l) excess[l] = 0, g[l] = 0;
    double below = 0;  // V at the row's southern edge
    for (std::size_t j = 0; j < n_s; ++j) {
      double const above = rows.ratio_phi[j + 1] * scale;
      double const u = rows.ratio_s[j] * scale;
      double const* const row_in = from + j * in.row;
      double* const row_out = to + j * out.row;
      double* const row_mul = mul + j * out.row;
      HELIOGRAD_INDEPENDENT_LOOP
      for (int l = 0; l < Lanes; ++l) {
        double const e = u * sigma[l] + shift + excess[l];
        double const pivot = e + above;
        double const inverse = pivot > 0 ? 1 / pivot : 0.0;  // zero only in the last row of T itself, m = 0
        g[l] = (row_in[l] + below * g[l]) * inverse;
        double const c = above * inverse;
        excess[l] = c * e;
        row_out[l] = g[l];
        row_mul[l] = c;
      }
      below = above;
    }
    double last[Lanes];
    for (int l = 0; l < Lanes; ++l) last[l] = 0;
    for (std::size_t j = n_s; j-- > 0;) {
      double* const row_out = to + j * out.row;
      double const* const row_mul = mul + j * out.row;
      HELIOGRAD_INDEPENDENT_LOOP
      for (int l = 0; l < Lanes; ++l) {
        last[l] = row_out[l] + row_mul[l] * last[l];
        row_out[l] = last[l];
      }
    }
  }
};

/// out_o = beta out_o + scale sum over i of matrix(o, i) in_i, row by row.
struct PfssMix {
  double const* matrix;
  std::size_t by_output, by_input;  ///< steps in the matrix
  std::size_t inputs, outputs;
  std::size_t n_s, blocks;
  double const* in;
  PfssLayout from;
  double* out;
  PfssLayout to;
  double scale, beta;
};

/// One number.
struct PfssMixOnDevice : PfssMix {
  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const block = item % blocks, j = item / blocks % n_s, o = item / blocks / n_s;
    double const* const source = in + block * from.block + j * from.row;
    double& target = out[block * to.block + j * to.row + o * to.column];
    double sum = 0;
    for (std::size_t i = 0; i < inputs; ++i) sum += matrix[o * by_output + i * by_input] * source[i * from.column];
    target = (beta != 0 ? beta * target : 0.0) + scale * sum;
  }
};

/// All outputs of a row and block, a tile of them at a time in registers.
template <int Lanes>
struct PfssMixOnHost : PfssMix {
  using V = Simd<double>;

  void operator()(std::size_t item) const {
    std::size_t const block = item % blocks, j = item / blocks;
    double const* const source = in + block * from.block + j * from.row;
    double* const target = out + block * to.block + j * to.row;
    constexpr int most = V::registers >= 32 ? 8 : 4;
    std::size_t o = 0;
    for (; o + most <= outputs; o += most) tile<most>(source, target, o);
    for (; o < outputs; ++o) tile<1>(source, target, o);
  }

 private:
  /// `Count` outputs, two vectors of lanes at a time.
  template <int Count>
  void tile(double const* source, double* target, std::size_t first) const {
    static_assert(Lanes % (2 * V::size) == 0);
    for (int lane = 0; lane < Lanes; lane += 2 * V::size) {
      V sum[Count][2];
#pragma GCC unroll 8
      for (int r = 0; r < Count; ++r) sum[r][0] = sum[r][1] = V(0.0);
      for (std::size_t i = 0; i < inputs; ++i) {
        double const* const row = source + i * from.column + lane;
        double const* const m = matrix + first * by_output + i * by_input;
        V const a = V::load(row), b = V::load(row + V::size);
#pragma GCC unroll 8
        for (int r = 0; r < Count; ++r) {
          V const factor(m[static_cast<std::size_t>(r) * by_output]);
          sum[r][0] = fma(factor, a, sum[r][0]);
          sum[r][1] = fma(factor, b, sum[r][1]);
        }
      }
#pragma GCC unroll 8
      for (int r = 0; r < Count; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) {
          double* const to_row = target + (first + static_cast<std::size_t>(r)) * to.column + lane + v * V::size;
          V const total = V(scale) * sum[r][v];
          (beta != 0 ? fma(V(beta), V::load(to_row), total) : total).store(to_row);
        }
    }
  }
};

/// y_n = factor_n y_n.
struct PfssScale {
  double const* factor;
  double* y;
  PfssLayout at;
  std::size_t n_s, blocks;
  int lanes;
  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const block = item % blocks;
    std::size_t const n = item / blocks;
    for (std::size_t j = 0; j < n_s; ++j)
      for (int l = 0; l < lanes; ++l) y[n * at.column + j * at.row + block * at.block + std::size_t(l)] *= factor[n];
  }
};

struct PfssFill {
  double* x;
  double value;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { x[i] = value; }
};
struct PfssTimes {
  double* x;
  double factor;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { x[i] *= factor; }
};

/// A map as padded rows in double precision, and back.
template <class T>
struct PfssLoad {
  T const* map;
  double* rows;
  std::size_t n_phi, pitch;
  double scale;
  KOKKOS_FUNCTION void operator()(std::size_t j) const {
    for (std::size_t i = 0; i < n_phi; ++i) rows[j * pitch + i] = scale * static_cast<double>(map[j * n_phi + i]);
    for (std::size_t i = n_phi; i < pitch; ++i) rows[j * pitch + i] = 0;
  }
};
template <class B>
struct PfssStore {
  double const* rows;
  Sink<2, B> map;
  std::size_t n_phi, pitch;
  KOKKOS_FUNCTION void operator()(std::size_t j) const {
    for (std::size_t i = 0; i < n_phi; ++i)
      map.add(j * n_phi + i, static_cast<typename B::scalar_type>(rows[j * pitch + i]));
  }
};

/// The parts of the work that all calls share, bound to one grid.
template <class B>
class PfssSolver {
 public:
  static constexpr int lanes = B::on_host ? 16 : 1;
  using Scalar = typename B::scalar_type;

  PfssSolver(Workspace<B>& ws, PfssGrid const& grid) : ws_(ws), grid_(grid), scope_(ws.scope()) {
    expect_grid(grid);
    rows_ = pfss_rows(ws, scope_, grid);
    radial_ = pfss_radial(ws, scope_, grid);
    // Host: so many blocks at a time that all threads have work; elsewhere: a quarter of the spectrum.
    std::size_t const all = grid.pitch() / lanes;
    std::size_t const some = B::on_host ? (63 + radial_.poles) / radial_.poles : (all + 3) / 4;
    blocks_ = some < all ? some : all;
    // On hosts a cache line more from column to column, lest all of them meet in the same few sets of a cache.
    std::size_t const column = B::on_host ? (grid.n_s * lanes + 511) / 512 * 512 + lanes : grid.n_s * blocks_;
    std::size_t const size = radial_.poles * column * (B::on_host ? blocks_ : 1);
    y_ = scope_.template take<double>(size);
    multiplier_ = scope_.template take<double>(size > grid.shell() ? size : grid.shell());
    if (B::on_host)
      work_ = {column, lanes, radial_.poles * column};
    else
      work_ = {column, blocks_, 1};
    shells_ = {grid.shell(), grid.pitch(), lanes};
  }

  PfssGrid const& grid() const { return grid_; }
  PfssRadial const& radial() const { return radial_; }
  typename Workspace<B>::Scope& scope() { return scope_; }

  /// Rows of the map, transformed; scaled so that the inverse transform needs no factor.
  void load(Scalar const* map, double* rows) {
    std::size_t const pitch = grid_.pitch();
    for_each_item(ws_, "heliograd::pfss_load", grid_.n_s,
                  PfssLoad<Scalar>{map, rows, grid_.n_phi, pitch, 1 / static_cast<double>(grid_.n_phi)});
    fft_forward(ws_, rows, grid_.n_s, grid_.n_phi, pitch);
    no_monopole(rows);
  }

  void store(double* rows, Sink<2, B> const& map) {
    fft_inverse(ws_, rows, grid_.n_s, grid_.n_phi, grid_.pitch());
    for_each_item(ws_, "heliograd::pfss_store", grid_.n_s, PfssStore<B>{rows, map, grid_.n_phi, grid_.pitch()});
  }

  void no_monopole(double* rows) {
    for_each_item(ws_, "heliograd::pfss_no_monopole", 2, PfssNoMonopole{rows, grid_.n_s, grid_.pitch()});
  }

  /// x = T^-1 x, without a mean.
  void invert_surface(double* x) {
    PfssLayout const at{0, grid_.pitch(), static_cast<std::size_t>(lanes)};
    for_each_item(
        ws_, "heliograd::pfss_surface", grid_.pitch() / lanes,
        PfssColumns<lanes>{rows_, nullptr, scale(), grid_.n_s, grid_.pitch() / lanes, 0, x, at, x, at, multiplier_});
    no_monopole(x);
  }

  /// Calls `part(first lane, blocks)` for pieces of the spectrum.
  template <class Part>
  void for_each_part(Part&& part) {
    std::size_t const all = grid_.pitch() / lanes;
    for (std::size_t first = 0; first < all; first += blocks_)
      part(first * lanes, blocks_ < all - first ? blocks_ : all - first);
  }

  /// y_n = (T + pole_n)^-1 x.
  void columns(double const* x, std::size_t lane, std::size_t blocks) {
    solve(x + lane, {0, grid_.pitch(), static_cast<std::size_t>(lanes)}, lane, blocks);
  }
  /// y_n = (T + pole_n)^-1 y_n.
  void columns_again(std::size_t lane, std::size_t blocks) { solve(y_, work_, lane, blocks); }
  void scale_columns(double const* factor, std::size_t blocks) {
    for_each_item(ws_, "heliograd::pfss_scale", radial_.poles * blocks,
                  PfssScale{factor, y_, work_, grid_.n_s, blocks, lanes});
  }

  /// out_k = beta out_k + scale * sum over n of matrix_kn y_n, for `outputs` shells from `out`.
  void expand(double const* matrix, std::size_t outputs, double* out, double factor, double beta, std::size_t lane,
              std::size_t blocks) {
    mix({matrix, radial_.poles, 1, radial_.poles, outputs, grid_.n_s, blocks, y_, work_, out + lane, shells_, factor,
         beta});
  }
  /// y_n = sum over k of matrix_kn in_k.
  void contract(double const* matrix, std::size_t inputs, double const* in, std::size_t lane, std::size_t blocks) {
    mix({matrix, 1, radial_.poles, inputs, radial_.poles, grid_.n_s, blocks, in + lane, shells_, y_, work_, 1, 0});
  }

 private:
  using Mix = std::conditional_t<B::on_host, PfssMixOnHost<lanes>, PfssMixOnDevice>;

  double scale() const { return 1 / (grid_.step_s() * grid_.step_phi()); }

  void solve(double const* rhs, PfssLayout const& in, std::size_t lane, std::size_t blocks) {
    for_each_item(
        ws_, "heliograd::pfss_columns", radial_.poles * blocks,
        PfssColumns<lanes>{rows_, radial_.pole, scale(), grid_.n_s, blocks, lane, rhs, in, y_, work_, multiplier_});
  }
  void mix(PfssMix const& m) {
    for_each_item(ws_, "heliograd::pfss_mix", m.blocks * m.n_s * (B::on_host ? 1 : m.outputs), Mix{m});
  }

  Workspace<B>& ws_;
  PfssGrid grid_;
  typename Workspace<B>::Scope scope_;
  PfssRows rows_{};
  PfssRadial radial_{};
  std::size_t blocks_ = 1;
  double* y_ = nullptr;
  double* multiplier_ = nullptr;
  PfssLayout work_{}, shells_{};
};

template <class B>
void check_pfss_map(PfssGrid const& grid, Shape<2> const& map, char const* name) {
  expect_grid(grid);
  expect_shape(map[0] == grid.n_s && map[1] == grid.n_phi, std::string(name) + ": the map is " + to_string(map) +
                                                               ", the grid has " + std::to_string(grid.n_s) +
                                                               " rows and " + std::to_string(grid.n_phi) + " columns");
}

}  // namespace detail

/// psi on all shells, [n_r + 1][n_s][pitch], from the radial field on the Sun, [n_s, n_phi]; its mean is left out.
/// `progress(done, total)` is called between pieces of the work.
template <class B, class Progress>
void pfss_potential(Workspace<B>& ws, PfssGrid const& grid, ConstTensorRef<2, B> const& map, double* psi,
                    Progress const& progress) {
  detail::check_pfss_map<B>(grid, shape_of(map), "pfss_potential");
  detail::PfssSolver<B> solver(ws, grid);
  solver.load(map.data(), psi);
  solver.invert_surface(psi);
  solver.for_each_part([&](std::size_t lane, std::size_t blocks) {
    solver.columns(psi, lane, blocks);
    solver.expand(solver.radial().weight, grid.n_r, psi + grid.shell(), 1, 0, lane, blocks);
    progress(lane, 2 * grid.pitch());
  });
  std::size_t const group = B::on_host ? 8 : grid.n_r + 1;
  for (std::size_t k = 0; k <= grid.n_r; k += group) {
    std::size_t const shells = group < grid.n_r + 1 - k ? group : grid.n_r + 1 - k;
    fft_inverse(ws, psi + k * grid.shell(), shells * grid.n_s, grid.n_phi, grid.pitch());
    progress(grid.n_r + 1 + k, 2 * (grid.n_r + 1));
  }
}

namespace detail {
struct NoProgress {
  void operator()(std::size_t, std::size_t) const {}
};
}  // namespace detail

template <class B>
void pfss_potential(Workspace<B>& ws, PfssGrid const& grid, ConstTensorRef<2, B> const& map, double* psi) {
  pfss_potential<B>(ws, grid, map, psi, detail::NoProgress{});
}

/// The derivative of psi with respect to d = step_rho, laid out as psi.
template <class B>
void pfss_potential_slope(Workspace<B>& ws, PfssGrid const& grid, ConstTensorRef<2, B> const& map, double* slope) {
  detail::check_pfss_map<B>(grid, shape_of(map), "pfss_potential_slope");
  detail::PfssSolver<B> solver(ws, grid);
  double* const upper = slope + grid.shell();
  solver.load(map.data(), slope);
  solver.invert_surface(slope);
  solver.for_each_part([&](std::size_t lane, std::size_t blocks) {
    solver.columns(slope, lane, blocks);
    solver.expand(solver.radial().weight_slope, grid.n_r, upper, 1, 0, lane, blocks);
    solver.scale_columns(solver.radial().pole_slope, blocks);
    solver.columns_again(lane, blocks);
    solver.expand(solver.radial().weight, grid.n_r, upper, -1, 1, lane, blocks);
  });
  fft_inverse(ws, upper, grid.n_r * grid.n_s, grid.n_phi, grid.pitch());
  for_each_element(ws, "heliograd::pfss_zero", grid.shell(), detail::PfssFill{slope, 0});  // psi_0 does not change
}

/// The transpose of `pfss_potential`: the gradient of the map from that of psi, which is destroyed.
template <class B>
void pfss_potential_backward(Workspace<B>& ws, PfssGrid const& grid, double* gpsi, Sink<2, B> const& gmap) {
  detail::check_pfss_map<B>(grid, shape_of(gmap.out), "pfss_potential_backward");
  detail::PfssSolver<B> solver(ws, grid);
  fft_forward(ws, gpsi, (grid.n_r + 1) * grid.n_s, grid.n_phi, grid.pitch());
  double* const ones = solver.scope().template take<double>(grid.n_r);
  for_each_element(ws, "heliograd::pfss_ones", grid.n_r, detail::PfssFill{ones, 1});
  solver.for_each_part([&](std::size_t lane, std::size_t blocks) {
    solver.contract(solver.radial().weight, grid.n_r, gpsi + grid.shell(), lane, blocks);
    solver.columns_again(lane, blocks);
    solver.expand(ones, 1, gpsi, 1, 1, lane, blocks);
  });
  solver.no_monopole(gpsi);
  solver.invert_surface(gpsi);
  for_each_element(ws, "heliograd::pfss_scale", grid.shell(),
                   detail::PfssTimes{gpsi, 1 / static_cast<double>(grid.n_phi)});
  solver.store(gpsi, gmap);
}

/// The radial field on the source surface (order 0), or its first or second derivative with respect to rss. The operator is
/// symmetric, so this is its own transpose.
template <class B>
void pfss_source_surface(Workspace<B>& ws, PfssGrid const& grid, ConstTensorRef<2, B> const& map,
                         Sink<2, B> const& surface, int order = 0) {
  detail::check_pfss_map<B>(grid, shape_of(map), "pfss_source_surface");
  detail::check_pfss_map<B>(grid, shape_of(surface.out), "pfss_source_surface");
  expect(order >= 0 && order <= 2, "pfss_source_surface: derivatives are known to the second order");
  detail::PfssSolver<B> solver(ws, grid);
  std::size_t const poles = solver.radial().poles;
  double* const rows = solver.scope().template take<double>(grid.shell());
  double* const weight = solver.scope().template take<double>(3 * poles);
  for_each_item(ws, "heliograd::pfss_surface_weights", poles, detail::FillPfssSurface{grid, order, poles, weight});
  solver.load(map.data(), rows);
  solver.for_each_part([&](std::size_t lane, std::size_t blocks) {
    solver.columns(rows, lane, blocks);
    solver.expand(weight, 1, rows, 1, 0, lane, blocks);
    for (int power = 1; power <= order; ++power) {
      solver.columns_again(lane, blocks);
      solver.expand(weight + std::size_t(power) * poles, 1, rows, 1, 1, lane, blocks);
    }
  });
  solver.store(rows, surface);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
