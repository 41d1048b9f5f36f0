//===- Products.h - Products as lists of factors ----------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A product is a number and factors in no order. Taken apart, it shows what two
// products share and which factors leave a sum; put together again, it computes
// what depends on fewer indices first.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_TRANSFORMS_PRODUCTS_H
#define KEOPS_LIB_TRANSFORMS_PRODUCTS_H

#include "keops/Dialect/Keops.h"

namespace keops {

inline VecType vecOf(mlir::Value value) { return llvm::cast<VecType>(value.getType()); }
inline IndexSet indicesOf(mlir::Value value) { return vecOf(value).getIndices(); }
inline int64_t dimOf(mlir::Value value) { return vecOf(value).getDim(); }

/// A value in the numerator, or in the denominator.
struct Factor {
  mlir::Value value;
  bool inverse = false;

  bool operator==(const Factor &other) const { return value == other.value && inverse == other.inverse; }
};

struct Product {
  double constant = 1;
  llvm::SmallVector<Factor, 4> factors;

  bool isOne() const { return constant == 1 && factors.empty(); }
};

/// The factors of `root`: of itself, and of factors that nothing else uses. The
/// ops that these products were made by are added to `inside`.
Product factorsOf(mlir::Value root, llvm::SmallVectorImpl<mlir::Operation *> *inside = nullptr);

/// Takes the factors that both have, and a number that they have but for its
/// sign, out of `a` and `b`.
Product takeCommon(Product &a, Product &b);

/// Takes out of `product` what does not depend on the index `over`, numbers included.
Product takeWithout(Product &product, IndexSet over);

/// True if both have the same factors, in any order.
bool sameProduct(const Product &a, const Product &b);

/// The value of a product: factors of equal indices first, numbers of one
/// component before vectors, and what all pairs share before what is a pair's own.
mlir::Value build(DerivativeBuilder &b, const Product &product);

/// `op` of `operand` instead of operand `n`, which has as many components.
mlir::Value withOperand(mlir::OpBuilder &builder, mlir::Operation *op, unsigned n, mlir::Value operand);

/// Operations for each pair, and all others; a special function is as much work as a few plain ones.
struct Work {
  int64_t pairs = 0, others = 0;

  void add(mlir::Operation *op);
  bool isLessThan(const Work &other) const {
    return pairs < other.pairs || (pairs == other.pairs && others < other.others);
  }
};

/// Ops that are built on trial right before another one.
class Trial {
public:
  explicit Trial(mlir::Operation *at) : at(at), before(at->getPrevNode()) {}
  /// What those built so far do.
  Work work() const;
  /// The op before them, if there is one.
  mlir::Operation *previous() const { return before; }
  /// Removes them.
  void discard();

private:
  mlir::Operation *first() const { return before ? before->getNextNode() : &at->getBlock()->front(); }

  mlir::Operation *at, *before;
};

} // namespace keops

#endif // KEOPS_LIB_TRANSFORMS_PRODUCTS_H
