// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>

#include <heliograd/io/safetensors.hpp>
#include "about_weights.hpp"
#include "commands.hpp"
#include "presets.hpp"

namespace pix2pix {

int info(InfoOptions const& o, CommonOptions const&) {
  heliograd::io::TensorFile const file(o.file);
  auto const metadata = file.metadata();
  std::size_t parameters = 0;
  for (auto const& tensor : file.tensors()) {
    if (tensor.name.find(".running_") != std::string::npos) continue;  // statistics, not learnt by the optimiser
    std::size_t size = 1;
    for (auto const extent : tensor.shape) size *= extent;
    parameters += size;
  }
  auto const network = metadata.find("network");
  bool const foreign = network == metadata.end() || !network->second.starts_with("pix2pix");
  if (!foreign)
    for (auto const& tensor : file.tensors()) static_cast<void>(file.read<float>(tensor));  // looks at checksums
  examples::print_about_weights(o.file, foreign ? "another program" : network->second, parameters, metadata);
  if (foreign) {
    for (auto const& tensor : file.tensors()) {
      std::string shape;
      for (auto const extent : tensor.shape) shape += (shape.empty() ? "" : " x ") + std::to_string(extent);
      std::printf("  %-50s %s\n", examples::one_line(tensor.name).c_str(), shape.c_str());
    }
    return examples::success;
  }
  System const s = system_from(metadata, o.file, network->second);
  auto const say = [&](char const* what, std::string const& channel) {
    Scaling const scaling = scaling_of(s.preparation, channel);
    std::printf("  %-16s %s", what, channel.c_str());
    if (scaling.law == Scaling::Law::field) std::printf(", +-%g G", scaling.limit);
    if (scaling.law == Scaling::Law::photons) std::printf(", to %g DN/s", std::exp2(scaling.limit) - 1);
    std::printf("\n");
  };
  for (std::string const& channel : s.inputs) say("takes", channel);
  say("gives", s.target);
  return examples::success;
}

}  // namespace pix2pix
