// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <string>

#include <heliograd/core/backend.hpp>
#include <heliograd/io/weights.hpp>
#include "model.hpp"

namespace super_resolution {

/// The program runs wherever this Kokkos runs by default, in single precision.
using Backend = heliograd::Backend<Kokkos::DefaultExecutionSpace, float>;
using Network = SuperResolution<Backend>;

/// A network as read from a file of weights.
struct LoadedNetwork {
  Network model;
  std::string file;
  std::string sha256;    ///< of the whole file, in hexadecimal
  std::string accuracy;  ///< of its convolutions: strict or fast
  heliograd::io::Metadata metadata;
};

/// Reads weights; an empty name means the ones that come with the program for this scale.
/// \param accuracy of the convolutions; empty: as the file says.
/// Throws   InputError naming the file if it is missing, damaged or of another network.
LoadedNetwork load_network(std::string const& file, int scale = 4, std::string const& accuracy = "");

/// Where the weights that come with the program are; throws InputError if they are nowhere.
std::string shipped_weights(int scale);

}  // namespace super_resolution
