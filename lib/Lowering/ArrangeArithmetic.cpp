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
#include "keops/Dialect/Arithmetic.h"

using namespace mlir;
using namespace keops;

/// −(v₀ + v₁ + …) = −v₀ − v₁ − …, where a product is subtracted as cheaply as it
/// is added: the sign costs nothing then, wherever the sum is used.
static void negateTerms(KernelOp kernel) {
  SmallVector<Operation *> negations;
  kernel.walk([&](Operation *op) {
    if (signsOf(op) == ArrayRef<int>(-1))
      negations.push_back(op);
  });
  for (Operation *op : negations) {
    auto contract = op->getOperand(0).getDefiningOp<ContractOp>();
    if (!contract || !contract->hasOneUse() || !contract.getReduction().isLinearIn(llvm::SmallBitVector(1, true)))
      continue;
    Operation *yield = contract.getBody().front().getTerminator();
    OpBuilder builder(yield);
    Operation *negated = builder.create(op->getLoc(), op->getName().getIdentifier(), yield->getOperand(0),
                                        yield->getOperand(0).getType());
    yield->setOperand(0, negated->getResult(0));
    op->replaceAllUsesWith(contract->getResults());
    op->erase();
  }
}

/// A square does not mind the order of its difference. With the operand that is
/// broadcast first, the other one can be an operand in memory, which no register
/// has to hold; processors that know this take it as the second one only.
static void orderDifferences(KernelOp kernel, IndexSet laneIndex) {
  auto isOnLanes = [&](Value value) { return contains(cast<VecType>(value.getType()).getIndices(), laneIndex); };
  kernel.walk([&](Operation *op) {
    if (signsOf(op) != ArrayRef<int>({1, -1}) || !llvm::all_of(op->getUsers(), isSquare))
      return;
    Value lhs = op->getOperand(0), rhs = op->getOperand(1);
    if (isOnLanes(lhs) && !isOnLanes(rhs))
      op->setOperands({rhs, lhs});
  });
}

void keops::arrangeArithmetic(KernelOp kernel, IndexSet laneIndex) {
  negateTerms(kernel);
  orderDifferences(kernel, laneIndex);
}
