//===- ArrangeArithmetic.h - Signs and orders that machines like -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_LOWERING_ARRANGEARITHMETIC_H
#define KEOPS_LIB_LOWERING_ARRANGEARITHMETIC_H

#include "keops/Dialect/Keops.h"

namespace keops {

/// Rewrites the stages of a kernel whose lanes run over `laneIndex`. Zeros may
/// change their sign.
void arrangeArithmetic(KernelOp kernel, IndexSet laneIndex);

} // namespace keops

#endif // KEOPS_LIB_LOWERING_ARRANGEARITHMETIC_H
