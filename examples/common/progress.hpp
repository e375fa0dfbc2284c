// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>

namespace examples {

/// Seconds since it was made.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// "850 ms", "12.3 s", "4 min 05 s", "2 h 07 min".
inline std::string duration_text(double seconds) {
  char text[32];
  if (!(seconds >= 0)) return "?";
  if (seconds < 0.9995)
    std::snprintf(text, sizeof text, "%.0f ms", 1000 * seconds);
  else if (seconds < 59.95)
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  else if (seconds < 3600)
    std::snprintf(text, sizeof text, "%d min %02d s", int(seconds) / 60, int(seconds) % 60);
  else
    std::snprintf(text, sizeof text, "%.0f h %02d min", double(int(seconds / 3600)), int(seconds / 60) % 60);
  return text;
}

/// How far a long piece of work is, on standard error: one line that is rewritten on a terminal, plain lines now and then
/// elsewhere, nothing if quiet.
class Progress {
 public:
  Progress(std::string what, std::size_t total, bool quiet)
      : what_(std::move(what)), total_(total), quiet_(quiet), terminal_(::isatty(STDERR_FILENO) != 0) {}
  Progress(Progress const&) = delete;
  Progress& operator=(Progress const&) = delete;
  ~Progress() { clear(); }

  /// Counts from here: what was done before says nothing about the speed of this run.
  void start_at(std::size_t done) { first_ = done; }

  void update(std::size_t done, std::string const& note = {}) {
    if (quiet_) return;
    double const now = clock_.seconds();
    bool const last = done >= total_;
    double const pause = terminal_ ? 0.1 : shown_ == 0 ? 5 : 30;
    if (now - printed_ < pause && !(last && shown_ > 0 && !terminal_)) return;
    printed_ = now;
    ++shown_;
    std::string line = what_ + " " + std::to_string(done) + " of " + std::to_string(total_);
    if (done > first_ && !last)
      line += ", " + duration_text(now * double(total_ - done) / double(done - first_)) + " left";
    if (!note.empty()) line += ", " + note;
    if (terminal_) {
      std::fprintf(stderr, "\r\033[K%s", line.substr(0, 118).c_str());
      open_ = true;
    } else {
      std::fprintf(stderr, "%s\n", line.c_str());
    }
    std::fflush(stderr);
  }

  /// Takes the rewritten line away, so that other output starts on a clean one.
  void clear() {
    if (open_) std::fputs("\r\033[K", stderr);
    open_ = false;
  }

  double seconds() const { return clock_.seconds(); }

 private:
  std::string what_;
  std::size_t total_;
  std::size_t first_ = 0;
  bool quiet_;
  bool terminal_;
  Stopwatch clock_;
  double printed_ = 0;
  std::size_t shown_ = 0;
  bool open_ = false;
};

}  // namespace examples
