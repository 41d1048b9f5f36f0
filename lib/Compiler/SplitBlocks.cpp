//===- SplitBlocks.cpp - Long blocks in parts -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Parts that simply follow each other would be joined again by the code
// generator. So each ends in a branch whose condition always holds, which is
// not to be seen from within: that the function got a frame.
//
//===----------------------------------------------------------------------===//

#include "SplitBlocks.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

/// Blocks of more instructions than the first are split into parts of about the second.
static constexpr int64_t kLongest = 1024, kPart = 256;

/// Machine instructions that `instruction` becomes, when each works on one register.
static int64_t weightOf(const Instruction &instruction, const DataLayout &layout, int64_t vectorBits) {
  Type *type = instruction.getType();
  if (auto *store = dyn_cast<StoreInst>(&instruction))
    type = store->getValueOperand()->getType();
  if (!type->isVectorTy())
    return 1;
  return divideCeil(layout.getTypeSizeInBits(type).getFixedValue(), static_cast<uint64_t>(vectorBits));
}

static void splitBlock(BasicBlock *block, Value *always, BasicBlock *never, int64_t vectorBits) {
  const DataLayout &layout = block->getModule()->getDataLayout();
  int64_t total = 0;
  for (Instruction &instruction : *block)
    total += weightOf(instruction, layout, vectorBits);
  if (total <= kLongest)
    return;
  while (total > 2 * kPart) {
    int64_t part = 0;
    auto cut = block->getFirstNonPHIIt();
    while (part < kPart && !cut->isTerminator()) {
      part += weightOf(*cut, layout, vectorBits);
      ++cut;
    }
    BasicBlock *rest = block->splitBasicBlock(cut);
    block->getTerminator()->eraseFromParent();
    IRBuilder<>(block).CreateCondBr(always, rest, never);
    block = rest;
    total -= part;
  }
}

void keops::splitLongBlocks(Module &module, int64_t vectorBits) {
  for (Function &function : module) {
    if (function.isDeclaration() || function.arg_empty() || !function.getArg(0)->getType()->isPointerTy() ||
        !function.getReturnType()->isVoidTy())
      continue;
    SmallVector<BasicBlock *> blocks;
    for (BasicBlock &block : function)
      blocks.push_back(&block);
    IRBuilder<> builder(&*function.getEntryBlock().getFirstNonPHIOrDbgOrAlloca());
    Value *always = builder.CreateIsNotNull(function.getArg(0));
    BasicBlock *never = BasicBlock::Create(module.getContext(), "never", &function);
    IRBuilder<>(never).CreateRetVoid();
    for (BasicBlock *block : blocks)
      splitBlock(block, always, never, vectorBits);
    if (pred_empty(never)) {
      never->eraseFromParent();
      cast<Instruction>(always)->eraseFromParent();
    }
  }
}
