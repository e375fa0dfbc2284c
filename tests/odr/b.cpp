// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "headers_backwards.hpp"
#include "step.hpp"

double step_b() { return odr::step<heliograd::Backend<Kokkos::DefaultExecutionSpace>>(); }
