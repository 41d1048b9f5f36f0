//===- Element.h - Elements of arrays as numbers ----------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// C++ has no type for some of the numbers that arrays hold. What is read and
// written here one at a time is for references, files and tests; kernels
// convert for themselves.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_ELEMENT_H
#define KEOPS_RUNTIME_ELEMENT_H

#include "keops/Runtime/Artifact.h"

namespace keops::runtime {

/// Element `index` of an array of real numbers, which need not be aligned. Row
/// numbers above 2^53 are rounded, all else is exact.
double readElement(DType type, const void *array, int64_t index);
/// Stores `value` there, rounded to nearest, ties to even; what is too large is infinite.
void writeElement(DType type, void *array, int64_t index, double value);

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_ELEMENT_H
