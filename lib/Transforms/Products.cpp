//===- Products.cpp - Products as lists of factors --------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which ops are products, the ops say (`ArithmeticOpInterface`). A product that
// something else uses too is one factor: to take it apart would compute it twice.
//
//===----------------------------------------------------------------------===//

#include "Products.h"

#include "llvm/ADT/DenseMap.h"

#include <cmath>

using namespace mlir;
using namespace keops;

//===----------------------------------------------------------------------===//
// Taking apart
//===----------------------------------------------------------------------===//

Product keops::factorsOf(Value root, SmallVectorImpl<Operation *> *inside) {
  Product product;
  // Products may be deeper than the stack.
  SmallVector<Factor> open = {{root, false}};
  while (!open.empty()) {
    Factor factor = open.pop_back_val();
    Operation *op = factor.value.getDefiningOp();
    auto arithmetic = dyn_cast_or_null<ArithmeticOpInterface>(op);
    bool isSign = arithmetic && arithmetic.signs().size() == 1;
    bool isProduct = isSign || (arithmetic && !arithmetic.exponents().empty());
    if (isProduct && (factor.value == root || factor.value.hasOneUse())) {
      if (inside)
        inside->push_back(op);
      if (isSign && arithmetic.signs()[0] < 0)
        product.constant = -product.constant;
      for (auto [n, operand] : llvm::enumerate(op->getOperands()))
        open.push_back({operand, factor.inverse != (!isSign && arithmetic.exponents()[n] < 0)});
      continue;
    }
    if (auto constant = dyn_cast_or_null<ConstantOp>(op); constant && dimOf(factor.value) == 1) {
      double number = constant.getValue().convertToDouble();
      product.constant = factor.inverse ? product.constant / number : product.constant * number;
      continue;
    }
    product.factors.push_back(factor);
  }
  // In the order of the formula.
  std::reverse(product.factors.begin(), product.factors.end());
  return product;
}

using Counts = llvm::DenseMap<std::pair<Value, int>, int64_t>;

static Counts countsOf(const Product &product) {
  Counts counts;
  for (const Factor &factor : product.factors)
    ++counts[{factor.value, factor.inverse}];
  return counts;
}

Product keops::takeCommon(Product &a, Product &b) {
  Product common;
  Counts inA = countsOf(a), taken;
  llvm::erase_if(b.factors, [&](const Factor &factor) {
    int64_t &left = inA[{factor.value, factor.inverse}];
    if (left == 0)
      return false;
    --left;
    ++taken[{factor.value, factor.inverse}];
    common.factors.push_back(factor);
    return true;
  });
  llvm::erase_if(a.factors, [&](const Factor &factor) { return taken[{factor.value, factor.inverse}]-- > 0; });
  if (a.constant == b.constant || a.constant == -b.constant) {
    common.constant = a.constant;
    b.constant = a.constant == b.constant ? 1 : -1;
    a.constant = 1;
  }
  return common;
}

Product keops::takeWithout(Product &product, IndexSet over) {
  Product taken;
  std::swap(taken.constant, product.constant);
  llvm::erase_if(product.factors, [&](const Factor &factor) {
    if (contains(indicesOf(factor.value), over))
      return false;
    taken.factors.push_back(factor);
    return true;
  });
  return taken;
}

bool keops::sameProduct(const Product &a, const Product &b) {
  return a.constant == b.constant && a.factors.size() == b.factors.size() && countsOf(a) == countsOf(b);
}

//===----------------------------------------------------------------------===//
// Putting together
//===----------------------------------------------------------------------===//

static Value times(DerivativeBuilder &b, Value a, Value other) { return a && other ? b.mul(a, other) : a ? a : other; }

/// `a` or 1, over `denominator` if there is one.
static Value over(DerivativeBuilder &b, Value a, Value denominator) {
  return denominator ? b.div(a ? a : b.constant(1), denominator) : a;
}

namespace {
/// Products of factors of equal indices; null if there are none.
struct Group {
  Value numerator, denominator;
};
} // namespace

static Group buildGroup(DerivativeBuilder &b, const Product &product, IndexSet set, bool scalar) {
  Group group;
  for (const Factor &factor : product.factors)
    if (indicesOf(factor.value) == set && (dimOf(factor.value) == 1) == scalar) {
      Value &side = factor.inverse ? group.denominator : group.numerator;
      side = times(b, side, factor.value);
    }
  return group;
}

Value keops::build(DerivativeBuilder &b, const Product &product) {
  auto group = [&](IndexSet set, bool scalar) { return buildGroup(b, product, set, scalar); };
  auto value = [&](IndexSet set, bool scalar) {
    Group parts = group(set, scalar);
    return over(b, parts.numerator, parts.denominator);
  };
  Value none = value(IndexSet::None, true), row = value(IndexSet::I, true), column = value(IndexSet::J, true);
  // A number goes to what is not computed for each pair, and what has no index to what has one.
  double number = product.constant;
  if (Value &fewer = none ? none : row ? row : column; fewer && number != 1) {
    fewer = number == -1 ? b.neg(fewer) : b.mul(fewer, number);
    number = 1;
  }
  if (none && (row || column)) {
    Value &more = row ? row : column;
    more = b.mul(more, none);
    none = {};
  }
  Group pair = group(IndexSet::IJ, true);
  Value scalar = times(b, times(b, times(b, pair.numerator, column), row), none);
  if (std::abs(number) != 1)
    scalar = scalar ? b.mul(scalar, number) : b.constant(number);
  scalar = over(b, scalar, pair.denominator);
  Group pairs = group(IndexSet::IJ, false);
  Value vector = times(b, times(b, value(IndexSet::None, false), value(IndexSet::I, false)),
                       times(b, value(IndexSet::J, false), pairs.numerator));
  Value result = over(b, times(b, number == -1 && scalar ? b.neg(scalar) : scalar, vector), pairs.denominator);
  if (number == -1 && !scalar && result)
    result = b.neg(result);
  return result ? result : b.constant(number);
}

Value keops::withOperand(OpBuilder &builder, Operation *op, unsigned n, Value operand) {
  Operation *copy = builder.clone(*op);
  copy->setOperand(n, operand);
  IndexSet set = IndexSet::None;
  for (Value other : copy->getOperands())
    set = set | indicesOf(other);
  copy->getResult(0).setType(vecOf(op->getResult(0)).withIndices(set));
  return copy->getResult(0);
}

//===----------------------------------------------------------------------===//
// Counting
//===----------------------------------------------------------------------===//

static constexpr int64_t kSpecialWork = 4;

void Work::add(Operation *op) {
  auto formulaOp = dyn_cast<FormulaOpInterface>(op);
  auto arithmetic = dyn_cast<ArithmeticOpInterface>(op);
  // A sign joins what comes after it.
  if (!formulaOp || (arithmetic && arithmetic.signs().size() == 1))
    return;
  OpCost cost = formulaOp.cost();
  bool isPairs = indicesOf(op->getResult(0)) == IndexSet::IJ;
  (isPairs ? pairs : others) += (cost.plain + kSpecialWork * cost.special) * dimOf(op->getResult(0));
}

Work Trial::work() const {
  Work total;
  for (Operation *op = first(); op != at; op = op->getNextNode())
    total.add(op);
  return total;
}

void Trial::discard() {
  while (at->getPrevNode() != before)
    at->getPrevNode()->erase();
}
