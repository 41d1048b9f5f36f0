//===- keops-opt.cpp - Any pass on any IR -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// MLIR's pass driver with the dialect and passes of Keops, and the upstream
// dialects and passes that its pipelines go through.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Keops.h"
#include "keops/Lowering/Passes.h"
#include "keops/Schedule/Passes.h"
#include "keops/Transforms/Passes.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<keops::KeopsDialect>();
  mlir::registerAllPasses();
  keops::registerKeopsTransformsPasses();
  keops::registerKeopsSchedulePasses();
  keops::registerKeopsLoweringPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Keops optimizer driver\n", registry));
}
