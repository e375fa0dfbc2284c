// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/kernel/harmonics.hpp>
#include "reference/pfss.hpp"

namespace test::reference {

/// The same model as a sum over spherical harmonics (Altschuler & Newkirk 1969; Wang & Sheeley 1992), function by function:
/// Legendre functions by Rodrigues' formula, with a mean square of one over the latitudes.
class Harmonics {
 public:
  Harmonics(heliograd::PfssGrid const& grid, heliograd::HarmonicOptions const& options)
      : grid_(grid), options_(options) {
    for (int l = 0; l <= static_cast<int>(options.l_max); ++l)
      for (int m = 0; m <= l && 2 * static_cast<std::size_t>(m) < grid.n_phi; ++m)
        for (int part = 0; part <= (m > 0 ? 1 : 0); ++part) terms_.push_back({l, m, part == 1});
  }

  std::vector<double> source_surface(double const* map) const {
    auto const c = coefficients(map);
    std::vector<double> y;
    for (std::size_t j = 0; j < grid_.n_s; ++j)
      for (std::size_t i = 0; i < grid_.n_phi; ++i) {
        double sum = 0;
        for (std::size_t t = 0; t < terms_.size(); ++t)
          if (terms_[t].l > 0)
            sum += c[t] * radial(terms_[t].l, grid_.rss) * at(terms_[t], middle(j), longitude(i, 0.5));
        y.push_back(sum);
      }
    return y;
  }

  /// Minus the gradient of the potential, on the nodes.
  std::vector<double> field(double const* map) const {
    auto const c = coefficients(map);
    std::vector<double> nodes;
    for (std::size_t k = 0; k <= grid_.n_r; ++k)
      for (std::size_t j = 0; j <= grid_.n_s; ++j)
        for (std::size_t i = 0; i < grid_.n_phi; ++i) {
          double const s = 2 * static_cast<double>(j) / static_cast<double>(grid_.n_s) - 1, phi = longitude(i, 0.0);
          double const r = k == grid_.n_r ? grid_.rss : std::exp(static_cast<double>(k) * grid_.step_rho());
          double b[3] = {};
          for (std::size_t t = 0; t < terms_.size(); ++t) {
            auto const& [l, m, odd] = terms_[t];
            if (l == 0) continue;
            double const tangential = -c[t] * this->tangential(l, r);
            b[0] += c[t] * radial(l, r) * at(terms_[t], s, phi);
            b[1] += tangential * by_colatitude(l, m, s) * (odd ? std::sin(m * phi) : std::cos(m * phi));
            b[2] += tangential * m * over_cosine(l, m, s) * (odd ? std::cos(m * phi) : -std::sin(m * phi));
          }
          nodes.insert(nodes.end(), b, b + 3);
        }
    return nodes;
  }

 private:
  struct Term {
    int l, m;
    bool odd;  ///< sin(m phi)
  };

  double middle(std::size_t j) const { return (2 * static_cast<double>(j) + 1) / static_cast<double>(grid_.n_s) - 1; }
  double longitude(std::size_t i, double offset) const { return (static_cast<double>(i) + offset) * grid_.step_phi(); }

  /// (1 - s^2)^(power / 2) d^(l + m + more) / ds^... (s^2 - 1)^l / (2^l l!), normalised as P_lm.
  static double rodrigues(int l, int m, int more, int power, double s) {
    std::vector<double> p{1};  // by ascending powers
    double norm = 2 * l + 1;
    for (int n = 1; n <= l; ++n) {
      std::vector<double> next(p.size() + 2);
      for (std::size_t k = 0; k < p.size(); ++k) next[k] -= p[k] / (2 * n), next[k + 2] += p[k] / (2 * n);
      p = next;
    }
    for (int n = 0; n < l + m + more; ++n) {
      for (std::size_t k = 0; k + 1 < p.size(); ++k) p[k] = static_cast<double>(k + 1) * p[k + 1];
      p.back() = 0;
    }
    for (int n = l - m + 1; n <= l + m; ++n) norm /= n;
    double sum = 0;
    for (std::size_t k = p.size(); k-- > 0;) sum = sum * s + p[k];
    return std::sqrt(norm) * std::pow(std::sqrt(1 - s * s), power) * sum;
  }
  static double legendre(int l, int m, double s) { return rodrigues(l, m, 0, m, s); }
  static double over_cosine(int l, int m, double s) { return m == 0 ? 0.0 : rodrigues(l, m, 0, m - 1, s); }
  /// d / d(colatitude) = -cos(latitude) d / ds
  static double by_colatitude(int l, int m, double s) {
    return -rodrigues(l, m, 1, m + 1, s) + m * s * over_cosine(l, m, s);
  }
  static double at(Term const& t, double s, double phi) {
    return legendre(t.l, t.m, s) * (t.odd ? std::sin(t.m * phi) : std::cos(t.m * phi));
  }

  double denominator(int l) const { return l + 1 + l * std::pow(grid_.rss, -2 * l - 1); }
  double radial(int l, double r) const {
    return std::pow(r, -l - 2) * (l + 1 + l * std::pow(r / grid_.rss, 2 * l + 1)) / denominator(l);
  }
  double tangential(int l, double r) const {
    return std::pow(r, -l - 2) * (1 - std::pow(r / grid_.rss, 2 * l + 1)) / denominator(l);
  }

  std::vector<double> coefficients(double const* map) const {
    std::size_t const cells = grid_.n_s * grid_.n_phi, count = terms_.size();
    std::vector<double> basis(count * cells), right(count), products(count * count), x(map, map + cells);
    if (options_.fit == heliograd::HarmonicFit::quadrature) {
      double mean = 0;
      for (double const b : x) mean += b / static_cast<double>(cells);
      for (double& b : x) b -= mean;
    }
    for (std::size_t t = 0; t < count; ++t)
      for (std::size_t p = 0; p < cells; ++p)
        basis[t * cells + p] = at(terms_[t], middle(p / grid_.n_phi), longitude(p % grid_.n_phi, 0.5));
    for (std::size_t t = 0; t < count; ++t) {
      for (std::size_t p = 0; p < cells; ++p) right[t] += basis[t * cells + p] * x[p];
      for (std::size_t u = 0; u < count; ++u)
        for (std::size_t p = 0; p < cells; ++p) products[t * count + u] += basis[t * cells + p] * basis[u * cells + p];
    }
    if (options_.fit == heliograd::HarmonicFit::least_squares) return solve(products, right);
    for (std::size_t t = 0; t < count; ++t)  // the mean square of a harmonic is one, of its two parts one half
      right[t] *= (terms_[t].m > 0 ? 2.0 : 1.0) / static_cast<double>(cells);
    return right;
  }

  heliograd::PfssGrid grid_;
  heliograd::HarmonicOptions options_;
  std::vector<Term> terms_;
};

}  // namespace test::reference
