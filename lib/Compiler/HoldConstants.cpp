//===- HoldConstants.cpp - Constants of loops stay where they are -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A volatile load is what LLVM asks no questions about, for any target.
//
//===----------------------------------------------------------------------===//

#include "HoldConstants.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"

/// A number on all lanes that takes an instruction to make.
static llvm::Constant *splatNumber(llvm::Value *value) {
  auto *constant = llvm::dyn_cast<llvm::Constant>(value);
  if (!constant || !constant->getType()->isVectorTy() || constant->isNullValue())
    return nullptr;
  llvm::Constant *number = constant->getSplatValue();
  return number && llvm::isa<llvm::ConstantFP>(number) ? number : nullptr;
}

/// Instructions of a loop in which constants are held. A longer one has no register for any, and an allocator that looks
/// for one at each of their uses: its time grows with the square of the loop's length.
static constexpr size_t kLongestLoop = 1024;

static size_t lengthOf(const llvm::Loop &loop) {
  size_t length = 0;
  for (llvm::BasicBlock *block : loop.blocks())
    length += block->size();
  return length;
}

static void holdConstants(llvm::Function &function) {
  llvm::DominatorTree dominators(function);
  llvm::LoopInfo loops(dominators);
  llvm::MapVector<llvm::Value *, llvm::SmallVector<llvm::Use *>> uses;
  for (llvm::Loop *loop : loops.getLoopsInPreorder()) {
    if (!loop->isInnermost() || lengthOf(*loop) > kLongestLoop)
      continue;
    for (llvm::BasicBlock *block : loop->blocks())
      for (llvm::Instruction &instruction : *block)
        if (!llvm::isa<llvm::PHINode>(instruction))
          for (llvm::Use &use : instruction.operands())
            if (splatNumber(use))
              uses[use].push_back(&use);
  }
  llvm::IRBuilder<> builder(&*function.getEntryBlock().getFirstNonPHIOrDbgOrAlloca());
  for (auto &[constant, operands] : uses) {
    llvm::Constant *number = splatNumber(constant);
    auto *place = new llvm::GlobalVariable(*function.getParent(), number->getType(), /*isConstant=*/true,
                                           llvm::GlobalValue::PrivateLinkage, number, "keops_constant");
    llvm::Value *held = builder.CreateLoad(number->getType(), place, /*isVolatile=*/true);
    held = builder.CreateVectorSplat(llvm::cast<llvm::VectorType>(constant->getType())->getElementCount(), held);
    for (llvm::Use *use : operands)
      use->set(held);
  }
}

void keops::holdConstants(llvm::Module &module) {
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      ::holdConstants(function);
}
