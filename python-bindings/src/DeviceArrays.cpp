//===- DeviceArrays.cpp - Arrays of a GPU as the engine sees them -----------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Libraries describe such arrays in the same words, `__cuda_array_interface__`.
// What differs between them (how to make an array, and on which stream it is
// computed) is asked of keops._device.
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"

#include <nanobind/stl/string.h>

using namespace keops;
using namespace keops::python;
namespace nb = nanobind;

static constexpr const char *kInterface = "__cuda_array_interface__";

static nb::object device(const char *name) { return nb::module_::import_("keops._device").attr(name); }

bool keops::python::isOnDevice(nb::handle object) {
  // Tensors of the processor have the attribute, but asking for it raises an exception.
  bool found = PyObject_HasAttrString(object.ptr(), kInterface) == 1;
  PyErr_Clear();
  return found;
}

int keops::python::deviceNumberOf(nb::handle like) { return nb::cast<int>(device("number")(like)); }

void *keops::python::streamOf(nb::handle like) {
  return reinterpret_cast<void *>(nb::cast<uintptr_t>(device("stream")(like)));
}

/// The type that a string such as "<f4" stands for; none if kernels do not know it.
static std::optional<DType> typeOf(const std::string &text) {
  static constexpr std::pair<const char *, DType> types[] = {{"f4", DType::F32}, {"f8", DType::F64},
                                                             {"i8", DType::I64}, {"f2", DType::F16},
                                                             {"c8", DType::C64}, {"c16", DType::C128}};
  for (auto [name, type] : types)
    if (text == std::string("<") + name)
      return type;
  return std::nullopt;
}

bool ArrayView::tryHoldDevice(nb::handle object) {
  if (!isOnDevice(object))
    return false;
  auto described = nb::cast<nb::dict>(nb::object(object.attr(kInterface)));
  std::optional<DType> type = typeOf(nb::cast<std::string>(described["typestr"]));
  if (!type)
    return false;
  elementType = *type;
  tensor = nb::borrow(object);
  auto data = nb::cast<nb::tuple>(described["data"]);
  auto shape = nb::cast<nb::tuple>(described["shape"]);
  nb::object strides = described.contains("strides") ? nb::object(described["strides"]) : nb::none();
  size_t ndim = shape.size();
  layout.resize(2 * ndim);
  int64_t count = runtime::sizeOf(elementType);
  buffer = {};
  buffer.itemsize = count;
  for (size_t axis = ndim; axis-- > 0;) {
    layout[axis] = nb::cast<Py_ssize_t>(shape[axis]);
    layout[ndim + axis] = strides.is_none() ? count : nb::cast<Py_ssize_t>(strides[axis]);
    count *= layout[axis];
  }
  buffer.buf = reinterpret_cast<void *>(nb::cast<uintptr_t>(data[0]));
  buffer.readonly = nb::cast<bool>(data[1]);
  buffer.len = count;
  buffer.ndim = static_cast<int>(ndim);
  buffer.shape = layout.data();
  buffer.strides = layout.data() + ndim;
  return true;
}

void keops::python::refuseDeviceArray(nb::handle object, const std::string &what) {
  std::string name = nb::cast<std::string>(nb::str(object.type().attr("__name__")));
  if (!isOnDevice(object))
    raise(PyExc_TypeError, what + ": expected an array of a GPU, as argument 0 is, got " + name);
  nb::object described = object.attr(kInterface);
  raise(PyExc_TypeError, what + ": expected dtype float16, float32 or float64, or complex, got " +
                             nb::cast<std::string>(described["typestr"]));
}

std::pair<nb::object, void *> keops::python::makeDeviceArray(const int64_t *shape, size_t ndim, DType type,
                                                             nb::handle like) {
  nb::list sizes;
  for (size_t axis = 0; axis < ndim; ++axis)
    sizes.append(shape[axis]);
  nb::object made = device("empty")(nb::tuple(sizes), runtime::nameOf(type), like);
  nb::object described = made.attr(kInterface);
  auto data = nb::cast<nb::tuple>(described["data"]);
  return {std::move(made), reinterpret_cast<void *>(nb::cast<uintptr_t>(data[0]))};
}
