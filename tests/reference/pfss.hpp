// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <heliograd/kernel/pfss_grid.hpp>
#include <heliograd/testing/op_case.hpp>

namespace test::reference {

/// The solution of a x = b by elimination with pivots; a [n][n] row by row.
inline std::vector<double> solve(std::vector<double> a, std::vector<double> b) {
  std::size_t const n = b.size();
  for (std::size_t c = 0; c < n; ++c) {
    std::size_t best = c;
    for (std::size_t r = c + 1; r < n; ++r)
      if (std::abs(a[r * n + c]) > std::abs(a[best * n + c])) best = r;
    for (std::size_t k = 0; k < n; ++k) std::swap(a[c * n + k], a[best * n + k]);
    std::swap(b[c], b[best]);
    for (std::size_t r = c + 1; r < n; ++r) {
      double const f = a[r * n + c] / a[c * n + c];
      if (f == 0) continue;
      for (std::size_t k = c; k < n; ++k) a[r * n + k] -= f * a[c * n + k];
      b[r] -= f * b[c];
    }
  }
  for (std::size_t c = n; c-- > 0;) {
    for (std::size_t k = c + 1; k < n; ++k) b[c] -= a[c * n + k] * b[k];
    b[c] /= a[c * n + c];
  }
  return b;
}

/// The potential-field source-surface model of van Ballegooijen, Priest & Mackay (2000) as one system of equations for psi in
/// all cells of all shells, and its field from circulations and areas.
class Pfss {
 public:
  explicit Pfss(heliograd::PfssGrid const& grid)
      : rows_(grid.n_s), columns_(grid.n_phi), shells_(grid.n_r), rss_(grid.rss), centred_(grid.centred) {
    d_ = std::log(rss_) / (static_cast<double>(shells_) - (centred_ ? 0.5 : 0.0));
  }

  /// psi [n_r + 1][n_s][n_phi] of a map, whose mean is left out.
  std::vector<double> potential(double const* map) const {
    std::size_t const cells = rows_ * columns_, all = (shells_ + 1) * cells;
    std::vector<double> a(all * all), b(all);
    double mean = 0;
    for (std::size_t p = 0; p < cells; ++p) mean += map[p] / static_cast<double>(cells);
    double const growth = std::exp(d_);
    // Centred: such that r^l and r^{-l-1} are solutions for l = 4.7.
    double const h =
        centred_ ? (std::pow(growth, 5.7) + std::pow(growth, -4.7) - 1 - growth) / 26.79 : (growth - 1) * std::sinh(d_);
    for (std::size_t k = 0; k <= shells_; ++k)
      for (std::size_t p = 0; p < cells; ++p) {
        double* const row = a.data() + (k * cells + p) * all;
        if (k == shells_) {  // nothing tangential there
          row[k * cells + p] = 1;
          row[(k - 1) * cells + p] = -1;
          continue;
        }
        std::vector<double> unit(cells), laplacian(cells);
        for (std::size_t q = 0; q < cells; ++q) {  // the row of T, which is symmetric
          unit[p] = 1;
          laplacian[q] = flux(unit.data(), q / columns_, q % columns_) / area();
        }
        for (std::size_t q = 0; q < cells; ++q)
          row[k * cells + q] = k == 0 ? laplacian[q] + 1 : -(q == p ? 1 + growth : 0.0) - h * laplacian[q];
        if (k > 0) row[(k + 1) * cells + p] = 1, row[(k - 1) * cells + p] = growth;
        if (k == 0) b[p] = map[p] - mean;
      }
    return solve(a, b);
  }

  std::vector<double> source_surface(double const* map) const {
    auto const psi = potential(map);
    std::vector<double> y(rows_ * columns_);
    for (std::size_t p = 0; p < y.size(); ++p)
      y[p] = flux(psi, shells_, p / columns_, p % columns_) / (area() * rss_ * rss_);
    return y;
  }

  /// (B_r, B_theta, B_phi) on the nodes: means over the four faces around each, weighted by area.
  std::vector<double> field(double const* map) const {
    auto const psi = potential(map);
    std::vector<double> nodes;
    for (std::size_t k = 0; k <= shells_; ++k)
      for (std::size_t j = 0; j <= rows_; ++j)
        for (std::size_t i = 0; i < columns_; ++i) {
          nodes.push_back(node_r(psi, k, j, i));
          if (k == shells_) {
            nodes.insert(nodes.end(), {0.0, 0.0});
            continue;
          }
          if (j > 0 && j < rows_) {
            nodes.push_back(node_theta(psi, k, j, i));
            nodes.push_back(phi_of(psi, k, {{j - 1, i, 1.0}, {j, i, 1.0}}));
          } else {  // beyond the pole: the opposite meridian, where south and east point the other way
            std::size_t const row = j == 0 ? 0 : rows_ - 1, edge = j == 0 ? 1 : rows_ - 1;
            nodes.push_back(0.5 * (node_theta(psi, k, edge, i) - node_theta(psi, k, edge, opposite(i))));
            nodes.push_back(phi_of(psi, k, {{row, i, 1.0}, {row, opposite(i), -1.0}}));
          }
        }
    return nodes;
  }

 private:
  struct Face {
    std::size_t row, column;
    double sign;
  };

  double edge(std::size_t j) const { return 2 * static_cast<double>(j) / static_cast<double>(rows_) - 1; }
  double middle(std::size_t j) const { return (2 * static_cast<double>(j) + 1) / static_cast<double>(rows_) - 1; }
  static double cosine(double s) { return std::sqrt(1 - s * s); }
  double step_phi() const { return 2 * std::acos(-1.0) / static_cast<double>(columns_); }
  double area() const { return 2 / static_cast<double>(rows_) * step_phi(); }  ///< of a cell on the unit sphere
  double height(std::size_t j) const { return std::asin(edge(j + 1)) - std::asin(edge(j)); }
  /// From the middle of the row south of an edge to that of the row north of it; centred: a step of sine latitude there.
  double between(std::size_t j) const {
    if (centred_) return 2 / static_cast<double>(rows_) / cosine(edge(j));
    return std::asin(middle(j)) - std::asin(middle(j - 1));
  }
  std::size_t west(std::size_t i) const { return (i + columns_ - 1) % columns_; }
  std::size_t opposite(std::size_t i) const { return (i + columns_ / 2) % columns_; }

  /// A along the western side of a cell northwards, and along its southern side eastwards, times its length.
  double northwards(double const* psi, std::size_t j, std::size_t i) const {
    return (psi[j * columns_ + west(i)] - psi[j * columns_ + i]) * height(j) / (cosine(middle(j)) * step_phi());
  }
  double eastwards(double const* psi, std::size_t j, std::size_t i) const {
    if (j == 0 || j == rows_) return 0;
    return (psi[j * columns_ + i] - psi[(j - 1) * columns_ + i]) * cosine(edge(j)) * step_phi() / between(j);
  }
  /// Its circulation: the flux through the cell, outwards.
  double flux(double const* psi, std::size_t j, std::size_t i) const {
    return northwards(psi, j, (i + 1) % columns_) - northwards(psi, j, i) + eastwards(psi, j, i) -
           eastwards(psi, j + 1, i);
  }
  /// The same of a shell; centred, the source surface is half way between the last two, where the parabola that is level
  /// there has 9/8 of its value at the last inner shell less 1/8 of that below.
  double flux(std::vector<double> const& psi, std::size_t k, std::size_t j, std::size_t i) const {
    if (k < shells_ || !centred_ || shells_ < 3) return flux(shell(psi, k), j, i);
    return (9 * flux(shell(psi, k - 1), j, i) - flux(shell(psi, k - 2), j, i)) / 8;
  }
  double const* shell(std::vector<double> const& psi, std::size_t k) const { return psi.data() + k * rows_ * columns_; }

  double node_r(std::vector<double> const& psi, std::size_t k, std::size_t j, std::size_t i) const {
    std::size_t const south = j > 0 ? j - 1 : 0, north = j < rows_ ? j : rows_ - 1;
    std::size_t const other = south == north ? opposite(i) : i;
    double const r = k < shells_ ? std::exp(static_cast<double>(k) * d_) : rss_;
    auto const at = [&](std::size_t row, std::size_t column) { return flux(psi, k, row, column); };
    return (at(south, west(i)) + at(south, i) + at(north, west(other)) + at(north, other)) / (4 * area() * r * r);
  }

  /// Areas of side faces over their angle: between shells k and k + 1, from k = -1, below the Sun.
  double side(int k) const { return (std::exp(2 * (k + 1) * d_) - std::exp(2 * k * d_)) / 2; }

  /// B_theta on the face between shells k and k + 1 at a northern side; below the Sun such that no current is left beside it.
  double face_theta(std::vector<double> const& psi, int k, std::size_t j, std::size_t i) const {
    auto const kk = static_cast<std::size_t>(k < 0 ? 0 : k);
    double const b = -(eastwards(shell(psi, kk + 1), j, i) - eastwards(shell(psi, kk), j, i)) /
                     (side(static_cast<int>(kk)) * cosine(edge(j)) * step_phi());
    if (k >= 0) return b;
    double const along = between(j);
    double const rise = (flux(shell(psi, 0), j, i) - flux(shell(psi, 0), j - 1, i)) / area();
    return (std::exp(d_ / 2) * along * b + (std::exp(d_ / 2) - std::exp(-d_ / 2)) * rise) / (std::exp(-d_ / 2) * along);
  }
  double face_phi(std::vector<double> const& psi, int k, std::size_t j, std::size_t i) const {
    auto const kk = static_cast<std::size_t>(k < 0 ? 0 : k);
    double const b = (northwards(shell(psi, kk), j, i) - northwards(shell(psi, kk + 1), j, i)) /
                     (side(static_cast<int>(kk)) * height(j));
    if (k >= 0) return b;
    double const along = cosine(middle(j)) * step_phi();
    double const rise = (flux(shell(psi, 0), j, i) - flux(shell(psi, 0), j, west(i))) / area();
    return (std::exp(d_ / 2) * along * b - (std::exp(d_ / 2) - std::exp(-d_ / 2)) * rise) / (std::exp(-d_ / 2) * along);
  }

  double node_theta(std::vector<double> const& psi, std::size_t k, std::size_t j, std::size_t i) const {
    double sum = 0, weight = 0;
    for (int s = static_cast<int>(k) - 1; s <= static_cast<int>(k); ++s)
      for (std::size_t const column : {west(i), i}) {
        sum += side(s) * face_theta(psi, s, j, column);
        weight += side(s);
      }
    return sum / weight;
  }
  double phi_of(std::vector<double> const& psi, std::size_t k, std::vector<Face> const& faces) const {
    double sum = 0, weight = 0;
    for (int s = static_cast<int>(k) - 1; s <= static_cast<int>(k); ++s)
      for (auto const& face : faces) {
        sum += side(s) * height(face.row) * face.sign * face_phi(psi, s, face.row, face.column);
        weight += side(s) * height(face.row);
      }
    return sum / weight;
  }

  std::size_t rows_, columns_, shells_;
  double rss_, d_ = 0;
  bool centred_;
};

}  // namespace test::reference
