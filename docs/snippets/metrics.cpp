// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Measuring a prediction against the truth: quoted in docs/guide/metrics.md.
#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstdio>
#include <vector>

#include <heliograd/heliograd.hpp>

namespace hg = heliograd;
using B = hg::Backend<Kokkos::DefaultExecutionSpace, float>;

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  hg::Shape<2> const shape{64, 64};
  std::vector<float> field, guess, distance;
  for (int i = 0; i < 64 * 64; ++i) {
    float const x = static_cast<float>(i % 64 - 32), y = static_cast<float>(i / 64 - 32);
    field.push_back(40 * x * std::exp(-(x * x + y * y) / 200));
    guess.push_back(0.9f * field.back() + static_cast<float>(i % 7 - 3));
    distance.push_back(std::hypot(x, y) / 30);
  }
  auto const upload = [&](std::vector<float> const& values) {
    auto const image = hg::make_tensor<B>("image", shape);
    hg::from_host(B::execution_space{}, image, values);
    return image;
  };
  auto const truth = upload(field), prediction = upload(guess), radius = upload(distance);
  std::vector<float> on_disk;
  for (float const r : distance) on_disk.push_back(r < 0.9f ? 1.0f : 0.0f);
  auto const mask = upload(on_disk);

  hg::Workspace<B> ws;
  auto const rho = hg::metrics::pearson<B>(ws, prediction, truth, mask);
  auto const rings = hg::metrics::pearson_by<B>(ws, prediction, truth, radius, {{0, 2.0 / 3}, {0, 1.0 / 3}}, mask);
  auto const strong = hg::metrics::pearson_by<B>(ws, prediction, truth, truth, {{100}, {0, 100}}, mask);
  auto const sharp = hg::metrics::gradient_error<B>(ws, prediction, truth, 8, mask);

  std::printf("correlation %.4f over %zu pixels, slope %.3f\n", rho.value(), rho.count, rho.slope());
  std::printf("inner disk %.4f and %.4f; strong and weak fields %.4f and %.4f\n", rings[0].value(), rings[1].value(),
              strong[0].value(), strong[1].value());
  std::printf("gradient of the error: %.2f G per pixel\n", sharp.value());
  return std::abs(rho.slope() - 0.9) < 0.01 ? 0 : 1;
}
