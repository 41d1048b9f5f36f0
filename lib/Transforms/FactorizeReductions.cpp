//===- FactorizeReductions.cpp - Rewritings of reductions -------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A linear reduction commutes with every op that is linear in the one operand
// that varies with the reduced index: products with what does not vary, sums of
// components, matrices. Ops and reductions say themselves what they are linear
// in.
//
//===----------------------------------------------------------------------===//

#include "FactorizeReductions.h"

#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace keops;

static IndexSet reducedIndex(ReduceOp reduce) { return static_cast<IndexSet>(reduce.getOver()); }
static bool varies(Value value, ReduceOp reduce) { return contains(indicesOf(value), reducedIndex(reduce)); }
static Value termOf(ReduceOp reduce) { return reduce.getTerms().back(); }

static DerivativeBuilder builderFor(OpBuilder &builder, Operation *op, SumScheme scheme = SumScheme::Blocks) {
  return DerivativeBuilder(builder, op->getLoc(), vecOf(op->getResult(0)).getElementType(), scheme);
}

bool keops::isLinear(ReduceOp reduce) {
  llvm::SmallBitVector last(reduce.getTerms().size());
  last.set(last.size() - 1);
  return reduce.getNumResults() == 1 && reduce.getReduction().isLinearIn(last) &&
         dimOf(reduce.getResult(0)) == dimOf(termOf(reduce));
}

/// True if both differ in their terms alone.
static bool alike(ReduceOp a, ReduceOp b) {
  return a.getReduction() == b.getReduction() && a.getOver() == b.getOver() && a.getOnce() == b.getOnce() &&
         llvm::equal(a.getTerms().drop_back(), b.getTerms().drop_back());
}

/// The reduction of `term` instead of the last term.
static Value withTerm(OpBuilder &builder, ReduceOp reduce, Value term) {
  SmallVector<Value> terms(reduce.getTerms());
  terms.back() = term;
  return ReduceOp::create(builder, reduce.getLoc(), reduce.getReduction(), reduce.getOver(), terms, reduce.getOnce())
      .getResult(0);
}

static void replace(ReduceOp reduce, Value value) {
  assert(value.getType() == reduce.getResult(0).getType() && "rewriting keeps types");
  reduce.getResult(0).replaceAllUsesWith(value);
  reduce.erase();
}

/// The number of the one operand of `op` that varies, if `op` is linear in it.
static std::optional<unsigned> linearOperand(Operation *op, ReduceOp reduce) {
  auto rule = dyn_cast_or_null<DifferentiableOpInterface>(op);
  if (!rule)
    return std::nullopt;
  llvm::SmallBitVector variable(op->getNumOperands());
  for (auto [n, operand] : llvm::enumerate(op->getOperands()))
    if (varies(operand, reduce))
      variable.set(n);
  if (variable.count() != 1 || !rule.isLinearIn(variable))
    return std::nullopt;
  return variable.find_first();
}

//===----------------------------------------------------------------------===//
// Out of the sum
//===----------------------------------------------------------------------===//

/// Factors that do not vary.
static bool hoistFactors(ReduceOp reduce) {
  Value term = termOf(reduce);
  Product inner = factorsOf(term), outer = takeWithout(inner, reducedIndex(reduce));
  if (outer.isOne() || inner.factors.empty())
    return false;
  // Where the product is needed anyway, what remains of it must be there too.
  bool isThere = inner.factors.size() == 1 && !inner.factors[0].inverse;
  if (!term.hasOneUse() && !isThere)
    return false;
  OpBuilder builder(reduce);
  DerivativeBuilder b = builderFor(builder, reduce);
  outer.factors.push_back({withTerm(builder, reduce, build(b, inner))});
  replace(reduce, build(b, outer));
  return true;
}

/// The factors of `product` but for `factor`, and those of `operand`; none if a number does not stand for what is left
/// out: only numbers move through a linear op.
static std::optional<Product> movedInto(const Product &product, const Factor &factor, Product operand) {
  for (const Factor &other : product.factors) {
    if (other == factor)
      continue;
    if (dimOf(other.value) != 1)
      return std::nullopt;
    operand.factors.push_back(other);
  }
  return operand;
}

/// Through an op that is linear in the one operand that varies: Σ s·L(v) = L(Σ s·v). A sum over a longer vector must
/// save more than it adds.
static bool hoistOp(ReduceOp reduce) {
  Value term = termOf(reduce);
  SmallVector<Operation *> inside;
  Product product = factorsOf(term, &inside);
  for (const Factor &factor : product.factors) {
    Operation *op = factor.value.getDefiningOp();
    std::optional<unsigned> n = factor.inverse ? std::nullopt : linearOperand(op, reduce);
    bool isAlone = product.factors.size() == 1;
    if (!n || (!isAlone && (!term.hasOneUse() || !factor.value.hasOneUse())))
      continue;
    Value operand = op->getOperand(*n);
    std::optional<Product> moved = movedInto(product, factor, {1, {{operand}}});
    if (!moved)
      continue;
    int64_t added = dimOf(operand) - dimOf(term);
    Work before;
    if (factor.value.hasOneUse())
      before.add(op);
    for (Operation *old : inside)
      before.add(old);
    OpBuilder builder(reduce);
    DerivativeBuilder b = builderFor(builder, reduce);
    Trial trial(reduce);
    Value newTerm = build(b, *moved);
    Work after = trial.work();
    if (added > 0 ? before.pairs + before.others <= after.pairs + after.others + 2 * added
                  : before.pairs < after.pairs) {
      trial.discard();
      continue;
    }
    replace(reduce, withOperand(builder, op, *n, withTerm(builder, reduce, newTerm)));
    return true;
  }
  return false;
}

bool keops::hoist(ReduceOp reduce) {
  return isLinear(reduce) && varies(termOf(reduce), reduce) && (hoistFactors(reduce) || hoistOp(reduce));
}

//===----------------------------------------------------------------------===//
// Densities
//===----------------------------------------------------------------------===//

/// True if `built`, made by ops in `made`, is what `value` is.
static bool equals(Value built, Value value, const llvm::SmallPtrSetImpl<Operation *> &made) {
  if (built == value)
    return true;
  Operation *a = built.getDefiningOp(), *b = value.getDefiningOp();
  return a && b && made.contains(a) && a->getName() == b->getName() &&
         a->getAttrDictionary() == b->getAttrDictionary() && a->getNumOperands() == b->getNumOperands() &&
         llvm::all_of(llvm::zip(a->getOperands(), b->getOperands()),
                      [&](auto pair) { return equals(std::get<0>(pair), std::get<1>(pair), made); });
}

/// Takes the density of `other` out of `product`, which is the value of the term of `reduce`.
static bool takeDensity(Product &product, ReduceOp other, ReduceOp reduce, DerivativeBuilder &b) {
  Trial trial(reduce);
  Value density = other.getReduction().buildDensity(b, other);
  llvm::SmallPtrSet<Operation *, 8> made;
  for (Operation *op = reduce->getPrevNode(); op && op != trial.previous(); op = op->getPrevNode())
    made.insert(op);
  Factor *found = !density ? product.factors.end() : llvm::find_if(product.factors, [&](const Factor &factor) {
    return !factor.inverse && equals(density, factor.value, made);
  });
  bool isFound = found != product.factors.end();
  if (isFound)
    product.factors.erase(found);
  trial.discard();
  return isFound;
}

bool keops::useDensity(ReduceOp reduce, SumScheme scheme) {
  if (reduce.getTerms().size() != 1 || !isLinear(reduce) || !varies(termOf(reduce), reduce))
    return false;
  OpBuilder builder(reduce);
  DerivativeBuilder b = builderFor(builder, reduce, scheme);
  for (auto other : reduce->getBlock()->getOps<ReduceOp>()) {
    if (other == reduce)
      break;
    if (other.getOver() != reduce.getOver() || other.getOnce() != reduce.getOnce())
      continue;
    Product product = factorsOf(termOf(reduce));
    if (!takeDensity(product, other, reduce, b))
      continue;
    replace(reduce, other.getReduction().buildWeightedSum(b, other, build(b, product)));
    return true;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Sums that are there
//===----------------------------------------------------------------------===//

bool keops::reuse(ReduceOp reduce) {
  if (!isLinear(reduce))
    return false;
  Product product = factorsOf(termOf(reduce)), outer = takeWithout(product, reducedIndex(reduce));
  for (const Factor &factor : product.factors) {
    // A factor L(p·q), where p does not vary: the sum is L(p Σ …q).
    std::optional<unsigned> n = factor.inverse ? std::nullopt : linearOperand(factor.value.getDefiningOp(), reduce);
    if (!n || !factor.value.hasOneUse())
      continue;
    Product inner = factorsOf(factor.value.getDefiningOp()->getOperand(*n));
    Product kept = takeWithout(inner, reducedIndex(reduce));
    std::optional<Product> moved = movedInto(product, factor, inner);
    if (!moved)
      continue;
    for (auto known : reduce->getBlock()->getOps<ReduceOp>()) {
      if (known == reduce)
        break;
      if (!alike(known, reduce) || !isLinear(known) || !sameProduct(factorsOf(termOf(known)), *moved))
        continue;
      OpBuilder builder(reduce);
      DerivativeBuilder b = builderFor(builder, reduce);
      kept.factors.push_back({known.getResult(0)});
      outer.factors.push_back({withOperand(builder, factor.value.getDefiningOp(), *n, build(b, kept))});
      replace(reduce, build(b, outer));
      return true;
    }
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Sums of two
//===----------------------------------------------------------------------===//

/// The signs of a sum of two; empty for everything else.
static ArrayRef<int> signsOfTwo(Operation *op) {
  auto arithmetic = dyn_cast_or_null<ArithmeticOpInterface>(op);
  return arithmetic && arithmetic.signs().size() == 2 ? arithmetic.signs() : ArrayRef<int>();
}

bool keops::expandDifference(ReduceOp reduce) {
  if (!isLinear(reduce))
    return false;
  Value term = termOf(reduce);
  Product rest = factorsOf(term);
  for (const Factor &factor : rest.factors) {
    Operation *difference = factor.value.getDefiningOp();
    ArrayRef<int> signs = factor.inverse ? ArrayRef<int>() : signsOfTwo(difference);
    // One part must leave the sum; for numbers nothing would be gained.
    if (signs.empty() || dimOf(factor.value) == 1 || !term.hasOneUse() ||
        llvm::all_of(difference->getOperands(), [&](Value part) { return varies(part, reduce); }))
      continue;
    rest.factors.erase(llvm::find(rest.factors, factor));
    OpBuilder builder(reduce);
    DerivativeBuilder b = builderFor(builder, reduce);
    Operation *sum = builder.clone(*difference);
    for (auto [n, part] : llvm::enumerate(difference->getOperands())) {
      Product product = rest;
      product.factors.push_back({part});
      builder.setInsertionPoint(sum);
      // A part of one component stands for all of them.
      sum->setOperand(n, withTerm(builder, reduce, b.fit(build(b, product), dimOf(term))));
    }
    sum->getResult(0).setType(reduce.getResult(0).getType());
    replace(reduce, sum->getResult(0));
    return true;
  }
  return false;
}

bool keops::joinReductions(Operation *sum) {
  ArrayRef<int> signs = signsOfTwo(sum);
  if (signs.empty())
    return false;
  auto first = sum->getOperand(0).getDefiningOp<ReduceOp>(), second = sum->getOperand(1).getDefiningOp<ReduceOp>();
  if (!first || !second || first == second || !alike(first, second) || !isLinear(first) || !first->hasOneUse() ||
      !second->hasOneUse() || !termOf(first).hasOneUse() || !termOf(second).hasOneUse())
    return false;
  Product a = factorsOf(termOf(first)), b = factorsOf(termOf(second));
  if (takeCommon(a, b).factors.empty() || dimOf(termOf(first)) != dimOf(termOf(second)))
    return false;
  OpBuilder builder(sum);
  Value term = withOperand(builder, sum, 0, termOf(first));
  term.getDefiningOp()->setOperand(1, termOf(second));
  term.setType(vecOf(term).withIndices(indicesOf(termOf(first)) | indicesOf(termOf(second))));
  sum->getResult(0).replaceAllUsesWith(withTerm(builder, first, term));
  sum->erase();
  return true;
}
