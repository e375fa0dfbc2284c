// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/base/error.hpp>
#include "commands.hpp"

namespace pfss {

int compare(CompareOptions const&, CommonOptions const&) { throw heliograd::UsageError("compare: not there yet"); }

}  // namespace pfss
