// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/base/error.hpp>
#include "commands.hpp"

namespace pfss {

int trace(TraceOptions const&, CommonOptions const&) { throw heliograd::UsageError("trace: not there yet"); }

}  // namespace pfss
