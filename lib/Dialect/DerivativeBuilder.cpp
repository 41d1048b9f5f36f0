//===- DerivativeBuilder.cpp - What derivative rules are written with -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Three shapes of operands are met again and again in derivatives, and are
// worth their cases: the factor 1, a broadcast scalar, and a padded vector
// (one-hot seeds of traces and Jacobians). With the last, the derivative in one
// direction of a componentwise formula costs one component and not all.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Keops.h"

using namespace mlir;
using namespace keops;

static VecType typeOf(Value value) { return cast<VecType>(value.getType()); }
static int64_t dimOf(Value value) { return typeOf(value).getDim(); }

static bool isConstant(Value value, double number) {
  auto constant = value.getDefiningOp<ConstantOp>();
  return constant && constant.getValue().isExactlyValue(number);
}

/// The scalar that `value` replicates, if a product with a vector like `other` replicates it anyway.
static Value withoutBroadcast(Value value, Value other) {
  auto broadcast = value.getDefiningOp<BroadcastOp>();
  return broadcast && dimOf(other) == dimOf(value) ? broadcast.getOperand() : value;
}

Value DerivativeBuilder::constant(double value, int64_t dim) {
  auto type = VecType::get(builder.getContext(), dim, element, IndexSet::None);
  return ConstantOp::create(builder, loc, type, builder.getF64FloatAttr(value));
}

//===----------------------------------------------------------------------===//
// Pointwise
//===----------------------------------------------------------------------===//

Value DerivativeBuilder::add(Value a, Value b) {
  if (!a || !b)
    return a ? a : b;
  if (auto negated = b.getDefiningOp<NegOp>())
    return SubOp::create(builder, loc, a, negated.getOperand());
  if (auto negated = a.getDefiningOp<NegOp>())
    return SubOp::create(builder, loc, b, negated.getOperand());
  return AddOp::create(builder, loc, a, b);
}

Value DerivativeBuilder::mul(Value a, Value b) {
  if (!a || !b)
    return {};
  for (auto [value, other] : {std::pair(a, b), std::pair(b, a)}) {
    if (isConstant(value, 1))
      return dimOf(value) == 1 ? other : fit(other, dimOf(value));
    // Zero but for a few components: so is the product.
    if (auto padded = value.getDefiningOp<PadOp>(); padded && (dimOf(other) == 1 || dimOf(other) == dimOf(value))) {
      int64_t offset = padded.getOffset();
      Value part = dimOf(other) == 1 ? other : slice(other, offset, dimOf(padded.getOperand()));
      return pad(mul(padded.getOperand(), part), offset, dimOf(value));
    }
  }
  for (auto [value, other] : {std::pair(a, b), std::pair(b, a)})
    if (auto broadcast = value.getDefiningOp<BroadcastOp>(); broadcast && dimOf(other) == 1)
      return fit(mul(broadcast.getOperand(), other), dimOf(value));
  Value left = withoutBroadcast(a, b);
  return MulOp::create(builder, loc, left, left == a ? withoutBroadcast(b, a) : b);
}

Value DerivativeBuilder::mul(Value a, double factor) { return a ? mul(a, constant(factor)) : Value(); }

Value DerivativeBuilder::div(Value a, Value b) {
  if (!a)
    return {};
  if (auto padded = a.getDefiningOp<PadOp>(); padded && (dimOf(b) == 1 || dimOf(b) == dimOf(a))) {
    int64_t offset = padded.getOffset();
    Value part = dimOf(b) == 1 ? b : slice(b, offset, dimOf(padded.getOperand()));
    return pad(div(padded.getOperand(), part), offset, dimOf(a));
  }
  return DivOp::create(builder, loc, withoutBroadcast(a, b), b);
}

Value DerivativeBuilder::neg(Value a) {
  if (!a)
    return {};
  if (auto padded = a.getDefiningOp<PadOp>())
    return pad(neg(padded.getOperand()), padded.getOffset(), dimOf(a));
  if (auto broadcast = a.getDefiningOp<BroadcastOp>())
    return fit(neg(broadcast.getOperand()), dimOf(a));
  return NegOp::create(builder, loc, a);
}

Value DerivativeBuilder::power(Value a, int64_t n) {
  switch (n) {
  case -1:
    return div(constant(1), a);
  case 0:
    return constant(1, dimOf(a));
  case 1:
    return a;
  case 2:
    return mul(a, a);
  default:
    return IntegerPowOp::create(builder, loc, a, n);
  }
}

Value DerivativeBuilder::compare(Comparison kind, Value a, Value b) { return CmpOp::create(builder, loc, kind, a, b); }

Value DerivativeBuilder::select(Value condition, Value a, Value b) {
  if (!a && !b)
    return {};
  return SelectOp::create(builder, loc, condition, orZero(a, 1), orZero(b, 1));
}

//===----------------------------------------------------------------------===//
// Components
//===----------------------------------------------------------------------===//

Value DerivativeBuilder::sum(Value a) {
  if (!a || dimOf(a) == 1)
    return a;
  if (auto padded = a.getDefiningOp<PadOp>())
    return sum(padded.getOperand());
  if (auto broadcast = a.getDefiningOp<BroadcastOp>())
    return mul(broadcast.getOperand(), static_cast<double>(dimOf(a)));
  return FoldOp::create(builder, loc, cast<ReductionInterface>(Attribute(SumAttr::get(builder.getContext()))), a);
}

Value DerivativeBuilder::slice(Value a, int64_t offset, int64_t size) {
  if (!a || (offset == 0 && size == dimOf(a)))
    return a;
  if (auto broadcast = a.getDefiningOp<BroadcastOp>())
    return fit(broadcast.getOperand(), size);
  if (auto padded = a.getDefiningOp<PadOp>()) {
    int64_t first = padded.getOffset(), end = first + dimOf(padded.getOperand());
    if (offset >= end || offset + size <= first)
      return {};
    if (offset >= first && offset + size <= end)
      return slice(padded.getOperand(), offset - first, size);
  }
  return SliceOp::create(builder, loc, a, offset, size);
}

Value DerivativeBuilder::pad(Value a, int64_t offset, int64_t dim) {
  if (!a || dim == dimOf(a))
    return a;
  if (auto padded = a.getDefiningOp<PadOp>())
    return pad(padded.getOperand(), offset + padded.getOffset(), dim);
  return PadOp::create(builder, loc, a, offset, dim);
}

Value DerivativeBuilder::fit(Value a, int64_t dim) {
  if (!a || dimOf(a) == dim)
    return a;
  if (dim == 1)
    return sum(a);
  if (auto number = a.getDefiningOp<ConstantOp>())
    return constant(number.getValue().convertToDouble(), dim);
  return BroadcastOp::create(builder, loc, a, dim);
}

Value DerivativeBuilder::interleave(Value a, Value b) {
  if (!a && !b)
    return {};
  int64_t dim = dimOf(a ? a : b);
  return InterleaveOp::create(builder, loc, orZero(a, dim), orZero(b, dim));
}

Value DerivativeBuilder::deinterleave(Value a, int64_t part) {
  if (!a)
    return {};
  if (auto pair = a.getDefiningOp<InterleaveOp>()) {
    Value half = part == 0 ? pair.getLhs() : pair.getRhs();
    return isConstant(half, 0) ? Value() : half;
  }
  return DeinterleaveOp::create(builder, loc, a, part);
}

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

Value DerivativeBuilder::reduceSum(Value a, IndexSet over, bool once) {
  if (!a)
    return {};
  auto sum = cast<ReductionInterface>(Attribute(SumAttr::get(builder.getContext(), scheme)));
  return ReduceOp::create(builder, loc, sum, static_cast<ReducedIndex>(over), a, once).getResult(0);
}

Value keops::detail::sumOverReduced(DerivativeBuilder &b, Operation *op, Value value) {
  auto reduce = cast<ReduceOp>(op);
  return b.reduceSum(value, static_cast<IndexSet>(reduce.getOver()), reduce.getOnce());
}

//===----------------------------------------------------------------------===//
// Pointwise ops
//===----------------------------------------------------------------------===//

Value keops::detail::pointwiseTangent(Operation *op, DerivativeBuilder &b, ArrayRef<Value> tangents) {
  auto rule = cast<DifferentiableOpInterface>(op);
  Value result;
  for (auto [operand, tangent] : llvm::enumerate(tangents))
    if (tangent)
      result = b.add(result, rule.timesPartial(b, operand, tangent));
  return b.fit(result, dimOf(op->getResult(0)));
}

Value keops::detail::pointwiseAdjoint(Operation *op, DerivativeBuilder &b, unsigned operand, Value cotangent) {
  return b.fit(cast<DifferentiableOpInterface>(op).timesPartial(b, operand, cotangent), dimOf(op->getOperand(operand)));
}
