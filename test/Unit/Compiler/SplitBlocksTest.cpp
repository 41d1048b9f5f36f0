//===- SplitBlocksTest.cpp - Long blocks in parts --------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Splitting must keep a function valid and complete, and let short ones alone.
//
//===----------------------------------------------------------------------===//

#include "Compiler/SplitBlocks.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Verifier.h"

#include <gtest/gtest.h>

using namespace llvm;

namespace {

class SplitBlocks : public testing::Test {
protected:
  /// A function whose one loop stores a sum of `count` products of numbers of `type`, each used by the next.
  Function *makeLoop(int64_t count, Type *type) {
    auto *function =
        Function::Create(FunctionType::get(Type::getVoidTy(context), {PointerType::get(context, 0)}, false),
                         Function::ExternalLinkage, "f", module);
    BasicBlock *entry = BasicBlock::Create(context, "entry", function);
    BasicBlock *loop = BasicBlock::Create(context, "loop", function);
    BasicBlock *exit = BasicBlock::Create(context, "exit", function);
    IRBuilder<> builder(entry);
    builder.CreateBr(loop);
    builder.SetInsertPoint(loop);
    PHINode *turn = builder.CreatePHI(builder.getInt64Ty(), 2);
    turn->addIncoming(builder.getInt64(0), entry);
    Value *value = builder.CreateLoad(type, function->getArg(0));
    for (int64_t n = 0; n < count; ++n)
      value = builder.CreateFMul(value, value);
    builder.CreateStore(value, function->getArg(0));
    Value *next = builder.CreateAdd(turn, builder.getInt64(1));
    turn->addIncoming(next, loop);
    builder.CreateCondBr(builder.CreateICmpULT(next, builder.getInt64(9)), loop, exit);
    builder.SetInsertPoint(exit);
    builder.CreateRetVoid();
    return function;
  }

  int64_t products(const Function &function) {
    int64_t count = 0;
    for (const BasicBlock &block : function)
      count += llvm::count_if(block, [](const Instruction &op) { return op.getOpcode() == Instruction::FMul; });
    return count;
  }
  size_t longest(const Function &function) {
    size_t most = 0;
    for (const BasicBlock &block : function)
      most = std::max(most, block.size());
    return most;
  }

  LLVMContext context;
  Module module{"test", context};
};

TEST_F(SplitBlocks, LongBlocksBecomePartsOfTheSameCode) {
  Function *function = makeLoop(10000, Type::getFloatTy(context));
  keops::splitLongBlocks(module, 256);
  std::string errors;
  raw_string_ostream stream(errors);
  EXPECT_FALSE(verifyModule(module, &stream)) << errors;
  EXPECT_EQ(products(*function), 10000);
  EXPECT_LT(longest(*function), 600u);
  // No part just follows another: code generation would join them.
  for (const BasicBlock &block : *function)
    if (const BasicBlock *before = block.getSinglePredecessor())
      EXPECT_NE(before->getSingleSuccessor(), &block);
}

TEST_F(SplitBlocks, ShortBlocksStay) {
  Function *function = makeLoop(900, FixedVectorType::get(Type::getFloatTy(context), 8));
  std::string before, after;
  raw_string_ostream(before) << *function;
  keops::splitLongBlocks(module, 256);
  raw_string_ostream(after) << *function;
  EXPECT_EQ(before, after);
}

// An operation on a vector of four registers is four instructions.
TEST_F(SplitBlocks, WideVectorsWeighMore) {
  Function *function = makeLoop(900, FixedVectorType::get(Type::getFloatTy(context), 32));
  keops::splitLongBlocks(module, 256);
  EXPECT_FALSE(verifyModule(module));
  EXPECT_EQ(products(*function), 900);
  EXPECT_LT(longest(*function), 200u);
}

} // namespace
