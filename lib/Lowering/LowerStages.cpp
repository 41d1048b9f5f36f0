//===- LowerStages.cpp - Kernels to loops -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sends each scheduled kernel to the mapping of its target.
//
//===----------------------------------------------------------------------===//

#include "MapTiles.h"
#include "keops/Lowering/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace keops {
#define GEN_PASS_DEF_KEOPSLOWERSTAGES
#include "keops/Lowering/Passes.h.inc"
} // namespace keops

using namespace mlir;
using namespace keops;

namespace {
struct LowerStagesPass : keops::impl::KeopsLowerStagesBase<LowerStagesPass> {
  void runOnOperation() override {
    auto target = getOperation()->getAttrOfType<TargetAttr>("keops.target");
    for (KernelOp kernel : llvm::make_early_inc_range(getOperation().getOps<KernelOp>())) {
      if (!kernel.getSchedule()) {
        kernel.emitError("has no schedule; expected one written by keops-select-schedule or by hand");
        return signalPassFailure();
      }
      if (!target || !target.getGpu())
        mapTilesToCPU(kernel);
      else if (failed(mapTilesToGPU(kernel, target)))
        return signalPassFailure();
    }
  }
};
} // namespace
