//===- Simulate.h - GPU kernels compiled for the simulator -----------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The same `gpu` module that becomes PTX, compiled for this processor and the
// simulator of Runtime/Simulator.h instead.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_COMPILER_SIMULATE_H
#define KEOPS_COMPILER_SIMULATE_H

#include "keops/Compiler/Compiler.h"
#include "keops/Runtime/Simulator.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <map>
#include <memory>
#include <string>

namespace llvm::orc {
class LLJIT;
}

namespace keops::compiler {

/// A kernel ready to be simulated; it owns its code.
class SimKernel {
public:
  SimKernel(std::unique_ptr<llvm::orc::LLJIT> jit, runtime::SimProgram program);
  ~SimKernel();

  /// See `runtime::simulate`.
  std::optional<std::string> launch(const runtime::SimLaunch &launch) const {
    return runtime::simulate(program, launch);
  }

private:
  std::unique_ptr<llvm::orc::LLJIT> jit;
  runtime::SimProgram program;
};

/// Compiles the kernel called `name`, or the only one when `name` is empty.
/// `module` is left as it is. The kernel may use a closed list of operations;
/// any other is an error that names it.
llvm::Expected<std::unique_ptr<SimKernel>> compileForSimulator(mlir::gpu::GPUModuleOp module,
                                                               llvm::StringRef name = "");

/// A formula as kernels for the simulator, with their launch rules.
struct Simulation {
  runtime::Artifact artifact;                                  ///< holds no code
  std::map<std::string, std::unique_ptr<SimKernel>> functions; ///< by the names that launches call them
};

/// Compiles a formula module for the GPU `options.target` and that code for
/// the simulator. The module is consumed.
llvm::Expected<Simulation> simulateFormula(mlir::ModuleOp module, const CompilerOptions &options);

} // namespace keops::compiler

#endif // KEOPS_COMPILER_SIMULATE_H
