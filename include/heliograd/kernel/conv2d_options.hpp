// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include <heliograd/kernel/padding.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// How a convolution is computed on hosts. `automatic` asks the table in kernel/detail/conv2d_choice.hpp.
enum class ConvAlgorithm {
  automatic,
  direct,        ///< every product of the definition, in any geometry
  gemm,          ///< 1x1 filters of stride 1: one matrix product over all pixels
  winograd_f2,   ///< 3x3 filters of stride 1: 16 multiplications instead of 36
  winograd_f4,   ///< 3x3 and 4x4 ones: 36 instead of 144, 49 instead of 256, and about ten times the rounding error
  thin,          ///< at most 8 channels on one side, at least 16 on the other: first and last layers
  taps,          ///< a matrix product for each tap, filters read once as they lie: small images with many channels
  polyphase,     ///< 4x4 to 6x6 filters of stride 2, as 2x2 or 3x3 ones of stride 1 on four phases: 16 instead of 36
  polyphase_f4,  ///< the same with 25 instead of 64 or 36 instead of 144, and about five times the rounding error
};

/// Which algorithms `automatic` may take. `strict`: those whose rounding error is about that of direct sums. `fast`: also
/// those with a relative error of up to 6e-6.
enum class ConvAccuracy { strict, fast };

inline std::string to_string(ConvAlgorithm algorithm) {
  switch (algorithm) {
    case ConvAlgorithm::automatic: return "automatic";
    case ConvAlgorithm::direct: return "direct";
    case ConvAlgorithm::gemm: return "gemm";
    case ConvAlgorithm::winograd_f2: return "winograd_f2";
    case ConvAlgorithm::winograd_f4: return "winograd_f4";
    case ConvAlgorithm::thin: return "thin";
    case ConvAlgorithm::taps: return "taps";
    case ConvAlgorithm::polyphase: return "polyphase";
    case ConvAlgorithm::polyphase_f4: return "polyphase_f4";
  }
  return "unknown";
}

/// How a convolution steps and what it sees outside the image: `{.stride = 2, .padding = 1, .mode = PaddingMode::reflect}`.
struct Conv2dOptions {
  int stride = 1;
  Padding2d padding = {};
  PaddingMode mode = PaddingMode::zero;
  int dilation = 1;  ///< from tap to tap of the filter, in pixels
  int groups = 1;    ///< channels are dealt out to so many independent convolutions; c_in of them: depthwise
  ConvAlgorithm algorithm = ConvAlgorithm::automatic;
  ConvAccuracy accuracy = ConvAccuracy::strict;
};

}  // namespace heliograd::inline HELIOGRAD_ABI
