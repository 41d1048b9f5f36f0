//===- DeviceArrays.cpp - Arrays of a GPU as the engine sees them -----------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Libraries describe such arrays in the same words, `__cuda_array_interface__`,
// or in a capsule of DLPack. What differs between them (how to make an array,
// and on which stream it is computed) is asked of keops._device.
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"
#include "DLPack.h"

#include <nanobind/stl/string.h>

using namespace keops;
using namespace keops::python;
namespace nb = nanobind;

static constexpr const char *kInterface = "__cuda_array_interface__";

static nb::object device(const char *name) { return nb::module_::import_("keops._device").attr(name); }

/// Tensors of the processor have the attribute, but asking for it raises an exception.
static bool hasInterface(nb::handle object) {
  bool found = PyObject_HasAttrString(object.ptr(), kInterface) == 1;
  PyErr_Clear();
  return found;
}

bool keops::python::isOnDevice(nb::handle object) {
  if (hasInterface(object))
    return true;
  constexpr const char *place = "__dlpack_device__";
  if (PyObject_HasAttrString(object.ptr(), place) != 1)
    return false;
  nb::object found = object.attr(place)();
  return PyTuple_Check(found.ptr()) && nb::cast<int>(found[0]) == dlpack::kCuda;
}

int keops::python::deviceNumberOf(nb::handle like) { return nb::cast<int>(device("number")(like)); }

void *keops::python::streamOf(nb::handle arrays) {
  return reinterpret_cast<void *>(nb::cast<uintptr_t>(device("stream")(arrays)));
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

/// What objects raise that do not hand their memory over.
static bool isRefusal(nb::python_error &error) {
  return error.matches(PyExc_BufferError) || error.matches(PyExc_RuntimeError) || error.matches(PyExc_TypeError) ||
         error.matches(PyExc_ValueError);
}

/// The capsule of an array; what it raises if it does not give one.
static nb::object packOf(nb::handle object) {
  // The owner makes readers on the stream wait for what it does; 1 is the one that takes its turn with all others.
  auto address = reinterpret_cast<uintptr_t>(streamOf(nb::make_tuple(object)));
  return object.attr("__dlpack__")(nb::arg("stream") = address ? address : 1);
}

bool ArrayView::tryHoldPack(nb::handle object) {
  nb::object capsule;
  try {
    capsule = packOf(object);
  } catch (nb::python_error &error) {
    if (!isRefusal(error))
      throw;
    return false; // `refuseDeviceArray` asks again, for the reason.
  }
  const dlpack::Array *array = nullptr;
  bool isReadOnly = false;
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor")) {
    array = &static_cast<dlpack::Managed *>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"))->array;
  } else if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned")) {
    auto *managed = static_cast<dlpack::ManagedVersioned *>(PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned"));
    array = &managed->array;
    isReadOnly = managed->flags & dlpack::ManagedVersioned::kReadOnly;
  }
  std::optional<DType> type = array ? dlpack::typeOf(*array) : std::nullopt;
  if (!type)
    return false;
  elementType = *type;
  // The memory is the capsule's as long as nobody takes it out.
  tensor = capsule;
  layout.assign(array->shape, array->shape + array->ndim);
  layout.resize(2 * layout.size(), 1);
  for (int axis = array->ndim; axis-- > 0;)
    layout[array->ndim + axis] = array->strides            ? array->strides[axis]
                                 : axis + 1 == array->ndim ? 1
                                                           : layout[array->ndim + axis + 1] * layout[axis + 1];
  fillBuffer(static_cast<char *>(array->data) + array->byteOffset, runtime::sizeOf(elementType));
  buffer.readonly = isReadOnly;
  return true;
}

bool ArrayView::tryHoldDevice(nb::handle object) {
  if (!isOnDevice(object))
    return false;
  if (!hasInterface(object))
    return tryHoldPack(object);
  auto described = nb::cast<nb::dict>(nb::object(object.attr(kInterface)));
  std::optional<DType> type = typeOf(nb::cast<std::string>(described["typestr"]));
  if (!type || (described.contains("mask") && !nb::object(described["mask"]).is_none()))
    return false;
  elementType = *type;
  tensor = nb::borrow(object);
  auto data = nb::cast<nb::tuple>(described["data"]);
  auto shape = nb::cast<nb::tuple>(described["shape"]);
  nb::object strides = described.contains("strides") ? nb::object(described["strides"]) : nb::none();
  size_t ndim = shape.size();
  layout.resize(2 * ndim);
  int64_t bytes = runtime::sizeOf(elementType);
  for (size_t axis = ndim; axis-- > 0;) {
    layout[axis] = nb::cast<Py_ssize_t>(shape[axis]);
    layout[ndim + axis] = strides.is_none() ? bytes : nb::cast<Py_ssize_t>(strides[axis]);
    bytes *= layout[axis];
  }
  fillBuffer(reinterpret_cast<void *>(nb::cast<uintptr_t>(data[0])), /*unit=*/1);
  buffer.readonly = nb::cast<bool>(data[1]);
  return true;
}

nb::object keops::python::describeDeviceArray(nb::handle object, const std::string &what) {
  if (!isOnDevice(object))
    return nb::none();
  ArrayView view;
  view.hold(object, Library::Device, [&] { return what; });
  nb::list shape, strides;
  for (int axis = 0; axis < view.ndim(); ++axis) {
    shape.append(view.shape(axis));
    strides.append(view.stride(axis));
  }
  return nb::make_tuple(reinterpret_cast<uintptr_t>(view.data()), runtime::nameOf(view.type()), nb::tuple(shape),
                        nb::tuple(strides), !view.isWriteable(), view.memory());
}

void keops::python::refuseDeviceArray(nb::handle object, const std::string &what) {
  std::string name = nb::cast<std::string>(nb::str(object.type().attr("__name__")));
  if (!isOnDevice(object))
    raise(PyExc_TypeError, what + ": expected an array of a GPU, as argument 0 is, got " + name);
  std::string type = "one that DLPack calls otherwise";
  if (hasInterface(object)) {
    auto described = nb::cast<nb::dict>(nb::object(object.attr(kInterface)));
    if (described.contains("mask") && !nb::object(described["mask"]).is_none())
      raise(PyExc_TypeError,
            what + ": expected an array without a mask, which would have no effect, got " + name + " with one");
    type = nb::cast<std::string>(described["typestr"]);
  } else {
    try {
      packOf(object);
    } catch (nb::python_error &error) {
      raise(PyExc_TypeError, what + ": expected an array whose memory DLPack hands over, got " + name +
                                 ", which says: " + nb::cast<std::string>(nb::str(error.value())));
    }
  }
  raise(PyExc_TypeError, what + ": expected dtype float16, float32 or float64, or complex, got " + type);
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
