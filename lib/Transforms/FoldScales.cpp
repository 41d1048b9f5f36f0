//===- FoldScales.cpp - Exponentials as powers of two -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A GPU raises 2 to a power in one instruction, and e after a multiplication.
// That factor goes through sums, products and whatever is linear down to values
// of rows or columns alone, where it costs nothing for a pair: of a square, its
// root goes to what is squared. What sums need of the same values, such as the
// difference in a gradient, takes its factor along and out of the sum.
//
//===----------------------------------------------------------------------===//

#include "Products.h"

#include "keops/Dialect/Arithmetic.h"
#include "keops/Transforms/Passes.h"

#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/CSE.h"

#include <cmath>

namespace keops {
#define GEN_PASS_DEF_KEOPSFOLDSCALES
#include "keops/Transforms/Passes.h.inc"
} // namespace keops

using namespace mlir;
using namespace keops;

/// A scaled copy of a longer vector that is read for itself, too, would take more memory than the factor is worth.
static constexpr int64_t kShortVector = 8;
/// How far a factor goes, at most.
static constexpr int kDeepest = 16;

static bool isNumber(Value value) { return isa<FloatType>(vecOf(value).getElementType()); }

/// The operand, alone, in which `op` is linear and which may take a factor; none if there is no such.
static std::optional<unsigned> linearOperand(Operation *op, llvm::function_ref<bool(Value)> isFree) {
  for (unsigned n = 0; n < op->getNumOperands(); ++n) {
    llvm::SmallBitVector alone(op->getNumOperands());
    alone.set(n);
    auto arithmetic = dyn_cast<ArithmeticOpInterface>(op);
    auto known = dyn_cast<DifferentiableOpInterface>(op);
    bool isLinear = arithmetic && !arithmetic.exponents().empty() ? arithmetic.exponents()[n] == 1
                                                                  : known && known.isLinearIn(alone);
    if (isLinear && isFree(op->getOperand(n)))
      return n;
  }
  return std::nullopt;
}

/// True if `op` is linear in all numbers among its operands together: a choice of one of them.
static bool isChoice(Operation *op) {
  auto known = dyn_cast<DifferentiableOpInterface>(op);
  llvm::SmallBitVector numbers(op->getNumOperands());
  for (OpOperand &operand : op->getOpOperands())
    numbers[operand.getOperandNumber()] = isNumber(operand.get());
  return known && signsOf(op).empty() && numbers.count() > 1 && known.isLinearIn(numbers);
}

/// True if a factor of what `use` reads comes out of reductions, and nowhere else.
static bool leavesReductions(OpOperand &use, int depth = 0) {
  Operation *user = use.getOwner();
  if (llvm::count(user->getOperands(), use.get()) > 1 || depth == kDeepest)
    return false;
  if (auto reduce = dyn_cast<ReduceOp>(user)) {
    llvm::SmallBitVector alone(reduce->getNumOperands());
    alone.set(use.getOperandNumber());
    return reduce.getReduction().isLinearIn(alone);
  }
  auto isOperand = [&](Value operand) { return operand == use.get(); };
  return linearOperand(user, isOperand) &&
         llvm::all_of(user->getResult(0).getUses(), [&](OpOperand &next) { return leavesReductions(next, depth + 1); });
}

/// True if a factor of `value`, which `user` reads, costs nothing for each pair.
static bool isFree(Value value, Operation *user, int depth = 0) {
  bool isOnlyUser = llvm::all_of(value.getUsers(), [&](Operation *other) { return other == user; });
  if (vecOf(value).getIndices() != IndexSet::IJ)
    return isOnlyUser || vecOf(value).getDim() <= kShortVector || value.getDefiningOp<ConstantOp>();
  Operation *op = value.getDefiningOp();
  auto isShared = [&](OpOperand &use) { return use.getOwner() == user || leavesReductions(use); };
  if (!op || depth == kDeepest || !llvm::all_of(value.getUses(), isShared))
    return false;
  auto operandIsFree = [&](Value operand) { return isFree(operand, op, depth + 1); };
  if (!signsOf(op).empty())
    return llvm::all_of(op->getOperands(), operandIsFree);
  if (isSquare(op))
    return operandIsFree(op->getOperand(0));
  if (isChoice(op))
    return llvm::all_of(llvm::make_filter_range(op->getOperands(), isNumber), operandIsFree);
  return linearOperand(op, operandIsFree).has_value();
}

/// Takes a factor that the result of `user` has got out of the results of the reductions that it goes to.
static void loseFactor(OpBuilder &builder, Operation *user, double factor) {
  if (!isa<ReduceOp>(user)) {
    for (Operation *next : user->getResult(0).getUsers())
      loseFactor(builder, next, factor);
    return;
  }
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfter(user);
  for (Value result : user->getResults()) {
    VecType type = vecOf(result).withDim(1).withIndices(IndexSet::None);
    Value inverse = ConstantOp::create(builder, user->getLoc(), type, builder.getF64FloatAttr(1 / factor));
    auto product = MulOp::create(builder, user->getLoc(), result, inverse);
    result.replaceAllUsesExcept(product, product);
  }
}

/// `value`, which `user` reads, times a positive factor, where that is free.
static Value scale(OpBuilder &builder, Value value, Operation *user, double factor) {
  Operation *op = value.getDefiningOp();
  OpBuilder::InsertionGuard guard(builder);
  if (op)
    builder.setInsertionPointAfter(op);
  else
    builder.setInsertionPointToStart(cast<BlockArgument>(value).getOwner());
  Location loc = value.getLoc();
  if (vecOf(value).getIndices() != IndexSet::IJ) {
    VecType type = vecOf(value).withDim(1).withIndices(IndexSet::None);
    Value constant = ConstantOp::create(builder, loc, type, builder.getF64FloatAttr(factor));
    return MulOp::create(builder, loc, value, constant);
  }
  SmallVector<Value> operands(op->getOperands());
  auto operandIsFree = [&](Value operand) { return isFree(operand, op); };
  if (!signsOf(op).empty() || isChoice(op)) {
    for (Value &operand : llvm::make_filter_range(operands, isNumber))
      operand = scale(builder, operand, op, factor);
  } else if (isSquare(op)) {
    operands[0] = operands[1] = scale(builder, operands[0], op, std::sqrt(factor));
  } else {
    unsigned n = *linearOperand(op, operandIsFree);
    operands[n] = scale(builder, operands[n], op, factor);
  }
  Operation *copy = builder.clone(*op);
  copy->setOperands(operands);
  for (OpOperand &use : llvm::make_early_inc_range(value.getUses()))
    if (use.getOwner() != user) {
      use.set(copy->getResult(0));
      loseFactor(builder, use.getOwner(), factor);
    }
  return copy->getResult(0);
}

namespace {
struct FoldScalesPass : keops::impl::KeopsFoldScalesBase<FoldScalesPass> {
  void runOnOperation() override {
    // What is computed for others, too, is one value with several users.
    IRRewriter rewriter(&getContext());
    DominanceInfo dominance(getOperation());
    eliminateCommonSubExpressions(rewriter, dominance, getOperation());
    SmallVector<ExponentialOpInterface> exponentials;
    getOperation().walk([&](ExponentialOpInterface op) { exponentials.push_back(op); });
    for (ExponentialOpInterface op : exponentials) {
      Value power = op->getOperand(0);
      double factor = op.logOfBase() / std::log(2.0);
      // In f64 a power of two is as much arithmetic as one of e.
      if (factor == 1 || !vecOf(power).getElementType().isF32() || vecOf(power).getIndices() != IndexSet::IJ ||
          !isFree(power, op))
        continue;
      OpBuilder builder(op);
      Value exponent = scale(builder, power, op, factor);
      op->getResult(0).replaceAllUsesWith(Exp2Op::create(builder, op.getLoc(), exponent));
      op.erase();
    }
    // What was copied with a factor may have no other user.
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(getOperation().getBody().front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }
};
} // namespace
