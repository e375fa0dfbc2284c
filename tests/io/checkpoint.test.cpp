// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <heliograd/io/checkpoint.hpp>
#include <heliograd/nn/residual.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/optim/adam.hpp>
#include <heliograd/optim/average.hpp>
#include <heliograd/optim/schedule.hpp>
#include "folder.hpp"
#include "spaces.hpp"

namespace hg = heliograd;
namespace io = heliograd::io;
namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

using test::Folder;

namespace {

/// A small but complete training: model, flat store, Adam, running average, generator.
template <class B>
struct Training {
  hg::Rng rng{11};
  hg::nn::ResidualBlock<B> model = hg::nn::residual_block<B>(rng, 4);
  hg::FlatStore<B> store{model};
  hg::optim::Adam<B> adam{store, {.beta1 = 0.5}};
  hg::optim::RunningAverage<B> average{store, 0.9};
  hg::optim::CosineRate rate{.rate = 1e-2, .end = 20};
  std::uint64_t step = 0;

  void advance(std::uint64_t until) {
    hg::Tape<B> tape;
    while (step < until) {
      tape.clear();
      auto const image = hg::make_tensor<B>("x", hg::Shape{1, 6, 5, 4});
      hg::nn::init_normal(rng, image, 0, 1);
      auto const y = model(tape.constant(image));
      tape.backward(hg::mean(y * y));
      adam.update(tape.workspace(), rate(step));
      average.update(tape.workspace());
      ++step;
    }
  }

  /// Calls use(state) with everything there is, and takes over what it left.
  template <class Use>
  void with_state(Use const& use) {
    auto random = rng.state();
    std::uint64_t adam_steps = adam.steps(), average_steps = average.steps();
    use(io::TrainingState<hg::nn::ResidualBlock<B>, B>{
        model,
        {{"adam.first", adam.first()}, {"adam.second", adam.second()}, {"average", average.average()}},
        {{"step", &step},
         {"adam.steps", &adam_steps},
         {"average.steps", &average_steps},
         {"random.seed", &random.seed},
         {"random.streams", &random.streams},
         {"random.draws", &random.draws}}});
    rng = hg::Rng(random);
    adam.set_steps(adam_steps);
    average.set_steps(average_steps);
  }

  std::string save(std::string const& folder) {
    std::string path;
    with_state(
        [&](auto const& state) { path = io::save_checkpoint(folder, step, state, {{"config", "width = 4"}}).path; });
    return path;
  }
  void load(std::string const& path) {
    with_state([&](auto const& state) {
      auto const metadata = io::load_checkpoint(path, state);
      CHECK(metadata.at("config") == "width = 4");
    });
  }

  auto everything() const {
    hg::Workspace<B> ws;
    auto all = hg::to_host(ws.exec(), store.values());
    for (auto const& tensor : {adam.first(), adam.second(), average.average()})
      for (auto const v : hg::to_host(ws.exec(), tensor)) all.push_back(v);
    return std::pair{all, std::vector{step, adam.steps(), average.steps(), rng.state().streams, rng.state().draws}};
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("a resumed training is bit for bit the undisturbed one", "[io]", test::Backends) {
  using B = TestType;
  Folder const folder;
  Training<B> undisturbed;
  undisturbed.advance(12);

  Training<B> first;
  first.advance(7);
  std::string const path = first.save(folder.path());
  CHECK(fs::path(path).filename() == "step-000000007.checkpoint");
  first.advance(9);  // lost in the crash

  Training<B> second;
  auto const latest = io::latest_checkpoint(folder.path());
  REQUIRE(latest);
  CHECK(latest->step == 7);
  second.load(latest->path);
  CHECK(second.step == 7);
  second.advance(12);
  CHECK(second.everything() == undisturbed.everything());
}

TEST_CASE("the two latest checkpoints are kept, and other files left alone", "[io]") {
  Folder const folder;
  std::ofstream(folder / "log.csv") << "step,loss\n";
  std::ofstream(folder / "step-1.checkpoint") << "not one of ours";
  Training<test::FloatBackend> training;
  for (std::uint64_t const step : {1, 2, 3, 4}) {
    training.advance(step);
    training.save(folder.path());
  }
  CHECK(folder.files() == 4);
  CHECK(fs::exists(folder / "step-000000003.checkpoint"));
  CHECK(fs::exists(folder / "step-000000004.checkpoint"));
}

TEST_CASE("a damaged checkpoint is passed over for the one before it", "[io]") {
  Folder const folder;
  Training<test::FloatBackend> training;
  training.advance(1);
  training.save(folder.path());
  training.advance(2);
  std::string const damaged = training.save(folder.path());
  std::vector<std::string> passed;
  CHECK(io::latest_checkpoint(folder.path(), &passed)->step == 2);
  CHECK(passed.empty());
  {
    std::fstream file(damaged, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-5, std::ios::end);
    file.put('\x55');
  }
  CHECK(io::latest_checkpoint(folder.path(), &passed)->step == 1);
  REQUIRE(passed.size() == 1);
  CHECK_THAT(passed[0], ContainsSubstring("disagree"));
  auto const before = training.everything();
  CHECK_THROWS_AS(training.load(damaged), hg::InputError);
  CHECK(training.everything() == before);

  Folder const empty;
  CHECK(!io::latest_checkpoint(empty.path()));
  CHECK_THROWS_AS(io::latest_checkpoint("/nonexistent"), hg::InputError);
}

TEST_CASE("a checkpoint of another training is refused and changes nothing", "[io]") {
  Folder const folder;
  Training<test::FloatBackend> training;
  training.advance(2);
  std::string const path = training.save(folder.path());
  auto const before = training.everything();
  auto const refused = [&](auto const& change, char const* message) {
    training.with_state([&](auto state) {
      change(state);
      CHECK_THROWS_MATCHES(io::load_checkpoint(path, state), hg::InputError,
                           MessageMatches(ContainsSubstring(message)));
    });
  };
  refused([](auto& state) { state.tensors.push_back({"momentum", state.tensors[0].second}); }, "no 'state.momentum'");
  refused([](auto& state) { state.numbers.push_back({"epoch", state.numbers[0].second}); }, "no 'number.epoch'");
  refused([](auto& state) { state.tensors.pop_back(); }, "knows nothing of");
  refused([](auto& state) { state.tensors[0].second = hg::make_zeros<test::FloatBackend>("m", hg::Shape{3}); },
          "'adam.first'");
  Training<test::DoubleBackend> other;
  CHECK_THROWS_MATCHES(other.load(path), hg::InputError, MessageMatches(ContainsSubstring("expected [448] F64")));
  CHECK(training.everything() == before);
}

TEST_CASE("a training that is not finite is not saved over one that is", "[io]") {
  Folder const folder;
  Training<test::FloatBackend> training;
  training.advance(1);
  training.save(folder.path());
  training.advance(2);
  hg::fill(test::ExecutionSpace{}, training.adam.second(), std::numeric_limits<float>::quiet_NaN());
  CHECK_THROWS_AS(training.save(folder.path()), hg::NumericalError);
  CHECK(folder.files() == 1);
  CHECK(io::latest_checkpoint(folder.path())->step == 1);
}

TEST_CASE("a folder belongs to one training, and is free again when that is gone", "[io]") {
  Folder const folder;
  {
    io::FolderLock const lock(folder.path());
    CHECK_THROWS_MATCHES(io::FolderLock(folder.path()), hg::OutputError,
                         MessageMatches(ContainsSubstring("in use by another training")));
  }
  CHECK_NOTHROW(io::FolderLock(folder.path()));
  CHECK_THROWS_AS(io::FolderLock("/nonexistent"), hg::OutputError);
  CHECK(folder.files() == 0);
}

TEST_CASE("a process killed while it saves leaves a whole checkpoint behind", "[io]") {
  Folder const folder;
  Training<test::FloatBackend> training;
  training.advance(1);
  training.save(folder.path());
  // The child only writes: it uses no thread of this process's pool.
  io::TensorWriter writer;
  writer.add("model.x", {100000}, std::vector<float>(100000, 1.0f));
  std::uint64_t highest = 1;
  for (int round = 0; round < 20; ++round) {
    pid_t const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (std::uint64_t step = highest + 1;; ++step)
        writer.write(folder.path() + "/" + io::detail::checkpoint_name(step), {}, {.overwrite = true});
    }
    // Every second time after the child has written one, however long that takes here: in the midst of a later one.
    auto const next = folder.path() + "/" + io::detail::checkpoint_name(highest + 1);
    for (int waited = 0; round % 2 == 1 && waited < 10000 && !fs::exists(next); ++waited) ::usleep(1000);
    ::usleep(static_cast<useconds_t>(3000 + 700 * round));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    std::vector<std::string> passed;
    auto const latest = io::latest_checkpoint(folder.path(), &passed);
    REQUIRE(latest);
    CHECK(passed.empty());
    CHECK(latest->step >= highest);
    highest = latest->step;
    for (auto const& file : io::detail::list_checkpoints(folder.path()))
      if (file.step < highest) fs::remove(file.path);
  }
  CHECK(highest > 10);
}
