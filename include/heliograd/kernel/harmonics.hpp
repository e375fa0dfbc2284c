// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>

#include <heliograd/core/dual.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/fft.hpp>
#include <heliograd/kernel/pfss_grid.hpp>

/// \file
/// The potential-field source-surface model by spherical harmonics (Schatten, Wilcox & Ness 1969; Altschuler & Newkirk
/// 1969; Wang & Sheeley 1992): analysis of a map, and synthesis of the field on shells; with transposes and derivatives.
///
/// Legendre functions are normalised to a mean square of one over the sphere's latitudes. Powers of the radius appear as
/// ratios below one, so that no degree overflows. Azimuthal orders stay below n_phi / 2.
namespace heliograd::inline HELIOGRAD_ABI {

/// How the coefficients of a map are found.
enum class HarmonicFit {
  quadrature,     ///< midpoint rule: robust, exact to second order in the rows' height
  least_squares,  ///< exact for maps of degree l_max or less; for l_max up to 2 sqrt(n_s), where it is well posed
};

struct HarmonicOptions {
  std::size_t l_max = 90;
  HarmonicFit fit = HarmonicFit::quadrature;
};

namespace kernel {

/// The size of an expansion, and the place of each pair (l, m) in it: m by m, l = m..l_max.
struct HarmonicPairs {
  std::size_t l_max;
  std::size_t orders;  ///< m = 0..orders - 1

  KOKKOS_FUNCTION std::size_t offset(std::size_t m) const { return m * (l_max + 1) - m * (m - 1) / 2; }
  KOKKOS_FUNCTION std::size_t count() const { return offset(orders); }
};

namespace detail {

/// r^{l+2} times the radial factors, divided by it again: B_r and the tangential field of degree l at radius r, for a unit
/// coefficient of B_r on the Sun.
template <class T>
struct HarmonicRadial {
  T radial, tangential;
  KOKKOS_FUNCTION HarmonicRadial(std::size_t l, T const& log_r, T const& log_rss) {
    using Kokkos::exp;
    T const degree(static_cast<double>(l)), one(1.0), two(2.0);
    T const odd = two * degree + one;
    T const fall = exp(-((degree + two) * log_r)) / (degree + one + degree * exp(-(odd * log_rss)));
    T const ratio = exp(odd * (log_r - log_rss));
    radial = fall * (degree + one + degree * ratio);
    tangential = fall * (one - ratio);
  }
};

/// Legendre functions of one row: values, values over the cosine of latitude (m > 0), derivatives by colatitude.
struct FillLegendre {
  HarmonicPairs pairs;
  std::size_t rows;
  bool edges;                           ///< rows are edges of cells, poles included, instead of their middles
  double *value, *over_cosine, *slope;  ///< [rows][pairs]; the last two may be null

  KOKKOS_FUNCTION void operator()(std::size_t j) const {
    using Kokkos::sqrt;
    double const cells = static_cast<double>(edges ? rows - 1 : rows);
    double const s = ((edges ? 2 * static_cast<double>(j) : 2 * static_cast<double>(j) + 1) - cells) / cells;
    double const cosine = sqrt((1 - s) * (1 + s));
    std::size_t const count = pairs.count();
    double seed = 1;  // of P_mm / cosine for m > 0, of P_00
    for (std::size_t m = 0; m < pairs.orders; ++m) {
      double const mm = static_cast<double>(m);
      if (m > 0) seed *= sqrt((2 * mm + 1) / (2 * mm)) * (m > 1 ? cosine : 1.0);
      double before = 0, now = seed;
      double const to_value = m > 0 ? cosine : 1.0;
      for (std::size_t l = m; l <= pairs.l_max; ++l) {
        double const ll = static_cast<double>(l);
        std::size_t const at = j * count + pairs.offset(m) + l - m;
        value[at] = to_value * now;
        if (over_cosine != nullptr) over_cosine[at] = m > 0 ? now : 0.0;
        if (slope != nullptr && m > 0)
          slope[at] = ll * s * now - sqrt((2 * ll + 1) * (ll * ll - mm * mm) / (2 * ll - 1)) * before;
        double const next = ll + 1;
        double const a = sqrt((4 * next * next - 1) / (next * next - mm * mm));
        double const b = sqrt((ll * ll - mm * mm) / (4 * ll * ll - 1 + (l == 0 ? 2.0 : 0.0)));
        double const after = a * (s * now - b * before);
        before = now;
        now = after;
      }
    }
    if (slope != nullptr)  // of m = 0, from m = 1
      for (std::size_t l = 0; l <= pairs.l_max; ++l) {
        double const ll = static_cast<double>(l);
        slope[j * count + l] =
            l > 0 && pairs.orders > 1 ? -sqrt(ll * (ll + 1)) * value[j * count + pairs.offset(1) + l - 1] : 0.0;
      }
  }
};

KOKKOS_INLINE_FUNCTION std::size_t order_of(HarmonicPairs const& pairs, std::size_t pair) {
  std::size_t m = 0;
  while (m + 1 < pairs.orders && pairs.offset(m + 1) <= pair) ++m;
  return m;
}

/// coefficients(pair) = beta coefficients + sum over rows of weight * table(row, pair) * factor * spectrum(row, m).
struct HarmonicGather {
  HarmonicPairs pairs;
  std::size_t rows, pitch;
  double const* table;
  double const* spectrum;
  double* coefficients;  ///< [pairs][2]
  double weight, beta;
  double const* factor;  ///< [l_max + 1]
  int kind;              ///< 0: no radial factor; 1: that of B_r; 2: tangential, theta; 3: tangential, phi
  double phase;          ///< radians per order by which the rows' first column lies east of the coefficients' origin

  KOKKOS_FUNCTION void operator()(std::size_t pair) const {
    std::size_t const m = order_of(pairs, pair);
    std::size_t const l = pair - pairs.offset(m) + m;
    double re = 0, im = 0;
    for (std::size_t j = 0; j < rows; ++j) {
      double const p = table[j * pairs.count() + pair];
      re += p * spectrum[j * pitch + 2 * m];
      im += p * spectrum[j * pitch + 2 * m + 1];
    }
    double const f = weight * (kind > 0 ? factor[l] : 1.0);
    double const turn = static_cast<double>(m) * phase;
    double const c = Kokkos::cos(turn), s = Kokkos::sin(turn);
    double x = f * (c * re + s * im), y = f * (c * im - s * re);  // conjugate of the synthesis
    if (kind == 3) {                                              // times conj(i m)
      double const mm = static_cast<double>(m), keep = x;
      x = mm * y;
      y = -mm * keep;
    }
    if (l == 0 && kind > 0) x = 0, y = 0;  // no monopole in the field
    double* const out = coefficients + 2 * pair;
    out[0] = (beta != 0 ? beta * out[0] : 0.0) + x;
    out[1] = (beta != 0 ? beta * out[1] : 0.0) + y;
  }
};

/// spectrum(row, m) = sum over l of factor(l) * table(row, pair) * coefficients(pair).
struct HarmonicSpread {
  HarmonicPairs pairs;
  std::size_t rows, pitch;
  double const* table;
  double const* coefficients;
  double const* factor;  ///< [l_max + 1]
  double* spectrum;
  double weight;
  int kind;
  double phase;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const m = item % (pitch / 2), j = item / (pitch / 2);
    double re = 0, im = 0;
    if (m < pairs.orders) {
      std::size_t const first = pairs.offset(m);
      double const* const p = table + j * pairs.count() + first;
      double const* const c = coefficients + 2 * first;
      for (std::size_t l = m == 0 && kind > 0 ? 1 : m; l <= pairs.l_max; ++l) {
        double const f = p[l - m] * (kind > 0 ? factor[l] : 1.0);
        re += f * c[2 * (l - m)];
        im += f * c[2 * (l - m) + 1];
      }
      if (kind == 3) {  // times i m
        double const mm = static_cast<double>(m), keep = re;
        re = -mm * im;
        im = mm * keep;
      }
      double const turn = static_cast<double>(m) * phase;
      double const cosine = Kokkos::cos(turn), sine = Kokkos::sin(turn), keep = re;
      re = weight * (cosine * re - sine * im);
      im = weight * (cosine * im + sine * keep);
    }
    spectrum[j * pitch + 2 * m] = re;
    spectrum[j * pitch + 2 * m + 1] = im;
  }
};

/// The radial factors of all degrees at one radius, or their first or second derivatives with respect to rss. `t` is the place between
/// the Sun (0) and the source surface (1), in ln r.
struct FillHarmonicFactors {
  double rss, t;
  int order;
  double *radial, *tangential;
  KOKKOS_FUNCTION void operator()(std::size_t l) const {
    using First = Dual<double, 1>;
    using Number = Dual<First, 1>;
    Number const log_rss = log(Number::input(First::input(rss, 0), 0));
    HarmonicRadial<Number> const at(l, Number(t) * log_rss, log_rss);
    radial[l] = of_order(at.radial);
    tangential[l] = -of_order(at.tangential);
  }
  KOKKOS_FUNCTION double of_order(Dual<Dual<double, 1>, 1> const& x) const {
    return order == 0 ? x.value.value : order == 1 ? x.value.slope[0] : x.slope[0].slope[0];
  }
};

/// Cholesky factors of the normal equations, one order each, and their use.
struct HarmonicNormal {
  HarmonicPairs pairs;
  std::size_t rows;
  double const* table;
  double weight;
  double* matrix;  ///< [orders][l_max + 1][l_max + 1]
  double* coefficients;

  KOKKOS_FUNCTION void operator()(std::size_t m) const {
    std::size_t const n = pairs.l_max + 1 - m, side = pairs.l_max + 1;
    double* const a = matrix + m * side * side;
    double const* const p = table + pairs.offset(m);
    for (std::size_t r = 0; r < n; ++r)
      for (std::size_t c = 0; c <= r; ++c) {
        double sum = 0;
        for (std::size_t j = 0; j < rows; ++j) sum += p[j * pairs.count() + r] * p[j * pairs.count() + c];
        a[r * side + c] = weight * sum;
      }
    for (std::size_t r = 0; r < n; ++r)
      for (std::size_t c = 0; c <= r; ++c) {
        double sum = a[r * side + c];
        for (std::size_t k = 0; k < c; ++k) sum -= a[r * side + k] * a[c * side + k];
        a[r * side + c] = r == c ? Kokkos::sqrt(sum) : sum / a[c * side + c];
      }
    for (std::size_t part = 0; part < 2; ++part) {
      double* const x = coefficients + 2 * pairs.offset(m) + part;
      for (std::size_t r = 0; r < n; ++r) {
        double sum = x[2 * r];
        for (std::size_t k = 0; k < r; ++k) sum -= a[r * side + k] * x[2 * k];
        x[2 * r] = sum / a[r * side + r];
      }
      for (std::size_t r = n; r-- > 0;) {
        double sum = x[2 * r];
        for (std::size_t k = r + 1; k < n; ++k) sum -= a[k * side + r] * x[2 * k];
        x[2 * r] = sum / a[r * side + r];
      }
    }
  }
};

template <class T>
struct HarmonicLoad {  ///< `stride` numbers from one column to the next
  T const* from;
  std::size_t stride;
  double* rows;
  std::size_t n_phi, pitch;
  double scale;
  KOKKOS_FUNCTION void operator()(std::size_t j) const {
    for (std::size_t i = 0; i < pitch; ++i)
      rows[j * pitch + i] = i < n_phi ? scale * static_cast<double>(from[(j * n_phi + i) * stride]) : 0.0;
  }
};
template <class T>
struct HarmonicStore {
  double const* rows;
  T* to;
  std::size_t stride;
  std::size_t n_phi, pitch;
  T beta;
  KOKKOS_FUNCTION void operator()(std::size_t j) const {
    for (std::size_t i = 0; i < n_phi; ++i) {
      T& target = to[(j * n_phi + i) * stride];
      target = (beta != T(0) ? beta * target : T(0)) + static_cast<T>(rows[j * pitch + i]);
    }
  }
};

inline void expect_harmonics(PfssGrid const& grid, HarmonicOptions const& options) {
  expect_grid(grid);
  expect(options.l_max >= 1 && options.l_max <= 1900,
         "harmonics: the highest degree must lie between 1 and 1900 (found " + std::to_string(options.l_max) + ")");
  expect(options.l_max < grid.n_s, "harmonics: " + std::to_string(grid.n_s) + " rows do not tell degrees up to " +
                                       std::to_string(options.l_max) + " apart; take fewer");
  expect(options.fit == HarmonicFit::quadrature || options.l_max * options.l_max <= 4 * grid.n_s,
         "harmonics: a least-squares fit is well posed for degrees up to 2 sqrt(rows) (found " +
             std::to_string(options.l_max) + " on " + std::to_string(grid.n_s) + " rows); take quadrature, or fewer");
}

inline void expect_order(int order) {
  expect(order >= 0 && order <= 2, "harmonics: derivatives with respect to rss are known to the second order");
}

/// The parts all calls share.
template <class B>
class Harmonics {
 public:
  using Scalar = typename B::scalar_type;

  Harmonics(Workspace<B>& ws, PfssGrid const& grid, HarmonicOptions const& options)
      : ws_(ws), grid_(grid), options_(options), scope_(ws.scope()) {
    expect_harmonics(grid, options);
    std::size_t const half = (grid.n_phi + 1) / 2;  // orders below n_phi / 2
    pairs_ = {options.l_max, options.l_max + 1 < half ? options.l_max + 1 : half};
    coefficients = scope_.template take<double>(2 * pairs_.count());
    middle_ = scope_.template take<double>(grid.n_s * pairs_.count());
    rows = scope_.template take<double>(3 * (grid.n_s + 1) * grid.pitch());
    factor_ = scope_.template take<double>(2 * (options.l_max + 1));
    for_each_item(ws, "heliograd::legendre", grid.n_s,
                  FillLegendre{pairs_, grid.n_s, false, middle_, nullptr, nullptr});
  }

  /// The tables of the edges of rows.
  void prepare_nodes() {
    std::size_t const size = (grid_.n_s + 1) * pairs_.count();
    for (auto& table : edge_) table = scope_.template take<double>(size);
    for_each_item(ws_, "heliograd::legendre", grid_.n_s + 1,
                  FillLegendre{pairs_, grid_.n_s + 1, true, edge_[0], edge_[2], edge_[1]});
  }

  /// The coefficients of a map's rows, whose spectra are scaled so that a synthesis needs no factor.
  void analyse(Scalar const* map) {
    for_each_item(ws_, "heliograd::harmonics_load", grid_.n_s,
                  HarmonicLoad<Scalar>{map, 1, rows, grid_.n_phi, grid_.pitch(), 1 / double(grid_.n_phi)});
    fft_forward(ws_, rows, grid_.n_s, grid_.n_phi, grid_.pitch());
    no_mean();
    gather(middle_, grid_.n_s, rows, weight(), 0, 0, 0);
    fit();
  }
  /// Its transpose.
  void analyse_backward(Scalar* gmap, Scalar beta) {
    fit();
    spread(middle_, grid_.n_s, rows, weight(), 0, 0);
    no_mean();
    fft_inverse(ws_, rows, grid_.n_s, grid_.n_phi, grid_.pitch());
    for_each_item(ws_, "heliograd::harmonics_store", grid_.n_s,
                  HarmonicStore<Scalar>{rows, gmap, 1, grid_.n_phi, grid_.pitch(), beta});
  }

  void factors(double t, int order) {
    for_each_item(ws_, "heliograd::harmonics_factors", options_.l_max + 1,
                  FillHarmonicFactors{grid_.rss, t, order, factor_, factor_ + options_.l_max + 1});
  }

  /// B_r on the source surface at the middles of cells, into `rows`.
  void surface(int order) {
    factors(1, order);
    spread(middle_, grid_.n_s, rows, 1, 1, 0);
    fft_inverse(ws_, rows, grid_.n_s, grid_.n_phi, grid_.pitch());
  }
  /// coefficients = the transpose, from `rows`.
  void surface_backward(Scalar const* gsurface, int order) {
    for_each_item(ws_, "heliograd::harmonics_load", grid_.n_s,
                  HarmonicLoad<Scalar>{gsurface, 1, rows, grid_.n_phi, grid_.pitch(), 1 / double(grid_.n_phi)});
    fft_forward(ws_, rows, grid_.n_s, grid_.n_phi, grid_.pitch());
    factors(1, order);
    gather(middle_, grid_.n_s, rows, 1, 0, 1, 0);
  }

  /// All components of shell k on the nodes, into the three parts of `rows`.
  void shell(std::size_t k, int order) {
    factors(grid_.place(k) / grid_.depth(), order);
    for (int c = 0; c < 3; ++c) spread(edge_[c], grid_.n_s + 1, part(c), 1, c + 1, -grid_.step_phi() / 2);
    fft_inverse(ws_, rows, 3 * (grid_.n_s + 1), grid_.n_phi, grid_.pitch());
  }
  /// coefficients (+)= the transpose, from the gradient of the shell's nodes.
  void shell_backward(std::size_t k, Scalar const* gnodes, bool add, int order) {
    for (int c = 0; c < 3; ++c) load_nodes(c, gnodes, 1 / double(grid_.n_phi));
    fft_forward(ws_, rows, 3 * (grid_.n_s + 1), grid_.n_phi, grid_.pitch());
    factors(grid_.place(k) / grid_.depth(), order);
    for (int c = 0; c < 3; ++c)
      gather(edge_[c], grid_.n_s + 1, part(c), 1, add || c > 0 ? 1 : 0, c + 1, -grid_.step_phi() / 2);
  }
  void load_nodes(int c, Scalar const* nodes, double scale) {
    for_each_item(ws_, "heliograd::harmonics_load", grid_.n_s + 1,
                  HarmonicLoad<Scalar>{nodes + c, 3, part(c), grid_.n_phi, grid_.pitch(), scale});
  }
  void store_nodes(Scalar* nodes) {
    for (int c = 0; c < 3; ++c)
      for_each_item(ws_, "heliograd::harmonics_store", grid_.n_s + 1,
                    HarmonicStore<Scalar>{part(c), nodes + c, 3, grid_.n_phi, grid_.pitch(), 0});
  }

  double* part(int c) const { return rows + std::size_t(c) * (grid_.n_s + 1) * grid_.pitch(); }
  typename Workspace<B>::Scope& scope() { return scope_; }

  double* coefficients;
  double* rows;  ///< [3][n_s + 1][pitch]

 private:
  double weight() const {
    return 1 / double(grid_.n_s);
  }  // half of step_s: Legendre functions have a mean square of one

  void gather(double const* table, std::size_t count, double const* spectrum, double w, double beta, int kind,
              double phase) {
    for_each_item(ws_, "heliograd::harmonics_gather", pairs_.count(),
                  HarmonicGather{pairs_, count, grid_.pitch(), table, spectrum, coefficients, w, beta, factor(kind),
                                 kind, phase});
  }
  double const* factor(int kind) const { return kind == 1 ? factor_ : factor_ + options_.l_max + 1; }
  void spread(double const* table, std::size_t count, double* spectrum, double w, int kind, double phase) {
    for_each_item(
        ws_, "heliograd::harmonics_spread", count * grid_.pitch() / 2,
        HarmonicSpread{pairs_, count, grid_.pitch(), table, coefficients, factor(kind), spectrum, w, kind, phase});
  }
  /// The mean of a map must not reach other degrees. A fit has a place for it, the degree zero; the midpoint rule has not.
  void no_mean() {
    if (options_.fit == HarmonicFit::quadrature)
      for_each_item(ws_, "heliograd::pfss_no_monopole", 2, PfssNoMonopole{rows, grid_.n_s, grid_.pitch()});
  }
  void fit() {
    if (options_.fit == HarmonicFit::quadrature) return;
    std::size_t const side = options_.l_max + 1;
    auto scope = ws_.scope();
    for_each_item(ws_, "heliograd::harmonics_fit", pairs_.orders,
                  HarmonicNormal{pairs_, grid_.n_s, middle_, weight(),
                                 scope.template take<double>(pairs_.orders * side * side), coefficients});
  }

  Workspace<B>& ws_;
  PfssGrid grid_;
  HarmonicOptions options_;
  typename Workspace<B>::Scope scope_;
  HarmonicPairs pairs_{};
  double* middle_ = nullptr;
  double* edge_[3] = {};
  double* factor_ = nullptr;
};

template <class B>
void check_harmonic_map(PfssGrid const& grid, Shape<2> const& map, char const* name) {
  expect_shape(map[0] == grid.n_s && map[1] == grid.n_phi, std::string(name) + ": the map is " + to_string(map) +
                                                               ", the grid has " + std::to_string(grid.n_s) +
                                                               " rows and " + std::to_string(grid.n_phi) + " columns");
}

}  // namespace detail

/// The radial field on the source surface at the middles of cells (order 0), or its first or second derivative with respect
/// to rss.
template <class B>
void harmonic_source_surface(Workspace<B>& ws, PfssGrid const& grid, HarmonicOptions const& options,
                             ConstTensorRef<2, B> const& map, Sink<2, B> const& surface, int order = 0) {
  detail::check_harmonic_map<B>(grid, shape_of(map), "harmonic_source_surface");
  detail::check_harmonic_map<B>(grid, shape_of(surface.out), "harmonic_source_surface");
  detail::expect_order(order);
  detail::Harmonics<B> harmonics(ws, grid, options);
  harmonics.analyse(map.data());
  harmonics.surface(order);
  for_each_item(ws, "heliograd::harmonics_store", grid.n_s,
                detail::HarmonicStore<typename B::scalar_type>{harmonics.rows, surface.out.data(), 1, grid.n_phi,
                                                               grid.pitch(), surface.beta});
}

/// The transpose of `harmonic_source_surface`.
template <class B>
void harmonic_source_surface_backward(Workspace<B>& ws, PfssGrid const& grid, HarmonicOptions const& options,
                                      ConstTensorRef<2, B> const& gsurface, Sink<2, B> const& gmap, int order = 0) {
  detail::check_harmonic_map<B>(grid, shape_of(gsurface), "harmonic_source_surface");
  detail::expect_order(order);
  detail::Harmonics<B> harmonics(ws, grid, options);
  harmonics.surface_backward(gsurface.data(), order);
  harmonics.analyse_backward(gmap.out.data(), gmap.beta);
}

/// (B_r, B_theta, B_phi) on the nodes, laid out as `pfss_nodes` has them, or their first or second derivative with respect to
/// rss, which moves the shells. `progress(done, total)` is called after a shell.
template <class B, class Progress>
void harmonic_nodes(Workspace<B>& ws, PfssGrid const& grid, HarmonicOptions const& options,
                    ConstTensorRef<2, B> const& map, TensorRef<4, B> const& field, Progress const& progress,
                    int order = 0) {
  detail::expect_order(order);
  detail::check_harmonic_map<B>(grid, shape_of(map), "harmonic_nodes");
  expect_shape(field.extent(0) == grid.n_r + 1 && field.extent(1) == grid.n_s + 1 && field.extent(2) == grid.n_phi &&
                   field.extent(3) == 3,
               "harmonic_nodes: the field is " + to_string(shape_of(field)) + ", not of the grid's nodes");
  detail::Harmonics<B> harmonics(ws, grid, options);
  harmonics.prepare_nodes();
  harmonics.analyse(map.data());
  for (std::size_t k = 0; k <= grid.n_r; ++k) {
    harmonics.shell(k, order);
    harmonics.store_nodes(field.data() + k * (grid.n_s + 1) * grid.n_phi * 3);
    progress(k + 1, grid.n_r + 1);
  }
}

template <class B>
void harmonic_nodes(Workspace<B>& ws, PfssGrid const& grid, HarmonicOptions const& options,
                    ConstTensorRef<2, B> const& map, TensorRef<4, B> const& field, int order = 0) {
  harmonic_nodes<B>(ws, grid, options, map, field, [](std::size_t, std::size_t) {}, order);
}

/// The transpose of `harmonic_nodes`.
template <class B>
void harmonic_nodes_backward(Workspace<B>& ws, PfssGrid const& grid, HarmonicOptions const& options,
                             ConstTensorRef<4, B> const& gfield, Sink<2, B> const& gmap, int order = 0) {
  detail::expect_order(order);
  detail::Harmonics<B> harmonics(ws, grid, options);
  harmonics.prepare_nodes();
  for (std::size_t k = 0; k <= grid.n_r; ++k)
    harmonics.shell_backward(k, gfield.data() + k * (grid.n_s + 1) * grid.n_phi * 3, k > 0, order);
  harmonics.analyse_backward(gmap.out.data(), gmap.beta);
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
