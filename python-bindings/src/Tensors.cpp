//===- Tensors.cpp - PyTorch tensors as the engine sees them ----------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor is asked for its address, sizes and strides through its Python
// methods, which is fast enough and binds this module to no version of
// PyTorch. Only the package `keops.torch` imports that.
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"

#include <nanobind/stl/string.h>

using namespace keops;
using namespace keops::python;
namespace nb = nanobind;

namespace {

/// The objects of the module `torch` that calls need.
struct Torch {
  nb::object Tensor, Parameter, empty, cpu, types[7];
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

bool ArrayView::tryHoldTensor(nb::handle object) {
  const Torch &torch = Torch::get();
  if (!torch.isTensor(object) || get(object, torch.is_cpu).ptr() != Py_True)
    return false;
  nb::object type = get(object, torch.dtype);
  size_t number = 0;
  while (number < std::size(torch.types) && torch.types[number].ptr() != type.ptr())
    ++number;
  if (number == std::size(torch.types))
    return false;
  elementType = static_cast<DType>(number);
  tensor = nb::borrow(object);
  // Numbers whose signs are still to be changed are not in memory yet.
  if (ask(tensor, torch.is_neg).ptr() == Py_True)
    tensor = tensor.attr("resolve_neg")();
  if (runtime::partsOf(elementType) == 2 && ask(tensor, torch.is_conj).ptr() == Py_True)
    tensor = tensor.attr("resolve_conj")();

  nb::object sizes = get(tensor, torch.shape), strides = ask(tensor, torch.stride),
             address = ask(tensor, torch.data_ptr);
  if (!sizes.is_valid() || !strides.is_valid() || !address.is_valid())
    return false;
  Py_ssize_t ndim = PyTuple_GET_SIZE(strides.ptr());
  int64_t bytes = runtime::sizeOf(elementType);
  layout.resize(2 * ndim);
  int64_t count = 1;
  for (Py_ssize_t axis = 0; axis < ndim; ++axis) {
    layout[axis] = PyLong_AsSsize_t(PyTuple_GET_ITEM(sizes.ptr(), axis));
    layout[ndim + axis] = PyLong_AsSsize_t(PyTuple_GET_ITEM(strides.ptr(), axis)) * bytes;
    count *= layout[axis];
  }
  buffer = {};
  buffer.buf = PyLong_AsVoidPtr(address.ptr());
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
