//===- GpuBuilder.cpp - What functions for a GPU are written with -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every access says its alignment: that of its type, up to a word.
//
//===----------------------------------------------------------------------===//

#include "GpuBuilder.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace keops;

static unsigned alignmentOf(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  int64_t bytes = getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8 * (vector ? vector.getNumElements() : 1);
  return std::min<int64_t>(bytes & -bytes, kWordBytes);
}

Value GpuBuilder::element(Value base, Type type, Value index) {
  return LLVM::GEPOp::create(builder, loc, base.getType(), type, base, ArrayRef<LLVM::GEPArg>{index});
}

Value GpuBuilder::load(Value base, Value index, Type type, int64_t alignment) {
  Value address = element(base, getElementTypeOrSelf(type), index);
  return LLVM::LoadOp::create(builder, loc, type, address, alignment ? alignment : alignmentOf(type));
}

void GpuBuilder::store(Value base, Value index, Value value) {
  Value address = element(base, getElementTypeOrSelf(value), index);
  LLVM::StoreOp::create(builder, loc, value, address, alignmentOf(value.getType()));
}

Value GpuBuilder::allocateLocal(Type type, int64_t count) {
  return LLVM::AllocaOp::create(builder, loc, LLVM::LLVMPointerType::get(builder.getContext()),
                                LLVM::LLVMArrayType::get(type, count), i64(1), /*alignment=*/kWordBytes);
}

LLVM::GlobalOp GpuBuilder::createShared(StringRef name, Type type, int64_t count) {
  return LLVM::GlobalOp::create(builder, loc, LLVM::LLVMArrayType::get(type, count), /*isConstant=*/false,
                                LLVM::Linkage::Internal, name, /*value=*/Attribute(), /*alignment=*/kWordBytes,
                                kSharedSpace);
}

scf::ForOp GpuBuilder::loop(Value from, Value to, int64_t step, function_ref<void(Value)> body) {
  Value by = arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(from.getType(), step));
  auto op = scf::ForOp::create(builder, loc, from, to, by);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  body(op.getInductionVar());
  return op;
}

gpu::GPUFuncOp GpuBuilder::beginKernel(gpu::GPUModuleOp module, StringRef name, TypeRange parameters, int64_t threads) {
  builder.setInsertionPointToEnd(module.getBody());
  auto function = gpu::GPUFuncOp::create(builder, loc, name, builder.getFunctionType(parameters, {}));
  function->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), builder.getUnitAttr());
  function.setKnownBlockSizeAttr(builder.getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  builder.setInsertionPointToStart(&function.getBody().front());
  return function;
}

gpu::GPUFuncOp GpuBuilder::beginKernelOfRows(gpu::GPUModuleOp module, StringRef name, size_t numArguments,
                                             size_t numOutputs, int64_t threads, LaunchParameters &parameters) {
  Type pointer = pointerType(), size = builder.getI64Type();
  SmallVector<Type> types;
  for (size_t n = 0; n < numArguments; ++n)
    types.append({pointer, size, size});
  types.append(numOutputs, pointer);
  types.append({size, pointer, pointer, pointer, pointer, size});
  gpu::GPUFuncOp function = beginKernel(module, name, types, threads);
  auto next = function.getArguments().begin();
  for (size_t n = 0; n < numArguments; ++n, next += 3)
    parameters.arguments.push_back({next[0], next[1], next[2]});
  for (size_t n = 0; n < numOutputs; ++n)
    parameters.outputs.push_back(*next++);
  parameters.rows = next[0];
  parameters.blocks = next[1];
  parameters.intervals = next[2];
  parameters.offsets = next[3];
  parameters.states = next[4];
  parameters.bytesOfStates = next[5];
  return function;
}
