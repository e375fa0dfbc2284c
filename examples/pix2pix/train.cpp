// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/base/error.hpp>
#include "commands.hpp"

namespace pix2pix {

int train(TrainOptions const&, CommonOptions const&, std::string const&) {
  throw heliograd::UsageError("train: is not written yet");
}

}  // namespace pix2pix
