//===- KeopsOps.td - All ops -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gathers the families; nothing is defined here.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_KEOPSOPS_TD
#define KEOPS_DIALECT_KEOPSOPS_TD

include "keops/Dialect/PointwiseOps.td"
include "keops/Dialect/VectorOps.td"
include "keops/Dialect/SpecialOps.td"
include "keops/Dialect/FormulaOps.td"
include "keops/Dialect/ProgramOps.td"
include "keops/Dialect/TileOps.td"

#endif // KEOPS_DIALECT_KEOPSOPS_TD
