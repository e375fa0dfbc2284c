// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <complex>
#include <vector>

#include <heliograd/testing/op_case.hpp>

/// \file
/// References written for any number, `T` double or complex, whose derivatives then come from the complex step: branches go by
/// the real part.
namespace test::reference {

template <class T>
using Tensors = std::vector<heliograd::testing::HostTensorOf<T>>;

inline double real_part(double x) { return x; }
inline double real_part(std::complex<double> const& x) { return x.real(); }

template <class T>
T magnitude(T const& x) {
  return real_part(x) < 0 ? -x : x;
}

/// max(x, 0)
template <class T>
T positive_part(T const& x) {
  return real_part(x) > 0 ? x : T(0);
}

/// log(1 + exp(x)), without overflow.
template <class T>
T softplus(T const& x) {
  using std::exp, std::log;
  return positive_part(x) + log(T(1) + exp(-magnitude(x)));
}

}  // namespace test::reference
