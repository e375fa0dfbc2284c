// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <stdexcept>
#include <string>

#include <heliograd/base/config.hpp>

/// \file
/// Every exception heliograd throws. All are raised on the host, before any work is enqueued or any file is changed;
/// kernels never throw. A message names what was found, what was expected and, where there is one, the remedy.
namespace heliograd::inline HELIOGRAD_ABI {

/// The root of all heliograd exceptions.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Tensors that do not fit together, found at the boundary of an op: *op: argument has [..], expected [..]*.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// A request that makes no sense: unknown option, contradictory arguments, a tape used out of order.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// A file or the data in it cannot be used: missing, truncated, not what it claims to be.
class InputError : public Error {
 public:
  using Error::Error;
};

/// A result cannot be written. What was there before is untouched.
class OutputError : public Error {
 public:
  using Error::Error;
};

/// A computation left the real numbers or failed to converge.
class NumericalError : public Error {
 public:
  using Error::Error;
};

/// Throws UsageError(message) unless `ok`.
inline void expect(bool ok, std::string const& message) {
  if (!ok) throw UsageError("heliograd: " + message);
}

/// Throws ShapeError(message) unless `ok`.
inline void expect_shape(bool ok, std::string const& message) {
  if (!ok) throw ShapeError("heliograd: " + message);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
