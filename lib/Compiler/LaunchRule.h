//===- LaunchRule.h - What a launch must know, out of the IR -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lowering leaves the rule on the code, as `keops.launch`; here it becomes the
// artifact's, for every kind of code.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_COMPILER_LAUNCHRULE_H
#define KEOPS_COMPILER_LAUNCHRULE_H

#include "keops/Compiler/Compiler.h"

namespace keops {

/// Result shapes, asked of the reductions while they are still there.
std::vector<std::vector<int64_t>> resultShapes(mlir::ModuleOp module);

/// Chooses the schedule and says which, while the formula is still there.
llvm::Expected<std::string> explainSchedule(mlir::ModuleOp module, const CompilerOptions &options);

/// Writes the rules, and the program if the module has one, into `artifact`; results have their own dimension as shape
/// where `shapes` has none. Fails if there is no kernel.
llvm::Error readLaunchRules(mlir::ModuleOp module, llvm::ArrayRef<std::vector<int64_t>> shapes,
                            runtime::Artifact &artifact);

} // namespace keops

#endif // KEOPS_COMPILER_LAUNCHRULE_H
