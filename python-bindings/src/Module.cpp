//===- Module.cpp - The compiled half of the package keops ------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Only wires: what Python sees of the other files.
//
//===----------------------------------------------------------------------===//

#include "Call.h"
#include "Engine.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;
using namespace keops::python;

NB_MODULE(_keops, module) {
  module.doc() = "The compiled half of the package keops; import keops or keops.numpy instead.";
  module.attr("__version__") = KEOPS_VERSION;
  protectForks();
  // Here, where the import is the only one: it may hand the interpreter's lock to a thread that waits for its end.
  NumPy::get();
  // Also a ValueError: what the engine refuses is a formula or an array that it was given.
  nb::exception<keops::Error> error(module, "Error", PyExc_ValueError);
  error.attr("__module__") = "keops";
  error.attr("__doc__") =
      "What the compiler or the engine refuses, in a sentence, with the place in the formula if there is one.";

  nb::class_<keops::ReductionKind>(module, "ReductionKind", "What goes with the name of a reduction.")
      .def_ro("name", &keops::ReductionKind::name)
      .def_ro("takes_k", &keops::ReductionKind::takesK)
      .def_prop_ro("weight",
                   [](const keops::ReductionKind &kind) {
                     const char *const words[] = {"none", "optional", "required"};
                     return words[static_cast<int>(kind.weight)];
                   })
      .def_ro("is_sum", &keops::ReductionKind::adds)
      .def_ro("is_computed", &keops::ReductionKind::isComputed);
  module.def("find_reduction", &keops::findReduction, "name"_a, "The reduction of this name, or None.");
  module.def("all_reductions", &keops::allReductions, "All reductions that can be computed.");

  nb::class_<Callable>(module, "Callable", "A reduction, compiled when first called with arrays of some dtype.")
      .def(nb::init<const std::string &, const std::string &, std::vector<std::string>, std::vector<std::string>,
                    const std::optional<std::string> &, int64_t, int, std::optional<std::string>, bool,
                    const std::optional<std::string> &>(),
           "name"_a, "formula"_a, "aliases"_a, "declarations"_a, "weight"_a.none(), "k"_a, "axis"_a,
           "accumulator"_a.none(), "compensated"_a, "complex_type"_a.none())
      .def_prop_ro("axis", &Callable::axis, "The index that is reduced: 0 for i, 1 for j.")
      .def("call", &Callable::call, "arguments"_a, "out"_a.none(), "ranges"_a.none(),
           "Checks a tuple of NumPy arrays and computes, into new arrays or into `out`.");
}
