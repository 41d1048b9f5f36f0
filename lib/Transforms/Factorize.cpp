//===- Factorize.cpp - Share factors, and move them out of sums -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One walk over the formula, operands before their users, does what it can to
// each product, sum and reduction; equal values are then merged, which may show
// more, until nothing changes. A product or a sum over components is built on
// trial and kept only if it does less for each pair.
//
//===----------------------------------------------------------------------===//

#include "FactorizeReductions.h"
#include "SumSchemes.h"

#include "keops/Transforms/Passes.h"

#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/CSE.h"

namespace keops {
#define GEN_PASS_DEF_KEOPSFACTORIZE
#include "keops/Transforms/Passes.h.inc"
} // namespace keops

using namespace mlir;
using namespace keops;

/// A walk finds what an earlier one has made possible; few formulas need more than two.
static constexpr int kMostWalks = 8;

static Work workOf(ArrayRef<Operation *> ops) {
  Work work;
  for (Operation *op : ops)
    work.add(op);
  return work;
}

/// True where a rounding of `op` may show in full.
static bool decidesJump(Operation *op) {
  return llvm::any_of(op->getUsers(), [](Operation *user) { return user->hasTrait<Jumps>(); });
}

/// Puts `value`, built on trial, in the place of `op`, whose work was that of `replaced`, if it is less work.
static bool accept(Operation *op, Value value, const Trial &trial, ArrayRef<Operation *> replaced) {
  if (value.getType() != op->getResult(0).getType() || !trial.work().isLessThan(workOf(replaced)))
    return false;
  op->getResult(0).replaceAllUsesWith(value);
  // Users stand before their operands.
  for (Operation *old : replaced)
    if (old->use_empty())
      old->erase();
  return true;
}

static DerivativeBuilder builderFor(OpBuilder &builder, Operation *op) {
  return DerivativeBuilder(builder, op->getLoc(), vecOf(op->getResult(0)).getElementType(), SumScheme::Blocks);
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static bool isProduct(Operation *op) {
  auto arithmetic = dyn_cast<ArithmeticOpInterface>(op);
  return arithmetic && (!arithmetic.exponents().empty() || arithmetic.signs().size() == 1);
}

static bool isNumber(const Factor &factor) { return dimOf(factor.value) == 1; }

/// Regroups the factors of a product that is no part of another one.
static bool group(Operation *op) {
  if (!isProduct(op) || indicesOf(op->getResult(0)) != IndexSet::IJ || decidesJump(op) ||
      (op->hasOneUse() && isProduct(*op->user_begin())))
    return false;
  SmallVector<Operation *> inside;
  Product product = factorsOf(op->getResult(0), &inside);
  if (product.factors.size() + (product.constant != 1) < 3)
    return false;
  OpBuilder builder(op);
  DerivativeBuilder b = builderFor(builder, op);
  Trial trial(op);
  if (accept(op, build(b, product), trial, inside))
    return true;
  trial.discard();
  return false;
}

/// L(c·u·v) = c·L(u·v) for a number c of one component and an op that is linear in one operand, such as a sum over
/// components. What is left must be a product still: it joins that sum, as c·v does.
static bool groupOutside(Operation *op) {
  auto rule = dyn_cast<DifferentiableOpInterface>(op);
  if (!rule || isa<ArithmeticOpInterface>(op) || decidesJump(op))
    return false;
  for (unsigned n = 0; n < op->getNumOperands(); ++n) {
    llvm::SmallBitVector variable(op->getNumOperands());
    variable.set(n);
    Value operand = op->getOperand(n);
    if (!operand.hasOneUse() || dimOf(operand) == 1 || !rule.isLinearIn(variable))
      continue;
    SmallVector<Operation *> inside = {op};
    Product inner = factorsOf(operand, &inside), outer;
    std::swap(outer.constant, inner.constant);
    llvm::copy_if(inner.factors, std::back_inserter(outer.factors), isNumber);
    llvm::erase_if(inner.factors, isNumber);
    if (outer.isOne() || inner.factors.size() < 2)
      continue;
    OpBuilder builder(op);
    DerivativeBuilder b = builderFor(builder, op);
    Trial trial(op);
    Value rest = build(b, inner);
    if (rest.getType() == vecOf(operand).withIndices(indicesOf(rest))) {
      outer.factors.push_back({withOperand(builder, op, n, rest)});
      if (accept(op, build(b, outer), trial, inside))
        return true;
    }
    trial.discard();
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Sums of two
//===----------------------------------------------------------------------===//

/// a·b ± a·c = a·(b ± c), for products that nothing else uses.
static bool distribute(Operation *op) {
  auto arithmetic = dyn_cast<ArithmeticOpInterface>(op);
  if (!arithmetic || arithmetic.signs().size() != 2 || decidesJump(op))
    return false;
  Value lhs = op->getOperand(0), rhs = op->getOperand(1);
  if (!lhs.hasOneUse() || !rhs.hasOneUse())
    return false;
  SmallVector<Operation *> inside = {op};
  Product a = factorsOf(lhs, &inside), c = factorsOf(rhs, &inside);
  Product common = takeCommon(a, c);
  if (common.factors.empty())
    return false;
  a.constant *= arithmetic.signs()[0];
  c.constant *= arithmetic.signs()[1];
  OpBuilder builder(op);
  DerivativeBuilder b = builderFor(builder, op);
  Trial trial(op);
  common.factors.push_back({b.add(build(b, a), build(b, c))});
  if (accept(op, build(b, common), trial, inside))
    return true;
  trial.discard();
  return false;
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct FactorizePass : keops::impl::KeopsFactorizeBase<FactorizePass> {
  using KeopsFactorizeBase::KeopsFactorizeBase;

  void runOnOperation() override {
    FormulaFuncOp formula = getOperation();
    IRRewriter rewriter(&getContext());
    for (int walk = 0; walk < kMostWalks && rewriteAll(formula); ++walk) {
      removeUnused(formula);
      DominanceInfo dominance;
      eliminateCommonSubExpressions(rewriter, dominance, formula);
    }
  }

private:
  bool rewriteAll(FormulaFuncOp formula) {
    SumScheme scheme = schemeOf(formula);
    bool changed = false;
    for (Operation &op : llvm::make_early_inc_range(formula.getBody().front().without_terminator()))
      changed |= op.use_empty() ? false : rewrite(&op, scheme);
    return changed;
  }

  bool rewrite(Operation *op, SumScheme scheme) {
    if (auto reduce = dyn_cast<ReduceOp>(op))
      return (softmax && useDensity(reduce, scheme)) || (hoist && keops::hoist(reduce)) ||
             (reuse && keops::reuse(reduce)) || (expand && expandDifference(reduce));
    return (group && (::group(op) || groupOutside(op))) || (distribute && (::distribute(op) || joinReductions(op)));
  }

  static void removeUnused(FormulaFuncOp formula) {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(formula.getBody().front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }
};
} // namespace
