//===- Arrays.cpp - NumPy arrays as the engine sees them --------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Strides in bytes become strides in elements, without copies. Few arrays need
// one: those that are not aligned, or whose strides are no multiple of an
// element (fields of records).
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"

#include <nanobind/stl/string.h>

#include <cstring>

using namespace keops;
using namespace keops::python;
namespace nb = nanobind;

const NumPy &NumPy::get() {
  // Never destroyed: the interpreter may be gone by then.
  static const NumPy &names = *[] {
    nb::module_ numpy = nb::module_::import_("numpy");
    return new NumPy{numpy.attr("ndarray"), numpy.attr("ma").attr("MaskedArray"),
                     numpy.attr("array"),   numpy.attr("empty"),
                     numpy.attr("copyto"),  {numpy.attr("float32"), numpy.attr("float64"), numpy.attr("int64")}};
  }();
  return names;
}

void keops::python::raise(PyObject *type, const std::string &message) {
  PyErr_SetString(type, message.c_str());
  throw nb::python_error();
}

std::string keops::python::shapeText(const int64_t *shape, size_t ndim) {
  std::string text = "(";
  for (size_t axis = 0; axis < ndim; ++axis)
    text += (axis ? ", " : "") + std::to_string(shape[axis]);
  return text + (ndim == 1 ? ",)" : ")");
}

//===----------------------------------------------------------------------===//
// Arrays that come in
//===----------------------------------------------------------------------===//

bool ArrayView::tryHold(nb::handle object) {
  const NumPy &numpy = NumPy::get();
  auto *type = reinterpret_cast<PyObject *>(Py_TYPE(object.ptr()));
  if (type != numpy.ndarray.ptr() && (PyObject_IsInstance(object.ptr(), numpy.ndarray.ptr()) != 1 ||
                                      PyObject_IsInstance(object.ptr(), numpy.MaskedArray.ptr()) != 0))
    return false;
  if (PyObject_GetBuffer(object.ptr(), &buffer, PyBUF_RECORDS_RO) != 0) {
    buffer.obj = nullptr;
    PyErr_Clear();
    return false;
  }
  // One letter, for no structure, after one that says how it is aligned; not '<' or '>', for foreign byte order.
  const char *format = buffer.format ? buffer.format : "B";
  if (*format && std::strchr("@=^", *format))
    ++format;
  if (!format[0] || format[1])
    return false;
  switch (format[0]) {
  case 'f':
    elementType = DType::F32;
    return true;
  case 'd':
    elementType = DType::F64;
    return true;
  case 'l':
  case 'q':
    elementType = DType::I64;
    return buffer.itemsize == 8;
  default:
    return false;
  }
}

void ArrayView::refuse(nb::handle object, const std::string &what) {
  const NumPy &numpy = NumPy::get();
  if (PyObject_IsInstance(object.ptr(), numpy.ndarray.ptr()) != 1)
    raise(PyExc_TypeError,
          what + ": expected a NumPy array, got " + nb::cast<std::string>(nb::str(object.type().attr("__name__"))));
  if (PyObject_IsInstance(object.ptr(), numpy.MaskedArray.ptr()) != 0)
    raise(PyExc_TypeError, what + ": expected a NumPy array, got a masked array, whose mask would have no effect; "
                                  "pass its .data or .filled(value)");
  nb::object dtype = object.attr("dtype");
  std::string type = nb::cast<std::string>(nb::str(nb::handle(dtype)));
  if (type == "float16")
    raise(PyExc_NotImplementedError, what + ": expected dtype float32 or float64, got float16, which is not supported");
  raise(PyExc_TypeError, what + ": expected dtype float32 or float64 in native byte order, got " + type);
}

std::string ArrayView::shapeText() const {
  std::vector<int64_t> sizes(buffer.shape, buffer.shape + buffer.ndim);
  return python::shapeText(sizes.data(), sizes.size());
}

std::pair<uintptr_t, uintptr_t> ArrayView::extent() const {
  auto begin = reinterpret_cast<uintptr_t>(buffer.buf), end = begin + buffer.itemsize;
  for (int axis = 0; axis < buffer.ndim; ++axis) {
    if (buffer.shape[axis] == 0)
      return {0, 0};
    int64_t reach = (buffer.shape[axis] - 1) * buffer.strides[axis];
    (reach < 0 ? begin : end) += reach;
  }
  return {begin, end};
}

ConstArray ArrayView::toEngine(int coreAxes, std::vector<nb::object> &copies) const {
  ConstArray array;
  array.data = buffer.buf;
  array.type = elementType;
  int batchAxes = buffer.ndim - coreAxes;
  array.rows = coreAxes == 2 ? buffer.shape[batchAxes] : 1;
  array.dim = buffer.shape[buffer.ndim - 1];
  bool isStrided = isAligned();
  int64_t size = 1;
  // Strides along axes of one element mean nothing, and NumPy lets them be anything.
  auto strideOf = [&](int axis) -> int64_t {
    if (buffer.shape[axis] <= 1)
      return 0;
    isStrided &= buffer.strides[axis] % buffer.itemsize == 0;
    return buffer.strides[axis] / buffer.itemsize;
  };
  for (int axis = 0; axis < buffer.ndim; ++axis) {
    int64_t stride = strideOf(axis);
    size *= buffer.shape[axis];
    if (axis < batchAxes)
      array.batch.push_back({buffer.shape[axis], stride});
    else if (axis == buffer.ndim - 1)
      array.componentStride = stride;
    else
      array.rowStride = stride;
  }
  if (isStrided || size == 0)
    return array;
  auto [copy, memory] = makeArray(buffer.shape, buffer.ndim, array.type);
  NumPy::get().copyto(copy, nb::handle(buffer.obj));
  array.data = memory;
  array.rowStride.reset();
  array.componentStride.reset();
  int64_t stride = array.rows * array.dim;
  for (auto axis = array.batch.rbegin(); axis != array.batch.rend(); ++axis) {
    axis->stride = stride;
    stride *= axis->size;
  }
  copies.push_back(std::move(copy));
  return array;
}

//===----------------------------------------------------------------------===//
// Arrays that go out
//===----------------------------------------------------------------------===//

std::pair<nb::object, void *> keops::python::makeArray(const int64_t *shape, size_t ndim, DType type) {
  const NumPy &numpy = NumPy::get();
  nb::object sizes = nb::steal(PyTuple_New(ndim));
  for (size_t axis = 0; axis < ndim; ++axis)
    PyTuple_SET_ITEM(sizes.ptr(), axis, PyLong_FromLongLong(shape[axis]));
  PyObject *arguments[] = {sizes.ptr(), numpy.typeObject(type).ptr()};
  nb::object array = nb::steal(PyObject_Vectorcall(numpy.empty.ptr(), arguments, 2, nullptr));
  Py_buffer buffer;
  if (!array.is_valid() || PyObject_GetBuffer(array.ptr(), &buffer, PyBUF_WRITABLE) != 0)
    throw nb::python_error();
  // A fresh array keeps its memory; nobody else can resize it yet.
  void *memory = buffer.buf;
  PyBuffer_Release(&buffer);
  return {std::move(array), memory};
}
