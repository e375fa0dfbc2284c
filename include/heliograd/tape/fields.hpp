// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <heliograd/tape/param.hpp>

/// \file
/// Models are plain structs. `HELIOGRAD_FIELDS(conv1, conv2)` inside a struct names its data members, which gives every
/// parameter below it a path ("body.conv1.weight") for files, optimisers and messages, without registration.
///
/// \code
/// template <class B>
/// struct Block {
///   nn::Conv2d<B> conv1, conv2;
///   HELIOGRAD_FIELDS(conv1, conv2)
/// };
/// \endcode
///
/// Leaving a member out is a compile error. Members may be parameters, tensors of state (walked by `for_each_buffer`), other
/// models, std::vectors of these (paths "blocks.0.conv1.weight"), and plain options, which the walks pass over.

// A macro that expands its argument once per name; 4 * 4 * 4 * 4 rescans serve structs of up to 85 members.
#define HELIOGRAD_DETAIL_PARENTHESES ()
#define HELIOGRAD_DETAIL_RESCAN(...) \
  HELIOGRAD_DETAIL_RESCAN3(HELIOGRAD_DETAIL_RESCAN3(HELIOGRAD_DETAIL_RESCAN3(HELIOGRAD_DETAIL_RESCAN3(__VA_ARGS__))))
#define HELIOGRAD_DETAIL_RESCAN3(...) \
  HELIOGRAD_DETAIL_RESCAN2(HELIOGRAD_DETAIL_RESCAN2(HELIOGRAD_DETAIL_RESCAN2(HELIOGRAD_DETAIL_RESCAN2(__VA_ARGS__))))
#define HELIOGRAD_DETAIL_RESCAN2(...) \
  HELIOGRAD_DETAIL_RESCAN1(HELIOGRAD_DETAIL_RESCAN1(HELIOGRAD_DETAIL_RESCAN1(HELIOGRAD_DETAIL_RESCAN1(__VA_ARGS__))))
#define HELIOGRAD_DETAIL_RESCAN1(...) __VA_ARGS__
#define HELIOGRAD_DETAIL_FOR_EACH(macro, ...) \
  __VA_OPT__(HELIOGRAD_DETAIL_RESCAN(HELIOGRAD_DETAIL_FOR_EACH_STEP(macro, __VA_ARGS__)))
#define HELIOGRAD_DETAIL_FOR_EACH_STEP(macro, first, ...) \
  macro(first) __VA_OPT__(HELIOGRAD_DETAIL_FOR_EACH_AGAIN HELIOGRAD_DETAIL_PARENTHESES(macro, __VA_ARGS__))
#define HELIOGRAD_DETAIL_FOR_EACH_AGAIN() HELIOGRAD_DETAIL_FOR_EACH_STEP
#define HELIOGRAD_DETAIL_COUNT(name) +1
#define HELIOGRAD_DETAIL_VISIT(name) visit(#name, self.name...);

/// Names the data members of an aggregate, in any order.
#define HELIOGRAD_FIELDS(...)                                                                          \
  static constexpr int field_count = 0 HELIOGRAD_DETAIL_FOR_EACH(HELIOGRAD_DETAIL_COUNT, __VA_ARGS__); \
  template <class Visit, class... Self>                                                                \
  static void for_each_field(Visit&& visit, Self&... self) {                                           \
    HELIOGRAD_DETAIL_FOR_EACH(HELIOGRAD_DETAIL_VISIT, __VA_ARGS__)                                     \
  }

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

template <class T>
inline constexpr bool is_param = false;
template <int Rank, class B>
inline constexpr bool is_param<Param<Rank, B>> = true;

template <class T>
inline constexpr bool is_vector = false;
template <class T, class Allocator>
inline constexpr bool is_vector<std::vector<T, Allocator>> = true;

struct AnyField {
  template <class T>
  constexpr operator T&() const&&;
  template <class T>
  constexpr operator T&&() const&&;
};
template <class Aggregate, std::size_t... I>
constexpr bool takes_fields(std::index_sequence<I...>) {
  return requires { Aggregate{(static_cast<void>(I), AnyField{})...}; };
}
/// The number of data members of an aggregate.
template <class Aggregate, std::size_t N = 0>
constexpr std::size_t arity() {
  if constexpr (N < 86 && takes_fields<Aggregate>(std::make_index_sequence<N + 1>{}))
    return arity<Aggregate, N + 1>();
  else
    return N;
}

}  // namespace detail

/// A struct with HELIOGRAD_FIELDS.
template <class Model>
concept Layer = requires { std::remove_cvref_t<Model>::field_count; };

namespace detail {

/// Calls visit(path, leaf, leaves_of_the_others...) for every member at which `is_leaf<Member>` holds, in the order of the
/// fields, in several models of the same structure at once.
template <template <class> class IsLeaf, class Visit, class Model, class... Models>
void walk(std::string const& path, Visit& visit, Model& model, Models&... models) {
  using Plain = std::remove_const_t<Model>;
  if constexpr (IsLeaf<Plain>::value) {
    visit(path, model, models...);
  } else if constexpr (is_vector<Plain>) {
    for (std::size_t i = 0; i < model.size(); ++i)
      walk<IsLeaf>(path + "." + std::to_string(i), visit, model[i], models[i]...);
  } else if constexpr (Layer<Plain>) {
    static_assert(static_cast<std::size_t>(Plain::field_count) == arity<Plain>(),
                  "heliograd: HELIOGRAD_FIELDS must name every data member of the struct, each once");
    auto const visit_field = [&](char const* name, auto&... member) {
      walk<IsLeaf>(path.empty() ? std::string(name) : path + "." + name, visit, member...);
    };
    Plain::for_each_field(visit_field, model, models...);
  }
}

template <class T>
struct IsParam : std::bool_constant<is_param<T>> {};
template <class T>
struct IsBuffer : std::bool_constant<Kokkos::is_view<T>::value> {};

}  // namespace detail

/// Calls visit(path, param, params_of_the_others...) for every parameter of a model, in the order of the fields. Further
/// models of the same type (an optimiser's moments, another rank's copy) are walked in step.
template <class Visit, class Model, class... Models>
void for_each_param(Visit&& visit, Model& model, Models&... models) {
  detail::walk<detail::IsParam>(std::string{}, visit, model, models...);
}

/// The same for tensors of state that are saved but not trained: running statistics, power-iteration vectors.
template <class Visit, class Model, class... Models>
void for_each_buffer(Visit&& visit, Model& model, Models&... models) {
  detail::walk<detail::IsBuffer>(std::string{}, visit, model, models...);
}

/// The number of trainable numbers, frozen ones included.
template <class Model>
std::size_t count_params(Model const& model) {
  std::size_t count = 0;
  for_each_param([&](std::string const&, auto const& param) { count += param.value.size(); }, model);
  return count;
}

/// Drops the gradient buffers: no backward kernel is launched for these parameters, and optimisers pass over them.
template <class Model>
void freeze(Model& model) {
  for_each_param([](std::string const&, auto& param) { param.grad = {}; }, model);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
