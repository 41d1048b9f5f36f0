//===- Passes.h - Passes of Lowering -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Generated constructors, option structs and registration.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LOWERING_PASSES_H
#define KEOPS_LOWERING_PASSES_H

#include "keops/Dialect/Keops.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace keops {
#define GEN_PASS_DECL
#include "keops/Lowering/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "keops/Lowering/Passes.h.inc"
} // namespace keops

#endif // KEOPS_LOWERING_PASSES_H
