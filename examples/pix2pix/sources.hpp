// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

/// \file
/// Files that sets are made from.
namespace pix2pix {

/// The files among these paths and, sorted by name, those in the folders among them that end in one of `endings`.
/// Throws   InputError for a path that is not there.
std::vector<std::string> files_among(std::vector<std::string> const& paths, std::vector<std::string> const& endings);

/// The same for FITS files.
std::vector<std::string> fits_files(std::vector<std::string> const& paths);

}  // namespace pix2pix
