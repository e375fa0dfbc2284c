// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/base/error.hpp>
#include "commands.hpp"

namespace pfss {

int solve(SolveOptions const&, CommonOptions const&) { throw heliograd::UsageError("solve: not there yet"); }

}  // namespace pfss
