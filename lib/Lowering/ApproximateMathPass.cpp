//===- ApproximateMathPass.cpp - Elementary functions, on the host and on a GPU -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Applies the patterns of the side that the code is for.
//
//===----------------------------------------------------------------------===//

#include "keops/Lowering/ApproximateMath.h"
#include "keops/Lowering/Passes.h"

namespace keops {
#define GEN_PASS_DEF_KEOPSAPPROXIMATEMATH
#include "keops/Lowering/Passes.h.inc"
} // namespace keops

using namespace mlir;
using namespace keops;

namespace {
struct ApproximateMathPass : keops::impl::KeopsApproximateMathBase<ApproximateMathPass> {
  using KeopsApproximateMathBase::KeopsApproximateMathBase;

  void runOnOperation() override {
    ApproximateMathOptions options;
    auto target = getOperation()->getAttrOfType<TargetAttr>("keops.target");
    options.hasScalef = hasScalef || (target && target.getScalef());
    options.plainNaNs = plainNaNs;
    for (auto gpuModule : getOperation().getOps<gpu::GPUModuleOp>())
      if (failed(approximateMathGPU(gpuModule)))
        return signalPassFailure();
    // No math op is left in there, so this is for host code.
    if (failed(approximateMath(getOperation(), options)))
      signalPassFailure();
  }
};
} // namespace
