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
#include "DLPack.h"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <optional>

using namespace keops;
using namespace keops::python;
namespace nb = nanobind;

namespace {

const dlpack::Exchange *findExchange(nb::handle tensorType) {
  nb::object capsule = nb::getattr(tensorType, "__dlpack_c_exchange_api__", nb::none());
  if (!PyCapsule_IsValid(capsule.ptr(), "dlpack_exchange_api"))
    return nullptr;
  auto *table = static_cast<dlpack::Exchange *>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
  while (table && table->major != 1)
    table = table->previous;
  return table && table->describe ? table : nullptr;
}

/// The objects of the module `torch` that calls need.
struct Torch {
  nb::object Tensor, Parameter, empty, cpu, types[7];
  const dlpack::Exchange *exchange;
  nb::object data_ptr, stride, shape, dtype, device, index, is_cpu, is_cuda, is_neg, is_conj, emptyKeywords;

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
                       nb::steal(PyUnicode_InternFromString("device")),
                       nb::steal(PyUnicode_InternFromString("index")),
                       nb::steal(PyUnicode_InternFromString("is_cpu")),
                       nb::steal(PyUnicode_InternFromString("is_cuda")),
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
bool keops::python::isTensor(nb::handle object) { return Torch::get().isTensor(object); }

/// The address, type, sizes and strides of a tensor, and the number of the GPU that it lies on, -1 if it is the
/// processor's, by Python's methods; false if it has none.
static bool askForLayout(const Torch &torch, nb::handle tensor, void *&data, DType &type, int &device,
                         std::vector<Py_ssize_t> &layout) {
  nb::object dtype = get(tensor, torch.dtype), sizes = get(tensor, torch.shape), strides = ask(tensor, torch.stride);
  nb::object address = ask(tensor, torch.data_ptr);
  auto found = std::find_if(std::begin(torch.types), std::end(torch.types),
                            [&](const nb::object &known) { return known.ptr() == dtype.ptr(); });
  bool isCuda = get(tensor, torch.is_cuda).ptr() == Py_True;
  if (found == std::end(torch.types) || (!isCuda && get(tensor, torch.is_cpu).ptr() != Py_True) || !sizes.is_valid() ||
      !strides.is_valid() || !address.is_valid())
    return false;
  type = static_cast<DType>(found - std::begin(torch.types));
  device = isCuda ? static_cast<int>(PyLong_AsLong(get(get(tensor, torch.device), torch.index).ptr())) : -1;
  data = PyLong_AsVoidPtr(address.ptr());
  for (Py_ssize_t axis = 0, ndim = PyTuple_GET_SIZE(strides.ptr()); axis < ndim; ++axis) {
    layout.insert(layout.begin() + axis, PyLong_AsSsize_t(PyTuple_GET_ITEM(sizes.ptr(), axis)));
    layout.push_back(PyLong_AsSsize_t(PyTuple_GET_ITEM(strides.ptr(), axis)));
  }
  return true;
}

static bool describeLayout(const Torch &torch, nb::handle tensor, void *&data, DType &type, int &device,
                           std::vector<Py_ssize_t> &layout) {
  dlpack::Array found;
  if (!torch.exchange || torch.exchange->describe(tensor.ptr(), &found) != 0) {
    PyErr_Clear();
    return askForLayout(torch, tensor, data, type, device, layout);
  }
  std::optional<DType> known = dlpack::typeOf(found);
  bool isCuda = found.deviceType == dlpack::kCuda;
  if (!known || (!isCuda && found.deviceType != dlpack::kProcessor) || (found.ndim > 0 && !found.strides))
    return false;
  type = *known;
  device = isCuda ? found.deviceId : -1;
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
  isTensor = true;
  // Numbers whose signs are still to be changed are not in memory yet.
  if (ask(tensor, torch.is_neg).ptr() == Py_True)
    tensor = tensor.attr("resolve_neg")();
  void *data = nullptr;
  if (!describeLayout(torch, tensor, data, elementType, deviceNumber, layout))
    return false;
  if (runtime::partsOf(elementType) == 2 && ask(tensor, torch.is_conj).ptr() == Py_True) {
    tensor = tensor.attr("resolve_conj")();
    layout.clear();
    if (!describeLayout(torch, tensor, data, elementType, deviceNumber, layout))
      return false;
  }

  fillBuffer(data, runtime::sizeOf(elementType));
  // Tensors without memory, such as those that only have a shape, are nothing to compute with.
  return buffer.buf || buffer.len == 0;
}

void keops::python::refuseTensor(nb::handle object, const std::string &what) {
  const Torch &torch = Torch::get();
  if (!torch.isTensor(object))
    raise(PyExc_TypeError,
          what + ": expected a PyTorch tensor, got " + nb::cast<std::string>(nb::str(object.type().attr("__name__"))));
  auto text = [&](const char *name) { return nb::cast<std::string>(nb::str(nb::object(object.attr(name)))); };
  if (!nb::cast<bool>(object.attr("is_cpu")) && !nb::cast<bool>(object.attr("is_cuda")))
    raise(PyExc_ValueError, what + ": expected a tensor on the device cpu or cuda, got one on " + text("device"));
  if (text("layout") != "torch.strided")
    raise(PyExc_TypeError, what + ": expected a dense tensor, got one of layout " + text("layout"));
  std::string type = text("dtype");
  for (const nb::object &known : torch.types)
    if (nb::object(object.attr("dtype")).is(known))
      raise(PyExc_TypeError, what + ": expected a tensor with memory, got one without");
  raise(PyExc_TypeError, what + ": expected dtype " + kNumberTypes + ", got " + type.substr(type.rfind('.') + 1));
}

std::pair<nb::object, void *> keops::python::makeTensor(const int64_t *shape, size_t ndim, DType type,
                                                        nb::handle like) {
  const Torch &torch = Torch::get();
  nb::object sizes = nb::steal(PyTuple_New(ndim));
  for (size_t axis = 0; axis < ndim; ++axis)
    PyTuple_SET_ITEM(sizes.ptr(), axis, PyLong_FromLongLong(shape[axis]));
  nb::object device = like.is_valid() ? get(like, torch.device) : torch.cpu;
  PyObject *arguments[] = {sizes.ptr(), torch.types[static_cast<int>(type)].ptr(), device.ptr()};
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
