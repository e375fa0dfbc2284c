// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <heliograd/io/atomic_file.hpp>
#include <heliograd/io/crc32c.hpp>
#include <heliograd/io/detail/text.hpp>
#include <heliograd/version.hpp>

/// \file
/// Named tensors in one file, in the safetensors format: eight bytes of header length, a JSON header, the numbers. Files
/// written here also carry a checksum for each tensor and for the metadata; files of others load without.
///
/// Nothing in a file is believed: the header is read by a parser that accepts this format only, every offset is checked
/// against the file's size, tensors must cover the file without gap or overlap, and all that happens before a tensor is
/// read.
namespace heliograd::inline HELIOGRAD_ABI::io {

/// Free text that travels with tensors.
using Metadata = std::map<std::string, std::string>;

/// What a file says about one tensor.
struct TensorEntry {
  std::string name;
  std::string type;  ///< "F32", "F64", ...
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;  ///< bytes from the start of the numbers
  std::uint64_t end = 0;
};

namespace detail {

static_assert(std::endian::native == std::endian::little,
              "heliograd: weight files are little-endian, as the machine must be");

inline constexpr std::uint64_t largest_header = 100'000'000;
inline constexpr std::size_t largest_rank = 8;
inline constexpr std::size_t longest_name = 1024;
inline constexpr char format_key[] = "heliograd.format";
inline constexpr char version_key[] = "heliograd.version";
inline constexpr char metadata_sum_key[] = "heliograd.metadata_crc32c";
inline constexpr char sum_prefix[] = "crc32c:";
inline constexpr int format_version = 1;

inline bool is_reserved(std::string_view key) { return key.starts_with("heliograd.") || key.starts_with(sum_prefix); }

/// Bytes of one number of a type, 0 for an unknown type.
inline std::uint64_t type_bytes(std::string_view type) {
  for (auto const& [name, bytes] : {std::pair<std::string_view, std::uint64_t>{"F32", 4},
                                    {"F64", 8},
                                    {"I64", 8},
                                    {"U64", 8},
                                    {"I32", 4},
                                    {"U32", 4},
                                    {"F16", 2},
                                    {"BF16", 2},
                                    {"I16", 2},
                                    {"U16", 2},
                                    {"I8", 1},
                                    {"U8", 1},
                                    {"BOOL", 1},
                                    {"F8_E4M3", 1},
                                    {"F8_E5M2", 1}})
    if (name == type) return bytes;
  return 0;
}

inline std::string shape_text(std::vector<std::uint64_t> const& shape) {
  std::string text = "[";
  for (std::size_t axis = 0; axis < shape.size(); ++axis) text += (axis > 0 ? ", " : "") + decimal(shape[axis]);
  return text + "]";
}

inline std::string sum_text(std::uint32_t sum) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text(8, '0');
  for (std::size_t i = 0; i < 8; ++i) text[i] = digits[(sum >> (28 - 4 * i)) & 15];
  return text;
}

/// The checksum of all metadata but itself.
inline std::string metadata_sum(Metadata const& metadata) {
  std::uint32_t sum = 0;
  for (auto const& [key, value] : metadata) {
    if (key == metadata_sum_key) continue;
    sum = crc32c(key.c_str(), key.size() + 1, sum);
    sum = crc32c(value.c_str(), value.size() + 1, sum);
  }
  return sum_text(sum);
}

/// Receives the header event by event and accepts nothing but the shape a header has. It keeps no tree, so nesting and
/// repeated keys are found where they occur.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<TensorEntry> tensors;
  Metadata metadata;
  std::string problem;

  bool null() override { return fail("a null"); }
  bool boolean(bool) override { return fail("a boolean"); }
  bool number_integer(number_integer_t) override { return fail("a negative number"); }
  bool number_float(number_float_t, string_t const&) override { return fail("a number that is not a plain integer"); }
  bool binary(binary_t&) override { return fail("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::shape) {
      if (tensors.back().shape.size() == largest_rank) return refuse("has more than 8 axes");
      tensors.back().shape.push_back(value);
      return true;
    }
    if (state_ == State::offsets && offsets_ < 2) {
      (offsets_++ == 0 ? tensors.back().begin : tensors.back().end) = value;
      return true;
    }
    return fail("a number");
  }

  bool string(string_t& value) override {
    if (state_ == State::metadata_value) {
      metadata[key_] = value;
      state_ = State::metadata;
      return true;
    }
    if (state_ == State::type) {
      tensors.back().type = value;
      state_ = State::entry;
      return true;
    }
    return fail("a string");
  }

  bool start_object(std::size_t) override {
    if (state_ == State::before) return enter(State::header);
    if (state_ == State::metadata_object) return enter(State::metadata);
    if (state_ == State::entry_object) return enter(State::entry);
    return fail("an object");
  }

  bool key(string_t& name) override {
    if (state_ == State::header) {
      if (name.empty() || name.size() > longest_name || printable(name, longest_name) != name)
        return fail("a tensor name that is empty, too long or not printable: " + detail::quoted(name));
      if (!names_.insert(name).second) return fail("the name " + detail::quoted(name) + " twice");
      if (name == "__metadata__") return enter(State::metadata_object);
      tensors.push_back({name, "", {}, 0, 0});
      fields_ = 0;
      return enter(State::entry_object);
    }
    if (state_ == State::metadata) {
      if (metadata.contains(name)) return fail("the metadata key " + detail::quoted(name) + " twice");
      key_ = name;
      return enter(State::metadata_value);
    }
    if (state_ == State::entry) {
      int const field = name == "dtype" ? 1 : name == "shape" ? 2 : name == "data_offsets" ? 4 : 0;
      if (field == 0) return refuse("has the unknown property " + detail::quoted(name));
      if (fields_ & field) return refuse("has the property " + detail::quoted(name) + " twice");
      fields_ |= field;
      offsets_ = 0;
      return enter(field == 1 ? State::type : field == 2 ? State::shape_array : State::offsets_array);
    }
    return fail("a key");
  }

  bool end_object() override {
    if (state_ == State::header) return enter(State::after);
    if (state_ == State::metadata) return enter(State::header);
    if (state_ == State::entry) {
      if (fields_ != 7) return refuse("lacks dtype, shape or data_offsets");
      return enter(State::header);
    }
    return fail("an end");
  }

  bool start_array(std::size_t) override {
    if (state_ == State::shape_array) return enter(State::shape);
    if (state_ == State::offsets_array) return enter(State::offsets);
    return fail("an array");
  }

  bool end_array() override {
    if (state_ == State::offsets && offsets_ != 2) return refuse("has not two data_offsets");
    if (state_ == State::shape || state_ == State::offsets) return enter(State::entry);
    return fail("an end");
  }

  bool parse_error(std::size_t position, std::string const&, nlohmann::json::exception const&) override {
    problem = "the header is not valid JSON (at byte " + decimal(position) + " of it)";
    return false;
  }

 private:
  enum class State {
    before,
    header,
    metadata_object,
    metadata,
    metadata_value,
    entry_object,
    entry,
    type,
    shape_array,
    shape,
    offsets_array,
    offsets,
    after
  };

  bool enter(State state) {
    state_ = state;
    return true;
  }
  bool fail(std::string const& found) {
    problem = "the header is not that of a safetensors file (found " + found + " where none belongs)";
    return false;
  }
  bool refuse(std::string const& what) {
    problem = "tensor " + detail::quoted(tensors.back().name) + " " + what;
    return false;
  }

  State state_ = State::before;
  std::set<std::string> names_;
  std::string key_;
  int fields_ = 0;
  int offsets_ = 0;
};

}  // namespace detail

/// A file of tensors, opened and its header proven: the tensors themselves are read one by one.
/// Throws   InputError naming the file and what is wrong with it.
class TensorFile {
 public:
  explicit TensorFile(std::string path) : path_(std::move(path)) {
    if (path_.empty()) throw InputError("the weights have an empty name; give a file name");
    if (path_.find('\0') != std::string::npos) refuse("the name contains a NUL byte");
    fd_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);  // O_NONBLOCK: a FIFO must not block
    if (fd_ < 0) refuse("cannot be opened (" + detail::reason(errno) + ")");
    try {
      read_header();
      check_tensors();
      check_metadata();
    } catch (...) {
      ::close(fd_);
      throw;
    }
  }
  TensorFile(TensorFile&& other) noexcept
      : path_(std::move(other.path_)),
        fd_(std::exchange(other.fd_, -1)),
        data_(other.data_),
        data_bytes_(other.data_bytes_),
        tensors_(std::move(other.tensors_)),
        metadata_(std::move(other.metadata_)) {}
  TensorFile(TensorFile const&) = delete;
  TensorFile& operator=(TensorFile const&) = delete;
  TensorFile& operator=(TensorFile&&) = delete;
  ~TensorFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  std::string const& path() const { return path_; }

  /// In the order of their names.
  std::vector<TensorEntry> const& tensors() const { return tensors_; }

  /// What was given to the writer; without the library's own keys.
  Metadata metadata() const {
    Metadata user;
    for (auto const& [key, value] : metadata_)
      if (!detail::is_reserved(key)) user.emplace(key, value);
    return user;
  }

  /// Null if there is none.
  TensorEntry const* find(std::string const& name) const {
    auto const at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                     [](TensorEntry const& e, std::string const& n) { return e.name < n; });
    return at != tensors_.end() && at->name == name ? &*at : nullptr;
  }

  /// The numbers of a tensor of type F32 or F64 (converted if Scalar is the other one), or of exactly the type of Scalar.
  /// Its checksum is verified.
  template <class Scalar>
  std::vector<Scalar> read(TensorEntry const& entry) const {
    if constexpr (std::is_floating_point_v<Scalar>) {
      if (entry.type == "F32") return converted<Scalar, float>(entry);
      if (entry.type == "F64") return converted<Scalar, double>(entry);
    } else {
      static_assert(std::is_same_v<Scalar, std::uint64_t>, "heliograd::io::TensorFile: F32, F64 and U64 are read");
      if (entry.type == "U64") return converted<Scalar, std::uint64_t>(entry);
    }
    refuse("tensor " + detail::quoted(entry.name) + " has a type that is not read here (found " +
           detail::printable(entry.type) + ", expected " + (std::is_floating_point_v<Scalar> ? "F32 or F64" : "U64") +
           ")");
  }

  /// Reads everything and verifies every checksum.
  void verify() const {
    for (TensorEntry const& entry : tensors_) static_cast<void>(bytes_of(entry));
  }

  [[noreturn]] void refuse(std::string const& what) const {
    throw InputError(detail::printable_path(path_) + ": " + what);
  }

 private:
  void read_header() {
    struct stat info{};
    if (::fstat(fd_, &info) != 0) refuse("cannot be examined (" + detail::reason(errno) + ")");
    if (S_ISDIR(info.st_mode)) refuse("is a folder, not a file");
    if (!S_ISREG(info.st_mode)) refuse("is not a regular file (a device, pipe or socket)");
    auto const size = static_cast<std::uint64_t>(info.st_size);
    if (size < 8) refuse("is too short for a safetensors file (found " + detail::decimal(size) + " bytes)");
    unsigned char prefix[8];
    pread_all(0, prefix, 8);
    if (std::memcmp(prefix, "PK\x03\x04", 4) == 0)
      refuse("is a zip archive, as PyTorch writes them, not a safetensors file; convert it first");
    if (prefix[0] == 0x80 && prefix[1] <= 5) refuse("is a Python pickle, not a safetensors file; convert it first");
    std::uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | prefix[i];
    if (length > size - 8)
      refuse("is no safetensors file, or cut (found a header of " + detail::decimal(length) + " bytes in a file of " +
             detail::decimal(size) + ")");
    if (length > detail::largest_header)
      refuse("has an absurd header (found " + detail::decimal(length) + " bytes, expected at most " +
             detail::decimal(detail::largest_header) + ")");
    std::string text(static_cast<std::size_t>(length), '\0');
    pread_all(8, text.data(), text.size());
    if (text.empty() || text[0] != '{') refuse("is not a safetensors file (its header is not a JSON object)");
    detail::HeaderReader header;
    if (!nlohmann::json::sax_parse(text, &header)) refuse(header.problem);
    data_ = 8 + length;
    data_bytes_ = size - data_;
    tensors_ = std::move(header.tensors);
    metadata_ = std::move(header.metadata);
  }

  void check_tensors() {
    std::sort(tensors_.begin(), tensors_.end(),
              [](auto const& a, auto const& b) { return std::pair{a.begin, a.end} < std::pair{b.begin, b.end}; });
    std::uint64_t covered = 0;
    for (TensorEntry const& entry : tensors_) {
      std::string const who = "tensor " + detail::quoted(entry.name);
      std::uint64_t bytes = detail::type_bytes(entry.type);
      if (bytes == 0) refuse(who + " has an unknown type (found " + detail::quoted(entry.type) + ")");
      for (std::uint64_t const extent : entry.shape) {
        if (extent == 0) refuse(who + " has no elements (found shape " + detail::shape_text(entry.shape) + ")");
        if (bytes > data_bytes_ / extent)
          refuse(who + " is larger than the file (found shape " + detail::shape_text(entry.shape) + ")");
        bytes *= extent;
      }
      if (entry.begin != covered)
        refuse(who + (entry.begin < covered ? " overlaps another one" : " leaves a gap before it") + " (found offset " +
               detail::decimal(entry.begin) + ", expected " + detail::decimal(covered) + ")");
      if (entry.end < entry.begin || entry.end - entry.begin != bytes)
        refuse(who + " has offsets that do not fit its shape (found " + detail::decimal(entry.begin) + " to " +
               detail::decimal(entry.end) + ", expected " + detail::decimal(bytes) + " bytes)");
      if (entry.end > data_bytes_)
        refuse(who + " is cut (found " + detail::decimal(data_bytes_) +
               " bytes of numbers in the file, expected at least " + detail::decimal(entry.end) + ")");
      covered = entry.end;
    }
    if (covered != data_bytes_)
      refuse("has " + detail::decimal(data_bytes_ - covered) + " bytes after its last tensor that belong to nothing");
    std::sort(tensors_.begin(), tensors_.end(), [](auto const& a, auto const& b) { return a.name < b.name; });
  }

  void check_metadata() {
    auto const format = metadata_.find(detail::format_key);
    if (format == metadata_.end()) {  // written by others: there are no checksums
      for (auto const& [key, value] : metadata_)
        if (detail::is_reserved(key)) refuse("is damaged: it has metadata of heliograd but no format");
      return;
    }
    if (format->second != detail::decimal(detail::format_version))
      refuse("was written by another version of heliograd (found format " + detail::printable(format->second) +
             ", expected " + detail::decimal(detail::format_version) + "); update heliograd");
    auto const sum = metadata_.find(detail::metadata_sum_key);
    if (sum == metadata_.end() || sum->second != detail::metadata_sum(metadata_))
      refuse("is damaged: its metadata and their checksum disagree");
    for (TensorEntry const& entry : tensors_)
      if (!metadata_.contains(detail::sum_prefix + entry.name))
        refuse("is damaged: tensor " + detail::quoted(entry.name) + " has no checksum");
  }

  std::vector<std::byte> bytes_of(TensorEntry const& entry) const {
    std::vector<std::byte> bytes(static_cast<std::size_t>(entry.end - entry.begin));
    pread_all(data_ + entry.begin, bytes.data(), bytes.size());
    auto const sum = metadata_.find(detail::sum_prefix + entry.name);
    if (metadata_.contains(detail::format_key) && sum->second != detail::sum_text(crc32c(bytes.data(), bytes.size())))
      refuse("is damaged: tensor " + detail::quoted(entry.name) + " and its checksum disagree");
    return bytes;
  }

  template <class Scalar, class Stored>
  std::vector<Scalar> converted(TensorEntry const& entry) const {
    auto const bytes = bytes_of(entry);
    std::vector<Stored> stored(bytes.size() / sizeof(Stored));
    if (!stored.empty()) std::memcpy(stored.data(), bytes.data(), bytes.size());
    if constexpr (std::is_same_v<Scalar, Stored>) {
      return stored;
    } else {
      std::vector<Scalar> values(stored.size());
      std::transform(stored.begin(), stored.end(), values.begin(), [](Stored x) { return static_cast<Scalar>(x); });
      return values;
    }
  }

  void pread_all(std::uint64_t offset, void* into, std::size_t bytes) const {
    auto* to = static_cast<char*>(into);
    while (bytes > 0) {
      ssize_t const done = ::pread(fd_, to, std::min(bytes, std::size_t{1} << 30), static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) refuse("cannot be read (" + detail::reason(errno) + ")");
      if (done == 0) refuse("became shorter while it was read");
      to += done;
      offset += static_cast<std::uint64_t>(done);
      bytes -= static_cast<std::size_t>(done);
    }
  }

  std::string path_;
  int fd_ = -1;
  std::uint64_t data_ = 0;
  std::uint64_t data_bytes_ = 0;
  std::vector<TensorEntry> tensors_;
  Metadata metadata_;
};

/// Collects tensors and writes them to a file that is complete and proven, or not there.
class TensorWriter {
 public:
  /// A tensor's numbers in row-major order. Names must be printable ASCII and differ.
  template <class Scalar>
  void add(std::string const& name, std::vector<std::uint64_t> const& shape, std::vector<Scalar> const& values) {
    static_assert(
        std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double> || std::is_same_v<Scalar, std::uint64_t>,
        "heliograd::io::TensorWriter: F32, F64 and U64 are written");
    expect(!name.empty() && name.size() <= detail::longest_name &&
               detail::printable(name, detail::longest_name) == name && name != "__metadata__",
           "TensorWriter: " + detail::quoted(name) + " cannot be a tensor's name");
    for (auto const& [entry, data] : tensors_)
      expect(entry.name != name, "TensorWriter: tensor " + detail::quoted(name) + " was added twice");
    std::vector<std::byte> bytes(values.size() * sizeof(Scalar));
    if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    std::string const type = std::is_same_v<Scalar, float> ? "F32" : std::is_same_v<Scalar, double> ? "F64" : "U64";
    tensors_.push_back({{name, type, shape, bytes_, bytes_ + bytes.size()}, std::move(bytes)});
    bytes_ = tensors_.back().first.end;
  }

  /// Writes to a temporary name, reads back and compares all checksums, and renames.
  /// Throws   OutputError if that fails; what stood there before is then untouched.
  void write(std::string const& path, Metadata const& user_metadata, AtomicFileOptions const& options) const {
    Metadata metadata;
    for (auto const& [key, value] : user_metadata) {
      expect(!detail::is_reserved(key),
             "TensorWriter: the metadata key " + detail::quoted(key) + " is the library's own");
      metadata.emplace(key, value);
    }
    metadata[detail::format_key] = detail::decimal(detail::format_version);
    metadata[detail::version_key] = detail::decimal(HELIOGRAD_VERSION_MAJOR) + "." +
                                    detail::decimal(HELIOGRAD_VERSION_MINOR) + "." +
                                    detail::decimal(HELIOGRAD_VERSION_PATCH);
    nlohmann::ordered_json header;
    header["__metadata__"] = nlohmann::ordered_json::object();
    for (auto const& [entry, data] : tensors_) {
      metadata[detail::sum_prefix + entry.name] = detail::sum_text(crc32c(data.data(), data.size()));
      header[entry.name] = {{"dtype", entry.type}, {"shape", entry.shape}, {"data_offsets", {entry.begin, entry.end}}};
    }
    metadata[detail::metadata_sum_key] = detail::metadata_sum(metadata);
    for (auto const& [key, value] : metadata) header["__metadata__"][key] = value;
    std::string text;
    try {
      text = header.dump();
    } catch (nlohmann::json::exception const&) {
      throw UsageError("TensorWriter: the metadata are not valid UTF-8");
    }
    text.resize((text.size() + 8 + 63) / 64 * 64 - 8, ' ');  // the numbers begin at a multiple of 64 bytes

    AtomicFile file(path, options);
    unsigned char prefix[8];
    for (std::size_t i = 0; i < 8; ++i) prefix[i] = static_cast<unsigned char>(std::uint64_t{text.size()} >> (8 * i));
    file.append(prefix, 8);
    file.append(text.data(), text.size());
    for (auto const& [entry, data] : tensors_) file.append(data.data(), data.size());
    file.commit([](std::string const& temporary) { TensorFile(temporary).verify(); });
  }

 private:
  std::vector<std::pair<TensorEntry, std::vector<std::byte>>> tensors_;
  std::uint64_t bytes_ = 0;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::io
