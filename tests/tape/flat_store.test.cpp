// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <optional>
#include <type_traits>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/tape/flat_store.hpp>
#include "spaces.hpp"

namespace hg = heliograd;

namespace {
template <class B>
struct Large {
  hg::Param<1, B> a, b;
  HELIOGRAD_FIELDS(a, b)
};

template <class B>
struct Layer {
  hg::Param<2, B> weight;
  hg::Param<1, B> bias;
  HELIOGRAD_FIELDS(weight, bias)
};
template <class B>
struct Model {
  std::vector<Layer<B>> layers;
  hg::Param<1, B> absent;
  hg::Param<0, B> gain;
  HELIOGRAD_FIELDS(layers, absent, gain)
};
template <class B>
Model<B> make_model() {
  Model<B> model;
  for (int i = 0; i < 2; ++i)
    model.layers.push_back({hg::make_param<B>("weight", hg::Shape{5, 7}), hg::make_param<B>("bias", hg::Shape{7})});
  model.absent = hg::make_param<B>("absent", hg::Shape{0});
  model.gain = hg::make_param<B>("gain", hg::Shape<0>{});
  using T = typename B::scalar_type;
  T next = 1;
  hg::for_each_param(
      [&](std::string const&, auto& p) {
        hg::fill(typename B::execution_space{}, p.value, next);
        hg::fill(typename B::execution_space{}, p.grad, -next);
        if (p.value.size() > 0) next += T(1);
      },
      model);
  return model;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("a flat store holds every trainable parameter once, where the entries say", "[tape]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  typename B::execution_space const exec;
  auto model = make_model<B>();
  model.layers[1].bias.grad = {};  // frozen
  auto const* const frozen = model.layers[1].bias.value.data();
  hg::FlatStore<B> const store(model);

  REQUIRE(store.entries().size() == 4);
  CHECK(store.entries()[1].path == "layers.0.bias");
  CHECK(store.entries()[2].path == "layers.1.weight");
  CHECK(store.entries()[3].path == "gain");
  CHECK(store.size() == 64 + 32 + 64 + 32);
  CHECK(model.layers[1].bias.value.data() == frozen);
  auto const values = hg::to_host(exec, store.values());
  auto const gradients = hg::to_host(exec, store.gradients());
  double total = 0;
  for (T const v : values) total += static_cast<double>(v);
  CHECK(total == 35 * 1 + 7 * 2 + 35 * 3 + 1 * 5);  // the gaps are zero
  for (std::size_t i = 0; i < 35; ++i) CHECK(gradients[store.entries()[2].offset + i] == T(-3));

  hg::fill(exec, model.layers[0].weight.value, T(9));  // through the model, seen by the store
  CHECK(hg::to_host(exec, store.values())[34] == T(9));
  CHECK(hg::to_host(exec, store.values())[35] == T(0));
  store.zero_grad(exec);
  CHECK(hg::to_host(exec, model.layers[1].weight.grad) == std::vector<T>(35, 0));
}

TEMPLATE_LIST_TEST_CASE("gradients of a backward pass arrive in the store", "[tape]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  auto model = make_model<B>();
  hg::FlatStore<B> const store(model);
  store.zero_grad();
  hg::Tape<B> tape;
  auto const w = tape.watch(model.layers[1].weight);
  tape.backward(hg::sum(w * w));
  auto const gradients = hg::to_host(tape.exec(), store.gradients());
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    std::size_t const first = store.entries()[2].offset;
    CHECK(gradients[i] == (i >= first && i < first + 35 ? T(6) : T(0)));
  }
}

TEST_CASE("large gradients that are zero take no memory, and are zero", "[tape]") {
  using B = test::FloatBackend;
  std::size_t const half = (std::size_t{9} << 20) + 77;  // 4 bytes each, not a whole number of pages
  Large<B> model{hg::make_param<B>("a", hg::Shape{half}), hg::make_param<B>("b", hg::Shape{half})};
  hg::fill(B::execution_space{}, model.b.grad, 3.0f);
  hg::FlatStore<B> const store(model);
  CHECK(store.zero_grad_is_free() == (B::on_host && std::is_same_v<B::memory_space, Kokkos::HostSpace>));
  auto const count = [&](float value) {
    auto const all = hg::to_host(B::execution_space{}, store.gradients());
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), value));
  };
  CHECK(count(3) == half);  // what had arrived is kept
  store.zero_grad();
  CHECK(count(0) == store.size());
  hg::fill(B::execution_space{}, store.gradients(), 1.0f);
  CHECK(count(1) == store.size());
  store.zero_grad();
  CHECK(count(0) == store.size());
}

TEST_CASE("a model outlives its store", "[tape]") {
  using B = test::FloatBackend;
  auto model = make_model<B>();
  std::optional<hg::FlatStore<B>> store(std::in_place, model);
  CHECK(model.layers[0].weight.value.use_count() > 1);
  store.reset();
  CHECK(hg::to_host(B::execution_space{}, model.layers[1].weight.value) == std::vector<float>(35, 3.0f));
  CHECK(model.layers[1].weight.value.use_count() > 0);
}
