// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

namespace examples {

/// What all commands of all programs understand. Programs with more of that kind derive from it.
struct CommonOptions {
  bool overwrite = false;
  bool quiet = false;
  int threads = 0;  ///< 0: as many as the machine offers
};

}  // namespace examples
