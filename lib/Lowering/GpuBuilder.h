//===- GpuBuilder.h - What functions for a GPU are written with -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Integers, addresses, loops, and the parameters that launches of all kernels
// over blocks of rows have.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_LOWERING_GPUBUILDER_H
#define KEOPS_LIB_LOWERING_GPUBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace keops {

/// Address spaces of global and shared memory.
inline constexpr unsigned kGlobalSpace = 1, kSharedSpace = 3;
/// The widest access to memory.
inline constexpr int64_t kWordBytes = 16;

class GpuBuilder {
public:
  GpuBuilder(mlir::OpBuilder builder, mlir::Location loc) : builder(std::move(builder)), loc(loc) {}

protected:
  /// Pointers and strides of one argument.
  struct ArgumentAccess {
    mlir::Value base, rowStride, componentStride;
  };
  /// The parameters of a launch over blocks of rows, in their order; Runtime/GpuLaunch.cpp says what they are.
  struct LaunchParameters {
    llvm::SmallVector<ArgumentAccess> arguments;
    llvm::SmallVector<mlir::Value> outputs;
    mlir::Value rows, blocks, intervals, offsets, states, bytesOfStates;
  };

  // Arithmetic.
  mlir::Value i32(int64_t value) { return mlir::arith::ConstantIntOp::create(builder, loc, value, 32); }
  mlir::Value i64(int64_t value) { return mlir::arith::ConstantIntOp::create(builder, loc, value, 64); }
  mlir::Value add(mlir::Value a, mlir::Value b) { return mlir::arith::AddIOp::create(builder, loc, a, b); }
  mlir::Value mul(mlir::Value a, mlir::Value b) { return mlir::arith::MulIOp::create(builder, loc, a, b); }
  /// A number of blocks or threads, as an i64.
  template <typename Op>
  mlir::Value place(mlir::gpu::Dimension dimension) {
    return mlir::arith::IndexCastOp::create(builder, loc, builder.getI64Type(), Op::create(builder, loc, dimension));
  }

  // Memory.
  mlir::Type pointerType() { return mlir::LLVM::LLVMPointerType::get(builder.getContext(), kGlobalSpace); }
  mlir::Value element(mlir::Value base, mlir::Type type, mlir::Value index);
  mlir::Value load(mlir::Value base, mlir::Value index, mlir::Type type, int64_t alignment = 0);
  void store(mlir::Value base, mlir::Value index, mlir::Value value);
  /// An array of the thread's own; made where the builder is, which is to be the beginning of a function.
  mlir::Value allocateLocal(mlir::Type type, int64_t count);
  /// An array of the block's.
  mlir::LLVM::GlobalOp createShared(llvm::StringRef name, mlir::Type type, int64_t count);

  /// A loop of this thread, from `from` to `to`.
  mlir::scf::ForOp loop(mlir::Value from, mlir::Value to, int64_t step, llvm::function_ref<void(mlir::Value)> body);

  /// A kernel at the end of `module`; the builder goes to its beginning.
  mlir::gpu::GPUFuncOp beginKernel(mlir::gpu::GPUModuleOp module, llvm::StringRef name, mlir::TypeRange parameters,
                                   int64_t threads);
  /// The same, for launches over blocks of rows.
  mlir::gpu::GPUFuncOp beginKernelOfRows(mlir::gpu::GPUModuleOp module, llvm::StringRef name, size_t numArguments,
                                         size_t numOutputs, int64_t threads, LaunchParameters &parameters);

  mlir::OpBuilder builder;
  mlir::Location loc;
};

} // namespace keops

#endif // KEOPS_LIB_LOWERING_GPUBUILDER_H
