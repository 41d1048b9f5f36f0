//===- Tensors.cpp - PyTorch tensors as the engine sees them ----------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor is asked for its address, sizes and strides through the function
// that DLPack provides for it, or, by a PyTorch that has none yet, through its
// Python methods. Neither binds this module to a version of PyTorch. Only the
// package `keops.torch` imports that.
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <optional>
#include <tuple>

using namespace keops;
using namespace keops::python;
namespace nb = nanobind;

namespace {

/// A tensor, and the table of functions about tensors, as DLPack 1 lays them out.
struct DLTensor {
  void *data;
  int32_t deviceType, deviceId, ndim;
  uint8_t code, bits;
  uint16_t lanes;
  int64_t *shape, *strides;
  uint64_t byteOffset;
};
struct DLPackExchange {
  uint32_t major, minor;
  DLPackExchange *previous;
  void *allocate, *fromObject, *toObject;
  int (*describe)(void *object, DLTensor *out);
  void *currentStream;
};

const DLPackExchange *findExchange(nb::handle tensorType) {
  nb::object capsule = nb::getattr(tensorType, "__dlpack_c_exchange_api__", nb::none());
  if (!PyCapsule_IsValid(capsule.ptr(), "dlpack_exchange_api"))
    return nullptr;
  auto *table = static_cast<DLPackExchange *>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
  while (table && table->major != 1)
    table = table->previous;
  return table && table->describe ? table : nullptr;
}

/// The objects of the module `torch` that calls need.
struct Torch {
  nb::object Tensor, Parameter, empty, cpu, types[7];
  const DLPackExchange *exchange;
  nb::object data_ptr, stride, shape, dtype, is_cpu, is_neg, is_conj, emptyKeywords;

  static const Torch &get() {
    // Never destroyed: the interpreter may be gone by then.
    static const Torch &names = *[] {
      nb::module_ torch = nb::module_::import_("torch");
      return new Torch{torch.attr("Tensor"),
                       torch.attr("nn").attr("Parameter"),
                       torch.attr("empty"),
                       torch.attr("device")("cpu"),
                       // In the order of DType.
                       {torch.attr("float32"), torch.attr("float64"), torch.attr("int64"), torch.attr("float16"),
                        torch.attr("bfloat16"), torch.attr("complex64"), torch.attr("complex128")},
                       findExchange(torch.attr("Tensor")),
                       nb::steal(PyUnicode_InternFromString("data_ptr")),
                       nb::steal(PyUnicode_InternFromString("stride")),
                       nb::steal(PyUnicode_InternFromString("shape")),
                       nb::steal(PyUnicode_InternFromString("dtype")),
                       nb::steal(PyUnicode_InternFromString("is_cpu")),
                       nb::steal(PyUnicode_InternFromString("is_neg")),
                       nb::steal(PyUnicode_InternFromString("is_conj")),
                       nb::make_tuple("dtype", "device")};
    }();
    return names;
  }

  bool isTensor(nb::handle object) const {
    auto *type = reinterpret_cast<PyObject *>(Py_TYPE(object.ptr()));
    return type == Tensor.ptr() || type == Parameter.ptr() || PyObject_IsInstance(object.ptr(), Tensor.ptr()) == 1;
  }
};

/// The attribute, or the result of the method, if there is no error; errors are forgotten.
nb::object get(nb::handle object, const nb::object &name) {
  PyObject *value = PyObject_GetAttr(object.ptr(), name.ptr());
  PyErr_Clear();
  return nb::steal(value);
}
nb::object ask(nb::handle object, const nb::object &name) {
  PyObject *self = object.ptr();
  PyObject *value = PyObject_VectorcallMethod(name.ptr(), &self, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
  PyErr_Clear();
  return nb::steal(value);
}

} // namespace

void keops::python::loadTorch() { Torch::get(); }

/// The type of elements that DLPack describes.
static std::optional<DType> typeOf(const DLTensor &tensor) {
  constexpr uint8_t isInt = 0, isFloat = 2, isBrain = 4, isComplex = 5;
  constexpr std::tuple<uint8_t, uint8_t, DType> types[] = {
      {isFloat, 32, DType::F32},  {isFloat, 64, DType::F64},   {isInt, 64, DType::I64},      {isFloat, 16, DType::F16},
      {isBrain, 16, DType::BF16}, {isComplex, 64, DType::C64}, {isComplex, 128, DType::C128}};
  for (auto [code, bits, type] : types)
    if (tensor.code == code && tensor.bits == bits && tensor.lanes == 1)
      return type;
  return std::nullopt;
}

/// The address, type, sizes and strides of a tensor in the processor's memory, by Python's methods; false if it has
/// none.
static bool askForLayout(const Torch &torch, nb::handle tensor, void *&data, DType &type,
                         std::vector<Py_ssize_t> &layout) {
  nb::object dtype = get(tensor, torch.dtype), sizes = get(tensor, torch.shape), strides = ask(tensor, torch.stride);
  nb::object address = ask(tensor, torch.data_ptr);
  auto found = std::find_if(std::begin(torch.types), std::end(torch.types),
                            [&](const nb::object &known) { return known.ptr() == dtype.ptr(); });
  if (found == std::end(torch.types) || get(tensor, torch.is_cpu).ptr() != Py_True || !sizes.is_valid() ||
      !strides.is_valid() || !address.is_valid())
    return false;
  type = static_cast<DType>(found - std::begin(torch.types));
  data = PyLong_AsVoidPtr(address.ptr());
  for (Py_ssize_t axis = 0, ndim = PyTuple_GET_SIZE(strides.ptr()); axis < ndim; ++axis) {
    layout.insert(layout.begin() + axis, PyLong_AsSsize_t(PyTuple_GET_ITEM(sizes.ptr(), axis)));
    layout.push_back(PyLong_AsSsize_t(PyTuple_GET_ITEM(strides.ptr(), axis)));
  }
  return true;
}

static bool describeLayout(const Torch &torch, nb::handle tensor, void *&data, DType &type,
                           std::vector<Py_ssize_t> &layout) {
  DLTensor found;
  if (!torch.exchange || torch.exchange->describe(tensor.ptr(), &found) != 0) {
    PyErr_Clear();
    return askForLayout(torch, tensor, data, type, layout);
  }
  constexpr int32_t processor = 1;
  std::optional<DType> known = typeOf(found);
  if (!known || found.deviceType != processor || (found.ndim > 0 && !found.strides))
    return false;
  type = *known;
  data = static_cast<char *>(found.data) + found.byteOffset;
  layout.assign(found.shape, found.shape + found.ndim);
  layout.insert(layout.end(), found.strides, found.strides + found.ndim);
  return true;
}

bool ArrayView::tryHoldTensor(nb::handle object) {
  const Torch &torch = Torch::get();
  if (!torch.isTensor(object))
    return false;
  tensor = nb::borrow(object);
  // Numbers whose signs are still to be changed are not in memory yet.
  if (ask(tensor, torch.is_neg).ptr() == Py_True)
    tensor = tensor.attr("resolve_neg")();
  void *data = nullptr;
  if (!describeLayout(torch, tensor, data, elementType, layout))
    return false;
  if (runtime::partsOf(elementType) == 2 && ask(tensor, torch.is_conj).ptr() == Py_True) {
    tensor = tensor.attr("resolve_conj")();
    layout.clear();
    if (!describeLayout(torch, tensor, data, elementType, layout))
      return false;
  }

  auto ndim = static_cast<Py_ssize_t>(layout.size() / 2);
  int64_t bytes = runtime::sizeOf(elementType), count = 1;
  for (Py_ssize_t axis = 0; axis < ndim; ++axis) {
    layout[ndim + axis] *= bytes;
    count *= layout[axis];
  }
  buffer = {};
  buffer.buf = data;
  buffer.itemsize = bytes;
  buffer.len = count * bytes;
  buffer.ndim = static_cast<int>(ndim);
  buffer.shape = layout.data();
  buffer.strides = layout.data() + ndim;
  // Tensors without memory, such as those that only have a shape, are nothing to compute with.
  return buffer.buf || count == 0;
}

void keops::python::refuseTensor(nb::handle object, const std::string &what) {
  const Torch &torch = Torch::get();
  if (!torch.isTensor(object))
    raise(PyExc_TypeError,
          what + ": expected a PyTorch tensor, got " + nb::cast<std::string>(nb::str(object.type().attr("__name__"))));
  auto text = [&](const char *name) { return nb::cast<std::string>(nb::str(nb::object(object.attr(name)))); };
  if (!nb::cast<bool>(object.attr("is_cpu")))
    raise(PyExc_ValueError, what + ": expected a tensor on the device cpu, got one on " + text("device"));
  if (text("layout") != "torch.strided")
    raise(PyExc_TypeError, what + ": expected a dense tensor, got one of layout " + text("layout"));
  std::string type = text("dtype");
  for (const nb::object &known : torch.types)
    if (nb::object(object.attr("dtype")).is(known))
      raise(PyExc_TypeError, what + ": expected a tensor with memory, got one without");
  raise(PyExc_TypeError, what + ": expected dtype " + kNumberTypes + ", got " + type.substr(type.rfind('.') + 1));
}

std::pair<nb::object, void *> keops::python::makeTensor(const int64_t *shape, size_t ndim, DType type) {
  const Torch &torch = Torch::get();
  nb::object sizes = nb::steal(PyTuple_New(ndim));
  for (size_t axis = 0; axis < ndim; ++axis)
    PyTuple_SET_ITEM(sizes.ptr(), axis, PyLong_FromLongLong(shape[axis]));
  PyObject *arguments[] = {sizes.ptr(), torch.types[static_cast<int>(type)].ptr(), torch.cpu.ptr()};
  nb::object made = nb::steal(PyObject_Vectorcall(torch.empty.ptr(), arguments, 1, torch.emptyKeywords.ptr()));
  if (!made.is_valid())
    throw nb::python_error();
  nb::object address = ask(made, torch.data_ptr);
  return {std::move(made), PyLong_AsVoidPtr(address.ptr())};
}

nb::object keops::python::copyTensor(nb::handle tensor) {
  nb::module_ torch = nb::module_::import_("torch");
  return tensor.attr("detach")().attr("clone")(nb::arg("memory_format") = torch.attr("contiguous_format"));
}
