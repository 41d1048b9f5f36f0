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
#include "Progress.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;
using namespace keops::python;

NB_MODULE(_keops, module) {
  module.doc() = "The compiled half of the package keops; import keops or keops.numpy instead.";
  module.attr("__version__") = KEOPS_VERSION;
  protectForks();
  // Operators of PyTorch, and what they call, live as long as the process.
  nb::set_leak_warnings(false);
  module.def("restart", &restart, "folder"_a,
             "Forgets compiled kernels, and keeps further ones in a folder, or in the usual one if that is empty.");
  module.def("cache_folder", &cacheFolder, "Where compiled kernels are kept.");
  module.def("count_gpus", &countGPUs, "How many GPUs there are to compute on.");
  module.def(
      "describe_device_array", &describeDeviceArray, "array"_a.none(), "what"_a,
      "(address, dtype, sizes, strides in bytes, is read-only, what keeps its memory) of an array of a GPU, which "
      "messages call `what`; None of other objects.");
  module.def("load_torch", &loadTorch,
             "Makes calls with tensors possible; to be called when no other thread makes some.");
  module.def("watch", &watch, "callback"_a, "function"_a,
             "function(), and callback(part), from time to time, with the part of each call in it that is done.");
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

  module.def("all_operations", &keops::allOperations,
             "All operations that formulas may call, with what they take: 'Elem(formula, integer)'.");
  module.def(
      "dimension",
      [](const std::string &formula, const std::vector<std::string> &aliases) {
        return keops::Formula::parse(formula, aliases).dim();
      },
      "formula"_a, "aliases"_a = std::vector<std::string>(), "Number of components of a formula.");
  module.def(
      "format_formula",
      [](const std::string &formula, const std::vector<std::string> &aliases) {
        return keops::Formula::parse(formula, aliases).str(aliases);
      },
      "formula"_a, "aliases"_a = std::vector<std::string>(),
      "A formula with operators where text has them, and no parentheses but the needed ones.");

  nb::class_<Callable>(module, "Callable", "A reduction, compiled when first called with arrays of some dtype.")
      .def(nb::init<const std::string &, const std::string &, std::vector<std::string>, std::vector<std::string>,
                    const std::optional<std::string> &, int64_t, int, std::optional<std::string>, bool, bool,
                    const std::optional<std::string> &>(),
           "name"_a, "formula"_a, "aliases"_a, "declarations"_a, "weight"_a.none(), "k"_a, "axis"_a,
           "accumulator"_a.none(), "compensated"_a, "is_fast"_a, "complex_type"_a.none())
      .def_prop_ro("axis", &Callable::axis, "The index that is reduced: 0 for i, 1 for j.")
      .def("describe_code", &Callable::describeCode, "dtype"_a, "phase"_a,
           "The schedule and cost of the code for arrays of a dtype ('explain'), or the program after a phase.")
      .def(
          "call",
          [](Callable &self, nb::tuple arguments, nb::handle out, nb::handle ranges, const std::string &target) {
            return self.call(std::move(arguments), out, ranges, Library::NumPy, target);
          },
          "arguments"_a, "out"_a.none(), "ranges"_a.none(), "target"_a = "",
          "Checks a tuple of NumPy arrays, or of arrays on a GPU, and computes, into new arrays or into `out`.")
      .def(
          "call_tensors",
          [](Callable &self, nb::tuple arguments, nb::handle out, nb::handle ranges, const std::string &target) {
            return self.call(std::move(arguments), out, ranges, Library::Torch, target);
          },
          "arguments"_a, "out"_a.none(), "ranges"_a.none(), "target"_a = "",
          "The same for PyTorch tensors, without their derivatives.")
      .def("check_out", &Callable::checkOut, "out"_a, "results"_a,
           "Raises what a call would, if the tensors `out` cannot take the values of these.")
      .def("derived", &Callable::derived, "arguments"_a, "chains"_a,
           "Derivatives, one result for each chain of (is a tangent, number of the variable, number of the direction), "
           "of arguments (place, dimension), where the place is 0 for i, 1 for j, 2 for a parameter.")
      .def("signature", &Callable::signature, "dtype"_a, "target"_a = "",
           "(place, dimension) of arguments, and (place, shape of a row, is a row number) of results; compiles.");
}
