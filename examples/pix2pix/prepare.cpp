// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/base/error.hpp>
#include "commands.hpp"

namespace pix2pix {

int prepare(PrepareOptions const&, CommonOptions const&) { throw heliograd::UsageError("prepare: is not written yet"); }

}  // namespace pix2pix
