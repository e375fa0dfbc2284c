// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/base/error.hpp>
#include "commands.hpp"

namespace pix2pix {

int select(SelectOptions const&, CommonOptions const&) { throw heliograd::UsageError("select: is not written yet"); }

}  // namespace pix2pix
