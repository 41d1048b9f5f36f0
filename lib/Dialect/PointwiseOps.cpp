//===- PointwiseOps.cpp - Ops that act on each component alone -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One section per family: result type, folding, cost, the component as the lane
// computes it, and the derivative. Where a function has a kink or a pole, the
// derivative there is the one that docs/Language.md says.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Infer.h"
#include "keops/Dialect/Keops.h"

#include "mlir/IR/PatternMatch.h"

#include <cmath>

using namespace mlir;
using namespace keops;

//===----------------------------------------------------------------------===//
// Shared
//===----------------------------------------------------------------------===//

LogicalResult keops::inferBroadcast(std::optional<Location> loc, ValueRange operands, Type element, VecType &result) {
  int64_t dim = 1;
  IndexSet set = IndexSet::None;
  Type number;
  for (Value operand : operands) {
    auto type = cast<VecType>(operand.getType());
    set = set | type.getIndices();
    if (type.getDim() != 1 && dim != 1 && type.getDim() != dim)
      return emitOptionalError(loc, "dimensions are not compatible: ", dim, " and ", type.getDim(),
                               " (expected equal dimensions, or 1)");
    dim = std::max(dim, type.getDim());
    if (type.getElementType().isInteger(1))
      continue;
    if (number && number != type.getElementType())
      return emitOptionalError(loc, "element types differ: ", number, " and ", type.getElementType());
    number = type.getElementType();
  }
  result = VecType::get(operands[0].getContext(), dim, element ? element : number, set);
  return success();
}

LaneIndex keops::broadcastPosition(Value operand, LaneIndex d) {
  return cast<VecType>(operand.getType()).isScalar() ? LaneIndex(0) : d;
}

/// The value of a constant operand, if it is one.
static std::optional<double> constantValue(Attribute attr) {
  if (auto number = dyn_cast_or_null<FloatAttr>(attr))
    return number.getValueAsDouble();
  return std::nullopt;
}

static Attribute number(MLIRContext *context, double value) { return FloatAttr::get(Float64Type::get(context), value); }

//===----------------------------------------------------------------------===//
// Unary
//===----------------------------------------------------------------------===//

static double applyUnary(UnaryKind kind, double x) {
  switch (kind) {
  case UnaryKind::Neg:
    return -x;
  case UnaryKind::Abs:
    return std::fabs(x);
  case UnaryKind::Floor:
    return std::floor(x);
  case UnaryKind::Round:
    return std::round(x);
  case UnaryKind::Exp:
    return std::exp(x);
  case UnaryKind::Log:
    return std::log(x);
  case UnaryKind::Sin:
    return std::sin(x);
  case UnaryKind::Cos:
    return std::cos(x);
  case UnaryKind::Asin:
    return std::asin(x);
  case UnaryKind::Acos:
    return std::acos(x);
  case UnaryKind::Atan:
    return std::atan(x);
  case UnaryKind::Tanh:
    return std::tanh(x);
  case UnaryKind::Erf:
    return std::erf(x);
  case UnaryKind::Sqrt:
    return std::sqrt(x);
  case UnaryKind::Exp2:
    return std::exp2(x);
  case UnaryKind::Log2:
    return std::log2(x);
  case UnaryKind::Expm1:
    return std::expm1(x);
  case UnaryKind::Log1p:
    return std::log1p(x);
  case UnaryKind::Sinh:
    return std::sinh(x);
  case UnaryKind::Cosh:
    return std::cosh(x);
  case UnaryKind::Tan:
    return std::tan(x);
  case UnaryKind::Lgamma:
    return std::lgamma(x);
  }
  llvm_unreachable("all kinds are handled");
}

static OpCost unaryCost(UnaryKind kind) {
  switch (kind) {
  case UnaryKind::Neg:
  case UnaryKind::Abs:
  case UnaryKind::Floor:
  case UnaryKind::Round:
    return {1, 0};
  default:
    return {0, 1};
  }
}

#define KEOPS_UNARY(OP)                                                                                                \
  LogicalResult OP::inferReturnTypes(MLIRContext *, std::optional<Location> loc, ValueRange operands, DictionaryAttr,  \
                                     OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {                    \
    types.push_back(operands[0].getType());                                                                            \
    return success();                                                                                                  \
  }                                                                                                                    \
  LaneValue OP::component(Lane &lane, OperandComponent operand, LaneIndex d) {                                         \
    return lane.unary(kind, operand(0, d));                                                                            \
  }                                                                                                                    \
  OpCost OP::cost() { return unaryCost(kind); }                                                                        \
  OpFoldResult OP::fold(FoldAdaptor adaptor) {                                                                         \
    if (std::optional<double> x = constantValue(adaptor.getOperand()))                                                 \
      return number(getContext(), applyUnary(kind, *x));                                                               \
    return {};                                                                                                         \
  }

KEOPS_UNARY(NegOp)
KEOPS_UNARY(AbsOp)
KEOPS_UNARY(FloorOp)
KEOPS_UNARY(RoundOp)
KEOPS_UNARY(ExpOp)
KEOPS_UNARY(LogOp)
KEOPS_UNARY(SinOp)
KEOPS_UNARY(CosOp)
KEOPS_UNARY(AsinOp)
KEOPS_UNARY(AcosOp)
KEOPS_UNARY(AtanOp)
KEOPS_UNARY(TanhOp)
KEOPS_UNARY(ErfOp)
KEOPS_UNARY(SqrtOp)
KEOPS_UNARY(Exp2Op)
KEOPS_UNARY(Log2Op)
KEOPS_UNARY(Expm1Op)
KEOPS_UNARY(Log1pOp)
KEOPS_UNARY(SinhOp)
KEOPS_UNARY(CoshOp)
KEOPS_UNARY(TanOp)
KEOPS_UNARY(LgammaOp)
#undef KEOPS_UNARY

Value NegOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) { return b.neg(v); }
bool NegOp::isLinearIn(const llvm::SmallBitVector &) { return true; }
ArrayRef<int> NegOp::signs() {
  static constexpr int signs[] = {-1};
  return signs;
}

/// The sign: 0 at 0.
Value AbsOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  Value x = getOperand(), zero = b.constant(0);
  Value negative = b.select(b.compare(Comparison::LT, x, zero), b.neg(v), {});
  return b.select(b.compare(Comparison::LT, zero, x), v, negative ? negative : zero);
}

Value ExpOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) { return b.mul(v, getResult()); }
double ExpOp::logOfBase() { return 1; }
Value LogOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) { return b.div(v, getOperand()); }
Value SinOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) { return b.mul(v, b.unary<CosOp>(getOperand())); }
Value CosOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.neg(b.mul(v, b.unary<SinOp>(getOperand())));
}

/// v / √(1 − x²), but 0 at ±1, as `rsqrt` has it.
static Value timesInverseOfHeight(DerivativeBuilder &b, Value x, Value v) {
  return b.mul(v, b.unary<RsqrtOp>(b.sub(b.constant(1), b.square(x))));
}
Value AsinOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) { return timesInverseOfHeight(b, getOperand(), v); }
Value AcosOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.neg(timesInverseOfHeight(b, getOperand(), v));
}

Value AtanOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.div(v, b.add(b.constant(1), b.square(getOperand())));
}
Value TanhOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.mul(v, b.sub(b.constant(1), b.square(getResult())));
}
Value ErfOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.mul(v, b.mul(b.unary<ExpOp>(b.neg(b.square(getOperand()))), M_2_SQRTPI));
}
/// 0 at 0: distances then have derivatives where points coincide.
Value SqrtOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.mul(v, b.mul(b.unary<RsqrtOp>(getOperand()), 0.5));
}

Value Exp2Op::timesPartial(DerivativeBuilder &b, unsigned, Value v) { return b.mul(v, b.mul(getResult(), M_LN2)); }
double Exp2Op::logOfBase() { return M_LN2; }
Value Log2Op::timesPartial(DerivativeBuilder &b, unsigned, Value v) { return b.div(v, b.mul(getOperand(), M_LN2)); }
Value Expm1Op::timesPartial(DerivativeBuilder &b, unsigned, Value v) { return b.mul(v, b.unary<ExpOp>(getOperand())); }
Value Log1pOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.div(v, b.add(b.constant(1), getOperand()));
}
Value SinhOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) { return b.mul(v, b.unary<CoshOp>(getOperand())); }
Value CoshOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) { return b.mul(v, b.unary<SinhOp>(getOperand())); }
Value TanOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.mul(v, b.add(b.constant(1), b.square(getResult())));
}
Value LgammaOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.mul(v, PolygammaOp::create(b.getBuilder(), b.getLoc(), /*order=*/0, getOperand()));
}

namespace {
/// −(−x) = x, −(a − b) = b − a: exact but for the sign of zero.
struct NegOfNeg : OpRewritePattern<NegOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(NegOp op, PatternRewriter &rewriter) const override {
    if (auto inner = op.getOperand().getDefiningOp<NegOp>()) {
      rewriter.replaceOp(op, inner.getOperand());
      return success();
    }
    auto difference = op.getOperand().getDefiningOp<SubOp>();
    if (!difference || !difference->hasOneUse())
      return failure();
    rewriter.replaceOpWithNewOp<SubOp>(op, difference.getRhs(), difference.getLhs());
    return success();
  }
};
} // namespace

void NegOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<NegOfNeg>(context);
}

//===----------------------------------------------------------------------===//
// rsqrt, ipow
//===----------------------------------------------------------------------===//

LogicalResult RsqrtOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands, DictionaryAttr,
                                        OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
  types.push_back(operands[0].getType());
  return success();
}

LaneValue RsqrtOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  LaneValue x = operand(0, d);
  LaneValue zero = lane.constant(0);
  LaneValue inverse = lane.div(lane.constant(1), lane.unary(UnaryKind::Sqrt, x));
  return lane.select(lane.compare(CompareKind::EQ, x, zero), zero, inverse);
}

OpCost RsqrtOp::cost() { return {2, 2}; }

Value RsqrtOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.mul(v, b.mul(b.power(getResult(), 3), -0.5));
}

LogicalResult IntegerPowOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands,
                                             DictionaryAttr, OpaqueProperties, RegionRange,
                                             SmallVectorImpl<Type> &types) {
  types.push_back(operands[0].getType());
  return success();
}

LaneValue IntegerPowOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  return lane.integerPower(operand(0, d), getExponent());
}

OpCost IntegerPowOp::cost() {
  uint64_t n = std::abs(static_cast<int64_t>(getExponent()));
  return {n < 2 ? 0 : 2 * static_cast<int64_t>(llvm::Log2_64(n)), static_cast<int64_t>(getExponent()) < 0};
}

OpFoldResult IntegerPowOp::fold(FoldAdaptor) {
  if (getExponent() == 1)
    return getOperand();
  return {};
}

Value IntegerPowOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  int64_t n = getExponent();
  return n == 0 ? Value() : b.mul(v, b.mul(b.power(getOperand(), n - 1), static_cast<double>(n)));
}

//===----------------------------------------------------------------------===//
// xlogx, sinc, sigmoid, softplus
//===----------------------------------------------------------------------===//

#define KEOPS_SAME_TYPE(OP)                                                                                            \
  LogicalResult OP::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands, DictionaryAttr,      \
                                     OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {                    \
    types.push_back(operands[0].getType());                                                                            \
    return success();                                                                                                  \
  }

KEOPS_SAME_TYPE(XLogXOp)
KEOPS_SAME_TYPE(SincOp)
KEOPS_SAME_TYPE(SigmoidOp)
KEOPS_SAME_TYPE(SoftplusOp)
#undef KEOPS_SAME_TYPE

/// `atZero` where x = 0, else `otherwise`.
static LaneValue exceptAtZero(Lane &lane, LaneValue x, double atZero, LaneValue otherwise) {
  return lane.select(lane.compare(CompareKind::EQ, x, lane.constant(0)), lane.constant(atZero), otherwise);
}

LaneValue XLogXOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  LaneValue x = operand(0, d);
  return exceptAtZero(lane, x, 0, lane.mul(x, lane.log(x)));
}
OpCost XLogXOp::cost() { return {3, 1}; }
Value XLogXOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.mul(v, b.add(b.unary<LogOp>(getOperand()), b.constant(1)));
}

LaneValue SincOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  LaneValue x = operand(0, d);
  return exceptAtZero(lane, x, 1, lane.div(lane.unary(UnaryKind::Sin, x), x));
}
OpCost SincOp::cost() { return {2, 2}; }
Value SincOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  Value x = getOperand();
  Value atZero = b.compare(Comparison::EQ, x, b.constant(0));
  // The quotient is finite where it is not chosen, so that its own derivatives do not become NaN there.
  Value divisor = b.select(atZero, b.constant(1), x);
  Value slope = b.div(b.sub(b.unary<CosOp>(x), getResult()), divisor);
  return b.mul(v, b.select(atZero, b.constant(0), slope));
}

/// exp(−|x|), which does not overflow; NaN for NaN.
static LaneValue decay(Lane &lane, LaneValue x) {
  LaneValue negative = lane.less(x, lane.constant(0));
  return lane.exp(lane.select(negative, x, lane.unary(UnaryKind::Neg, x)));
}

LaneValue SigmoidOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  LaneValue x = operand(0, d), u = decay(lane, x), one = lane.constant(1);
  return lane.div(lane.select(lane.less(x, lane.constant(0)), u, one), lane.add(one, u));
}
OpCost SigmoidOp::cost() { return {5, 2}; }
/// σ(x) σ(−x): 1 − σ(x) would be 0 already for moderate x.
Value SigmoidOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.mul(v, b.mul(getResult(), b.unary<SigmoidOp>(b.neg(getOperand()))));
}

LaneValue SoftplusOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  LaneValue x = operand(0, d), zero = lane.constant(0);
  return lane.add(lane.select(lane.less(x, zero), zero, x), lane.unary(UnaryKind::Log1p, decay(lane, x)));
}
OpCost SoftplusOp::cost() { return {5, 2}; }
Value SoftplusOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.mul(v, b.unary<SigmoidOp>(getOperand()));
}

//===----------------------------------------------------------------------===//
// Binary
//===----------------------------------------------------------------------===//

static double applyBinary(BinaryKind kind, double a, double b) {
  switch (kind) {
  case BinaryKind::Add:
    return a + b;
  case BinaryKind::Sub:
    return a - b;
  case BinaryKind::Mul:
    return a * b;
  case BinaryKind::Div:
    return a / b;
  case BinaryKind::Powf:
    return std::pow(a, b);
  case BinaryKind::Atan2:
    return a == 0 && b == 0 ? 0 : std::atan2(a, b); // whatever the signs of the zeros, as lanes have it
  }
  llvm_unreachable("all kinds are handled");
}

/// x ∘ b = x and a ∘ x = x for neutral constants, where x already has the result's type.
static Value foldNeutral(BinaryKind kind, Value lhs, Value rhs, std::optional<double> a, std::optional<double> b,
                         Type result) {
  bool additive = kind == BinaryKind::Add || kind == BinaryKind::Sub;
  bool multiplicative = kind == BinaryKind::Mul || kind == BinaryKind::Div;
  double neutral = additive ? 0 : 1;
  if ((additive || multiplicative) && b && *b == neutral && lhs.getType() == result)
    return lhs;
  if ((kind == BinaryKind::Add || kind == BinaryKind::Mul) && a && *a == neutral && rhs.getType() == result)
    return rhs;
  return {};
}

#define KEOPS_BINARY(OP)                                                                                               \
  LogicalResult OP::inferReturnTypes(MLIRContext *, std::optional<Location> loc, ValueRange operands, DictionaryAttr,  \
                                     OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {                    \
    VecType type;                                                                                                      \
    if (failed(inferBroadcast(loc, operands, {}, type)))                                                               \
      return failure();                                                                                                \
    types.push_back(type);                                                                                             \
    return success();                                                                                                  \
  }                                                                                                                    \
  LaneValue OP::component(Lane &lane, OperandComponent operand, LaneIndex d) {                                         \
    LaneValue a = operand(0, broadcastPosition(getLhs(), d));                                                          \
    return lane.binary(kind, a, operand(1, broadcastPosition(getRhs(), d)));                                           \
  }                                                                                                                    \
  OpFoldResult OP::fold(FoldAdaptor adaptor) {                                                                         \
    std::optional<double> a = constantValue(adaptor.getLhs()), b = constantValue(adaptor.getRhs());                    \
    if (a && b)                                                                                                        \
      return number(getContext(), applyBinary(kind, *a, *b));                                                          \
    return foldNeutral(kind, getLhs(), getRhs(), a, b, getType());                                                     \
  }

KEOPS_BINARY(AddOp)
KEOPS_BINARY(SubOp)
KEOPS_BINARY(MulOp)
KEOPS_BINARY(DivOp)
KEOPS_BINARY(PowfOp)
KEOPS_BINARY(Atan2Op)
#undef KEOPS_BINARY

OpCost AddOp::cost() { return {1, 0}; }
OpCost SubOp::cost() { return {1, 0}; }
OpCost MulOp::cost() { return {1, 0}; }
OpCost DivOp::cost() { return {0, 1}; }
OpCost PowfOp::cost() { return {0, 4}; }
OpCost Atan2Op::cost() { return {0, 4}; }

static constexpr int kBoth[] = {1, 1}, kSecondOpposite[] = {1, -1};
ArrayRef<int> AddOp::signs() { return kBoth; }
ArrayRef<int> SubOp::signs() { return kSecondOpposite; }
ArrayRef<int> MulOp::exponents() { return kBoth; }
ArrayRef<int> DivOp::exponents() { return kSecondOpposite; }

Value AddOp::timesPartial(DerivativeBuilder &, unsigned, Value v) { return v; }
// Affine, not linear, with a constant term.
bool AddOp::isLinearIn(const llvm::SmallBitVector &variable) { return variable.all(); }

Value SubOp::timesPartial(DerivativeBuilder &b, unsigned operand, Value v) { return operand == 0 ? v : b.neg(v); }
bool SubOp::isLinearIn(const llvm::SmallBitVector &variable) { return variable.all(); }

Value MulOp::timesPartial(DerivativeBuilder &b, unsigned operand, Value v) {
  // A square counts twice, which costs less before the product with a vector than after it.
  if (getLhs() == getRhs())
    return operand == 0 ? b.mul(b.mul(v, 2), getLhs()) : Value();
  return b.mul(v, operand == 0 ? getRhs() : getLhs());
}
bool MulOp::isLinearIn(const llvm::SmallBitVector &variable) { return variable.count() == 1; }

Value DivOp::timesPartial(DerivativeBuilder &b, unsigned operand, Value v) {
  if (operand == 0)
    return b.div(v, getRhs());
  return b.neg(b.mul(v, b.div(getResult(), getRhs())));
}
bool DivOp::isLinearIn(const llvm::SmallBitVector &variable) { return !variable.test(1); }

Value PowfOp::timesPartial(DerivativeBuilder &b, unsigned operand, Value v) {
  if (operand == 1)
    return b.mul(v, b.mul(b.unary<LogOp>(getLhs()), getResult()));
  Value lower = b.sub(getRhs(), b.constant(1));
  return b.mul(v, b.mul(getRhs(), PowfOp::create(b.getBuilder(), b.getLoc(), getLhs(), lower)));
}

Value Atan2Op::timesPartial(DerivativeBuilder &b, unsigned operand, Value v) {
  Value squaredDistance = b.add(b.square(getLhs()), b.square(getRhs()));
  if (operand == 0)
    return b.mul(v, b.div(getRhs(), squaredDistance));
  return b.neg(b.mul(v, b.div(getLhs(), squaredDistance)));
}

namespace {
/// a / b = a · (1 / b) where b depends on fewer indices: the division is then
/// done once per row, column or call and not per pair. One more rounding, which
/// a jump right behind the quotient would turn into another result: 41 / 41 may
/// come out below 1, so ops that jump keep their division.
struct HoistDivision : OpRewritePattern<DivOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DivOp op, PatternRewriter &rewriter) const override {
    VecType rhs = op.getRhs().getType();
    VecType type = op.getType();
    if (rhs.getIndices() == type.getIndices())
      return rewriter.notifyMatchFailure(op, "the denominator has all indices of the result");
    if (llvm::any_of(op->getUsers(), [](Operation *user) { return user->hasTrait<Jumps>(); }))
      return rewriter.notifyMatchFailure(op, "the quotient decides a jump");
    Value one = ConstantOp::create(rewriter, op.getLoc(), rhs.withDim(1).withIndices(IndexSet::None),
                                   rewriter.getF64FloatAttr(1));
    Value inverse = DivOp::create(rewriter, op.getLoc(), one, op.getRhs());
    rewriter.replaceOpWithNewOp<MulOp>(op, op.getLhs(), inverse);
    return success();
  }
};
} // namespace

void DivOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<HoistDivision>(context);
}

//===----------------------------------------------------------------------===//
// cmp, select, indicator
//===----------------------------------------------------------------------===//

LogicalResult CmpOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc, ValueRange operands,
                                      DictionaryAttr, OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
  VecType type;
  if (failed(inferBroadcast(loc, operands, {}, type)))
    return failure();
  types.push_back(type.withElement(IntegerType::get(context, 1)));
  return success();
}

LaneValue CmpOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  LaneValue a = operand(0, broadcastPosition(getLhs(), d));
  return lane.compare(static_cast<CompareKind>(getPredicate()), a, operand(1, broadcastPosition(getRhs(), d)));
}

OpCost CmpOp::cost() { return {1, 0}; }

OpFoldResult CmpOp::fold(FoldAdaptor adaptor) {
  // Whether an indicator is not 0 is its condition.
  auto indicator = getLhs().getDefiningOp<IndicatorOp>();
  if (indicator && getPredicate() == Comparison::NE && constantValue(adaptor.getRhs()) == 0.0 &&
      indicator.getOperand().getType() == getType())
    return indicator.getOperand();
  return {};
}

LogicalResult SelectOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, ValueRange operands,
                                         DictionaryAttr, OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
  VecType type;
  if (failed(inferBroadcast(loc, operands, {}, type)))
    return failure();
  types.push_back(type);
  return success();
}

LaneValue SelectOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  LaneValue mask = operand(0, broadcastPosition(getCondition(), d));
  LaneValue a = operand(1, broadcastPosition(getLhs(), d));
  return lane.select(mask, a, operand(2, broadcastPosition(getRhs(), d)));
}

OpCost SelectOp::cost() { return {1, 0}; }

// What is not chosen gets 0, also if its own derivative is infinite.
Value SelectOp::timesPartial(DerivativeBuilder &b, unsigned operand, Value v) {
  if (operand == 0)
    return {};
  return operand == 1 ? b.select(getCondition(), v, {}) : b.select(getCondition(), {}, v);
}
Value SelectOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  return b.fit(b.select(getCondition(), tangents[1], tangents[2]), getType().getDim());
}
bool SelectOp::isLinearIn(const llvm::SmallBitVector &variable) {
  return !variable.test(0) && variable.test(1) && variable.test(2);
}

LogicalResult IndicatorOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands,
                                            DictionaryAttr attrs, OpaqueProperties properties, RegionRange regions,
                                            SmallVectorImpl<Type> &types) {
  IndicatorOp::Adaptor adaptor(operands, attrs, properties, regions);
  types.push_back(cast<VecType>(operands[0].getType()).withElement(adaptor.getElementType()));
  return success();
}

LaneValue IndicatorOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  return lane.select(operand(0, d), lane.constant(1), lane.constant(0));
}

OpCost IndicatorOp::cost() { return {1, 0}; }

//===----------------------------------------------------------------------===//
// index
//===----------------------------------------------------------------------===//

LaneValue IndexOp::component(Lane &lane, OperandComponent, LaneIndex) {
  return lane.indexNumber(getType().getIndices());
}

OpCost IndexOp::cost() { return {0, 0}; }

LogicalResult IndexOp::verify() {
  IndexSet set = getType().getIndices();
  if (!getType().isScalar() || (set != IndexSet::I && set != IndexSet::J))
    return emitOpError("is one number for each i or each j and expects such a type, got ") << getType();
  return success();
}
