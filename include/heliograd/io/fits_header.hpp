// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <heliograd/base/config.hpp>
#include <heliograd/base/error.hpp>
#include <heliograd/io/detail/text.hpp>

/// \file
/// The cards of a FITS header: kept as they stand, in their order, with typed reading and writing on top.
namespace heliograd::inline HELIOGRAD_ABI::io {

namespace detail {

inline constexpr std::size_t card_length = 80;
inline constexpr std::size_t block_length = 2880;

inline std::string_view trim_right(std::string_view text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

inline std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return trim_right(text);
}

/// One card taken apart. `value` is the text of the value without its comment: 'quoted' as it stands for a string.
struct CardParts {
  std::string_view keyword;  ///< without trailing blanks; for HIERARCH cards the whole name after the word HIERARCH
  bool has_value = false;    ///< the card carries a value indicator
  std::string_view value;    ///< trimmed; empty for an undefined value
  std::string_view comment;  ///< what follows the slash, or the text of a commentary card
  bool unterminated = false;
};

inline void split_value(std::string_view field, CardParts& parts) {
  std::size_t begin = 0;
  while (begin < field.size() && field[begin] == ' ') ++begin;
  std::size_t end = begin;
  if (begin < field.size() && field[begin] == '\'') {
    for (end = begin + 1; end < field.size(); ++end) {
      if (field[end] != '\'') continue;
      if (end + 1 < field.size() && field[end + 1] == '\'') {
        ++end;  // two quotes stand for one inside the string
        continue;
      }
      break;
    }
    parts.unterminated = end >= field.size();
    end = std::min(end + 1, field.size());
    parts.value = field.substr(begin, end - begin);
    auto const slash = field.find('/', end);
    if (slash != std::string_view::npos) parts.comment = field.substr(slash + 1);
  } else {
    auto const slash = field.find('/', begin);
    parts.value = trim(field.substr(begin, slash == std::string_view::npos ? slash : slash - begin));
    if (slash != std::string_view::npos) parts.comment = field.substr(slash + 1);
  }
  parts.comment = trim(parts.comment);
}

inline CardParts split_card(std::string_view card) {
  CardParts parts;
  parts.keyword = trim_right(card.substr(0, 8));
  std::string_view const rest = card.size() > 8 ? card.substr(8) : std::string_view{};
  if (parts.keyword == "HIERARCH") {
    auto const equals = rest.find('=');
    if (equals != std::string_view::npos && rest.substr(0, equals).find('\'') == std::string_view::npos) {
      parts.keyword = trim(rest.substr(0, equals));
      parts.has_value = true;
      split_value(rest.substr(equals + 1), parts);
      return parts;
    }
  }
  bool const commentary = parts.keyword.empty() || parts.keyword == "COMMENT" || parts.keyword == "HISTORY";
  if (!commentary && parts.keyword == "CONTINUE") {
    split_value(rest, parts);  // a value without an indicator: only meaningful after the card it continues
  } else if (!commentary && rest.size() >= 2 && rest[0] == '=' && rest[1] == ' ') {
    parts.has_value = true;
    split_value(rest.substr(2), parts);
  } else if (!commentary && rest.size() == 1 && rest[0] == '=') {
    parts.has_value = true;
  } else {
    parts.comment = trim_right(rest);
  }
  return parts;
}

inline bool is_string(std::string_view value) { return !value.empty() && value.front() == '\''; }

/// The text of a quoted value: doubled quotes made single, trailing blanks dropped.
inline std::string unquote(std::string_view value) {
  std::string out;
  for (std::size_t i = 1; i < value.size(); ++i) {
    if (value[i] == '\'') {
      if (i + 1 >= value.size() || value[i + 1] != '\'') break;
      ++i;
    }
    out += value[i];
  }
  out.resize(trim_right(out).size());
  return out;
}

inline std::string quote(std::string_view text) {
  std::string out = "'";
  for (char const c : text) {
    out += c;
    if (c == '\'') out += c;
  }
  if (out.size() < 9) out.resize(9, ' ');  // at least eight characters, as the standard asks of some keywords
  return out + "'";
}

inline std::optional<std::int64_t> to_integer(std::string_view text) {
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '-') return std::nullopt;
  }
  std::int64_t value = 0;
  auto const [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

/// A FITS real: digits, one point, an exponent with E or D. No hexadecimal, no words, no overflow.
inline std::optional<double> to_real(std::string_view text) {
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '-') return std::nullopt;
  }
  if (text.empty() || text.size() > 70) return std::nullopt;
  std::string copy;
  for (char c : text) {
    if (c == 'D' || c == 'd' || c == 'E') c = 'e';
    if (!(c >= '0' && c <= '9') && c != '.' && c != 'e' && c != '-' && c != '+') return std::nullopt;
    copy += c;
  }
  double value = 0;
  auto const [end, problem] = std::from_chars(copy.data(), copy.data() + copy.size(), value);
  if (end != copy.data() + copy.size()) return std::nullopt;
  if (problem == std::errc::result_out_of_range) {  // too small is zero, too large is not a number
    auto const exponent = copy.find('e');
    if (exponent != std::string::npos && exponent + 1 < copy.size() && copy[exponent + 1] == '-') return 0.0;
    return std::nullopt;
  }
  if (problem != std::errc{}) return std::nullopt;
  return value;
}

/// "nan" in any case and with any sign, which several archives write for "not known".
inline bool is_nan_word(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  if (text.size() != 3) return false;
  return (text[0] | 32) == 'n' && (text[1] | 32) == 'a' && (text[2] | 32) == 'n';
}

}  // namespace detail

/// The cards of a header. Each card is its 80 characters as read; what is not changed is written back unchanged, in
/// place. The END card is not stored. Bytes that may not stand in a header (control characters, 8-bit) become '?'.
///
/// Reading: `real`, `integer`, `logical`, `string` give nothing when the keyword is absent, undefined or (for numbers)
/// the word nan, and throw InputError naming the keyword when its value is of another type. The first card counts when
/// a keyword occurs twice. Long strings (CONTINUE) and HIERARCH names are understood; lookups are linear.
class FitsHeader {
 public:
  FitsHeader() = default;

  /// `file` is used in messages only.
  explicit FitsHeader(std::string file) : file_(std::move(file)) {}

  std::size_t size() const noexcept { return cards_.size(); }
  bool empty() const noexcept { return cards_.empty(); }
  /// The 80 characters of a card.
  std::string const& card(std::size_t index) const { return cards_.at(index); }
  std::vector<std::string> const& cards() const noexcept { return cards_; }

  bool contains(std::string_view keyword) const { return find(keyword) != none; }

  std::optional<double> real(std::string_view keyword) const {
    auto const value = value_of(keyword);
    if (!value || detail::is_nan_word(*value)) return std::nullopt;
    if (detail::is_string(*value)) {
      std::string const text = detail::unquote(*value);
      if (text.empty() || detail::is_nan_word(text)) return std::nullopt;
      wrong(keyword, *value, "a number");
    }
    auto const number = detail::to_real(*value);
    if (!number) wrong(keyword, *value, "a number");
    return number;
  }

  /// Accepts a real that is a whole number, such as 4096.0.
  std::optional<std::int64_t> integer(std::string_view keyword) const {
    auto const value = value_of(keyword);
    if (!value || detail::is_nan_word(*value)) return std::nullopt;
    if (auto const number = detail::to_integer(*value)) return number;
    auto const number = detail::to_real(*value);
    if (!number || !(*number >= -9.0e15 && *number <= 9.0e15)) wrong(keyword, *value, "a whole number");
    auto const whole = static_cast<std::int64_t>(*number);
    if (static_cast<double>(whole) != *number) wrong(keyword, *value, "a whole number");
    return whole;
  }

  std::optional<bool> logical(std::string_view keyword) const {
    auto const value = value_of(keyword);
    if (!value) return std::nullopt;
    if (*value == "T") return true;
    if (*value == "F") return false;
    wrong(keyword, *value, "T or F");
  }

  std::optional<std::string> string(std::string_view keyword) const {
    std::size_t const index = find(keyword);
    if (index == none) return std::nullopt;
    auto const parts = detail::split_card(cards_[index]);
    if (!parts.has_value || parts.value.empty()) return std::nullopt;
    if (!detail::is_string(parts.value)) wrong(keyword, parts.value, "a string");
    std::string text = detail::unquote(parts.value);
    std::size_t const end = past_continuation(index);
    for (std::size_t i = index + 1; i < end; ++i) {
      text.pop_back();  // the ampersand
      text += detail::unquote(detail::split_card(cards_[i]).value);
    }
    return text;
  }

  /// The value of any card as text: strings without quotes, numbers and logicals as they stand.
  std::optional<std::string> text(std::string_view keyword) const {
    auto const value = value_of(keyword);
    if (!value) return std::nullopt;
    return detail::is_string(*value) ? string(keyword) : std::optional<std::string>(*value);
  }

  std::string comment(std::string_view keyword) const {
    std::size_t const index = find(keyword);
    return index == none ? std::string{} : std::string(detail::split_card(cards_[index]).comment);
  }

  /// All texts of HISTORY cards, in order.
  std::vector<std::string> history() const { return commentary("HISTORY"); }
  std::vector<std::string> comments() const { return commentary("COMMENT"); }

  /// Sets a value where the keyword stands (keeping the card's comment unless a new one is given), or appends a card.
  void set(std::string_view keyword, double value, std::string_view comment = {}) {
    if (!(value - value == 0.0))
      throw OutputError("FITS card " + detail::printable(keyword) + ": a header cannot hold a non-finite number");
    put(keyword, right_aligned(detail::fits_real(value)), comment);
  }
  void set(std::string_view keyword, std::int64_t value, std::string_view comment = {}) {
    put(keyword, right_aligned(detail::decimal(value)), comment);
  }
  void set(std::string_view keyword, int value, std::string_view comment = {}) {
    set(keyword, static_cast<std::int64_t>(value), comment);
  }
  void set(std::string_view keyword, std::size_t value, std::string_view comment = {}) {
    set(keyword, static_cast<std::int64_t>(value), comment);
  }
  void set(std::string_view keyword, bool value, std::string_view comment = {}) {
    put(keyword, right_aligned(value ? "T" : "F"), comment);
  }
  /// Strings too long for one card continue on CONTINUE cards.
  void set(std::string_view keyword, std::string_view value, std::string_view comment = {}) {
    std::string const text = clean(value);
    if (detail::quote(text).size() <= 70) {
      put(keyword, detail::quote(text), comment);
    } else {
      put_long(keyword, text, comment);
    }
  }
  void set(std::string_view keyword, char const* value, std::string_view comment = {}) {
    set(keyword, std::string_view(value), comment);
  }

  /// Removes every card of a keyword, continuations included. Returns how many there were.
  std::size_t erase(std::string_view keyword) {
    return erase_if([&](std::string_view name) { return name == keyword; });
  }

  /// Removes every card whose keyword the predicate accepts, continuations included. Linear.
  template <class Predicate>
  std::size_t erase_if(Predicate&& drop) {
    std::vector<std::string> kept;
    kept.reserve(cards_.size());
    std::size_t removed = 0;
    for (std::size_t i = 0; i < cards_.size();) {
      std::size_t const end = past_continuation(i);
      if (drop(detail::split_card(cards_[i]).keyword)) {
        ++removed;
      } else {
        for (std::size_t k = i; k < end; ++k) kept.push_back(std::move(cards_[k]));
      }
      i = end;
    }
    cards_ = std::move(kept);
    return removed;
  }

  /// Appends a whole card, padded or clipped to 80 characters.
  void append(std::string_view card) { cards_.push_back(pad(clean(card))); }

  /// Appends HISTORY cards of up to 72 characters each; old lines are never joined, cut or moved.
  void append_history(std::string_view line) { append_commentary("HISTORY ", line); }
  void append_comment(std::string_view line) { append_commentary("COMMENT ", line); }

  /// Puts a card before position `index`, padded or clipped to 80 characters.
  void insert(std::size_t index, std::string_view card) {
    cards_.insert(cards_.begin() + static_cast<std::ptrdiff_t>(std::min(index, cards_.size())), pad(clean(card)));
  }

  /// One card of "keyword = value / comment"; `value` as it shall stand.
  static std::string make_card(std::string_view keyword, std::string_view value, std::string_view comment = {}) {
    std::string card;
    if (keyword.size() <= 8) {
      card = std::string(keyword);
      card.resize(8, ' ');
      card += "= ";
    } else {
      card = "HIERARCH " + std::string(keyword) + " = ";
      value = detail::trim(value);
    }
    card += value;
    if (card.size() > detail::card_length)
      throw OutputError("FITS card " + detail::printable(keyword) + ": the value does not fit into 80 characters");
    if (!comment.empty() && card.size() + 3 < detail::card_length) {
      if (card.size() < 30) card.resize(30, ' ');
      card += " / ";
      card += comment;
    }
    return pad(clean(card));
  }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  static std::string pad(std::string card) {
    card.resize(detail::card_length, ' ');
    return card;
  }

  static std::string clean(std::string_view text) {
    std::string out(text);
    for (char& c : out)
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
    return out;
  }

  static std::string right_aligned(std::string value) {
    if (value.size() < 20) value.insert(0, 20 - value.size(), ' ');
    return value;
  }

  [[noreturn]] void wrong(std::string_view keyword, std::string_view found, char const* expected) const {
    throw InputError((file_.empty() ? std::string("FITS header") : detail::printable_path(file_)) + ": keyword " +
                     detail::printable(keyword) + " (found " + detail::printable(found) + ", expected " + expected +
                     ")");
  }

  std::size_t find(std::string_view keyword) const {
    if (keyword.starts_with("HIERARCH ")) keyword.remove_prefix(9);
    bool const plain = keyword.size() <= 8 && keyword.find(' ') == std::string_view::npos;
    for (std::size_t i = 0; i < cards_.size(); ++i) {
      std::string_view const card = cards_[i];
      bool const here = plain && card.substr(0, keyword.size()) == keyword &&
                        detail::trim_right(card.substr(0, 8)).size() == keyword.size();
      if (here) return i;
      if (card.starts_with("HIERARCH") && detail::split_card(card).keyword == keyword) return i;
    }
    return none;
  }

  std::optional<std::string_view> value_of(std::string_view keyword) const {
    std::size_t const index = find(keyword);
    if (index == none) return std::nullopt;
    auto const parts = detail::split_card(cards_[index]);
    if (!parts.has_value || parts.value.empty()) return std::nullopt;
    return parts.value;
  }

  /// Index after the last CONTINUE card of the string that starts at `index`. A CONTINUE card that follows no string
  /// ending in an ampersand continues nothing.
  std::size_t past_continuation(std::size_t index) const {
    auto const continues = [this](std::size_t i) {
      auto const value = detail::split_card(cards_[i]).value;
      return detail::is_string(value) && detail::unquote(value).ends_with('&');
    };
    if (!detail::split_card(cards_[index]).has_value) return index + 1;
    std::size_t end = index + 1;
    while (end < cards_.size() && cards_[end].starts_with("CONTINUE  ") && continues(end - 1)) ++end;
    return end;
  }

  std::vector<std::string> commentary(std::string_view keyword) const {
    std::vector<std::string> lines;
    for (auto const& card : cards_)
      if (detail::trim_right(std::string_view(card).substr(0, 8)) == keyword)
        lines.emplace_back(detail::trim_right(std::string_view(card).substr(8)));
    return lines;
  }

  void append_commentary(std::string_view keyword, std::string_view line) {
    std::string const text = clean(line);
    std::string_view left = text;
    do {
      std::size_t length = std::min<std::size_t>(left.size(), 72);
      if (left.size() > 72) {  // break at a blank where there is one in the second half
        auto const blank = left.substr(0, 73).rfind(' ');
        if (blank != std::string_view::npos && blank > 36) length = blank;
      }
      cards_.push_back(pad(std::string(keyword) + std::string(left.substr(0, length))));
      left.remove_prefix(length);
      if (!left.empty() && left.front() == ' ') left.remove_prefix(1);
    } while (!left.empty());
  }

  /// Replaces the card (and its continuations) or appends.
  void put(std::string_view keyword, std::string_view value, std::string_view comment) {
    std::size_t const index = find(keyword);
    if (index == none) {
      cards_.push_back(make_card(keyword, value, comment));
      return;
    }
    std::string const kept(comment.empty() ? detail::split_card(cards_[index]).comment : comment);
    std::string card = make_card(keyword, value, kept);
    std::size_t const end = past_continuation(index);
    cards_[index] = std::move(card);
    cards_.erase(cards_.begin() + static_cast<std::ptrdiff_t>(index + 1),
                 cards_.begin() + static_cast<std::ptrdiff_t>(end));
  }

  void put_long(std::string_view keyword, std::string_view text, std::string_view comment) {
    std::vector<std::string> lines;
    std::size_t room = keyword.size() <= 8 ? 67 : (keyword.size() < 60 ? 65 - keyword.size() : 1);
    while (true) {
      std::string piece;
      std::size_t width = 0;
      while (!text.empty() && width + (text.front() == '\'' ? 2u : 1u) <= room) {
        width += text.front() == '\'' ? 2 : 1;
        piece += text.front();
        text.remove_prefix(1);
      }
      bool const last = text.empty();
      std::string value = "'";
      for (char const c : piece) value += c == '\'' ? std::string("''") : std::string(1, c);
      value += last ? "'" : "&'";
      if (lines.empty()) {
        lines.push_back(make_card(keyword, value));
      } else {
        std::string card = "CONTINUE  " + value;
        if (last && !comment.empty() && card.size() + 3 < detail::card_length) card += " / " + clean(comment);
        lines.push_back(pad(card));
      }
      if (last) break;
      room = 67;
    }
    std::size_t index = find(keyword);
    if (index == none) {
      cards_.insert(cards_.end(), lines.begin(), lines.end());
      return;
    }
    auto const begin = cards_.begin() + static_cast<std::ptrdiff_t>(index);
    auto const at = cards_.erase(begin, cards_.begin() + static_cast<std::ptrdiff_t>(past_continuation(index)));
    cards_.insert(at, lines.begin(), lines.end());
  }

  std::string file_;
  std::vector<std::string> cards_;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::io
