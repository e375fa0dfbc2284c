// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/base/error.hpp>
#include "commands.hpp"

namespace pix2pix {

int apply(ApplyOptions const&, CommonOptions const&) { throw heliograd::UsageError("apply: is not written yet"); }

}  // namespace pix2pix
