//===- DerivativeBuilder.h - What derivative rules are written with -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ops of the formula level for rules that are sums of products. A null value is
// zero, and stays so: rules need no case for what does not vary. Factors 1 and
// vectors that are zero but for a few components, which seeds of derivatives
// are made of, are simplified on the way; nothing else is, since `keops-simplify`
// follows.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_DERIVATIVEBUILDER_H
#define KEOPS_DIALECT_DERIVATIVEBUILDER_H

#include "keops/Dialect/Lane.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/SmallBitVector.h"

namespace keops {

enum class Comparison : uint32_t;
enum class SumScheme : uint32_t;

class DerivativeBuilder {
public:
  /// `element` is the type of all numbers, `scheme` how sums over rows and columns are added.
  DerivativeBuilder(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type element, SumScheme scheme)
      : builder(builder), loc(loc), element(element), scheme(scheme) {}

  mlir::OpBuilder &getBuilder() { return builder; }
  mlir::Location getLoc() const { return loc; }
  SumScheme getScheme() const { return scheme; }

  /// `value` in each of `dim` components.
  mlir::Value constant(double value, int64_t dim = 1);

  // Pointwise, with broadcasting. Only the first operand of `div` and both of
  // `select` may be null; both null give null.
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b) { return add(a, neg(b)); }
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, double factor);
  mlir::Value div(mlir::Value a, mlir::Value b);
  mlir::Value neg(mlir::Value a);
  mlir::Value square(mlir::Value a) { return mul(a, a); }
  /// aⁿ.
  mlir::Value power(mlir::Value a, int64_t n);
  mlir::Value compare(Comparison kind, mlir::Value a, mlir::Value b);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b);
  /// The op `Op` of one operand, for example `unary<ExpOp>(x)`.
  template <typename Op>
  mlir::Value unary(mlir::Value a) {
    return a ? Op::create(builder, loc, a).getResult() : mlir::Value();
  }

  // Components.
  /// Their sum.
  mlir::Value sum(mlir::Value a);
  mlir::Value slice(mlir::Value a, int64_t offset, int64_t size);
  mlir::Value pad(mlir::Value a, int64_t offset, int64_t dim);
  /// A value of dimension 1 in each of `dim` components; the sum of components
  /// for `dim` 1: what broadcasting makes of a value, and of its cotangent.
  mlir::Value fit(mlir::Value a, int64_t dim);
  mlir::Value interleave(mlir::Value a, mlir::Value b);
  mlir::Value deinterleave(mlir::Value a, int64_t part);
  /// A constant for null.
  mlir::Value orZero(mlir::Value a, int64_t dim) { return a ? a : constant(0, dim); }

  // Indices.
  /// The sum over one index; `once` as for `keops.reduce`.
  mlir::Value reduceSum(mlir::Value a, IndexSet over, bool once = false);

private:
  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Type element;
  SumScheme scheme;
};

/// The cotangent of a term of a reduction, as a product: `factor`, null for 1,
/// depends on what the reduction's result depends on, so a sum over the reduced
/// index need not know of it.
struct TermCotangent {
  unsigned term;
  mlir::Value value;
  mlir::Value factor;
};

namespace detail {
// Tangent and adjoint of a pointwise op from its partial derivatives.
mlir::Value pointwiseTangent(mlir::Operation *op, DerivativeBuilder &b, llvm::ArrayRef<mlir::Value> tangents);
mlir::Value pointwiseAdjoint(mlir::Operation *op, DerivativeBuilder &b, unsigned operand, mlir::Value cotangent);
/// The sum of `value` over the index that `reduce` removes.
mlir::Value sumOverReduced(DerivativeBuilder &b, mlir::Operation *reduce, mlir::Value value);
} // namespace detail

} // namespace keops

#endif // KEOPS_DIALECT_DERIVATIVEBUILDER_H
