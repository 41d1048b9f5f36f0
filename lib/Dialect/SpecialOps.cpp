//===- SpecialOps.cpp - Special functions, splines, alignments -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ops that are algorithms, one section each: constraints, the component, and
// the derivative, which is made of the same ops again.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Infer.h"
#include "keops/Dialect/Keops.h"

#include "llvm/ADT/SmallBitVector.h"

#include <cmath>

using namespace mlir;
using namespace keops;

static int64_t dimOf(Value value) { return cast<VecType>(value.getType()).getDim(); }

/// Result types may be inferred before an op is verified, so a dimension is
/// clamped to what a type can hold; the verifier then says what is wrong.
static int64_t representable(int64_t dim) { return std::max<int64_t>(dim, 1); }

/// The numbers of the first operand and the indices of all, in `dim` components;
/// of too few the verifier says what is wrong.
static LogicalResult inferVector(std::optional<Location> loc, ValueRange operands, int64_t dim,
                                 SmallVectorImpl<Type> &types) {
  auto type = cast<VecType>(operands[0].getType());
  for (Value operand : operands.drop_front()) {
    auto other = cast<VecType>(operand.getType());
    if (type.getElementType() != other.getElementType())
      return emitOptionalError(loc, "element types differ: ", type.getElementType(), " and ", other.getElementType());
    type = type.withIndices(type.getIndices() | other.getIndices());
  }
  types.push_back(type.withDim(representable(dim)));
  return success();
}

//===----------------------------------------------------------------------===//
// polygamma
//===----------------------------------------------------------------------===//

LogicalResult PolygammaOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands, DictionaryAttr,
                                            OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
  types.push_back(operands[0].getType());
  return success();
}

LogicalResult PolygammaOp::verify() {
  int64_t order = getOrder();
  if (order < 0 || order > maxOrder)
    return emitOpError("expects an order between 0 and ") << maxOrder << ", got " << order;
  return success();
}

/// Values at x > 0 are those at x + kShift, where an asymptotic series has all digits of a double whatever the order,
/// and a sum of kShift terms.
static constexpr int64_t kShift = 8;
/// B₂, B₄, …
static constexpr double kBernoulli[] = {1. / 6, -1. / 30, 1. / 42, -1. / 30, 5. / 66, -691. / 2730, 7. / 6};

/// The n-th root of m!, by which powers are scaled before they are taken: m! and 1/yⁿ alone leave the range of f32.
static double rootOfFactorial(int64_t m, int64_t n) {
  return m < 2 ? 1 : std::exp(std::lgamma(static_cast<double>(m + 1)) / static_cast<double>(n));
}

/// ψₙ(x) for x > 0. Up to the sign, for n > 0,
///   n! Σ_{k < s} 1/(x+k)ⁿ⁺¹ + (n−1)!/yⁿ (1 + n/2y + Σ_k B₂ₖ C(2k+n−1, 2k) / y²ᵏ)  with y = x + s.
static LaneValue polygammaAbove(Lane &lane, LaneValue x, int64_t order) {
  auto number = [&](double value) { return lane.constant(value); };
  LaneValue root = number(rootOfFactorial(order, order + 1)), sum;
  // From the last term on, which is the smallest.
  for (int64_t k = kShift - 1; k >= 0; --k) {
    LaneValue inverse = lane.div(root, k == 0 ? x : lane.add(x, number(static_cast<double>(k))));
    LaneValue term = lane.integerPower(inverse, order + 1);
    sum = k == kShift - 1 ? term : lane.add(sum, term);
  }
  LaneValue y = lane.add(x, number(kShift)), inverse = lane.div(number(1), y), squared = lane.mul(inverse, inverse);
  LaneValue tail;
  for (int64_t k = std::size(kBernoulli); k >= 1; --k) {
    // C(2k+n−1, 2k), and the limit of C / n for order 0.
    double binomial = order == 0 ? 1. / static_cast<double>(2 * k) : 1;
    for (int64_t m = 1; order > 0 && m <= 2 * k; ++m)
      binomial *= static_cast<double>(order - 1 + m) / static_cast<double>(m);
    LaneValue factor = number(kBernoulli[k - 1] * binomial);
    tail = lane.mul(k == std::size(kBernoulli) ? factor : lane.add(tail, factor), squared);
  }
  if (order == 0)
    return lane.sub(lane.sub(lane.sub(lane.log(y), lane.mul(number(0.5), inverse)), tail), sum);
  LaneValue series = lane.add(lane.add(number(1), lane.mul(number(static_cast<double>(order) / 2), inverse)), tail);
  LaneValue power = lane.integerPower(lane.mul(number(rootOfFactorial(order - 1, order)), inverse), order);
  LaneValue size = lane.add(lane.mul(power, series), sum);
  return order % 2 == 0 ? lane.unary(UnaryKind::Neg, size) : size;
}

/// cot(πr) for |r| ≤ 1/2, by the series of sine and cosine, whose terms up to the eleventh are above the rounding of a
/// double. No branch for large arguments, as functions of any angle have it, and code for every target.
static LaneValue cotangentOfPi(Lane &lane, LaneValue r) {
  LaneValue angle = lane.mul(r, lane.constant(M_PI)), square = lane.mul(angle, angle);
  // Σ (−1)ᵏ z²ᵏ / (2k + odd)! of z².
  auto series = [&](int64_t odd) {
    double inverseFactorial = 1;
    SmallVector<double> coefficients;
    for (int64_t k = 0; k <= 11; ++k) {
      coefficients.push_back(k % 2 ? -inverseFactorial : inverseFactorial);
      inverseFactorial /= static_cast<double>((2 * k + odd + 1) * (2 * k + odd + 2));
    }
    LaneValue sum = lane.constant(coefficients.back());
    for (double coefficient : llvm::drop_begin(llvm::reverse(coefficients)))
      sum = lane.add(lane.mul(sum, square), lane.constant(coefficient));
    return sum;
  };
  return lane.div(series(0), lane.mul(angle, series(1)));
}

/// Coefficients of the polynomial Q with dⁿ/dxⁿ cot(πx) = πⁿ Q(cot(πx)): the
/// derivative of cot(πx) is −π (1 + cot²(πx)).
static SmallVector<double> cotangentPolynomial(int64_t order) {
  SmallVector<double> q = {0, 1};
  for (int64_t n = 0; n < order; ++n) {
    SmallVector<double> next(q.size() + 1, 0.0);
    for (size_t power = 1; power < q.size(); ++power) {
      next[power - 1] -= static_cast<double>(power) * q[power];
      next[power + 1] -= static_cast<double>(power) * q[power];
    }
    q = next;
  }
  return q;
}

LaneValue PolygammaOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  int64_t order = getOrder();
  LaneValue x = operand(0, d), zero = lane.constant(0);
  LaneValue negative = lane.compare(CompareKind::LE, x, zero);
  LaneValue above = polygammaAbove(lane, lane.select(negative, lane.sub(lane.constant(1), x), x), order);
  // ψₙ(x) = (−1)ⁿ ψₙ(1 − x) − π dⁿ/dxⁿ cot(πx), of which what x lacks to an integer is exact.
  LaneValue rest = lane.sub(x, lane.unary(UnaryKind::Round, x)), cotangent = cotangentOfPi(lane, rest);
  SmallVector<double> q = cotangentPolynomial(order);
  LaneValue value = lane.constant(q.back());
  for (double coefficient : llvm::drop_begin(llvm::reverse(q))) {
    value = lane.mul(value, cotangent);
    if (coefficient != 0)
      value = lane.add(value, lane.constant(coefficient));
  }
  value = lane.mul(value, lane.constant(std::pow(M_PI, static_cast<double>(order + 1))));
  LaneValue below = lane.sub(order % 2 == 0 ? above : lane.unary(UnaryKind::Neg, above), value);
  LaneValue isPole = lane.compare(CompareKind::EQ, rest, zero);
  below = lane.select(isPole, lane.constant(std::numeric_limits<double>::quiet_NaN()), below);
  return lane.select(negative, below, above);
}

OpCost PolygammaOp::cost() { return {100 + 10 * static_cast<int64_t>(getOrder()), 11}; }

Value PolygammaOp::timesPartial(DerivativeBuilder &b, unsigned, Value v) {
  return b.mul(v, PolygammaOp::create(b.getBuilder(), b.getLoc(), getOrder() + 1, getOperand()));
}

StringRef PolygammaOp::refusalIn(unsigned) {
  return static_cast<int64_t>(getOrder()) < maxOrder ? "" : "is of the highest order that is computed";
}

//===----------------------------------------------------------------------===//
// bspline
//===----------------------------------------------------------------------===//

LogicalResult BSplineOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, ValueRange operands,
                                          DictionaryAttr attrs, OpaqueProperties properties, RegionRange regions,
                                          SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, properties, regions);
  auto knots = cast<VecType>(operands[0].getType()), point = cast<VecType>(operands[1].getType());
  if (knots.getElementType() != point.getElementType())
    return emitOptionalError(loc, "element types differ: ", knots.getElementType(), " and ", point.getElementType());
  int64_t degree = std::clamp<int64_t>(adaptor.getDegree(), 0, maxDegree);
  types.push_back(
      knots.withDim(representable(knots.getDim() - degree - 1)).withIndices(knots.getIndices() | point.getIndices()));
  return success();
}

LogicalResult BSplineOp::verify() {
  int64_t degree = getDegree(), knots = dimOf(getKnots());
  if (!getPoint().getType().isScalar())
    return emitOpError("expects a point of dimension 1, got dimension ") << dimOf(getPoint());
  if (degree < 0 || degree > maxDegree)
    return emitOpError("expects a degree between 0 and ") << maxDegree << ", got " << degree;
  if (knots < degree + 2)
    return emitOpError("of degree ") << degree << " expects at least " << degree + 2 << " knots, got " << knots;
  return success();
}

LaneValue BSplineOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  int64_t degree = getDegree();
  LaneValue x = operand(1, 0), zero = lane.constant(0), one = lane.constant(1);
  SmallVector<LaneValue> t;
  for (int64_t r = 0; r <= degree + 1; ++r)
    t.push_back(operand(0, lane.add(d, r)));
  auto notAbove = [&](LaneValue a, LaneValue b) { return lane.compare(CompareKind::LE, a, b); };

  // basis[r] is the function of the current degree that begins at knot d + r.
  SmallVector<LaneValue> basis;
  for (int64_t r = 0; r <= degree; ++r)
    basis.push_back(lane.select(notAbove(t[r], x), lane.select(lane.less(x, t[r + 1]), one, zero), zero));
  // (part / (t[end] − t[begin])) · function, or 0 where both knots are one.
  auto share = [&](LaneValue part, int64_t begin, int64_t end, LaneValue function) {
    LaneValue ratio = lane.div(part, lane.sub(t[end], t[begin]));
    LaneValue isOne = lane.compare(CompareKind::EQ, t[begin], t[end]);
    return lane.mul(lane.select(isOne, zero, ratio), function);
  };
  for (int64_t p = 1; p <= degree; ++p)
    for (int64_t r = 0; r <= degree - p; ++r)
      basis[r] = lane.add(share(lane.sub(x, t[r]), r, r + p, basis[r]),
                          share(lane.sub(t[r + p + 1], x), r + 1, r + p + 1, basis[r + 1]));

  // Outside of the support, infinite points included, it is 0; what is neither inside nor outside is NaN.
  LaneValue nan = lane.constant(std::numeric_limits<double>::quiet_NaN());
  LaneValue inside = lane.select(notAbove(t[0], x), basis[0], nan);
  return lane.select(lane.less(x, t[0]), zero, lane.select(notAbove(t[degree + 1], x), zero, inside));
}

OpCost BSplineOp::cost() {
  int64_t degree = getDegree();
  return {4 * (degree + 1) + 5 * degree * (degree + 1), degree * (degree + 1)};
}

/// d/dx B(m, p) = p B(m, p−1) / (t_{m+p} − t_m) − p B(m+1, p−1) / (t_{m+p+1} − t_{m+1}).
static Value slopeOf(BSplineOp spline, DerivativeBuilder &b) {
  int64_t degree = spline.getDegree(), size = dimOf(spline.getKnots()) - degree;
  if (degree == 0)
    return {};
  Value width = b.sub(b.slice(spline.getKnots(), degree, size), b.slice(spline.getKnots(), 0, size));
  Value isEmpty = b.compare(Comparison::EQ, width, b.constant(0));
  Value weight = b.select(isEmpty, {}, b.div(b.constant(static_cast<double>(degree)), width));
  Value lower = BSplineOp::create(b.getBuilder(), b.getLoc(), spline.getKnots(), spline.getPoint(), degree - 1);
  Value share = b.mul(weight, lower);
  return b.sub(b.slice(share, 0, size - 1), b.slice(share, 1, size - 1));
}

Value BSplineOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  return b.mul(tangents[1], slopeOf(*this, b));
}
Value BSplineOp::buildAdjoint(DerivativeBuilder &b, unsigned operand, Value cotangent) {
  return operand == 1 ? b.sum(b.mul(cotangent, slopeOf(*this, b))) : Value();
}
bool BSplineOp::isLinearIn(const llvm::SmallBitVector &) { return false; }
StringRef BSplineOp::refusalIn(unsigned operand) {
  return operand == 0 ? "has a derivative in its point, but none in its knots" : "";
}

//===----------------------------------------------------------------------===//
// reverse, recur
//===----------------------------------------------------------------------===//

LogicalResult ReverseOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands, DictionaryAttr,
                                          OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
  types.push_back(operands[0].getType());
  return success();
}

LaneValue ReverseOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  return operand(0, lane.add(lane.mul(d, -1), getType().getDim() - 1));
}

OpCost ReverseOp::cost() { return {0, 0}; }

Value ReverseOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  return b.unary<ReverseOp>(tangents[0]);
}
Value ReverseOp::buildAdjoint(DerivativeBuilder &b, unsigned, Value cotangent) { return b.unary<ReverseOp>(cotangent); }
bool ReverseOp::isLinearIn(const llvm::SmallBitVector &) { return true; }

LogicalResult RecurOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, ValueRange operands, DictionaryAttr,
                                        OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
  return inferVector(loc, operands, dimOf(operands[0]), types);
}

LogicalResult RecurOp::verify() {
  if (getLags().size() != getWeights().size() || getLags().empty())
    return emitOpError("expects a lag for each weight, and at least one, got ")
           << getLags().size() << " lags and " << getWeights().size() << " weights";
  for (int64_t lag : getLags())
    if (lag < 1)
      return emitOpError("expects lags of at least 1, got ") << lag;
  for (Value weight : getWeights())
    if (dimOf(weight) != dimOf(getSource()))
      return emitOpError("expects weights of dimension ")
             << dimOf(getSource()) << ", as its source has, got dimension " << dimOf(weight);
  return success();
}

LaneValue RecurOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  unsigned self = 1 + getWeights().size();
  LaneValue sum = operand(0, d);
  for (auto [k, lag] : llvm::enumerate(getLags())) {
    auto more = [&, k = k, lag = lag] {
      return lane.add(sum, lane.mul(operand(1 + k, d), operand(self, lane.add(d, -lag))));
    };
    sum = lane.branchBelow(d, lag, [&] { return sum; }, more);
  }
  return sum;
}

OpCost RecurOp::cost() { return {2 * static_cast<int64_t>(getLags().size()), 0}; }

/// Component d goes to d + lag, or out; null for zero.
static Value shifted(DerivativeBuilder &b, Value value, int64_t lag) {
  int64_t size = value ? dimOf(value) - std::abs(lag) : 0;
  return size <= 0 ? Value()
                   : b.pad(b.slice(value, std::max<int64_t>(0, -lag), size), std::max<int64_t>(0, lag), dimOf(value));
}

static Value recur(DerivativeBuilder &b, Value source, ValueRange weights, ArrayRef<int64_t> lags) {
  return source ? RecurOp::create(b.getBuilder(), b.getLoc(), source, weights, lags).getResult() : Value();
}

/// e(d) = cotangent(d) + Σ_k weight_k(d + lag_k) · e(d + lag_k): the recurrence from the other end.
static Value recurBackward(DerivativeBuilder &b, Value cotangent, ValueRange weights, ArrayRef<int64_t> lags) {
  SmallVector<Value> reversed;
  for (auto [weight, lag] : llvm::zip(weights, lags))
    reversed.push_back(b.orZero(shifted(b, b.unary<ReverseOp>(weight), lag), dimOf(weight)));
  return b.unary<ReverseOp>(recur(b, b.unary<ReverseOp>(cotangent), reversed, lags));
}

Value RecurOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  Value source = tangents[0];
  for (auto [tangent, lag] : llvm::zip(tangents.drop_front(), getLags()))
    source = b.add(source, b.mul(tangent, shifted(b, getResult(), lag)));
  return recur(b, source, getWeights(), getLags());
}
Value RecurOp::buildAdjoint(DerivativeBuilder &b, unsigned operand, Value cotangent) {
  Value source = recurBackward(b, cotangent, getWeights(), getLags());
  return operand == 0 ? source : b.mul(source, shifted(b, getResult(), getLags()[operand - 1]));
}
bool RecurOp::isLinearIn(const llvm::SmallBitVector &variable) { return variable.test(0) && variable.count() == 1; }

//===----------------------------------------------------------------------===//
// soft_dtw, soft_step
//===----------------------------------------------------------------------===//

LogicalResult SoftDTWOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, ValueRange operands,
                                          DictionaryAttr, OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
  return inferVector(loc, operands, dimOf(operands[0]) * dimOf(operands[1]), types);
}

LogicalResult SoftDTWOp::verify() {
  if (dimOf(getGamma()) != 1)
    return emitOpError("expects a smoothing of dimension 1, got dimension ") << dimOf(getGamma());
  return success();
}

/// Distances in the vector of costs to where the three steps come from, in the order of AlignmentStep.
static std::array<int64_t, 3> lagsOf(int64_t columns) { return {columns + 1, columns, 1}; }

namespace {
/// Three costs as a soft minimum sees them: the least of them, exp((least − cost) / γ) for each, and their sum.
struct SoftMinimum {
  SoftMinimum(Lane &lane, LaneValue gamma, std::array<LaneValue, 3> costs) : weights(costs) {
    LaneValue sharpness = lane.div(lane.constant(1), gamma);
    least = lane.smaller(lane.smaller(costs[0], costs[1]), costs[2]);
    for (LaneValue &weight : weights)
      weight = lane.exp(lane.mul(lane.sub(least, weight), sharpness));
    sum = lane.add(lane.add(weights[0], weights[1]), weights[2]);
  }
  LaneValue least, sum;
  std::array<LaneValue, 3> weights;
};
} // namespace

LaneValue SoftDTWOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  constexpr unsigned self = 3;
  int64_t columns = dimOf(getRhs());
  std::array<int64_t, 3> lags = lagsOf(columns);
  LaneIndex i = lane.div(d, columns), j = lane.rem(d, columns);
  auto before = [&](int64_t lag) { return operand(self, lane.add(d, -lag)); };
  auto softmin = [&] {
    LaneValue gamma = operand(2, 0);
    SoftMinimum minimum(lane, gamma, {before(lags[0]), before(lags[1]), before(lags[2])});
    LaneValue soft = lane.sub(minimum.least, lane.mul(gamma, lane.log(minimum.sum)));
    // Three infinite costs have no differences.
    return lane.select(lane.compare(CompareKind::EQ, minimum.least, lane.infinity()), minimum.least, soft);
  };
  // At the borders only one path leads here.
  auto path = lane.branchBelow(
      i, 1, [&] { return lane.branchBelow(j, 1, [&] { return lane.constant(0); }, [&] { return before(lags[2]); }); },
      [&] { return lane.branchBelow(j, 1, [&] { return before(lags[1]); }, softmin); });
  LaneValue difference = lane.sub(operand(0, i), operand(1, j));
  return lane.add(lane.mul(difference, difference), path);
}

OpCost SoftDTWOp::cost() { return {12, 7}; }

LogicalResult SoftStepOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, ValueRange operands,
                                           DictionaryAttr, OpaqueProperties, RegionRange,
                                           SmallVectorImpl<Type> &types) {
  return inferVector(loc, operands, dimOf(operands[0]), types);
}

LogicalResult SoftStepOp::verify() {
  int64_t dim = dimOf(getCosts()), columns = getColumns();
  if (columns < 1 || dim % columns != 0)
    return emitOpError("expects costs in rows of one length, got ") << dim << " costs in rows of " << columns;
  if (dimOf(getGamma()) != 1)
    return emitOpError("expects a smoothing of dimension 1, got dimension ") << dimOf(getGamma());
  return success();
}

LaneValue SoftStepOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  int64_t columns = getColumns();
  std::array<int64_t, 3> lags = lagsOf(columns);
  LaneIndex i = lane.div(d, columns), j = lane.rem(d, columns);
  auto before = [&](int64_t lag) { return operand(0, lane.add(d, -lag)); };
  auto weight = [&] {
    SoftMinimum minimum(lane, operand(1, 0), {before(lags[0]), before(lags[1]), before(lags[2])});
    return lane.div(minimum.weights[static_cast<size_t>(getStep())], minimum.sum);
  };
  // At the borders the only step there is.
  auto only = [&](AlignmentStep step) { return [&, step] { return lane.constant(getStep() == step ? 1 : 0); }; };
  return lane.branchBelow(
      i, 1, [&] { return lane.branchBelow(j, 1, [&] { return lane.constant(0); }, only(AlignmentStep::Right)); },
      [&] { return lane.branchBelow(j, 1, only(AlignmentStep::Down), weight); });
}

OpCost SoftStepOp::cost() { return {10, 7}; }

namespace {
/// The steps of an alignment as values, and what derivatives make of them.
struct Alignment {
  Alignment(DerivativeBuilder &b, Value costs, Value gamma, int64_t columns)
      : b(b), costs(costs), gamma(gamma), lags(lagsOf(columns)) {
    for (AlignmentStep step : {AlignmentStep::Diagonal, AlignmentStep::Down, AlignmentStep::Right})
      steps.push_back(SoftStepOp::create(b.getBuilder(), b.getLoc(), step, costs, columns, gamma));
  }
  /// Of `values` of the pairs, the mean before each pair, weighted by the steps.
  Value meanBefore(Value values) {
    Value mean;
    for (auto [step, lag] : llvm::zip(steps, lags))
      mean = b.add(mean, b.mul(step, shifted(b, values, lag)));
    return mean;
  }
  /// What the mean before each pair carries back from it.
  Value carriedBack(Value cotangent) {
    Value sum;
    for (auto [step, lag] : llvm::zip(steps, lags))
      sum = b.add(sum, shifted(b, b.mul(cotangent, step), -lag));
    return sum;
  }
  DerivativeBuilder &b;
  Value costs, gamma;
  std::array<int64_t, 3> lags;
  SmallVector<Value> steps;
};
} // namespace

// The weight w of a step from the cost a is exp(−a/γ) over a sum of three: with ⟨·⟩ the mean by the three weights,
// dw = w (⟨da⟩ − da) / γ + w (a − ⟨a⟩) dγ / γ².

Value SoftStepOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  Alignment alignment(b, getCosts(), getGamma(), getColumns());
  int64_t lag = alignment.lags[static_cast<size_t>(getStep())];
  Value ofCosts = b.sub(alignment.meanBefore(tangents[0]), shifted(b, tangents[0], lag));
  Value ofGamma =
      b.mul(b.sub(shifted(b, getCosts(), lag), alignment.meanBefore(getCosts())), b.div(tangents[1], getGamma()));
  return b.mul(getResult(), b.div(b.add(ofCosts, ofGamma), getGamma()));
}

Value SoftStepOp::buildAdjoint(DerivativeBuilder &b, unsigned operand, Value cotangent) {
  Alignment alignment(b, getCosts(), getGamma(), getColumns());
  int64_t lag = alignment.lags[static_cast<size_t>(getStep())];
  Value share = b.div(b.mul(cotangent, getResult()), getGamma());
  if (operand == 0)
    return b.sub(alignment.carriedBack(share), shifted(b, share, -lag));
  Value above = b.sub(shifted(b, getCosts(), lag), alignment.meanBefore(getCosts()));
  return b.div(b.sum(b.mul(share, above)), getGamma());
}

bool SoftStepOp::isLinearIn(const llvm::SmallBitVector &) { return false; }

/// a_i b_j.
static Value outerProduct(DerivativeBuilder &b, Value lhs, Value rhs) {
  auto list = [&](ArrayRef<int64_t> values) { return b.getBuilder().getDenseI64ArrayAttr(values); };
  return TensorDotOp::create(b.getBuilder(), b.getLoc(), lhs, rhs, list({dimOf(lhs)}), list({dimOf(rhs)}), list({}),
                             list({}), list({0, 1}));
}
/// x_i − y_j; either may be null.
static Value differences(DerivativeBuilder &b, Value x, Value y, int64_t rows, int64_t columns) {
  Value first = x ? outerProduct(b, x, b.constant(1, columns)) : Value();
  return b.sub(first, y ? outerProduct(b, b.constant(1, rows), y) : Value());
}
/// Sums over the columns (axis 1) or over the rows (axis 0) of a matrix.
static Value sumOverAxis(DerivativeBuilder &b, Value matrix, int64_t rows, int64_t columns, int64_t axis) {
  auto list = [&](ArrayRef<int64_t> values) { return b.getBuilder().getDenseI64ArrayAttr(values); };
  int64_t extent = axis == 0 ? rows : columns;
  return TensorDotOp::create(b.getBuilder(), b.getLoc(), matrix, b.constant(1, extent), list({rows, columns}),
                             list({extent}), list({axis}), list({0}), list({0}));
}

// The cost of a pair is its own distance and the soft minimum of three costs before it, of which the steps are the
// derivative. So the tangent of the costs is a recurrence, and their cotangents are one from the other end. In γ the
// soft minimum s has the derivative (s − ⟨a⟩) / γ.

static Value slopeInGamma(SoftDTWOp op, DerivativeBuilder &b, Alignment &alignment, Value difference) {
  Value soft = b.sub(op.getResult(), b.square(difference));
  return b.div(b.sub(soft, alignment.meanBefore(op.getResult())), op.getGamma());
}

Value SoftDTWOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  int64_t rows = dimOf(getLhs()), columns = dimOf(getRhs());
  Alignment alignment(b, getResult(), getGamma(), columns);
  Value difference = differences(b, getLhs(), getRhs(), rows, columns);
  Value source = b.mul(b.mul(difference, 2), differences(b, tangents[0], tangents[1], rows, columns));
  if (tangents[2])
    source = b.add(source, b.mul(slopeInGamma(*this, b, alignment, difference), tangents[2]));
  return recur(b, source, alignment.steps, alignment.lags);
}

Value SoftDTWOp::buildAdjoint(DerivativeBuilder &b, unsigned operand, Value cotangent) {
  int64_t rows = dimOf(getLhs()), columns = dimOf(getRhs());
  Alignment alignment(b, getResult(), getGamma(), columns);
  Value difference = differences(b, getLhs(), getRhs(), rows, columns);
  Value onPaths = recurBackward(b, cotangent, alignment.steps, alignment.lags);
  if (operand == 2)
    return b.sum(b.mul(onPaths, slopeInGamma(*this, b, alignment, difference)));
  Value sums = sumOverAxis(b, b.mul(onPaths, b.mul(difference, 2)), rows, columns, operand == 0 ? 1 : 0);
  return operand == 0 ? sums : b.neg(sums);
}

bool SoftDTWOp::isLinearIn(const llvm::SmallBitVector &) { return false; }
