// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/base/error.hpp>
#include "commands.hpp"

namespace pix2pix {

int import_weights(ImportOptions const&, CommonOptions const&) {
  throw heliograd::UsageError("import: is not written yet");
}

}  // namespace pix2pix
