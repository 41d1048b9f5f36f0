//===- Compiler.h - Formula IR to an artifact -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compilation is pure: a module, a target and options give bytes. No device is
// asked, so any machine makes and checks any target's code.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_COMPILER_COMPILER_H
#define KEOPS_COMPILER_COMPILER_H

#include "keops/Dialect/Keops.h"
#include "keops/Runtime/Artifact.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Error.h"

namespace keops {

struct CompilerOptions {
  std::string target = "host";
  /// 0: for many rows; else for about so few.
  int64_t rows = 0;
  /// Functions of a GPU: its own, within some 1e-6 of the exact values, or as accurate as a CPU's.
  bool fastMath = true;
  /// On a GPU: squared distances by scalar products where a call's data allow it.
  bool expandDistances = false;
};

/// A context with every dialect that the pipelines pass through.
std::unique_ptr<mlir::MLIRContext> makeContext();
void registerCompilerDialects(mlir::DialectRegistry &registry);

/// The named phases, in order. A tool may stop after any of them.
enum class Phase {
  Formula,
  Expanded,
  Simplified,
  Factorized,
  Split,
  Scheduled,
  Tiled,
  Staged,
  Approximated,
  LLVMDialect
};
llvm::StringRef nameOf(Phase phase);
std::optional<Phase> phaseNamed(llvm::StringRef name);

/// Runs the phases after `module`'s own up to `last`.
llvm::Error runPhases(mlir::ModuleOp module, const CompilerOptions &options, Phase last);

/// Formula module to object file, or PTX for a GPU, and launch rule. The module is consumed.
llvm::Expected<runtime::Artifact> compile(mlir::ModuleOp module, const CompilerOptions &options);

/// Text of the LLVM IR, or of the assembly, instead of an object.
enum class TextKind { LLVMIR, Assembly };
llvm::Expected<std::string> compileToText(mlir::ModuleOp module, const CompilerOptions &options, TextKind kind);

} // namespace keops

#endif // KEOPS_COMPILER_COMPILER_H
