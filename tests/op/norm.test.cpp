// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gradients of gradients of everything that normalises.
#include <catch2/catch_test_macros.hpp>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/op/modulate.hpp>
#include <heliograd/op/softmax.hpp>
#include <heliograd/op/spectral_norm.hpp>
#include <heliograd/testing/gradcheck.hpp>
#include "catalogue/norm.hpp"
#include "spaces.hpp"

namespace hg = heliograd;
using B = test::DoubleBackend;

namespace {

/// Inputs as the catalogue's ops take them, from parameters that are moved.
struct Moved {
  hg::Tape<B>* tape;
  std::vector<hg::Param<1, B>> const* params;
  std::vector<hg::testing::Extents> const* shapes;

  template <int Rank>
  hg::Var<Rank, B> var(std::size_t k) const {
    hg::Shape<Rank> shape;
    for (int axis = 0; axis < Rank; ++axis) shape[axis] = (*shapes)[k][static_cast<std::size_t>(axis)];
    return tape->reshape(tape->watch((*params)[k]), shape);
  }
};

template <class Op>
void check(Op const& op, std::vector<hg::testing::Extents> const& shapes, std::size_t constants = 0) {
  hg::testing::Draws draws(3);
  std::vector<hg::Param<1, B>> params, moving;
  for (auto const& shape : shapes) {
    params.push_back(hg::make_param<B>("x", hg::Shape{hg::testing::host_zeros(shape).size()}));
    std::vector<double> values(params.back().value.size());
    for (double& v : values) v = params.size() == 1 ? draws.uniform(-1, 1) : draws.uniform(0.4, 1.4);
    hg::from_host(B::execution_space{}, params.back().value, values);
  }
  for (std::size_t k = 0; k < params.size(); ++k)
    if (k + constants < params.size())
      moving.push_back(params[k]);
    else
      params[k].grad = {};
  auto const report = hg::testing::gradgradcheck<B>(
      [&](hg::Tape<B>& tape) {
        auto const y = op(Moved{&tape, &params, &shapes});
        return hg::sum(y * y * y);
      },
      moving);
  INFO(report.message());
  CHECK(report.passed());
}

}  // namespace

TEST_CASE("second derivatives of normalisations, to x, scale and shift", "[op]") {
  using test::Norm;
  for (double const slope : {1.0, 0.25})
    for (auto const norm : {Norm::batch, Norm::fixed, Norm::instance, Norm::instance_plain, Norm::adain, Norm::image,
                            Norm::image_in_root, Norm::line, Norm::line_per_image}) {
      INFO("norm " << static_cast<int>(norm) << ", slope " << slope);
      hg::testing::Extents const x{2, 3, 2, 3};
      bool const per_image = norm == Norm::adain || norm == Norm::line_per_image;
      hg::testing::Extents const line = per_image ? hg::testing::Extents{2, 3} : hg::testing::Extents{3};
      std::vector<hg::testing::Extents> shapes{x};
      if (norm != Norm::instance_plain) shapes.insert(shapes.end(), 2, line);
      if (norm == Norm::fixed) shapes.insert(shapes.end(), 2, line);
      check(test::NormOp{norm, slope}, shapes, norm == Norm::fixed ? 2 : 0);
    }
}

TEST_CASE("second derivatives of softmax, spectral norm and the product with a mask", "[op]") {
  check([](auto const& in) { return hg::softmax(in.template var<3>(0)); }, {{2, 3, 5}});
  check(
      [](auto const& in) {
        return hg::spectral_norm(in.template var<4>(0), {in.template var<1>(1).value, in.template var<1>(2).value},
                                 {.iterations = 0});
      },
      {{1, 2, 3, 4}, {4}, {6}}, 2);
  check([](auto const& in) { return hg::modulate(in.template var<2>(0), in.template var<2>(1)); }, {{3, 4}, {3, 4}});
}
