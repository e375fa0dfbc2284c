// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/loss/cross_entropy.hpp>
#include <heliograd/op/arithmetic.hpp>

/// \file
/// The game of a generator and its discriminators. A discriminator gives a map of verdicts, one per patch of the image;
/// several of them look at the image in several sizes.
namespace heliograd::inline HELIOGRAD_ABI::loss {

/// What a verdict d means, and what it costs. The generator's side is the one that has a gradient when it is losing.
enum class Game {
  probability,    ///< d in (0, 1) is the probability of real: cross-entropy (Goodfellow et al. 2014, non-saturating)
  logit,          ///< d is the logit of it: the same game for discriminators without a final sigmoid
  least_squares,  ///< d is 1 for real and 0 for fake: squares (Mao et al. 2017)
  hinge,          ///< max(0, 1 - d) for real, max(0, 1 + d) for fake; -d for the generator (Lim, Ye 2017)
  wasserstein,    ///< -d for real, d for fake (Arjovsky et al. 2017); needs a gradient penalty
};

struct AdversarialOptions {
  Game game = Game::least_squares;
  bool halve_discriminator = false;  ///< half the sum of real and fake, so that it learns at half the pace
  bool average_scales = false;       ///< the mean over discriminators instead of the sum
};

namespace detail {

struct SquareToLabel {
  template <class T>
  KOKKOS_FUNCTION T operator()(T d, T label) const {
    return (d - label) * (d - label);
  }
};

/// max(0, 1 - sign d)
struct HingeFormula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T d, T sign) const {
    using Kokkos::max;
    return max(T(1) - sign * d, T(0));
  }
};

enum class Side { real, fake, to_be_real };

template <int Rank, class B>
Var<0, B> verdict_price(char const* name, Game game, Var<Rank, B> verdicts, Side side) {
  double const label = side == Side::fake ? 0 : 1;
  switch (game) {
    case Game::probability: return bce(verdicts, label);
    case Game::logit: return bce_with_logits(verdicts, label);
    case Game::least_squares: return mean_with_label(name, SquareToLabel{}, verdicts, label);
    case Game::hinge:
      if (side != Side::to_be_real) return mean_with_label(name, HingeFormula{}, verdicts, 2 * label - 1);
      break;
    case Game::wasserstein: break;
  }
  return (1 - 2 * label) * mean(verdicts);
}

/// The sum, or the mean, of one(k) over discriminators.
template <class One>
auto over_scales(std::size_t count, AdversarialOptions const& options, One const& one) {
  auto total = one(0);
  for (std::size_t k = 1; k < count; ++k) total = total + one(k);
  return options.average_scales && count > 1 ? (1.0 / static_cast<double>(count)) * total : total;
}

}  // namespace detail

/// What the discriminators pay: for each that takes the real for fake or the fake for real.
/// Shapes   one map of verdicts of any shape for each discriminator, real and fake -> [].
/// Math     \f$ L_D = \sum_s \langle f_1(d_s(\text{real})) \rangle + \langle f_0(d_s(\text{fake})) \rangle \f$, each a mean over its map, with
///          \f$ f_1, f_0 \f$ as the game says; halved and averaged over s as the options say.
/// Gradient exact, to all verdicts that want one. Fakes should come from a detached image: the generator does not learn here.
/// Keeps    one map for each map.
/// Cost     a few passes over the maps.
/// Throws   ShapeError for empty maps; UsageError if there are not as many real as fake ones, or none.
template <int Rank, class B>
Var<0, B> discriminator(std::vector<Var<Rank, B>> const& real, std::vector<Var<Rank, B>> const& fake,
                        AdversarialOptions const& options = {}) {
  constexpr char const* name = "heliograd::loss::discriminator";
  expect(!real.empty() && real.size() == fake.size(),
         std::string(name) + ": each discriminator gives a real and a fake verdict (found " +
             std::to_string(real.size()) + " and " + std::to_string(fake.size()) + ")");
  auto const loss = detail::over_scales(real.size(), options, [&](std::size_t k) {
    return detail::verdict_price(name, options.game, real[k], detail::Side::real) +
           detail::verdict_price(name, options.game, fake[k], detail::Side::fake);
  });
  return options.halve_discriminator ? 0.5 * loss : loss;
}

/// Which images discriminators have judged.
enum class Images { real, fake };

/// What the discriminators pay for images of one kind; `discriminator` of both is the sum. Gradients add up, so that one may be
/// computed after the other, each with less memory (`Aside`).
template <int Rank, class B>
Var<0, B> discriminator(std::vector<Var<Rank, B>> const& verdicts, Images kind,
                        AdversarialOptions const& options = {}) {
  constexpr char const* name = "heliograd::loss::discriminator";
  expect(!verdicts.empty(), std::string(name) + ": there are no verdicts");
  auto const side = kind == Images::real ? detail::Side::real : detail::Side::fake;
  auto const loss = detail::over_scales(verdicts.size(), options, [&](std::size_t k) {
    return detail::verdict_price(name, options.game, verdicts[k], side);
  });
  return options.halve_discriminator ? 0.5 * loss : loss;
}

/// What the generator pays for fakes that are not taken for real.
/// Math     \f$ L_G = \sum_s \langle f_1(d_s(\text{fake})) \rangle \f$; \f$ -\langle d_s \rangle \f$ in the games of hinge and wasserstein.
/// Otherwise as `discriminator`.
template <int Rank, class B>
Var<0, B> generator(std::vector<Var<Rank, B>> const& fake, AdversarialOptions const& options = {}) {
  constexpr char const* name = "heliograd::loss::generator";
  expect(!fake.empty(), std::string(name) + ": there are no verdicts");
  return detail::over_scales(fake.size(), options, [&](std::size_t k) {
    return detail::verdict_price(name, options.game, fake[k], detail::Side::to_be_real);
  });
}

/// \name With one discriminator.
///@{
template <int Rank, class B>
Var<0, B> discriminator(Var<Rank, B> real, Var<Rank, B> fake, AdversarialOptions const& options = {}) {
  return discriminator(std::vector{real}, std::vector{fake}, options);
}
template <int Rank, class B>
Var<0, B> discriminator(Var<Rank, B> verdicts, Images kind, AdversarialOptions const& options = {}) {
  return discriminator(std::vector{verdicts}, kind, options);
}
template <int Rank, class B>
Var<0, B> generator(Var<Rank, B> fake, AdversarialOptions const& options = {}) {
  return generator(std::vector{fake}, options);
}
///@}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss
