//===- SimulatedOps.h - The operations that the simulator runs -------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The table of what a kernel for the simulator may use, and what the rewrites
// in it share while a kernel becomes a host function.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_COMPILER_SIMULATEDOPS_H
#define KEOPS_LIB_COMPILER_SIMULATEDOPS_H

#include "keops/Runtime/Simulator.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace keops::compiler {

/// What the rewrites share: the host module, the program that grows with it,
/// and the thread, which is the first argument of the host function.
struct SimLowering {
  SimLowering(mlir::ModuleOp host, mlir::Operation *source, runtime::SimProgram &program)
      : host(host), source(source), program(program), builder(host.getContext()),
        pointer(mlir::LLVM::LLVMPointerType::get(host.getContext())) {}

  /// Field of `SimThread` at `offset`.
  mlir::Value loadFromThread(mlir::Location loc, size_t offset, mlir::Type type);
  /// A call of a simulator function with the thread first and the site of `op` last.
  mlir::LLVM::CallOp callSimulator(mlir::Operation *op, llvm::StringRef name, mlir::Type result,
                                   llvm::ArrayRef<mlir::Value> operands);
  runtime::SimSite &siteOf(mlir::Operation *op) { return program.sites[siteNumbers.lookup(op)]; }

  mlir::ModuleOp host;
  mlir::Operation *source; ///< the symbol table that the kernel comes from
  runtime::SimProgram &program;
  mlir::OpBuilder builder;
  mlir::LLVM::LLVMPointerType pointer;
  mlir::Value thread;
  llvm::DenseMap<mlir::Operation *, uint32_t> siteNumbers;
};

/// Replaces one operation, which the builder stands before; failure after a
/// diagnostic.
using SimRewrite = mlir::LogicalResult (*)(mlir::Operation *, SimLowering &);

/// How the simulator runs an operation.
struct SimulatedOp {
  SimRewrite rewrite = nullptr;               ///< null: the operation stays as it is
  std::optional<runtime::SimSite::Kind> site; ///< what it is to the simulator, if it takes part
};

/// The row of an operation called `name`; null if the simulator does not run it.
const SimulatedOp *findSimulatedOp(llvm::StringRef name);

/// Bits of a type that may be loaded and stored, and the alignment that code
/// claims when it states none. Zero bits: not such a type.
std::pair<int64_t, int64_t> sizeAndAlignment(mlir::Type type);

} // namespace keops::compiler

#endif // KEOPS_LIB_COMPILER_SIMULATEDOPS_H
