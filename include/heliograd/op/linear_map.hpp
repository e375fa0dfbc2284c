// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/core/accumulate.hpp>
#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

/// Lets a kernel that overwrites deliver into a sink: `write(out)` directly, or by scratch where the sink adds.
template <int Rank, class B, class Write>
void write_into(Workspace<B>& ws, Sink<Rank, B> const& sink, Write const& write) {
  if (sink.beta == typename B::scalar_type(0)) {
    write(sink.out);
    return;
  }
  auto scope = ws.scope();
  auto const contribution = scope.tensor(shape_of(sink.out));
  write(contribution);
  accumulate(ws, sink, contribution);
}

/// A kernel that overwrites, `write(ws, x, y)`, as one that delivers into a sink.
template <class Write>
struct Delivering {
  Write write;
  template <class B, class In, int Rank>
  void operator()(Workspace<B>& ws, In const& x, Sink<Rank, B> const& sink) const {
    write_into(ws, sink, [&](TensorRef<Rank, B> const& y) { write(ws, x, y); });
  }
};

/// y = A x, where `forward` and `adjoint` both deliver into sinks. The gradient is the same op with the two exchanged.
template <int RankY, int Rank, class B, class Forward, class Adjoint>
Var<RankY, B> linear_pair(char const* name, Shape<RankY> const& shape, Var<Rank, B> x, Forward const& forward,
                          Adjoint const& adjoint) {
  Tape<B>& tape = x.tape();
  auto const y = tape.make(shape, x.wants_grad(), Kept::neither);
  forward(tape.workspace(), x.value, Sink<RankY, B>{y.value, 0});
  tape.let_go(x);
  if (y.wants_grad())
    tape.record(
        name, y, [=](Tape<B>& t) { adjoint(t.workspace(), y.grad(), t.into(x)); },
        [=](Tape<B>& t, Var<RankY, B> gy) {
          if (t.wants(x)) t.deliver(x, linear_pair(name, x.shape(), gy, adjoint, forward));
        });
  return y;
}

}  // namespace detail

/// y = A x for a linear A of which kernels know the product with it and with its transpose. Differentiable to any order.
///
/// \param shape of y
/// \param forward `forward(ws, x, y)` overwrites the tensor y with A x.
/// \param adjoint `adjoint(ws, gy, gx)` delivers A^T gy into the Sink gx.
///
/// Both capture plain values only.
template <int RankY, int Rank, class B, class Forward, class Adjoint>
Var<RankY, B> linear_map(char const* name, Shape<RankY> const& shape, Var<Rank, B> x, Forward const& forward,
                         Adjoint const& adjoint) {
  return detail::linear_pair(name, shape, x, detail::Delivering<Forward>{forward}, adjoint);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
