// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/base/error.hpp>
#include "commands.hpp"

namespace pix2pix {

int evaluate(EvaluateOptions const&, CommonOptions const&) {
  throw heliograd::UsageError("evaluate: is not written yet");
}

}  // namespace pix2pix
