// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <string_view>

#include <heliograd/base/error.hpp>

/// \file
/// How our programs end: always with one of these exit codes, and after a failure with one line on standard error,
/// `prog: error: FILE: WHAT (found X, expected Y); remedy`.
namespace examples {

enum ExitCode : int {
  success = 0,
  other_failure = 1,
  wrong_usage = 2,
  bad_input = 3,
  cannot_write = 4,
  numerical_failure = 5,
  out_of_memory = 6,
  // 128 + signal number after a signal: 130 for SIGINT, 143 for SIGTERM
};

/// Thrown where work stops because a signal asked for it, after everything worth keeping is saved.
struct Interrupted : std::exception {
  int signal;
  explicit Interrupted(int number) : signal(number) {}
  char const* what() const noexcept override { return "interrupted"; }
};

namespace signals {

namespace detail {
inline volatile std::sig_atomic_t received = 0;
inline void (*tidy_up)() noexcept = nullptr;

extern "C" inline void on_signal(int number) {
  if (received != 0) {  // the second one ends the program at once
    if (tidy_up != nullptr) tidy_up();
    std::_Exit(128 + number);
  }
  received = number;
}
}  // namespace detail

/// From here on SIGINT and SIGTERM are noted and the work decides where to stop; a second one ends the program at once,
/// after `tidy_up`, which may only do what a signal handler may. Writing to a closed pipe, or beyond the largest size of files
/// that is allowed, becomes an error like any other.
inline void install(void (*tidy_up)() noexcept = nullptr) {
  detail::tidy_up = tidy_up;
  struct sigaction action{};
  action.sa_handler = detail::on_signal;
  sigemptyset(&action.sa_mask);
  for (int const number : {SIGINT, SIGTERM}) sigaction(number, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

/// The signal that has arrived, or 0.
inline int pending() { return detail::received; }

/// Throws Interrupted if a signal has arrived: to be called between units of work that leave nothing half done.
inline void check() {
  if (pending() != 0) throw Interrupted(pending());
}

}  // namespace signals

/// Text from outside, safe to print: control bytes escaped, on one line.
inline std::string one_line(std::string_view text) {
  std::string out;
  for (char const c : text) {
    auto const byte = static_cast<unsigned char>(c);
    if (byte == '\n') {
      out += "; ";
    } else if (byte < 0x20 || byte == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      out += escaped;
    } else {
      out += c;
    }
    if (out.size() > 2000) return out + "...";
  }
  return out;
}

/// Prints the one line of a failure.
inline void report(std::string const& program, std::string_view message) {
  constexpr std::string_view prefix = "heliograd: ";
  if (message.starts_with(prefix)) message.remove_prefix(prefix.size());
  std::cout.flush();
  std::fprintf(stderr, "%s: error: %s\n", program.c_str(), one_line(message).c_str());
}

/// Runs the body of a program and turns whatever it throws into one line and an exit code. `body` returns the exit code of
/// a run that ends by itself.
template <class Body>
int run_program(std::string const& program, Body&& body) {
  try {
    int const code = body();
    std::cout.flush();
    if (!std::cout || std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      report(program, "standard output cannot be written (disk full, or the reader has gone away)");
      return cannot_write;
    }
    return code;
  } catch (Interrupted const& interrupted) {
    return 128 + interrupted.signal;
  } catch (heliograd::UsageError const& error) {
    report(program, error.what());
    return wrong_usage;
  } catch (heliograd::InputError const& error) {
    report(program, error.what());
    return bad_input;
  } catch (heliograd::OutputError const& error) {
    report(program, error.what());
    return cannot_write;
  } catch (heliograd::NumericalError const& error) {
    report(program, error.what());
    return numerical_failure;
  } catch (std::bad_alloc const&) {
    report(program, "out of memory; use a smaller tile, a smaller batch, or a machine with more memory");
    return out_of_memory;
  } catch (std::exception const& error) {
    report(program, error.what());
    std::string_view const what = error.what();
    bool const memory = what.find("memory allocation") != std::string_view::npos ||
                        what.find("failed to allocate") != std::string_view::npos;
    return memory ? out_of_memory : other_failure;
  }
}

}  // namespace examples
