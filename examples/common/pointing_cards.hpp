// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/io/fits_header.hpp>
#include <heliograd/physics/disk.hpp>

namespace examples {

/// The cards that say where an image with solar north up looks: helioprojective, in arcsec.
inline void set_pointing(heliograd::io::FitsHeader& header, heliograd::physics::Pointing const& pointing) {
  header.set("CTYPE1", "HPLN-TAN");
  header.set("CTYPE2", "HPLT-TAN");
  header.set("CUNIT1", "arcsec");
  header.set("CUNIT2", "arcsec");
  header.set("CRPIX1", pointing.center_x + 1);
  header.set("CRPIX2", pointing.center_y + 1);
  header.set("CRVAL1", 0.0);
  header.set("CRVAL2", 0.0);
  header.set("CDELT1", pointing.xx);
  header.set("CDELT2", pointing.yy);
  header.set("CROTA2", 0.0);
}

}  // namespace examples
