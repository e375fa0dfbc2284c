// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/base/error.hpp>

/// \file
/// What the papers found, to be printed beside: means over their own test sets, which are not ours.
namespace pix2pix {

struct Published {
  std::string source;
  std::vector<std::string> columns;
  struct Row {
    std::string name;
    std::vector<double> values;
  };
  std::vector<Row> rows;
};

/// Throws   UsageError for a name that has no table.
inline Published published(std::string const& name) {
  if (name == "park2019")
    return {"Park et al. 2019, ApJL 884 L23: model A, model B",
            {"CC A", "CC B", "RE A", "RE B"},
            {{"aia1700", {.97, .95, .01, .02}},
             {"aia1600", {.94, .92, .11, .11}},
             {"aia304", {.84, .83, -.18, -.17}},
             {"aia171", {.69, .66, -.05, -.04}},
             {"aia193", {.78, .74, .07, .07}},
             {"aia211", {.86, .78, .08, .08}},
             {"aia335", {.86, .85, -.03, .04}},
             {"aia94", {.79, .75, -.03, -.02}},
             {"aia131", {.81, .78, -.04, -.03}}}};
  if (name == "aisfm1")
    return {"Kim et al. 2019, as compared in Park 2022: AIA 304 to HMI",
            {"disk", "active", "quiet"},
            {{"CC of TUMF", {.97, .95, .74}}, {"CC 8x8", {.77, .66, .21}}}};
  if (name == "aisfm2")
    return {"Jeong et al. 2020: AIA 304, 193, 171 to HMI",
            {"disk", "active", "quiet"},
            {{"CC of TUMF", {.99, .95, .98}}, {"CC of net flux", {.86, .93, .97}}, {"CC 8x8", {.81, .79, .62}}}};
  if (name == "sun2023")
    return {"Sun et al. 2023: AIA 304 to HMI, +-200 G; mean and deviation",
            {"PSNR", "+-", "SSIM", "+-", "CC 2x2", "+-"},
            {{"pix2pix", {19.80, 1.65, .59, .04, .49, .11}},
             {"cat attention", {20.49, 1.35, .64, .04, .58, .10}},
             {"RHP attention", {21.03, 1.71, .65, .03, .59, .10}}}};
  if (name == "lim2021")
    return {"Lim et al. 2021: channels selected to give all others; mean and least CC within the disk",
            {"mean CC", "least CC"},
            {{"131", {.84, -1}}, {"131, 1600", {.95, -1}}, {"131, 1600, 304", {.97, .96}}}};
  throw heliograd::UsageError("--against: no table of '" + name.substr(0, 30) +
                              "'; there are park2019, aisfm1, aisfm2, sun2023 and lim2021");
}

}  // namespace pix2pix
