//===- DLPack.h - Arrays as DLPack describes them ---------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The memory layouts that the protocol prescribes. A library offers its arrays
// in a capsule; PyTorch also has a table of functions that describes tensors
// without one.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_PYTHON_DLPACK_H
#define KEOPS_PYTHON_DLPACK_H

#include "keops/Keops.h"

#include <optional>
#include <tuple>

namespace keops::python::dlpack {

/// Types of devices.
inline constexpr int32_t kProcessor = 1, kCuda = 2;

struct Array {
  void *data;
  int32_t deviceType, deviceId, ndim;
  uint8_t code, bits;
  uint16_t lanes;
  int64_t *shape, *strides; ///< in elements; no strides if they lie one after the other
  uint64_t byteOffset;
};

/// In a capsule called "dltensor".
struct Managed {
  Array array;
  void *context;
  void (*release)(Managed *);
};

/// In a capsule called "dltensor_versioned".
struct ManagedVersioned {
  static constexpr uint64_t kReadOnly = 1;

  uint32_t major, minor;
  void *context;
  void (*release)(ManagedVersioned *);
  uint64_t flags;
  Array array;
};

/// The functions about arrays of one library, of version 1 or its predecessors.
struct Exchange {
  uint32_t major, minor;
  Exchange *previous;
  void *allocate, *fromObject, *toObject;
  int (*describe)(void *object, Array *out);
  void *currentStream;
};

/// The type of an array's elements; none if kernels do not know it.
inline std::optional<DType> typeOf(const Array &array) {
  constexpr uint8_t isInt = 0, isFloat = 2, isBrain = 4, isComplex = 5;
  constexpr std::tuple<uint8_t, uint8_t, DType> types[] = {
      {isFloat, 32, DType::F32},  {isFloat, 64, DType::F64},   {isInt, 64, DType::I64},      {isFloat, 16, DType::F16},
      {isBrain, 16, DType::BF16}, {isComplex, 64, DType::C64}, {isComplex, 128, DType::C128}};
  for (auto [code, bits, type] : types)
    if (array.code == code && array.bits == bits && array.lanes == 1)
      return type;
  return std::nullopt;
}

} // namespace keops::python::dlpack

#endif // KEOPS_PYTHON_DLPACK_H
