//===- RefineTypes.cpp - Types after an operand has changed its indices -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Types follow from operands, in the order of the formula.
//
//===----------------------------------------------------------------------===//

#include "RefineTypes.h"

using namespace mlir;
using namespace keops;

void keops::refineTypes(Operation *op) {
  auto inference = dyn_cast<InferTypeOpInterface>(op);
  if (!inference)
    return;
  SmallVector<Type> types;
  if (failed(inference.inferReturnTypes(op->getContext(), op->getLoc(), op->getOperands(), op->getAttrDictionary(),
                                        op->getPropertiesStorage(), op->getRegions(), types)))
    return;
  for (auto [result, type] : llvm::zip(op->getResults(), types))
    result.setType(type);
}

void keops::finishRewriting(FormulaFuncOp formula) {
  Block &body = formula.getBody().front();
  formula.setResultTypesAttr(
      Builder(formula.getContext())
          .getTypeArrayAttr(llvm::to_vector(TypeRange(body.getTerminator()->getOperandTypes()))));
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
    if (isOpTriviallyDead(&op))
      op.erase();
}
