// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

/// The version of heliograd. This is the only place where it is written; the build reads it from here.
#define HELIOGRAD_VERSION_MAJOR 0
#define HELIOGRAD_VERSION_MINOR 1
#define HELIOGRAD_VERSION_PATCH 0
