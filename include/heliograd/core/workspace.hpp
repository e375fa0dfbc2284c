// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/core/arena.hpp>
#include <heliograd/core/backend.hpp>
#include <heliograd/core/tensor.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// What a kernel runs with: one execution-space instance, and memory for its intermediate results.
///
/// A dry workspace counts memory instead of taking it and launches nothing. `kernel/launch.hpp` sees to that; a kernel's front
/// must not touch device memory by itself.
///
/// Scratch is taken inside a scope and given back at its end. On asynchronous backends that is safe, because whoever takes
/// the same bytes next enqueues on the same instance, hence later.
template <class B>
class Workspace {
 public:
  using execution_space = typename B::execution_space;
  using memory_space = typename B::memory_space;

  explicit Workspace(execution_space exec = {}, bool dry = false) : exec_(exec), scratch_(dry) {}
  Workspace(Workspace const&) = delete;
  Workspace& operator=(Workspace const&) = delete;

  execution_space const& exec() const { return exec_; }
  bool dry() const { return scratch_.dry(); }

  /// Scratch taken through a scope lives as long as the scope. Scopes nest.
  class Scope {
   public:
    explicit Scope(Arena<memory_space>& arena) : arena_(&arena), mark_(arena.mark()) {}
    Scope(Scope const&) = delete;
    Scope& operator=(Scope const&) = delete;
    ~Scope() { arena_->release(mark_); }

    /// `count` uninitialised objects of a plain type.
    template <class T>
    T* take(std::size_t count) {
      return static_cast<T*>(arena_->take(count * sizeof(T)));
    }

    /// An uninitialised tensor.
    template <int Rank>
    TensorRef<Rank, B> tensor(Shape<Rank> const& shape) {
      return view_at<TensorRef<Rank, B>>(take<typename B::scalar_type>(shape.size()), shape);
    }

   private:
    Arena<memory_space>* arena_;
    typename Arena<memory_space>::Mark mark_;
  };

  Scope scope() { return Scope(scratch_); }
  Arena<memory_space> const& scratch() const { return scratch_; }

 private:
  execution_space exec_;
  Arena<memory_space> scratch_;
};

}  // namespace heliograd::inline HELIOGRAD_ABI
