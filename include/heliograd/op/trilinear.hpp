// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/op/linear_map.hpp>

/// \file
/// Bilinear ops: products, matrix products, convolutions.
///
/// A bilinear op z = f(a, b) and its two gradients are three faces of one trilinear form \f$ T(a, b, c) = \langle c, f(a, b)
/// \rangle \f$: each leaves one of the three places free. The gradient of any face are the other two, so a form that knows its
/// three faces can be differentiated to any order.
namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
/// Calls run(first, second) with the arguments in the order of the places they stand for.
template <int PlaceA, int PlaceB, class A, class B, class Run>
void in_order(A const& a, B const& b, Run const& run) {
  if constexpr (PlaceA < PlaceB)
    run(a, b);
  else
    run(b, a);
}
}  // namespace detail

/// The face of a trilinear form with place `Free` (0, 1 or 2) left free; a and b stand in the other two, in order.
///
/// `form` is a struct of plain values with a member `template <int Free, ...> void face(ws, a, b, Sink out) const` for each of
/// the three. Its gradients with respect to a and b are again faces of the form.
template <int Free, class Form, int RankY, int RankA, int RankB, class B>
Var<RankY, B> trilinear(char const* name, Form const& form, Shape<RankY> const& shape, Var<RankA, B> a,
                        Var<RankB, B> b) {
  constexpr int place_a = Free == 0 ? 1 : 0;
  constexpr int place_b = Free == 2 ? 1 : 2;
  Tape<B>& tape = a.tape();
  auto const y = tape.make(shape, a.wants_grad() || b.wants_grad());
  form.template face<Free>(tape.workspace(), a.value, b.value, Sink<RankY, B>{y.value, 0});
  if (y.wants_grad())
    tape.record(
        name, y,
        [=](Tape<B>& t) {
          if (a.wants_grad())
            detail::in_order<Free, place_b>(y.grad(), b.value, [&](auto const& first, auto const& second) {
              form.template face<place_a>(t.workspace(), first, second, t.into(a));
            });
          if (b.wants_grad())
            detail::in_order<Free, place_a>(y.grad(), a.value, [&](auto const& first, auto const& second) {
              form.template face<place_b>(t.workspace(), first, second, t.into(b));
            });
        },
        [=](Tape<B>& t, Var<RankY, B> gy) {
          if (t.wants(a))
            detail::in_order<Free, place_b>(gy, b, [&](auto const& first, auto const& second) {
              t.deliver(a, trilinear<place_a>(name, form, a.shape(), first, second));
            });
          if (t.wants(b))
            detail::in_order<Free, place_a>(gy, a, [&](auto const& first, auto const& second) {
              t.deliver(b, trilinear<place_b>(name, form, b.shape(), first, second));
            });
        });
  return y;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
