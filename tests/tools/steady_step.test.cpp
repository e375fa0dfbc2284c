// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a training step asks of Kokkos, seen through its tool callbacks.
#include <Kokkos_Core.hpp>
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>
#include <vector>

#include <heliograd/loss/gradient.hpp>
#include <heliograd/loss/histogram.hpp>
#include <heliograd/loss/pixel.hpp>
#include <heliograd/loss/ssim.hpp>
#include <heliograd/optim/adam.hpp>
#include "spaces.hpp"
#include "super_resolution/model.hpp"

namespace hg = heliograd;
namespace tools = Kokkos::Tools::Experimental;

namespace {

struct Seen {
  int allocations = 0;
  std::multiset<std::string> fences;
  std::set<std::string> kernels;
};
Seen seen;

void on_allocate(Kokkos::Tools::SpaceHandle, char const*, void const*, std::uint64_t) { ++seen.allocations; }
void on_fence(char const* name, std::uint32_t, std::uint64_t*) {
  bool const by_the_watch =
      std::string(name).find("Tool Fence") != std::string::npos;  // Kokkos fences around callbacks
  if (!by_the_watch) seen.fences.insert(name);
}
void on_kernel(char const* name, std::uint32_t, std::uint64_t*) { seen.kernels.insert(name); }

/// Watches from construction to destruction.
struct Watch {
  tools::EventSet before = tools::get_callbacks();
  Watch() {
    seen = {};
    tools::set_allocate_data_callback(on_allocate);
    tools::set_begin_fence_callback(on_fence);
    tools::set_begin_parallel_for_callback(on_kernel);
    tools::set_begin_parallel_reduce_callback(on_kernel);
  }
  ~Watch() { tools::set_callbacks(before); }
};

}  // namespace

TEST_CASE("a steady training step allocates nothing, waits for nothing, and names its kernels", "[tools]") {
  using B = test::FloatBackend;
  hg::Rng rng(1);
  auto model = super_resolution::super_resolution_network<B>(rng);
  hg::FlatStore<B> const store(model);
  hg::optim::Adam<B> adam(store);
  auto const input = hg::make_tensor<B>("input", hg::Shape{4, 16, 16, 2});
  auto const target = hg::make_tensor<B>("target", hg::Shape{4, 64, 64, 1});
  hg::nn::init_normal(rng, input, 0.0, 0.1);
  hg::nn::init_normal(rng, target, 0.0, 0.1);
  hg::Tape<B> tape;
  auto const step = [&] {
    tape.clear();
    auto const x = tape.constant(target);
    auto const y = model(tape.constant(input));
    auto const loss = hg::loss::mse(y, x) + 5.0 * hg::loss::gradient(y, x) +
                      1e-5 * hg::loss::histogram(y, x, {.unit = 3500}) +
                      5e-5 * hg::loss::ssim(y, x, {.data_range = 1, .luminance_of_magnitude = true});
    tape.backward(loss);
    adam.update(tape.workspace());
  };
  step();
  step();
  {
    Watch const watch;
    step();
  }
  CHECK(seen.allocations == 0);
  CHECK(seen.fences == std::multiset<std::string>{});
  CHECK(seen.kernels.size() > 20);
  for (std::string const& name : seen.kernels) {
    INFO(name);
    CHECK(name.starts_with("heliograd::"));
  }
}
