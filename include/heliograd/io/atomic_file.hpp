// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <heliograd/base/config.hpp>
#include <heliograd/base/error.hpp>
#include <heliograd/io/detail/text.hpp>

/// \file
/// Files that are either complete or not there. A result is written under a temporary name in its own folder, brought to
/// the disk, closed, read back, and only then given its name; whatever fails on the way, the temporary file is removed
/// and what stood under the name before is untouched.
namespace heliograd::inline HELIOGRAD_ABI::io {

namespace detail {

/// Paths of temporary files now on disk, for remove_pending_files(). A slot holds a pointer owned by its AtomicFile.
inline std::array<std::atomic<char const*>, 32>& pending_files() noexcept {
  static constinit std::array<std::atomic<char const*>, 32> slots{};
  return slots;
}

/// The folder part of a path, "." for a plain name.
inline std::string folder_of(std::string const& path) {
  auto const slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

[[noreturn]] inline void cannot_write(std::string const& path, std::string const& what) {
  throw OutputError(printable_path(path) + ": " + what);
}

[[noreturn]] inline void cannot_write(std::string const& path, std::string const& what, int error) {
  cannot_write(path, what + " (" + reason(error) + ")");
}

/// Refuses targets that could never be written, before any work is done for them. Returns the permissions of the
/// file that will be replaced, if there is one.
inline std::optional<mode_t> check_target(std::string const& path, bool overwrite) {
  if (path.empty()) throw OutputError("the output has an empty name; give a file name");
  if (path.find('\0') != std::string::npos) cannot_write(path, "the name contains a NUL byte");
  if (path.back() == '/') cannot_write(path, "is a folder; give a file name");
  std::string const folder = folder_of(path);
  struct stat info{};
  if (::stat(folder.c_str(), &info) != 0)
    cannot_write(path, "cannot be written: no folder " + printable_path(folder), errno);
  if (!S_ISDIR(info.st_mode)) cannot_write(path, "cannot be written: " + printable_path(folder) + " is not a folder");
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    cannot_write(path, "cannot be written: no right to write in " + printable_path(folder), errno);
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) cannot_write(path, "cannot be written", errno);
    return std::nullopt;
  }
  if (S_ISLNK(info.st_mode)) {
    cannot_write(path, "is a symbolic link, which is not written through; name the file it points to");
  }
  if (S_ISDIR(info.st_mode)) cannot_write(path, "is a folder; give a file name");
  if (!S_ISREG(info.st_mode)) cannot_write(path, "exists and is not a regular file");
  if (!overwrite) cannot_write(path, "exists already; choose another name or allow overwriting");
  return info.st_mode & 07777;
}

}  // namespace detail

/// Throws OutputError unless `path` could be written now: its folder exists and may be written in, and the name is free
/// or (with `overwrite`) a regular file. Creates nothing. Programs call it for every output before they start to work.
inline void check_output(std::string const& path, bool overwrite = false) {
  static_cast<void>(detail::check_target(path, overwrite));
}

/// True if both names lead to one and the same existing file.
inline bool same_file(std::string const& a, std::string const& b) {
  struct stat first{};
  struct stat second{};
  return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

/// Removes the temporary files of all unfinished AtomicFiles. Async-signal-safe: meant for a signal handler that ends
/// the program, after which nothing may be written any more.
inline void remove_pending_files() noexcept {
  for (auto& slot : detail::pending_files())
    if (char const* path = slot.exchange(nullptr)) ::unlink(path);
}

struct AtomicFileOptions {
  bool overwrite = false;  ///< replace an existing regular file; otherwise its presence is an error
};

/// A file being written that appears under its name only when it is complete.
///
///     AtomicFile file("result.bin", {.overwrite = true});
///     file.append(data, bytes);
///     file.commit();                       // without it, nothing happened
///
/// Throws   OutputError naming the file, what failed and the system's reason.
class AtomicFile {
 public:
  explicit AtomicFile(std::string target, AtomicFileOptions options = {})
      : target_(std::move(target)), options_(options) {
    auto const mode = detail::check_target(target_, options_.overwrite);
    std::string const folder = detail::folder_of(target_);
    for (int attempt = 0; attempt < 1000; ++attempt) {
      static constinit std::atomic<unsigned> counter{0};
      temporary_ = std::make_unique<std::string>(folder + "/.heliograd-" + detail::decimal(::getpid()) + "-" +
                                                 detail::decimal(counter.fetch_add(1)) + ".tmp");
      fd_ = ::open(temporary_->c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
      if (fd_ >= 0 || errno != EEXIST) break;
    }
    if (fd_ < 0) {
      int const error = errno;
      temporary_.reset();
      detail::cannot_write(target_, "cannot make a temporary file beside it", error);
    }
    for (auto& slot : detail::pending_files()) {
      char const* expected = nullptr;
      if (slot.compare_exchange_strong(expected, temporary_->c_str())) {
        slot_ = &slot;
        break;
      }
    }
    if (mode) static_cast<void>(::fchmod(fd_, *mode));  // a replaced file keeps its permissions
  }

  AtomicFile(AtomicFile&& other) noexcept
      : target_(std::move(other.target_)),
        options_(other.options_),
        temporary_(std::move(other.temporary_)),
        slot_(std::exchange(other.slot_, nullptr)),
        fd_(std::exchange(other.fd_, -1)),
        size_(other.size_) {}
  AtomicFile(AtomicFile const&) = delete;
  AtomicFile& operator=(AtomicFile const&) = delete;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile() { discard(); }

  /// The name the file will have.
  std::string const& target() const noexcept { return target_; }
  /// Bytes from the start of the file to the end of the furthest write.
  std::uint64_t size() const noexcept { return size_; }

  /// Claims the room for a file of this many bytes where the file system can, so that a full disk is noticed before the
  /// work and not after it. The size stays what was written.
  void reserve(std::uint64_t bytes) {
#ifdef FALLOC_FL_KEEP_SIZE
    expect(fd_ >= 0, "AtomicFile: reserved after commit");
    int state = 0;
    do {
      state = ::fallocate(fd_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes));
    } while (state != 0 && errno == EINTR);
    if (state != 0 && (errno == ENOSPC || errno == EFBIG || errno == EDQUOT))
      fail("has no room for its " + detail::decimal(bytes) + " bytes", errno);
#else
    static_cast<void>(bytes);
#endif
  }

  /// Writes at the end.
  void append(void const* data, std::size_t bytes) { write_at(size_, data, bytes); }

  /// Writes anywhere; a gap left before it reads as zeros.
  void write_at(std::uint64_t offset, void const* data, std::size_t bytes) {
    expect(fd_ >= 0, "AtomicFile: written to after commit");
    auto const* from = static_cast<char const*>(data);
    std::uint64_t at = offset;
    std::size_t left = bytes;
    while (left > 0) {
      ssize_t const done = ::pwrite(fd_, from, std::min(left, std::size_t{1} << 30), static_cast<off_t>(at));
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) fail("cannot be written", done < 0 ? errno : EIO);
      from += done;
      at += static_cast<std::uint64_t>(done);
      left -= static_cast<std::size_t>(done);
    }
    size_ = std::max(size_, offset + bytes);
  }

  /// Reads back what was written; the range must lie inside the file.
  void read_at(std::uint64_t offset, void* data, std::size_t bytes) {
    expect(fd_ >= 0, "AtomicFile: read after commit");
    auto* into = static_cast<char*>(data);
    while (bytes > 0) {
      ssize_t const done = ::pread(fd_, into, std::min(bytes, std::size_t{1} << 30), static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) fail("cannot be read back", done < 0 ? errno : EIO);
      into += done;
      offset += static_cast<std::uint64_t>(done);
      bytes -= static_cast<std::size_t>(done);
    }
  }

  /// Brings the bytes to the disk, closes the file, calls `verify(temporary_path)`, and gives the file its name. If
  /// `verify` throws, the file is discarded and the reason is passed on as an OutputError.
  template <class Verify>
  void commit(Verify&& verify) {
    expect(fd_ >= 0, "AtomicFile: committed twice");
    if (::fsync(fd_) != 0) fail("cannot be brought to the disk", errno);
    if (::close(std::exchange(fd_, -1)) != 0) fail("cannot be closed", errno);
    try {
      std::forward<Verify>(verify)(static_cast<std::string const&>(*temporary_));
    } catch (std::exception const& problem) {
      std::string const what = problem.what();
      discard();
      detail::cannot_write(target_, "does not read back as it was written: " + what);
    }
    give_name();
    sync_folder();
  }

  void commit() {
    commit([](std::string const&) {});
  }

  /// Gives up: removes the temporary file. The destructor does the same.
  void discard() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    if (!temporary_) return;
    ::unlink(temporary_->c_str());
    forget();
  }

 private:
  [[noreturn]] void fail(std::string const& what, int error) {
    discard();
    detail::cannot_write(target_, what, error);
  }

  void forget() noexcept {
    if (slot_) {
      char const* expected = temporary_->c_str();
      slot_->compare_exchange_strong(expected, nullptr);
      slot_ = nullptr;
    }
    temporary_.reset();
  }

  void give_name() {
    if (options_.overwrite) {
      if (::rename(temporary_->c_str(), target_.c_str()) != 0) fail("cannot be given its name", errno);
      forget();
      return;
    }
    // link() refuses an existing name in one step, so that a file that appeared meanwhile is not lost.
    if (::link(temporary_->c_str(), target_.c_str()) == 0) {
      discard();
      return;
    }
    if (errno == EEXIST) fail("exists already; choose another name or allow overwriting", EEXIST);
    static_cast<void>(detail::check_target(target_, false));  // a file system without hard links
    if (::rename(temporary_->c_str(), target_.c_str()) != 0) fail("cannot be given its name", errno);
    forget();
  }

  void sync_folder() {
    int const folder = ::open(detail::folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;  // a folder that may be written in but not read: nothing more can be done
    int const failed = ::fsync(folder) != 0 ? errno : 0;
    ::close(folder);
    if (failed != 0 && failed != EINVAL && failed != ENOTSUP && failed != EROFS)
      detail::cannot_write(target_, "its folder cannot be brought to the disk", failed);
  }

  std::string target_;
  AtomicFileOptions options_;
  std::unique_ptr<std::string> temporary_;  // its c_str() is known to remove_pending_files(): must not move
  std::atomic<char const*>* slot_ = nullptr;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::io
