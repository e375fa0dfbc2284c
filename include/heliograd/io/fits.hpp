// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/io/fits_header.hpp>
#include <heliograd/io/fits_reader.hpp>
#include <heliograd/io/fits_units.hpp>
#include <heliograd/io/fits_writer.hpp>
#include <heliograd/io/wcs_cards.hpp>

/// \file
/// FITS images in and out. Needs zlib and nothing else; see docs/guide/files.md for what is read, kept and refused.
