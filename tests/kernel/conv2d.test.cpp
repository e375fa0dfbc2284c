// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/kernel/conv2d.hpp>

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <catch2/catch_message.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/activation.hpp>
#include <heliograd/kernel/conv_transpose2d.hpp>
#include <heliograd/kernel/upsample_conv2d.hpp>
#include <heliograd/testing/compare.hpp>
#include <heliograd/testing/draw.hpp>
#include "kernel/tensors.hpp"
#include "reference/conv2d.hpp"
#include "reference/conv_transpose2d.hpp"
#include "reference/epilogue.hpp"
#include "spaces.hpp"

namespace {

namespace hg = heliograd;
using hg::PaddingMode;
using hg::Shape;
using test::put;
using test::target;
using test::Values;

std::string name_of(test::reference::Conv2d const& conv) {
  auto const& p = conv.options.padding;
  return "x " + to_string(conv.x) + " weight " + to_string(conv.weight) + " stride " +
         std::to_string(conv.options.stride) + " dilation " + std::to_string(conv.options.dilation) + " groups " +
         std::to_string(conv.options.groups) + " padding " + std::to_string(p.top) + "," + std::to_string(p.bottom) +
         "," + std::to_string(p.left) + "," + std::to_string(p.right) + " " + to_string(conv.options.mode) + ", " +
         to_string(conv.options.algorithm);
}

template <class B>
struct Problem {
  using Scalar = typename B::scalar_type;
  test::reference::Conv2d conv;
  Values x, weight, bias, gy;

  Problem(Shape<4> const& x_shape, Shape<4> const& weight_shape, hg::Conv2dOptions const& options, bool integers,
          std::uint64_t seed = 7)
      : conv(x_shape, weight_shape, options) {
    hg::testing::Draws draws(seed);
    x = test::draw_values<B>(draws, conv.x.size(), integers);
    weight = test::draw_values<B>(draws, conv.weight.size(), integers);
    bias = test::draw_values<B>(draws, conv.weight[3], integers);
    gy = test::draw_values<B>(draws, conv.y.size(), integers);
  }

  struct Results {
    std::vector<Scalar> y, gx, gw, gb;
    bool operator==(Results const&) const = default;
  };

  Results run(typename B::execution_space const& exec = {}, bool add = false) const {
    hg::Workspace<B> ws(exec);
    Shape<1> const channels{conv.weight[3]};
    auto const x_tensor = put<B>(conv.x, x);
    auto const weight_tensor = put<B>(conv.weight, weight);
    auto const gy_tensor = put<B>(conv.y, gy);
    hg::Tensor<4, B> y, gx, gw;
    hg::Tensor<1, B> gb;
    target<B>(conv.y, y, false);
    hg::kernel::conv2d<B>(ws, x_tensor, weight_tensor, put<B>(Shape<1>{bias.size()}, bias), y, conv.options);
    hg::kernel::conv2d_backward_data<B>(ws, gy_tensor, weight_tensor, target<B>(conv.x, gx, add), conv.options);
    hg::kernel::conv2d_backward_weight<B>(ws, x_tensor, gy_tensor, target<B>(conv.weight, gw, add), conv.options);
    hg::kernel::conv2d_backward_bias<B>(ws, gy_tensor, target<B>(channels, gb, add));
    return {hg::to_host(exec, y), hg::to_host(exec, gx), hg::to_host(exec, gw), hg::to_host(exec, gb)};
  }
};

using test::plus_one;

/// The named algorithms that can compute a convolution.
std::vector<hg::ConvAlgorithm> algorithms_for(Shape<4> const& weight, hg::Conv2dOptions const& options) {
  using enum hg::ConvAlgorithm;
  std::vector<hg::ConvAlgorithm> algorithms{direct};
  bool const square = weight[0] == weight[1] && options.dilation == 1;
  if (square && weight[0] == 1 && options.stride == 1 && options.padding == hg::Padding2d(0))
    algorithms.push_back(gemm);
  if (square && weight[0] == 3 && options.stride == 1) algorithms.push_back(winograd_f2);
  if (square && weight[0] >= 4 && weight[0] <= 6 && options.stride == 2) algorithms.push_back(polyphase);
  auto const [few, many] = std::minmax({weight[2], weight[3] / static_cast<std::size_t>(options.groups)});
  if (few <= 8 && many >= 16) algorithms.push_back(thin);
  if (options.mode == PaddingMode::zero) algorithms.push_back(taps);
  return algorithms;
}

/// All four results equal the reference exactly, by every algorithm: sums of products of small integers have no rounding.
/// Winograd's and polyphase's transforms halve twice, which is exact on small integers as well.
template <class B>
void check_exact(Shape<4> const& x, Shape<4> const& weight, hg::Conv2dOptions const& options, bool add,
                 bool with_bias = true) {
  Problem<B> problem(x, weight, options, true);
  if (!with_bias) problem.bias = {};
  auto& conv = problem.conv;
  auto const maybe = [&](Values const& values) { return add ? plus_one(values) : values; };
  auto const y = conv.forward(problem.x, problem.weight, problem.bias);
  auto const gx = maybe(conv.backward_data(problem.gy, problem.weight));
  auto const gw = maybe(conv.backward_weight(problem.x, problem.gy));
  auto const gb = maybe(conv.backward_bias(problem.gy));
  for (hg::ConvAlgorithm const algorithm : algorithms_for(weight, options)) {
    conv.options.algorithm = algorithm;
    auto const results = problem.run({}, add);
    auto const expect = [&](std::vector<typename B::scalar_type> const& found, Values const& expected,
                            char const* what) {
      auto const difference = hg::testing::compare(found, expected);
      if (difference.differing == 0) return;
      INFO(name_of(conv) << ": " << what << ", " << difference.differing << " of " << expected.size()
                         << " elements differ, the worst at " << difference.where);
      CHECK(difference.differing == 0);
    };
    expect(results.y, y, "y");
    expect(results.gx, gx, "gx");
    expect(results.gw, gw, "gw");
    expect(results.gb, gb, "gb");
  }
}

bool fits(hg::Conv2dOptions const& o, Shape<4> const& x, Shape<4> const& weight) {
  std::size_t const rows = static_cast<std::size_t>(std::max(o.padding.top, o.padding.bottom));
  std::size_t const columns = static_cast<std::size_t>(std::max(o.padding.left, o.padding.right));
  if (o.mode == PaddingMode::reflect && (rows >= x[1] || columns >= x[2]) && rows + columns > 0) return false;
  if (o.mode == PaddingMode::periodic && (rows > x[1] || columns > x[2])) return false;
  auto const span = [&](std::size_t filter) { return (filter - 1) * static_cast<std::size_t>(o.dilation) + 1; };
  return x[1] + static_cast<std::size_t>(o.padding.top + o.padding.bottom) >= span(weight[0]) &&
         x[2] + static_cast<std::size_t>(o.padding.left + o.padding.right) >= span(weight[1]);
}

/// Without optimisation, as where faults are planted, sweeps take one problem of so many: seconds instead of minutes.
#ifdef __OPTIMIZE__
constexpr int sweep_step = 1;
#else
constexpr int sweep_step = 13;
#endif

constexpr PaddingMode all_modes[] = {PaddingMode::zero, PaddingMode::reflect, PaddingMode::replicate,
                                     PaddingMode::periodic};

}  // namespace

/// The full cross product of small shapes, filters, steps and paddings. Batch, bias, padding mode, precision and whether
/// gradients add up change from problem to problem; of the large ones only every eighth is run.
TEMPLATE_LIST_TEST_CASE("conv2d: all directions are exact on integers, the small cross product",
                        "[sweep][kernel][conv2d]", test::Backends) {
  using B = TestType;
  bool const is_float = std::is_same_v<typename B::scalar_type, float>;
  hg::testing::Draws draws(3);
  int problems = 0;
  using Sides = std::pair<std::size_t, std::size_t>;
  for (std::size_t const c_in : {1, 3, 16, 17})
    for (std::size_t const c_out : {1, 16, 17})
      for (auto const& [height, width] : {Sides{1, 1}, {1, 7}, {5, 5}, {8, 7}, {16, 17}})
        for (auto const& [kh, kw] : {Sides{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}, {7, 7}, {3, 1}, {1, 3}})
          for (int const stride : {1, 2, 3})
            for (int const dilation : {1, 2, 5})
              for (std::size_t const groups : std::set<std::size_t>{1, 2, c_in})
                for (int const k = static_cast<int>(std::max(kh, kw));
                     hg::Padding2d const& padding : {hg::Padding2d(0), hg::Padding2d(1), hg::Padding2d(k - 1),
                                                     hg::Padding2d(k), hg::Padding2d(2, 0, 1, 3)}) {
                  std::uint64_t const dice = draws.bits();
                  if (c_in % groups != 0 || c_out % groups != 0) continue;
                  hg::Conv2dOptions const options{.stride = stride,
                                                  .padding = padding,
                                                  .mode = all_modes[dice % 4],
                                                  .dilation = dilation,
                                                  .groups = static_cast<int>(groups)};
                  Shape<4> const x{1 + dice / 4 % 2, height, width, c_in};
                  Shape<4> const weight{kh, kw, c_in / groups, c_out};
                  if (is_float != (dice / 8 % 2 == 0) || dice / 2048 % sweep_step != 0 || !fits(options, x, weight))
                    continue;
                  bool const large = weight.size() * height * width > 60000;
                  if (large && dice / 16 % 8 != 0) continue;
                  check_exact<B>(x, weight, options, dice / 128 % 3 == 0, dice / 512 % 3 != 0);
                  ++problems;
                }
  CHECK(problems > (sweep_step == 1 ? 3000 : 100));
}

TEMPLATE_LIST_TEST_CASE("conv2d: other filter shapes, steps and widths are exact on integers",
                        "[sweep][kernel][conv2d]", test::Backends) {
  using B = TestType;
  int problems = 0;
  for (auto const& [kh, kw] : {std::pair<std::size_t, std::size_t>{2, 2}, {4, 4}, {5, 5}, {7, 7}, {1, 4}, {5, 2}})
    for (int const stride : {1, 2, 3, 4})
      for (PaddingMode const mode : all_modes)
        for (hg::Padding2d const& padding : {hg::Padding2d(0), hg::Padding2d(2), hg::Padding2d(0, 3, 1, 2)})
          for (auto const& [c_in, c_out] : {std::pair<std::size_t, std::size_t>{2, 5}, {5, 33}, {40, 3}, {8, 67}}) {
            hg::Conv2dOptions const options{.stride = stride, .padding = padding, .mode = mode};
            Shape<4> const x{2, 9, 6, c_in};
            Shape<4> const weight{kh, kw, c_in, c_out};
            if (!fits(options, x, weight)) continue;
            if (problems++ % sweep_step == 0) check_exact<B>(x, weight, options, problems % 3 == 1);
          }
  CHECK(problems > 300);
  // The layers of the networks, and blocks that do not divide the image.
  check_exact<B>({2, 32, 32, 64}, {3, 3, 64, 64}, {1, 1, PaddingMode::reflect}, false);
  check_exact<B>({2, 32, 32, 2}, {3, 3, 2, 64}, {1, 1, PaddingMode::reflect}, true);
  check_exact<B>({1, 40, 150, 64}, {1, 1, 64, 1}, {}, true);
  check_exact<B>({1, 3, 200, 8}, {3, 3, 8, 48}, {1, 1, PaddingMode::replicate}, false);
  check_exact<B>({1, 16, 18, 64}, {4, 4, 64, 128}, {2, 1, PaddingMode::zero}, false);
  check_exact<B>({1, 40, 36, 16}, {4, 4, 16, 16}, {4, 0, PaddingMode::zero}, false);
  // First and last layers, with pixels enough for blocks that are read in place.
  check_exact<B>({1, 50, 70, 1}, {4, 4, 1, 65}, {2, 1, PaddingMode::replicate}, true);
  check_exact<B>({1, 50, 70, 35}, {3, 3, 35, 3}, {1, 1, PaddingMode::reflect}, false);
  check_exact<B>({1, 30, 530, 17}, {9, 9, 17, 2}, {1, 4, PaddingMode::periodic}, false);
  check_exact<B>({1, 40, 41, 32}, {3, 3, 16, 2}, {.stride = 1, .padding = 2, .dilation = 2, .groups = 2}, false);
}

/// The transposed convolution against its own definition; its gradients through the adjoint identity and through linearity in
/// the weights: <gy, A(x, w)> = <gx, x> = <gw, w>, exactly so on integers.
TEMPLATE_LIST_TEST_CASE("conv_transpose2d: exact on integers, and adjoint", "[sweep][kernel][conv_transpose2d]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  hg::Workspace<B> ws;
  hg::testing::Draws draws(5);
  int problems = 0;
  auto const dot = [](std::vector<T> const& a, Values const& b) {
    double total = 0;
    for (std::size_t i = 0; i < a.size(); ++i) total += static_cast<double>(a[i]) * b[i];
    return total;
  };
  for (auto const& [c_in, c_out] : {std::pair<std::size_t, std::size_t>{1, 16}, {17, 1}, {3, 4}, {16, 34}, {24, 20}})
    for (auto const& [height, width] : {std::pair<std::size_t, std::size_t>{1, 1}, {2, 5}, {9, 8}})
      for (auto const& [kh, kw] : {std::pair<std::size_t, std::size_t>{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}, {3, 1}})
        for (int const stride : {1, 2, 3})
          for (int const output_padding : {0, 1, 2})
            for (hg::Padding2d const& padding : {hg::Padding2d(0), hg::Padding2d(1), hg::Padding2d(0, 2, 1, 0)})
              for (auto const& [dilation, groups] : {std::pair<int, int>{1, 1}, {2, 1}, {1, 2}}) {
                if (output_padding >= stride || c_in % static_cast<std::size_t>(groups) != 0 ||
                    c_out % static_cast<std::size_t>(groups) != 0)
                  continue;
                hg::ConvTranspose2dOptions const options{stride, padding, output_padding, dilation, groups};
                Shape<4> const x_shape{1 + static_cast<std::size_t>(problems % 2), height, width, c_in};
                Shape<4> const w_shape{kh, kw, c_out / static_cast<std::size_t>(groups), c_in};
                auto const cut = [&](std::size_t extent, std::size_t filter, int pads) {
                  return static_cast<int>(extent - 1) * stride + dilation * static_cast<int>(filter - 1) + 1 +
                             output_padding <=
                         pads;
                };
                if (cut(height, kh, padding.top + padding.bottom) || cut(width, kw, padding.left + padding.right))
                  continue;
                if (problems++ % sweep_step != 0) continue;
                test::reference::ConvTranspose2d const reference(x_shape, w_shape, options);
                auto const x = test::draw_values<B>(draws, x_shape.size(), true);
                auto const w = test::draw_values<B>(draws, w_shape.size(), true);
                auto const bias = test::draw_values<B>(draws, problems % 3 ? c_out : 0, true);
                auto const gy = test::draw_values<B>(draws, reference.y.size(), true);
                bool const add = problems % 2 == 0;
                hg::Tensor<4, B> y, gx, gw;
                auto const w_tensor = put<B>(w_shape, w);
                auto const gy_tensor = put<B>(reference.y, gy);
                target<B>(reference.y, y, false);
                hg::kernel::conv_transpose2d<B>(ws, put<B>(x_shape, x), w_tensor, put<B>(Shape<1>{bias.size()}, bias),
                                                y, options);
                hg::kernel::conv_transpose2d_backward_data<B>(ws, gy_tensor, w_tensor, target<B>(x_shape, gx, add),
                                                              options);
                hg::kernel::conv_transpose2d_backward_weight<B>(ws, put<B>(x_shape, x), gy_tensor,
                                                                target<B>(w_shape, gw, add), options);
                auto const expected = reference.forward(x, w, bias);
                double const form = dot(std::vector<T>(gy.begin(), gy.end()), reference.forward(x, w, {}));
                auto const ones = [&](Values const& v) { return add ? std::accumulate(v.begin(), v.end(), 0.0) : 0.0; };
                bool const right = hg::testing::compare(hg::to_host(ws.exec(), y), expected).differing == 0 &&
                                   dot(hg::to_host(ws.exec(), gx), x) == form + ones(x) &&
                                   dot(hg::to_host(ws.exec(), gw), w) == form + ones(w);
                if (right) continue;
                CAPTURE(to_string(x_shape), to_string(w_shape), stride, output_padding, dilation, groups, padding.top,
                        padding.bottom, padding.left, padding.right);
                CHECK(hg::testing::compare(hg::to_host(ws.exec(), y), expected).differing == 0);
                CHECK(dot(hg::to_host(ws.exec(), gx), x) == form + ones(x));
                CHECK(dot(hg::to_host(ws.exec(), gw), w) == form + ones(w));
              }
  CHECK(problems > 1000);
}

namespace {

/// With an epilogue, y and the sums are bit by bit what passes over the results without one give. `run(ws, bias, y, epilogue)` is the
/// convolution.
template <class Run>
void check_epilogues(std::string const& name, Shape<4> const& shape, Run const& run) {
  using B = test::FloatBackend;
  hg::Workspace<B> ws;
  hg::testing::Draws draws(11);
  auto const draw = [&](auto const& at) { return put<B>(at, test::draw_values<B>(draws, at.size(), false)); };
  auto const host = [&](auto const& tensor) { return hg::to_host(ws.exec(), tensor); };
  auto const bias = draw(Shape<1>{shape[3]});
  auto const residual = draw(shape);
  hg::Tensor<4, B> u, f, y, sum;
  target<B>(shape, u, false);
  run(ws, bias, u, hg::kernel::Epilogue<B>{});
  enum { none, leaky, one_slope, slopes, tanh };
  for (int const kind : {none, leaky, one_slope, slopes, tanh})
    for (bool const more : {false, true}) {
      hg::kernel::Epilogue<B> epilogue;
      auto const slope = draw(Shape<1>{kind == slopes ? shape[3] : std::size_t{1}});
      f = u;
      if (kind != none) target<B>(shape, f, false);
      if (kind == leaky) {
        epilogue.negative_slope = 0.2;
        hg::kernel::activation<B, 4>(ws, "leaky", hg::kernel::LeakyRelu{0.2}, u, f);
      } else if (kind == tanh) {
        epilogue.tanh = true;
        hg::kernel::activation<B, 4>(ws, "tanh", hg::kernel::Tanh{}, u, f);
      } else if (kind != none) {
        epilogue.slope = slope;
        hg::kernel::prelu<B, 4>(ws, u, slope, f);
      }
      bool const adds = more && kind != tanh;
      if (adds) epilogue.residual = residual;
      if (more) epilogue.sum = (target<B>(shape, sum, false), sum);
      target<B>(shape, y, false);
      run(ws, bias, y, epilogue);
      auto expected = host(f);
      for (std::size_t i = 0; adds && i < expected.size(); ++i) expected[i] += host(residual)[i];
      INFO(name << ", y " << to_string(shape) << ", epilogue " << kind << (more ? " and more" : ""));
      CHECK(host(y) == expected);
      if (more) CHECK(host(sum) == host(u));
    }
}

}  // namespace

TEST_CASE("epilogue: the bits of separate passes, by every algorithm", "[kernel][conv2d][epilogue]") {
  using enum hg::ConvAlgorithm;
  using B = test::FloatBackend;
  hg::testing::Draws draws(12);
  auto const draw = [&](Shape<4> const& shape) {
    return put<B>(shape, test::draw_values<B>(draws, shape.size(), false));
  };
  auto const plain = [&](Shape<4> const& x_shape, Shape<4> const& w_shape, hg::Conv2dOptions options,
                         std::vector<hg::ConvAlgorithm> const& algorithms) {
    auto const x = draw(x_shape), w = draw(w_shape);
    for (auto const algorithm : algorithms) {
      options.algorithm = algorithm;
      check_epilogues(to_string(algorithm), hg::kernel::conv2d_shape(x_shape, w_shape, options),
                      [&](auto& ws, auto const& bias, auto const& y, auto const& epilogue) {
                        hg::kernel::conv2d<B>(ws, x, w, bias, y, options, epilogue);
                      });
    }
  };
  auto const doubling = [&](Shape<4> const& x_shape, Shape<4> const& w_shape,
                            std::vector<hg::ConvAlgorithm> const& algorithms) {
    auto const x = draw(x_shape), w = draw(w_shape);
    for (auto const algorithm : algorithms) {
      hg::ConvTranspose2dOptions const options{.stride = 2, .padding = 1, .algorithm = algorithm};
      check_epilogues("transposed " + to_string(algorithm),
                      hg::kernel::conv_transpose2d_shape(x_shape, w_shape, options),
                      [&](auto& ws, auto const& bias, auto const& y, auto const& epilogue) {
                        hg::kernel::conv_transpose2d<B>(ws, x, w, bias, y, options, epilogue);
                      });
    }
  };
  for (PaddingMode const mode : {PaddingMode::zero, PaddingMode::reflect})
    plain({2, 9, 10, 5}, {3, 3, 5, 37}, {.padding = 1, .mode = mode}, {direct, winograd_f2, winograd_f4});
  plain({1, 7, 7, 33}, {3, 3, 33, 70}, {.padding = 1}, {direct, winograd_f4});  // by panels
  plain({2, 10, 12, 18}, {4, 4, 18, 37}, {.stride = 2, .padding = 1}, {direct, polyphase, polyphase_f4, taps});
  plain({2, 9, 33, 2}, {3, 3, 2, 40}, {.padding = 1, .mode = PaddingMode::reflect}, {thin});
  plain({2, 9, 33, 40}, {3, 3, 40, 3}, {.padding = 1}, {thin});
  plain({2, 5, 7, 32}, {1, 1, 32, 70}, {}, {gemm});
  plain({2, 9, 6, 32}, {3, 3, 8, 72}, {.padding = 1, .groups = 4}, {direct});
  for (std::size_t const c_out : {16, 19}) doubling({2, 9, 7, 11}, {4, 4, c_out, 11}, {direct, polyphase, taps});
  doubling({2, 9, 13, 32}, {4, 4, 1, 32}, {thin});
  doubling({2, 9, 13, 2}, {4, 4, 40, 2}, {thin});
  Shape<4> const x_shape{2, 7, 9, 18}, w_shape{3, 3, 18, 40};
  auto const x = draw(x_shape), w = draw(w_shape);
  check_epilogues("up-sampling", hg::kernel::upsample_conv2d_shape(x_shape, w_shape, 2),
                  [&](auto& ws, auto const& bias, auto const& y, auto const& epilogue) {
                    hg::kernel::upsample_conv2d<B>(ws, x, w, bias, y, 2, epilogue);
                  });
}

TEMPLATE_LIST_TEST_CASE("conv2d: the kernels of device spaces, run on the host, are exact on integers",
                        "[sweep][kernel][conv2d]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  namespace detail = hg::kernel::detail;
  if constexpr (B::on_host) {
    int problems = 0;
    for (PaddingMode const mode : all_modes)
      for (int const stride : {1, 2, 3})
        for (hg::Padding2d const& padding : {hg::Padding2d(0), hg::Padding2d(1), hg::Padding2d(2, 0, 1, 3)})
          for (auto const& [kh, kw] : {std::pair<std::size_t, std::size_t>{1, 1}, {3, 3}, {2, 5}}) {
            hg::Conv2dOptions options{.stride = stride, .padding = padding, .mode = mode};
            if (problems % 3 == 1) options.dilation = 2;
            if (problems % 5 == 2) options.groups = 2;
            Shape<4> const weight_shape{kh, kw, 4 / static_cast<std::size_t>(options.groups), 6};
            ++problems;
            if (!fits(options, {2, 6, 5, 4}, weight_shape)) continue;
            Problem<B> const problem({2, 6, 5, 4}, weight_shape, options, true);
            auto const& conv = problem.conv;
            auto const g = detail::conv2d_geometry(conv.x, conv.weight, options);
            auto const put = [](Values const& values) { return std::vector<T>(values.begin(), values.end()); };
            auto const x = put(problem.x), weight = put(problem.weight), bias = put(problem.bias), gy = put(problem.gy);
            std::vector<T> y(conv.y.size()), sum(conv.y.size()), gx(conv.x.size(), T(1)), gw(conv.weight.size());
            detail::Delivery<T> to{y.data()};
            to.bias = to.slope = bias.data();  // any integers will do for slopes
            to.slopes = true;
            to.residual = gy.data();
            to.sum = sum.data();
            detail::Conv2dElement<T> const forward{g, x.data(), weight.data(), to};
            for (std::size_t i = 0; i < y.size(); ++i) forward(i);
            hg::Sink<4, B> const sink{hg::view_at<hg::TensorRef<4, B>>(gx.data(), conv.x), T(1)};
            detail::Conv2dBackwardDataElement<T> const data{g, gy.data(), weight.data(),
                                                            detail::Delivery<T>::into(sink)};
            for (std::size_t i = 0; i < gx.size(); ++i) data(i);
            detail::Conv2dWeightTerm<T> const term{g, x.data(), gy.data()};
            for (std::size_t i = 0; i < gw.size(); ++i) {
              double total = 0;
              for (std::size_t k = 0; k < conv.y.size() / conv.y[3]; ++k) {
                hg::kernel::Sums<1> one;
                term(i, k, one);
                total += one[0];
              }
              gw[i] = static_cast<T>(total);
            }
            INFO(name_of(conv));
            auto const u = conv.forward(problem.x, problem.weight, problem.bias);
            CHECK(hg::testing::compare(sum, u).differing == 0);
            CHECK(hg::testing::compare(y, test::reference::epilogue(u, problem.bias, false, problem.gy)).differing ==
                  0);
            CHECK(hg::testing::compare(gx, plus_one(conv.backward_data(problem.gy, problem.weight))).differing == 0);
            CHECK(hg::testing::compare(gw, conv.backward_weight(problem.x, problem.gy)).differing == 0);
          }
    CHECK(problems > 80);
  }
}

TEMPLATE_LIST_TEST_CASE("conv2d: rounding stays within the bars", "[kernel][conv2d]", test::Backends) {
  using B = TestType;
  using enum hg::ConvAlgorithm;
  bool const is_float = std::is_same_v<typename B::scalar_type, float>;
  struct Bar {
    hg::ConvAlgorithm algorithm;
    std::size_t filter;
    int stride;
    double single;
  };
  for (Bar const& bar : {Bar{direct, 3, 1, 5e-7},
                         {winograd_f2, 3, 1, 5e-7},
                         {thin, 3, 1, 5e-7},
                         {thin, 7, 1, 5e-7},
                         {winograd_f4, 3, 1, 6e-6},
                         {winograd_f4, 4, 1, 6e-6},
                         {direct, 4, 2, 5e-7},
                         {taps, 3, 1, 5e-7},
                         {taps, 4, 2, 5e-7},
                         {polyphase, 4, 2, 7e-7},
                         {polyphase, 5, 2, 7e-7},
                         {polyphase_f4, 4, 2, 6e-6},
                         {polyphase_f4, 5, 2, 6e-6}})
    for (double const scale : {1e-6, 1.0, 1e6})
      for (std::size_t const channels : {std::size_t{64}, std::size_t{512}}) {  // up to 4608 terms, or 12800
        if (bar.algorithm == thin && bar.filter == 7 && channels > 64) continue;
        std::size_t const c_out = bar.algorithm == thin ? 3 : 24;
        Problem<B> problem({2, 6, 7, channels}, {bar.filter, bar.filter, channels, c_out},
                           {.stride = bar.stride,
                            .padding = 1,
                            .mode = bar.algorithm == taps ? PaddingMode::zero : PaddingMode::reflect,
                            .algorithm = bar.algorithm},
                           false);
        for (double& value : problem.x)
          value = static_cast<double>(static_cast<typename B::scalar_type>(value * scale));
        auto const results = problem.run();
        auto const& conv = problem.conv;
        // The reference adds up its terms one by one: its own error grows as the root of their number.
        double const of_reference =
            5e-15 * std::sqrt(std::max(1.0, static_cast<double>(bar.filter * bar.filter * channels) / 4608));
        bool const four = bar.algorithm == winograd_f4 || bar.algorithm == polyphase_f4;
        double const limit = is_float ? bar.single : four ? 2e-14 : of_reference;
        CAPTURE(scale, channels, to_string(bar.algorithm), bar.filter);
        CHECK(hg::testing::compare(results.y, conv.forward(problem.x, problem.weight, problem.bias)).relative < limit);
        CHECK(hg::testing::compare(results.gx, conv.backward_data(problem.gy, problem.weight)).relative < limit);
        CHECK(hg::testing::compare(results.gw, conv.backward_weight(problem.x, problem.gy)).relative < limit);
        CHECK(hg::testing::compare(results.gb, conv.backward_bias(problem.gy)).relative < limit);
      }
}

#ifdef KOKKOS_ENABLE_OPENMP
TEST_CASE("conv2d: Winograd panel by panel gives the bits of block by block", "[kernel][conv2d]") {
  namespace detail = hg::kernel::detail;
  using B = hg::Backend<Kokkos::DefaultHostExecutionSpace, float>;
  using F = detail::Winograd<4, 2>;
  struct Layer {
    std::size_t images, side, c_in, c_out;
  };
  for (auto const& [images, side, c_in, c_out] : {Layer{9, 33, 70, 40}, {1, 8, 256, 512}}) {
    CAPTURE(c_in, c_out);  // several stretches of tiles; filters of several pieces
    Problem<B> const problem({images, side, side, c_in}, {4, 4, c_in, c_out}, {.stride = 2, .padding = 1}, false);
    auto const& conv = problem.conv;
    detail::FoldedGeometry const g{detail::conv2d_geometry(conv.x, conv.weight, conv.options)};
    auto const x = put<B>(conv.x, problem.x), w = put<B>(conv.weight, problem.weight), gy = put<B>(conv.y, problem.gy);
    auto const correlate = [&](bool panels, auto const& pack, auto const& plan, auto const& from,
                               Shape<4> const& shape) {
      hg::Workspace<B> ws;
      auto scope = ws.scope();
      hg::Tensor<4, B> to;
      auto const kernel = detail::correlation<B>(ws, scope, plan, pack, static_cast<float const*>(from.data()),
                                                 detail::Delivery<float>::into(target<B>(shape, to, true)));
      if (panels)
        detail::winograd_by_panels(ws, "panels", kernel, pack);
      else
        detail::winograd_by_blocks(ws, "blocks", kernel, pack);
      return hg::to_host(ws.exec(), to);
    };
    auto const check = [&](auto const& pack, auto const& plan, auto const& from, Shape<4> const& to) {
      CHECK(correlate(true, pack, plan, from, to) == correlate(false, pack, plan, from, to));
    };
    using Pack = detail::PackWinograd<F, float>;
    using Plan = detail::CorrelationPlan;
    check(Pack::forward(g, w.data()), Plan::forward(g), x, conv.y);
    check(Pack::to_data(g, w.data()), Plan::to_data(g, F::taps), gy, conv.x);
    check(Pack::to_phase(g, w.data(), 2), Plan::to_phase(g, F::taps, 2), gy, conv.x);

    auto const tiles = detail::GradientTiles<F, float>::of(g, x.data(), gy.data());
    auto const gradient = [&](bool panels) {
      hg::Workspace<B> ws;
      hg::Tensor<4, B> gw;
      auto const sink = target<B>(conv.weight, gw, true);
      if (panels)
        detail::winograd_gradient_by_panels<F, B>(ws, {tiles, nullptr, nullptr}, sink);
      else
        detail::winograd_gradient_by_blocks<F, B>(ws, tiles, 1, sink);
      return hg::to_host(ws.exec(), gw);
    };
    CHECK(gradient(true) == gradient(false));
  }
}

TEST_CASE("conv2d: Winograd with many channels is what is defined", "[kernel][conv2d]") {
  using B = hg::Backend<Kokkos::DefaultHostExecutionSpace, float>;
  Problem<B> problem({1, 8, 8, 256}, {4, 4, 256, 512},
                     {.stride = 2, .padding = 1, .algorithm = hg::ConvAlgorithm::polyphase_f4}, false);
  auto const results = problem.run();
  auto const& conv = problem.conv;
  CHECK(hg::testing::compare(results.y, conv.forward(problem.x, problem.weight, problem.bias)).relative < 6e-6);
  CHECK(hg::testing::compare(results.gx, conv.backward_data(problem.gy, problem.weight)).relative < 6e-6);
  CHECK(hg::testing::compare(results.gw, conv.backward_weight(problem.x, problem.gy)).relative < 6e-6);
}

TEMPLATE_LIST_TEST_CASE("conv2d: the same bits for any number of threads and any place in the batch",
                        "[kernel][conv2d]", test::Backends) {
  using B = TestType;
  if constexpr (std::is_same_v<test::ExecutionSpace, Kokkos::OpenMP>) {
    struct Layer {
      std::size_t c_in, c_out, filter;
      hg::Conv2dOptions options;
    };
    hg::Conv2dOptions const reflect{.padding = 1, .mode = PaddingMode::reflect};
    hg::Conv2dOptions const halving{.stride = 2, .padding = 1, .algorithm = hg::ConvAlgorithm::polyphase};
    hg::Conv2dOptions const halving_f4{.stride = 2, .padding = 1, .algorithm = hg::ConvAlgorithm::polyphase_f4};
    for (auto const& [c_in, c_out, filter, options] :
         {Layer{33, 64, 3, reflect},
          {2, 64, 3, reflect},
          {64, 1, 3, reflect},
          {1, 40, 4, {.stride = 2, .padding = 1}},
          {33, 20, 1, {}},
          {33, 40, 4, halving},
          {17, 40, 3, {.padding = 1, .algorithm = hg::ConvAlgorithm::taps}},
          {80, 40, 4, halving_f4},
          {33, 70, 4, {.padding = 1, .algorithm = hg::ConvAlgorithm::winograd_f4}},
          {17, 40, 3, {.padding = 1, .algorithm = hg::ConvAlgorithm::winograd_f4}}}) {
      CAPTURE(c_in, c_out, filter);
      Problem<B> const problem({5, 33, 31, c_in}, {filter, filter, c_in, c_out}, options, false);
      auto const once = problem.run(Kokkos::OpenMP(1));
      CHECK(problem.run(Kokkos::OpenMP(2)) == once);
      CHECK(problem.run(Kokkos::OpenMP(3)) == once);

      std::size_t const x_size = problem.x.size() / 5;
      std::size_t const y_size = problem.gy.size() / 5;
      for (std::size_t const image : {0, 3, 4}) {
        Problem<B> alone({1, 33, 31, c_in}, {filter, filter, c_in, c_out}, options, false);
        std::copy_n(problem.x.begin() + static_cast<std::ptrdiff_t>(image * x_size), x_size, alone.x.begin());
        std::copy_n(problem.gy.begin() + static_cast<std::ptrdiff_t>(image * y_size), y_size, alone.gy.begin());
        alone.weight = problem.weight;
        alone.bias = problem.bias;
        auto const results = alone.run();
        CHECK(std::equal(results.y.begin(), results.y.end(),
                         once.y.begin() + static_cast<std::ptrdiff_t>(image * y_size)));
        CHECK(std::equal(results.gx.begin(), results.gx.end(),
                         once.gx.begin() + static_cast<std::ptrdiff_t>(image * x_size)));
      }
    }
  }
}
#endif

TEST_CASE("conv2d: the algorithm follows from filter, accuracy, channels and pixels", "[kernel][conv2d]") {
  using enum hg::ConvAlgorithm;
  using enum hg::ConvAccuracy;
  auto const choose = [](std::size_t filter, int stride, std::size_t side, std::size_t channels,
                         hg::ConvAccuracy accuracy, hg::ConvAlgorithm algorithm = automatic) {
    hg::Conv2dOptions const options{.stride = stride, .padding = 1, .algorithm = algorithm, .accuracy = accuracy};
    namespace detail = hg::kernel::detail;
    return detail::choose(
        detail::conv2d_geometry({1, side, side, channels}, {filter, filter, channels, channels}, options), options);
  };
  CHECK(choose(3, 1, 32, 64, strict) == winograd_f2);
  CHECK(choose(3, 1, 32, 64, fast) == winograd_f4);
  CHECK(choose(3, 1, 16, 64, fast) == winograd_f4);
  CHECK(choose(3, 1, 16, 63, fast) == winograd_f2);
  CHECK(choose(3, 1, 15, 64, fast) == direct);
  CHECK(choose(3, 1, 8, 256, fast) == winograd_f2);
  CHECK(choose(3, 1, 7, 256, strict) == taps);
  CHECK(choose(4, 1, 32, 64, strict) == direct);
  CHECK(choose(4, 1, 32, 64, fast) == winograd_f4);
  CHECK(choose(4, 2, 64, 64, strict) == polyphase);
  CHECK(choose(4, 2, 64, 64, fast) == polyphase_f4);
  CHECK(choose(4, 2, 64, 24, fast) == direct);
  CHECK(choose(4, 2, 16, 256, fast) == polyphase_f4);
  CHECK(choose(4, 2, 16, 255, strict) == direct);
  CHECK(choose(4, 2, 14, 256, fast) == taps);
  CHECK(choose(4, 1, 8, 2, strict, winograd_f4) == winograd_f4);
  CHECK_THROWS_MATCHES(
      choose(5, 1, 8, 2, fast, winograd_f4), hg::UsageError,
      Catch::Matchers::Message(
          "heliograd: conv2d: winograd_f4 serves undilated 3x3 and 4x4 filters of stride 1 (found 5 x 5, "
          "stride 1, dilation 1, 2 to 2 channels); use ConvAlgorithm::automatic"));
}

TEST_CASE("conv2d: an empty batch is no error", "[kernel][conv2d]") {
  Problem<test::FloatBackend> const problem({0, 8, 8, 3}, {3, 3, 3, 4}, {1, 1}, true);
  auto const results = problem.run();
  CHECK(results.y.empty());
  CHECK(results.gw == std::vector<float>(3 * 3 * 3 * 4, 0.0f));
  CHECK(results.gb == std::vector<float>(4, 0.0f));
}

TEST_CASE("conv2d: shapes that do not fit are refused by name", "[kernel][conv2d]") {
  using Catch::Matchers::Message;
  CHECK_THROWS_MATCHES(hg::kernel::conv2d_shape({1, 8, 8, 3}, {3, 3, 4, 5}), hg::ShapeError,
                       Message("heliograd: conv2d: x is [1, 8, 8, 3], expected 4 channels as in weight [3, 3, 4, 5] "
                               "[kh, kw, c_in, c_out]"));
  CHECK_THROWS_MATCHES(hg::kernel::conv2d_shape({1, 2, 8, 3}, {3, 3, 3, 5}), hg::ShapeError,
                       Message("heliograd: conv2d: x is [1, 2, 8, 3], with its padding 2 x 8, expected at least the "
                               "filter's 3 x 3; add padding"));
  CHECK_THROWS_MATCHES(hg::kernel::conv2d_shape({1, 1, 8, 3}, {3, 3, 3, 5}, {1, 1, PaddingMode::reflect}),
                       hg::ShapeError,
                       Message("heliograd: conv2d: reflect padding of 1 rows and 1 columns does not fit an image of "
                               "1 x 8; use replicate or zero, or a larger image"));
  CHECK_THROWS_MATCHES(hg::kernel::conv2d_shape({1, 8, 8, 3}, {3, 3, 3, 5}, {.stride = 0}), hg::UsageError,
                       Message("heliograd: conv2d: the stride must be at least 1 (found 0)"));
  CHECK_THROWS_AS(hg::kernel::conv2d_shape({1, 8, 8, 3}, {3, 3, 3, 5}, {.padding = -1}), hg::UsageError);
  CHECK_THROWS_AS(hg::kernel::conv2d_shape({1, 8, 8, 3}, {0, 3, 3, 5}), hg::ShapeError);
}

TEST_CASE("conv_transpose2d: shapes that do not fit are refused by name", "[kernel][conv_transpose2d]") {
  using Catch::Matchers::Message;
  auto const shape = [](Shape<4> const& x, Shape<4> const& weight, hg::ConvTranspose2dOptions const& options) {
    return hg::kernel::conv_transpose2d_shape(x, weight, options);
  };
  CHECK(shape({1, 8, 9, 3}, {4, 4, 5, 3}, {.stride = 2, .padding = 1}) == Shape<4>{1, 16, 18, 5});
  CHECK(shape({1, 8, 9, 3}, {3, 3, 5, 3}, {.stride = 2, .padding = 1, .output_padding = 1}) == Shape<4>{1, 16, 18, 5});
  CHECK_THROWS_MATCHES(shape({1, 8, 8, 3}, {4, 4, 3, 5}, {}), hg::ShapeError,
                       Message("heliograd: conv_transpose2d: x is [1, 8, 8, 3], expected 5 channels as in weight "
                               "[4, 4, 3, 5] [kh, kw, c_out, c_in]"));
  CHECK_THROWS_MATCHES(shape({1, 8, 8, 3}, {3, 3, 5, 3}, {.stride = 2, .output_padding = 2}), hg::UsageError,
                       Message("heliograd: conv_transpose2d: the output padding must be below the stride of 2 (found "
                               "2)"));
  CHECK_THROWS_AS(shape({1, 1, 1, 3}, {1, 1, 5, 3}, {.padding = 1}), hg::ShapeError);
  CHECK_THROWS_AS(shape({1, 8, 8, 3}, {3, 3, 5, 3}, {.padding = -1}), hg::UsageError);
}
