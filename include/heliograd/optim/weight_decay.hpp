// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI::optim {

/// How a weight is drawn towards zero.
enum class WeightDecay {
  in_gradient,  ///< decay * weight is added to the gradient, as an L2 term of the loss would
  decoupled,    ///< the weight shrinks by learning_rate * decay (Loshchilov, Hutter: AdamW; ICLR 2019)
};

}  // namespace heliograd::inline HELIOGRAD_ABI::optim
