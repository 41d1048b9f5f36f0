//===- SimulatorTesting.h - Help for tests of the simulator ----------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From the text of a kernel to its launch or its refusal, in one line.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_UNIT_SIMULATORTESTING_H
#define KEOPS_TEST_UNIT_SIMULATORTESTING_H

#include "keops/Compiler/Simulate.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

namespace keops::simtest {

using keops::compiler::SimKernel;
using keops::runtime::SimArgument;
using keops::runtime::SimLaunch;

/// Compiles the first gpu.module of `text`; null and `error` if that is refused.
inline std::unique_ptr<SimKernel> compile(const std::string &text, std::string &error, const std::string &name = "") {
  mlir::MLIRContext context;
  context.loadDialect<mlir::arith::ArithDialect, mlir::gpu::GPUDialect, mlir::LLVM::LLVMDialect,
                      mlir::math::MathDialect, mlir::NVVM::NVVMDialect, mlir::scf::SCFDialect, mlir::vector::VectorDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context, "kernel.mlir");
  if (!module) {
    error = "does not parse";
    return nullptr;
  }
  auto kernel = keops::compiler::compileForSimulator(*module->getOps<mlir::gpu::GPUModuleOp>().begin(), name);
  if (kernel)
    return std::move(*kernel);
  error = llvm::toString(kernel.takeError());
  return nullptr;
}

inline std::unique_ptr<SimKernel> compileOrFail(const std::string &text) {
  std::string error;
  auto kernel = compile(text, error);
  EXPECT_TRUE(kernel) << error << "\n" << text;
  return kernel;
}

/// `text` with the one occurrence of `from` replaced.
inline std::string with(std::string text, const std::string &from, const std::string &to) {
  size_t place = text.find(from);
  EXPECT_NE(place, std::string::npos) << from;
  EXPECT_EQ(text.find(from, place + 1), std::string::npos) << from;
  return place == std::string::npos ? text : text.replace(place, from.size(), to);
}

/// A kernel of parameters and a body, with `globals` beside it.
inline std::string kernelText(const std::string &parameters, const std::string &body, const std::string &globals = "",
                              const std::string &attributes = "") {
  return "gpu.module @m {\n" + globals + "\ngpu.func @k(" + parameters + ") kernel " + attributes + " {\n" + body +
         "\ngpu.return\n}\n}\n";
}

inline bool contains(const std::optional<std::string> &sentence, const std::string &part) {
  return sentence && sentence->find(part) != std::string::npos;
}

#define EXPECT_FAULT(fault, part) EXPECT_PRED2(keops::simtest::contains, fault, std::string(part))

inline constexpr uint64_t Seeds[] = {0, 1, 2, 3, 4711};

} // namespace keops::simtest

#endif // KEOPS_TEST_UNIT_SIMULATORTESTING_H
