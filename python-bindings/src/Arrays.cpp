//===- Arrays.cpp - Arrays of Python as the engine sees them ----------------===//
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
#include <optional>
#include <tuple>

using namespace keops;
using namespace keops::python;
namespace nb = nanobind;

NumPy &NumPy::get() {
  // Never destroyed: the interpreter may be gone by then.
  static NumPy &names = *[] {
    nb::module_ numpy = nb::module_::import_("numpy");
    // In the order of DType.
    return new NumPy{numpy.attr("ndarray"),
                     numpy.attr("ma").attr("MaskedArray"),
                     numpy.attr("array"),
                     numpy.attr("asarray"),
                     numpy.attr("from_dlpack"),
                     numpy.attr("empty"),
                     numpy.attr("copyto"),
                     numpy.attr("uint16"),
                     {numpy.attr("float32"), numpy.attr("float64"), numpy.attr("int64"), numpy.attr("float16"),
                      nb::none(), numpy.attr("complex64"), numpy.attr("complex128")}};
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

/// The type that a format of the buffer protocol stands for.
static std::optional<DType> typeOf(const char *format, int64_t bytes) {
  // One letter, or Z and one, for no structure, after one that says how it is aligned; not '<' or '>', for foreign byte
  // order.
  if (*format && std::strchr("@=^", *format))
    ++format;
  static constexpr std::pair<const char *, DType> types[] = {{"f", DType::F32},  {"d", DType::F64}, {"l", DType::I64},
                                                             {"q", DType::I64},  {"e", DType::F16}, {"Zf", DType::C64},
                                                             {"Zd", DType::C128}};
  for (auto [letters, type] : types)
    if (std::strcmp(format, letters) == 0 && bytes == runtime::sizeOf(type))
      return type;
  return std::nullopt;
}

/// bfloat16 has no format, but its arrays can be seen as integers.
bool ArrayView::tryHoldBits(nb::handle object) {
  NumPy &numpy = NumPy::get();
  nb::object type = object.attr("dtype");
  if (nb::cast<std::string>(nb::str(nb::object(type.attr("name")))) != "bfloat16")
    return false;
  nb::object bits = object.attr("view")(numpy.uint16);
  if (PyObject_GetBuffer(bits.ptr(), &buffer, PyBUF_RECORDS_RO) != 0) {
    buffer.obj = nullptr;
    PyErr_Clear();
    return false;
  }
  numpy.typeObject(DType::BF16) = type;
  elementType = DType::BF16;
  return true;
}

bool ArrayView::tryHold(nb::handle object) {
  const NumPy &numpy = NumPy::get();
  auto *type = reinterpret_cast<PyObject *>(Py_TYPE(object.ptr()));
  if (type != numpy.ndarray.ptr() && (PyObject_IsInstance(object.ptr(), numpy.ndarray.ptr()) != 1 ||
                                      PyObject_IsInstance(object.ptr(), numpy.MaskedArray.ptr()) != 0))
    return false;
  if (PyObject_GetBuffer(object.ptr(), &buffer, PyBUF_RECORDS_RO) != 0) {
    buffer.obj = nullptr;
    PyErr_Clear();
    return tryHoldBits(object);
  }
  std::optional<DType> found = typeOf(buffer.format ? buffer.format : "B", buffer.itemsize);
  elementType = found.value_or(DType::F32);
  return found.has_value();
}

/// A NumPy array of the same memory; none if `object` is no array. Memory of a device is refused in the words of the
/// library that owns it.
nb::object ArrayView::shareForeign(nb::handle object, const std::string &what) {
  NumPy &numpy = NumPy::get();
  if (PyObject_IsInstance(object.ptr(), numpy.ndarray.ptr()) == 1)
    return {};
  bool hasDLPack = PyObject_HasAttrString(object.ptr(), "__dlpack__") == 1;
  if (!hasDLPack && !PyObject_CheckBuffer(object.ptr()))
    return {};
  try {
    nb::object array =
        hasDLPack ? numpy.from_dlpack(object) : numpy.asarray(nb::steal(PyMemoryView_FromObject(object.ptr())));
    // Scalars have memory too.
    return nb::cast<int>(array.attr("ndim")) > 0 ? array : nb::object();
  } catch (nb::python_error &error) {
    std::string reason = nb::cast<std::string>(nb::str(error.value()));
    raise(PyExc_TypeError, what + ": expected an array whose memory NumPy can share, got " +
                               nb::cast<std::string>(nb::str(object.type().attr("__name__"))) +
                               ", which says: " + reason.substr(0, reason.find('\n')));
  }
}

void ArrayView::holdForeign(nb::handle object, const std::string &what) {
  nb::object array = shareForeign(object, what);
  if (array.is_valid() && tryHold(array))
    return;
  // Bytes are no array of numbers; other libraries have arrays of other numbers.
  bool isArray = array.is_valid() && PyObject_HasAttrString(object.ptr(), "__dlpack__") == 1;
  refuse(isArray ? nb::handle(array) : object, Library::NumPy, what);
}

void ArrayView::refuse(nb::handle object, Library library, const std::string &what) {
  if (library == Library::Torch)
    refuseTensor(object, what);
  if (library == Library::Device)
    refuseDeviceArray(object, what);
  const NumPy &numpy = NumPy::get();
  if (PyObject_IsInstance(object.ptr(), numpy.ndarray.ptr()) != 1)
    raise(PyExc_TypeError,
          what + ": expected a NumPy array, got " + nb::cast<std::string>(nb::str(object.type().attr("__name__"))));
  if (PyObject_IsInstance(object.ptr(), numpy.MaskedArray.ptr()) != 0)
    raise(PyExc_TypeError, what + ": expected a NumPy array, got a masked array, whose mask would have no effect; "
                                  "pass its .data or .filled(value)");
  nb::object dtype = object.attr("dtype");
  std::string type = nb::cast<std::string>(nb::str(nb::handle(dtype)));
  raise(PyExc_TypeError, what + ": expected dtype " + kNumberTypes + " in native byte order, got " + type);
}

void ArrayView::fillBuffer(void *data, int64_t unit) {
  size_t ndim = layout.size() / 2;
  buffer = {};
  buffer.buf = data;
  buffer.itemsize = runtime::sizeOf(elementType);
  buffer.len = buffer.itemsize;
  for (size_t axis = 0; axis < ndim; ++axis) {
    buffer.len *= layout[axis];
    layout[ndim + axis] *= unit;
  }
  buffer.ndim = static_cast<int>(ndim);
  buffer.shape = layout.data();
  buffer.strides = layout.data() + ndim;
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
  // The parts of complex numbers have one stride only if the numbers lie next to each other.
  if (runtime::partsOf(elementType) == 2 && array.dim > 1)
    isStrided &= array.componentStride == 1;
  if (isStrided || size == 0)
    return array;
  nb::object copy;
  if (tensor.is_valid() && !isTensor)
    raise(PyExc_ValueError,
          "expected arrays of a GPU that are aligned, with strides of whole elements and complex numbers "
          "next to each other, got one of strides that are not; copy it first");
  if (tensor.is_valid()) {
    copy = copyTensor(tensor);
    array.data = reinterpret_cast<const void *>(nb::cast<uintptr_t>(copy.attr("data_ptr")()));
  } else {
    void *memory;
    std::tie(copy, memory) = makeArray(buffer.shape, buffer.ndim, array.type, Library::NumPy);
    nb::object self = nb::borrow(buffer.obj);
    copyInto(copy, elementType == DType::BF16 ? self.attr("view")(NumPy::get().typeObject(elementType)) : self,
             Library::NumPy);
    array.data = memory;
  }
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

std::pair<nb::object, void *> keops::python::makeArray(const int64_t *shape, size_t ndim, DType type, Library library,
                                                       nb::handle like) {
  if (library == Library::Torch)
    return makeTensor(shape, ndim, type, like);
  if (library == Library::Device)
    return makeDeviceArray(shape, ndim, type, like);
  NumPy &numpy = NumPy::get();
  nb::object sizes = nb::steal(PyTuple_New(ndim));
  for (size_t axis = 0; axis < ndim; ++axis)
    PyTuple_SET_ITEM(sizes.ptr(), axis, PyLong_FromLongLong(shape[axis]));
  bool isBits = type == DType::BF16;
  PyObject *arguments[] = {sizes.ptr(), (isBits ? numpy.uint16 : numpy.typeObject(type)).ptr()};
  nb::object array = nb::steal(PyObject_Vectorcall(numpy.empty.ptr(), arguments, 2, nullptr));
  Py_buffer buffer;
  if (!array.is_valid() || PyObject_GetBuffer(array.ptr(), &buffer, PyBUF_WRITABLE) != 0)
    throw nb::python_error();
  // A fresh array keeps its memory; nobody else can resize it yet.
  void *memory = buffer.buf;
  PyBuffer_Release(&buffer);
  if (isBits)
    array = array.attr("view")(numpy.typeObject(type));
  return {std::move(array), memory};
}

void keops::python::copyInto(nb::handle destination, nb::handle source, Library library) {
  if (library == Library::Torch)
    destination.attr("copy_")(source);
  else
    NumPy::get().copyto(destination, source);
}
