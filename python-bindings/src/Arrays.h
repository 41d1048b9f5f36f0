//===- Arrays.h - Arrays of Python as the engine sees them ------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NumPy arrays come in through the buffer protocol, which costs a tenth of a
// microsecond and holds the memory in place while the interpreter's lock is
// released; they go out through `numpy.empty`. PyTorch tensors tell where they
// are, and are described in the same terms.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_PYTHON_ARRAYS_H
#define KEOPS_PYTHON_ARRAYS_H

#include "keops/Keops.h"

#include <nanobind/nanobind.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keops::python {

/// The objects of the module `numpy` that calls need.
struct NumPy {
  nanobind::object ndarray, MaskedArray, array, asarray, from_dlpack, empty, copyto, uint16, types[7];

  /// Imports them when first called, which the module does when it is loaded.
  static NumPy &get();
  /// The NumPy type of `type`. That of bfloat16, which NumPy lacks, is what the
  /// first such array had.
  nanobind::object &typeObject(DType type) { return types[static_cast<int>(type)]; }
};

/// Whose arrays a call takes and makes; `Device` is any library of arrays on a GPU. Tensors may lie there too.
enum class Library { NumPy, Torch, Device };

/// The memory of an array, held for as long as this object lives.
class ArrayView {
public:
  ArrayView() { buffer.obj = nullptr; }
  ~ArrayView() { PyBuffer_Release(&buffer); }
  ArrayView(const ArrayView &) = delete;
  ArrayView &operator=(const ArrayView &) = delete;

  /// Holds `object`, an argument or result that messages call `what()`, if it
  /// is an array of that library, of a type that kernels know; throws TypeError
  /// otherwise. To be called once.
  template <typename What>
  void hold(nanobind::handle object, Library library, What &&what) {
    if (library == Library::Torch    ? !tryHoldTensor(object)
        : library == Library::Device ? !tryHoldDevice(object)
                                     : !tryHold(object))
      refuse(object, library, what());
  }
  /// The same, but where NumPy arrays are expected also holds what shares its
  /// memory by DLPack or by the buffer protocol, such as an array of another library.
  template <typename What>
  void holdShared(nanobind::handle object, Library library, What &&what) {
    if (library != Library::NumPy)
      hold(object, library, what);
    else if (!tryHold(object))
      holdForeign(object, what());
  }

  DType type() const { return elementType; }
  /// The number of the GPU that a tensor lies on; -1 if it is in the processor's memory.
  int device() const { return deviceNumber; }
  int ndim() const { return buffer.ndim; }
  int64_t shape(int axis) const { return buffer.shape[axis]; }
  /// In bytes.
  int64_t stride(int axis) const { return buffer.strides[axis]; }
  bool isWriteable() const { return !buffer.readonly; }
  /// "(5, 3)".
  std::string shapeText() const;
  void *data() const { return buffer.buf; }
  /// Of an array of a GPU: what keeps its memory.
  nanobind::object memory() const { return tensor; }
  /// The addresses between which all elements lie; both 0 if there are none.
  std::pair<uintptr_t, uintptr_t> extent() const;
  /// As a kernel needs it: complex numbers are two real ones.
  bool isAligned() const {
    return reinterpret_cast<uintptr_t>(buffer.buf) % runtime::sizeOf(runtime::realType(elementType)) == 0;
  }
  bool isContiguous() const { return PyBuffer_IsContiguous(&buffer, 'C'); }

  /// This array as `rows` × `dim` elements along its last two axes, or as one
  /// row along its last if `coreAxes` is 1; axes before are batches. If strides
  /// in elements cannot say where the elements are, a copy of it, kept in `copies`.
  ConstArray toEngine(int coreAxes, std::vector<nanobind::object> &copies) const;

private:
  bool tryHold(nanobind::handle object);
  bool tryHoldBits(nanobind::handle object);
  bool tryHoldTensor(nanobind::handle object);
  bool tryHoldDevice(nanobind::handle object);
  bool tryHoldPack(nanobind::handle object);
  void holdForeign(nanobind::handle object, const std::string &what);
  static nanobind::object shareForeign(nanobind::handle object, const std::string &what);
  [[noreturn]] static void refuse(nanobind::handle object, Library library, const std::string &what);

  /// Describes what lies at `data`; `layout` has its sizes and then its strides, in `unit` bytes.
  void fillBuffer(void *data, int64_t unit);

  Py_buffer buffer;
  DType elementType = DType::F32;
  int deviceNumber = -1;
  bool isTensor = false;
  /// Of a tensor or an array of a GPU: what keeps its memory, and its sizes and strides in bytes.
  nanobind::object tensor;
  std::vector<Py_ssize_t> layout;
};

/// The types of numbers in arguments, for messages.
inline constexpr const char *kNumberTypes = "float16, bfloat16, float32 or float64, or complex";

/// "(5, 3)", "(7,)".
std::string shapeText(const int64_t *shape, size_t ndim);

/// A new array, not initialised, and its memory.
/// It lies where `like` does, an argument of the call, which arrays of NumPy have no need of.
std::pair<nanobind::object, void *> makeArray(const int64_t *shape, size_t ndim, DType type, Library library,
                                              nanobind::handle like = {});

/// True if `object` says that it lies on a GPU.
bool isOnDevice(nanobind::handle object);
/// What is to know of such an array, which messages call `what`: (address, dtype, sizes, strides in bytes, whether it
/// is read-only, what keeps its memory); None of other objects.
nanobind::object describeDeviceArray(nanobind::handle object, const std::string &what);
/// The number of the GPU of such an array, and the stream on which the library of a tuple of them computes.
int deviceNumberOf(nanobind::handle like);
void *streamOf(nanobind::handle arrays);
std::pair<nanobind::object, void *> makeDeviceArray(const int64_t *shape, size_t ndim, DType type,
                                                    nanobind::handle like);
[[noreturn]] void refuseDeviceArray(nanobind::handle object, const std::string &what);

/// Copies the elements of one array into another of the same shape.
void copyInto(nanobind::handle destination, nanobind::handle source, Library library);

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// Finds what calls need in the module `torch`.
void loadTorch();
bool isTensor(nanobind::handle object);
[[noreturn]] void refuseTensor(nanobind::handle object, const std::string &what);
/// On the device of the tensor `like`.
std::pair<nanobind::object, void *> makeTensor(const int64_t *shape, size_t ndim, DType type, nanobind::handle like);
/// A tensor with the same elements, contiguous and aligned.
nanobind::object copyTensor(nanobind::handle tensor);

/// Throws a Python exception of class `type`, such as PyExc_ValueError.
[[noreturn]] void raise(PyObject *type, const std::string &message);

} // namespace keops::python

#endif // KEOPS_PYTHON_ARRAYS_H
