// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <CLI/CLI.hpp>
#include <Kokkos_Core.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <heliograd/io/atomic_file.hpp>
#include <heliograd/version.hpp>
#include "arguments.hpp"
#include "common_options.hpp"
#include "kokkos_settings.hpp"
#include "program.hpp"

/// \file
/// How our programs start: sub-commands, the flags that all of them have, Kokkos with its own flags, signals.
namespace examples {

/// A range that the help does not spell out.
template <class T>
CLI::Validator within(T low, T high) {
  return CLI::Range(low, high).description("");
}

/// How exact convolutions are. A word that is empty stands for what the weights say.
inline void add_accuracy(CLI::App& app, std::string& word) {
  app.add_option("--accuracy", word,
                 std::string("Of convolutions: strict; or fast, with rounding errors of up to 6e-6 (") +
                     (word.empty() ? "default: as the weights say)" : "the weights will say it)"))
      ->capture_default_str()
      ->check(CLI::IsMember({"strict", "fast"}));
}

/// A program with more options of its own declares a function of this name beside its type.
inline void add_common(CLI::App& app, CommonOptions& common) {
  app.add_flag("--overwrite", common.overwrite, "Replace outputs that exist");
  app.add_flag("-q,--quiet", common.quiet, "Print results and errors only");
  app.add_option("--threads", common.threads, "Threads of the host; 0 is as many as there are")
      ->capture_default_str()
      ->check(within(0, 1024));
  app.add_option("--config", "TOML file with options of the command; flags win over it")->type_name("FILE");
}

/// A program's commands: what each can be told, and what it does.
template <class Common = CommonOptions>
class CommandLine {
 public:
  CommandLine(std::string program, std::string const& purpose) : program_(std::move(program)), app_(purpose, program_) {
    app_.set_version_flag("--version", program_ + " (heliograd) " + std::to_string(HELIOGRAD_VERSION_MAJOR) + "." +
                                           std::to_string(HELIOGRAD_VERSION_MINOR) + "." +
                                           std::to_string(HELIOGRAD_VERSION_PATCH));
    app_.require_subcommand(1);
    app_.get_formatter()->column_width(34);
  }

  /// A command: `describe` gives it its flags, `work` does it and returns an exit code.
  template <class Options>
  void add(char const* name, char const* purpose, void (*describe)(CLI::App&, Options&),
           int (*work)(Options const&, Common const&)) {
    add<Options>(name, purpose, describe,
                 [work](Options const& options, Common const& common, CLI::App&) { return work(options, common); });
  }
  /// One that wants to know how it was called, too.
  template <class Options>
  void add(char const* name, char const* purpose, void (*describe)(CLI::App&, Options&),
           std::function<int(Options const&, Common const&, CLI::App&)> work) {
    CLI::App* const command = app_.add_subcommand(name, purpose);
    auto const options = std::make_shared<Options>();
    describe(*command, *options);
    add_common(*command, common_);
    want_numbers(*command);
    commands_.emplace_back(command, [=, this] { return work(*options, common_, *command); });
  }

  /// Does what the arguments ask for, within Kokkos. Returns the exit code.
  /// Throws   UsageError for settings of Kokkos that make no sense, and whatever the command throws.
  int run(int argc, char** argv) {
    // Options of Kokkos pass through; its warnings about the environment are none of the user's business.
    std::vector<char*> mine, kokkos{argv[0]};
    for (int i = 0; i < argc; ++i)
      (std::string_view(argv[i]).starts_with("--kokkos-") ? kokkos : mine).push_back(argv[i]);
    if (auto const code = parse_arguments(app_, program_, static_cast<int>(mine.size()), mine.data())) return *code;
    check_kokkos_settings(kokkos);
    signals::install(heliograd::io::remove_pending_files);
    std::string threads = "--kokkos-num-threads=" + std::to_string(common_.threads);
    std::string quiet = "--kokkos-disable-warnings";
    if (common_.threads > 0) kokkos.push_back(threads.data());
    kokkos.push_back(quiet.data());
    int count = static_cast<int>(kokkos.size());
    kokkos.push_back(nullptr);
    Kokkos::ScopeGuard const guard(count, kokkos.data());
    for (auto const& [command, work] : commands_)
      if (command->parsed()) return work();
    return success;
  }

 private:
  std::string program_;
  CLI::App app_;
  Common common_;
  std::vector<std::pair<CLI::App*, std::function<int()>>> commands_;
};

}  // namespace examples
