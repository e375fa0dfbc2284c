// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// heliograd's side of the duel. Reads commands, one a line, and answers each with one line:
//   works                  the names of all work, separated by '|'
//   prepare FOLDER NAME    makes the work ready, writes its inputs to FOLDER as .npy; answers flops and bytes
//   run N                  does it N times; answers the seconds of each
//   result FILE            writes what the last repetition gave
//   peak                   flops of multiply-adds a second this machine can do now, all threads of this process
//   triad                  bytes a second between memory and all threads
//   record                 seconds the host needs to record an op
//   profile N              does the work N times; answers NAME=LAUNCHES=SECONDS of each kernel, separated by '|'
//   forget                 gives back what is not needed, and starts to watch the peak of the memory anew
//   memory                 peak resident bytes of this process since then
//   about                  what it was built with
#include <malloc.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include <heliograd/io/npy.hpp>
#include <heliograd/version.hpp>
#include "peak.hpp"
#include "work.hpp"

namespace {

using namespace duel;

std::vector<Entry> all_work() {
  std::vector<Entry> all;
  for (auto const& part : {networks(), convolutions(), parts()}) all.insert(all.end(), part.begin(), part.end());
  return all;
}

void write(std::string const& path, Array const& a) {
  hg::io::write_npy(path, a.values.data(), a.shape, {.overwrite = true});
}

/// As the system counts since `forget`; getrusage would begin with the parent's memory.
long peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (long kib = 0; word == "VmHWM:" && status >> kib) return 1024 * kib;
  return 0;
}

/// Which kernel took how long, by Kokkos' own callbacks. On hosts a launch returns when it is done.
struct Profile {
  struct Kernel {
    long launches = 0;
    double seconds = 0;
  };
  using Clock = std::chrono::steady_clock;
  static inline std::map<std::string, Kernel> kernels;
  static inline std::string name;
  static inline Clock::time_point begun;

  static void begin(char const* label, std::uint32_t, std::uint64_t*) {
    name = label;
    begun = Clock::now();
  }
  static void end(std::uint64_t) {
    Kernel& kernel = kernels[name];
    ++kernel.launches;
    kernel.seconds += std::chrono::duration<double>(Clock::now() - begun).count();
  }
  static void watch(bool on) {
    namespace tools = Kokkos::Tools::Experimental;
    tools::set_begin_parallel_for_callback(on ? begin : nullptr);
    tools::set_end_parallel_for_callback(on ? end : nullptr);
    tools::set_begin_parallel_reduce_callback(on ? begin : nullptr);
    tools::set_end_parallel_reduce_callback(on ? end : nullptr);
  }
};

void answer(std::vector<Entry> const& all, Work& work, std::string const& line) {
  std::istringstream words(line);
  std::string command, argument;
  words >> command >> argument;
  if (command == "works") {
    for (Entry const& entry : all) std::cout << entry.name << '|';
  } else if (command == "prepare") {
    std::string name;
    std::getline(words >> std::ws, name);
    work = {};
    for (Entry const& entry : all)
      if (entry.name == name) work = entry.make();
    hg::expect(static_cast<bool>(work.run), "there is no work '" + name + "'");
    for (auto const& [key, value] : work.inputs) write(argument + "/" + key + ".npy", value);
    work.inputs.clear();
    std::cout << work.flops << ' ' << work.bytes;
  } else if (command == "run") {
    for (int n = std::stoi(argument); n > 0; --n) {
      auto const begin = std::chrono::steady_clock::now();
      work.run();
      std::chrono::duration<double> const time = std::chrono::steady_clock::now() - begin;
      std::cout << time.count() << ' ';
    }
  } else if (command == "result") {
    write(argument, work.result());
    std::cout << "ok";
  } else if (command == "peak") {
    std::cout << bench::peak_flops<float>();
  } else if (command == "triad") {
    std::cout << bench::triad_bytes();
  } else if (command == "record") {
    std::cout << seconds_to_record();
  } else if (command == "profile") {
    Profile::kernels.clear();
    Profile::watch(true);
    for (int n = std::stoi(argument); n > 0; --n) work.run();
    Profile::watch(false);
    for (auto const& [name, kernel] : Profile::kernels)
      std::cout << name << '=' << kernel.launches << '=' << kernel.seconds << '|';
  } else if (command == "forget") {
    malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << "5";
    std::cout << "ok";
  } else if (command == "about") {
    std::cout << "heliograd " << HELIOGRAD_VERSION_MAJOR << '.' << HELIOGRAD_VERSION_MINOR << '.'
              << HELIOGRAD_VERSION_PATCH << ", g++ " << __VERSION__ << ", Kokkos " << KOKKOS_VERSION_MAJOR << '.'
              << KOKKOS_VERSION_MINOR << '.' << KOKKOS_VERSION_PATCH << " (" << B::execution_space::name() << ')';
  } else if (command == "memory") {
    std::cout << peak_resident_bytes();
  } else {
    std::cout << "error: unknown command";
  }
}

}  // namespace

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  auto const all = all_work();
  Work work;
  for (std::string line; std::getline(std::cin, line);) {
    try {
      answer(all, work, line);
    } catch (std::exception const& error) {
      std::cout << "error: " << error.what();
    }
    std::cout << std::endl;
  }
  work = {};  // its views go before Kokkos does
}
