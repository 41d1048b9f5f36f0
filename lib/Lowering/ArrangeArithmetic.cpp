//===- ArrangeArithmetic.cpp - Signs and orders that machines like -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The last rewriting of a kernel before it becomes loops: what is the same in
// exact arithmetic, and for the instructions of all targets one less.
//
//===----------------------------------------------------------------------===//

#include "ArrangeArithmetic.h"

using namespace mlir;
using namespace keops;

/// −(v₀ + v₁ + …) = −v₀ − v₁ − …, where a product is subtracted as cheaply as it
/// is added: the sign costs nothing then, wherever the sum is used.
static void negateTerms(KernelOp kernel) {
  SmallVector<NegOp> negations;
  kernel.walk([&](NegOp op) { negations.push_back(op); });
  for (NegOp op : negations) {
    auto contract = op.getOperand().getDefiningOp<ContractOp>();
    if (!contract || !contract->hasOneUse() || !contract.getReduction().isLinearIn(llvm::SmallBitVector(1, true)))
      continue;
    Operation *yield = contract.getBody().front().getTerminator();
    OpBuilder builder(yield);
    yield->setOperand(0, NegOp::create(builder, op.getLoc(), yield->getOperand(0)));
    op.replaceAllUsesWith(contract.getResult());
    op.erase();
  }
}

/// A square does not mind the order of its difference. With the operand that is
/// broadcast first, the other one can be an operand in memory, which no register
/// has to hold; processors that know this take it as the second one only.
static void orderDifferences(KernelOp kernel, IndexSet laneIndex) {
  kernel.walk([&](SubOp op) {
    auto indices = [](Value value) { return cast<VecType>(value.getType()).getIndices(); };
    bool squared = llvm::all_of(op->getUsers(), [&](Operation *user) {
      auto product = dyn_cast<MulOp>(user);
      return product && product.getLhs() == product.getRhs();
    });
    if (squared && contains(indices(op.getLhs()), laneIndex) && !contains(indices(op.getRhs()), laneIndex)) {
      Value lhs = op.getLhs();
      op.getLhsMutable().assign(op.getRhs());
      op.getRhsMutable().assign(lhs);
    }
  });
}

void keops::arrangeArithmetic(KernelOp kernel, IndexSet laneIndex) {
  negateTerms(kernel);
  orderDifferences(kernel, laneIndex);
}
