// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <heliograd/base/config.hpp>
#include <heliograd/base/error.hpp>
#include <heliograd/io/detail/text.hpp>

namespace heliograd::inline HELIOGRAD_ABI::io::detail {

/// Random access to the bytes of a regular file, or of what a gzip file holds. A gzip file is inflated as far as somebody
/// asks and never further than `limit` bytes; a plain file is read where it lies. Reading a plain file keeps nothing in
/// memory; of a gzip file everything asked for is kept.
class ByteSource {
 public:
  ByteSource(std::string path, std::uint64_t limit) : path_(std::move(path)), limit_(limit) {
    if (path_.empty()) throw InputError("the input has an empty name; give a file name");
    if (path_.find('\0') != std::string::npos) refuse("the name contains a NUL byte");
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    fd_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd_ < 0) refuse("cannot be opened (" + reason(errno) + ")");
    struct stat info{};
    if (::fstat(fd_, &info) != 0) refuse_and_close("cannot be examined (" + reason(errno) + ")");
    if (S_ISDIR(info.st_mode)) refuse_and_close("is a folder, not a file");
    if (!S_ISREG(info.st_mode)) refuse_and_close("is not a regular file (a device, pipe or socket)");
    file_size_ = static_cast<std::uint64_t>(info.st_size);
    unsigned char magic[2] = {};
    try {
      if (file_size_ >= 2 && pread_some(0, magic, 2) == 2 && magic[0] == 0x1f && magic[1] == 0x8b) start_inflate();
    } catch (...) {
      release();
      throw;
    }
  }

  ByteSource(ByteSource&& other) noexcept
      : path_(std::move(other.path_)),
        limit_(other.limit_),
        fd_(std::exchange(other.fd_, -1)),
        file_size_(other.file_size_),
        gzip_(std::exchange(other.gzip_, nullptr)),
        inflated_(std::move(other.inflated_)),
        input_(std::move(other.input_)),
        input_offset_(other.input_offset_),
        finished_(other.finished_),
        is_gzip_(other.is_gzip_) {}
  ByteSource(ByteSource const&) = delete;
  ByteSource& operator=(ByteSource const&) = delete;
  ByteSource& operator=(ByteSource&&) = delete;
  ~ByteSource() { release(); }

  std::string const& path() const noexcept { return path_; }
  bool is_gzip() const noexcept { return is_gzip_; }

  /// How many bytes there are, counted no further than `wanted`: a gzip file is inflated that far.
  std::uint64_t available(std::uint64_t wanted) {
    if (!is_gzip_) return std::min(file_size_, wanted);
    inflate_to(wanted);
    return std::min<std::uint64_t>(inflated_.size(), wanted);
  }

  /// All that is known to be there: the file's size, or the bytes inflated so far.
  std::uint64_t known_size() const noexcept { return is_gzip_ ? inflated_.size() : file_size_; }

  /// False if `bytes` can certainly not be in the file; costs nothing. Deflate packs at most 1032 to 1.
  bool could_hold(std::uint64_t bytes) const noexcept {
    return is_gzip_ ? bytes / 1040 <= file_size_ : bytes <= file_size_;
  }

  /// Reads exactly this range, which must have been found available.
  void read(std::uint64_t offset, void* into, std::size_t bytes) {
    if (available(offset + bytes) < offset + bytes) {
      refuse("ends early (found " + decimal(known_size()) + " bytes, expected at least " + decimal(offset + bytes) +
             ")");
    }
    if (is_gzip_) {
      if (bytes > 0) std::memcpy(into, inflated_.data() + offset, bytes);
      return;
    }
    if (pread_some(offset, into, bytes) != bytes) refuse("became shorter while it was read");
  }

  /// Checks the rest of a gzip file, its length and CRC included, without keeping it. `keep` bytes stay readable.
  void finish() {
    if (!is_gzip_ || finished_) return;
    std::vector<unsigned char> scrap(chunk);
    std::uint64_t total = inflated_.size();
    while (!finished_) {
      total += inflate_some(scrap.data(), scrap.size());
      if (total > limit_) too_large();
    }
    release_inflate();
  }

  [[noreturn]] void refuse(std::string const& what) const { throw InputError(printable_path(path_) + ": " + what); }

 private:
  static constexpr std::size_t chunk = std::size_t{1} << 18;

  [[noreturn]] void too_large() const {
    refuse("unpacks to more than " + decimal(limit_) +
           " bytes, the limit; raise the pixel limit if the file is honest");
  }

  [[noreturn]] void refuse_and_close(std::string const& what) {
    release();
    refuse(what);
  }

  std::size_t pread_some(std::uint64_t offset, void* into, std::size_t bytes) const {
    auto* to = static_cast<unsigned char*>(into);
    std::size_t done = 0;
    while (done < bytes) {
      ssize_t const got =
          ::pread(fd_, to + done, std::min(bytes - done, std::size_t{1} << 30), static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) refuse("cannot be read (" + reason(errno) + ")");
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  void start_inflate() {
    is_gzip_ = true;
    gzip_ = new z_stream{};
    if (::inflateInit2(gzip_, 15 + 16) != Z_OK) {
      delete std::exchange(gzip_, nullptr);
      throw std::bad_alloc();
    }
    input_.resize(chunk);
  }

  void inflate_to(std::uint64_t wanted) {
    if (wanted > limit_) too_large();
    while (inflated_.size() < wanted && !finished_) {
      std::size_t const before = inflated_.size();
      // Growth by a quarter of what is there: no more memory than the stream has proven to need.
      std::size_t const step = std::clamp<std::size_t>(before / 4, chunk, std::size_t{1} << 26);
      inflated_.resize(before + std::min<std::uint64_t>(step, limit_ - before));
      std::size_t const got = inflate_some(inflated_.data() + before, inflated_.size() - before);
      inflated_.resize(before + got);
    }
  }

  /// Inflates until `room` is full or the stream ends.
  std::size_t inflate_some(unsigned char* into, std::size_t room) {
    gzip_->next_out = into;
    gzip_->avail_out = static_cast<uInt>(room);
    while (gzip_->avail_out > 0 && !finished_) {
      if (gzip_->avail_in == 0 && !refill()) refuse("is a gzip file that ends early");
      int const state = ::inflate(gzip_, Z_NO_FLUSH);
      if (state == Z_MEM_ERROR) throw std::bad_alloc();
      if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
        refuse(std::string("is a damaged gzip file (") + (gzip_->msg ? gzip_->msg : "bad data") + ")");
      if (state == Z_STREAM_END) next_member();
    }
    return room - gzip_->avail_out;
  }

  bool refill() {
    gzip_->next_in = input_.data();
    std::size_t const got = pread_some(input_offset_, input_.data(), input_.size());
    input_offset_ += got;
    gzip_->avail_in = static_cast<uInt>(got);
    return got > 0;
  }

  /// After the end of one gzip member: another may follow, or zero padding, or the end.
  void next_member() {
    while (true) {
      if (gzip_->avail_in == 0 && !refill()) {
        finished_ = true;
        return;
      }
      if (*gzip_->next_in != 0) break;
      ++gzip_->next_in;
      --gzip_->avail_in;
    }
    if (*gzip_->next_in != 0x1f) refuse("is a gzip file with other bytes after its end");
    if (::inflateReset(gzip_) != Z_OK) refuse("is a damaged gzip file");
  }

  void release_inflate() noexcept {
    if (!gzip_) return;
    ::inflateEnd(gzip_);
    delete std::exchange(gzip_, nullptr);
  }

  void release() noexcept {
    release_inflate();
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  std::string path_;
  std::uint64_t limit_ = 0;
  int fd_ = -1;
  std::uint64_t file_size_ = 0;
  z_stream* gzip_ = nullptr;
  std::vector<unsigned char> inflated_;
  std::vector<unsigned char> input_;
  std::uint64_t input_offset_ = 0;
  bool finished_ = false;
  bool is_gzip_ = false;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::io::detail
