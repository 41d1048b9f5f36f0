//===- Destination.cpp - Arrays that users give for results -----------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Destination.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <tuple>

using namespace keops;
using namespace keops::python;
namespace nb = nanobind;

std::string keops::python::deviceText(int device) { return device < 0 ? "cpu" : "cuda:" + std::to_string(device); }

std::string keops::python::nameOfOut(size_t number, size_t count) {
  return count == 1 ? "out" : "out[" + std::to_string(number) + "]";
}

std::vector<nb::handle> keops::python::splitOut(nb::handle out, size_t count, Library library) {
  if (count == 1)
    return {out};
  if (!PyTuple_Check(out.ptr()) && !PyList_Check(out.ptr()))
    raise(PyExc_TypeError, "out: expected a tuple of " + std::to_string(count) +
                               (library == Library::Torch ? " tensors, got " : " NumPy arrays, got ") +
                               nb::cast<std::string>(nb::str(out.type().attr("__name__"))));
  std::vector<nb::handle> arrays;
  for (nb::handle array : out)
    arrays.push_back(array);
  if (arrays.size() != count)
    raise(PyExc_ValueError, "out: expected " + std::to_string(count) + " arrays, got " + std::to_string(arrays.size()));
  return arrays;
}

namespace {
/// What is compared of an array: names, so that nothing has to be computable.
struct Description {
  std::string type;
  std::vector<int64_t> shape;
  std::string device;
};
} // namespace

/// Makes `result` the one of pairs if `given` takes those; throws if it takes neither.
static void fit(const Description &given, const std::string &what, Destination::Result &result,
                const std::string &device) {
  if (result.mayPair && (result.type == DType::F32 || result.type == DType::F64) && result.shape.back() % 2 == 0) {
    DType pairs = result.type == DType::F32 ? DType::C64 : DType::C128;
    if (given.type == runtime::nameOf(pairs)) {
      result.type = pairs;
      result.shape.back() /= 2;
    }
  }
  if (given.type != runtime::nameOf(result.type))
    raise(PyExc_TypeError, what + ": expected dtype " + runtime::nameOf(result.type) + ", got " + given.type);
  if (given.shape != result.shape)
    raise(PyExc_ValueError, what + ": expected an array of shape " +
                                shapeText(result.shape.data(), result.shape.size()) + ", got shape " +
                                shapeText(given.shape.data(), given.shape.size()));
  if (given.device != device)
    raise(PyExc_ValueError,
          what + ": expected a tensor on the device " + device + " as argument 0, got one on " + given.device);
}

Destination::Destination(nb::handle given, const std::string &what, Result result,
                         const std::vector<ArrayView> &arguments, Library library, nb::handle like)
    : given(given), library(library) {
  view.hold(given, library, [&] { return what; });
  Description found{runtime::nameOf(view.type()), {}, deviceText(view.device())};
  for (int axis = 0; axis < view.ndim(); ++axis)
    found.shape.push_back(view.shape(axis));
  fit(found, what, result, deviceText(arguments[0].device()));
  elementType = result.type;
  if (!view.isWriteable())
    raise(PyExc_ValueError, what + ": expected a writeable array, got one that is read-only");
  isDirect = view.isContiguous() && view.isAligned() &&
             std::none_of(arguments.begin(), arguments.end(), [&](const ArrayView &argument) {
               auto [begin, end] = view.extent();
               auto [otherBegin, otherEnd] = argument.extent();
               return begin < otherEnd && otherBegin < end;
             });
  if (!isDirect && library == Library::Device)
    raise(PyExc_ValueError, what + ": expected a contiguous array that shares no memory with the arguments, as it lies "
                                   "on a GPU, got one that does not");
  if (!isDirect)
    std::tie(made, memory) = makeArray(result.shape.data(), result.shape.size(), elementType, library, like);
}

/// Of a tensor of any kind, with memory or without.
static Description describe(nb::handle tensor) {
  auto text = [&](const char *name) { return nb::cast<std::string>(nb::str(nb::object(tensor.attr(name)))); };
  std::string type = text("dtype");
  Description found{type.substr(type.rfind('.') + 1), {}, text("device")};
  // Compilers of graphs have sizes that are more than numbers.
  for (nb::handle size : nb::object(tensor.attr("shape")))
    found.shape.push_back(nb::cast<int64_t>(nb::int_(size)));
  return found;
}

void keops::python::checkTensorOut(nb::handle given, nb::handle result, const std::string &what, bool mayPair) {
  if (!isTensor(given))
    refuseTensor(given, what);
  Description expected = describe(result);
  Destination::Result made{DType::F32, expected.shape, mayPair};
  for (DType type : {DType::F64, DType::I64, DType::F16, DType::BF16, DType::C64, DType::C128})
    if (expected.type == runtime::nameOf(type))
      made.type = type;
  fit(describe(given), what, made, expected.device);
}
