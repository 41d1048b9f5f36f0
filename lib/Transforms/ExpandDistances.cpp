//===- ExpandDistances.cpp - Squared distances by scalar products ---------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ‖x − y‖² = ‖x‖² + ‖y‖² − 2⟨x, y⟩ has half the operations for a pair, and loses
// digits where the norms are large beside the distance. So both stand in the
// formula, and a choice between them that is the same for the whole call: what the
// exponent loses is bounded by the largest norms around the middle of all x. Both
// read the same two vectors, which are those around the middle, one of them times
// −2, for the one and the points as they are for the other.
//
//===----------------------------------------------------------------------===//

#include "Products.h"

#include "keops/Dialect/Arithmetic.h"
#include "keops/Dialect/DerivativeBuilder.h"
#include "keops/Transforms/Passes.h"

#include <cmath>
#include <limits>

namespace keops {
#define GEN_PASS_DEF_KEOPSEXPANDDISTANCES
#include "keops/Transforms/Passes.h.inc"
} // namespace keops

using namespace mlir;
using namespace keops;

/// What an exponent may lose at most, so the relative error of an exponential, in units in the last place of 1: 10⁻⁴ in
/// float32, 2·10⁻¹³ in float64.
static constexpr double kTolerance = 1e-4 * 0x1p24;

namespace {

/// A squared distance of vectors of rows and columns: three ops that nothing else reads.
struct Distance {
  Operation *difference, *square, *sum;
  bool rowsFirst;

  Value row() const { return difference->getOperand(rowsFirst ? 0 : 1); }
  Value column() const { return difference->getOperand(rowsFirst ? 1 : 0); }
};

/// Builds what replaces one distance.
class Expansion {
public:
  Expansion(OpBuilder &builder, Location loc, Type element) : builder(builder), loc(loc), element(element) {}
  /// A `factor` of the distance, the same for all pairs, is in an exponent, to which an error of `tolerance` units in
  /// the last place of 1 may be done.
  Value choose(const Distance &distance, Value factor, double tolerance);

private:
  Value number(double value) {
    auto type = VecType::get(builder.getContext(), 1, element, IndexSet::None);
    return ConstantOp::create(builder, loc, type, builder.getF64FloatAttr(value));
  }
  Value square(Value value) { return MulOp::create(builder, loc, value, value); }
  Value sum(Value value) {
    Attribute sum = SumAttr::get(builder.getContext());
    return FoldOp::create(builder, loc, cast<ReductionInterface>(sum), value);
  }
  /// One value for the call, of all rows or of all columns.
  Value overAll(Attribute reduction, ValueRange terms) {
    auto over = indicesOf(terms.back()) == IndexSet::I ? ReducedIndex::I : ReducedIndex::J;
    return ReduceOp::create(builder, loc, cast<ReductionInterface>(reduction), over, terms, /*once=*/true).getResult(0);
  }
  Value centre(Value rows);
  Value largestNorm(Value points, Value origin) {
    Attribute maximum = ExtremumAttr::get(builder.getContext(), Extremum::Max);
    return overAll(maximum, sum(square(SubOp::create(builder, loc, points, origin))));
  }

  OpBuilder &builder;
  Location loc;
  Type element;
};

} // namespace

static double largestNumber(Type element) {
  return element.isF32() ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
}

/// The middle between the extrema of all rows; 0 instead of what is not finite, so that one such row does not spoil the
/// others.
Value Expansion::centre(Value rows) {
  Value zero = number(0);
  Value half = number(0.5);
  auto extremum = [&](Extremum kind) {
    return MulOp::create(builder, loc, overAll(ExtremumAttr::get(builder.getContext(), kind), rows), half);
  };
  Value middle = AddOp::create(builder, loc, extremum(Extremum::Min), extremum(Extremum::Max));
  Value magnitude = AbsOp::create(builder, loc, middle);
  Value isFinite = CmpOp::create(builder, loc, Comparison::LE, magnitude, number(largestNumber(element)));
  return SelectOp::create(builder, loc, isFinite, middle, zero);
}

Value Expansion::choose(const Distance &distance, Value factor, double tolerance) {
  Value origin = centre(distance.row());
  // Of D components: D + 4 roundings in the norms and in the product each, and those of the differences to the centre.
  double limit = tolerance / static_cast<double>(2 * dimOf(distance.row()) + 10);
  Value norms =
      AddOp::create(builder, loc, largestNorm(distance.row(), origin), largestNorm(distance.column(), origin));
  Value magnitude = MulOp::create(builder, loc, AbsOp::create(builder, loc, factor), norms);
  Value isAccurate = CmpOp::create(builder, loc, Comparison::LE, magnitude, number(limit));

  Value shift = SelectOp::create(builder, loc, isAccurate, origin, number(0));
  Value x = SubOp::create(builder, loc, distance.row(), shift),
        y = SubOp::create(builder, loc, distance.column(), shift);
  Value scaled = MulOp::create(builder, loc, x, SelectOp::create(builder, loc, isAccurate, number(-2), number(1)));
  Value product = sum(MulOp::create(builder, loc, y, scaled));
  Value withColumn = AddOp::create(builder, loc, product, sum(square(y)));
  Value expanded = AddOp::create(builder, loc, withColumn, sum(square(x)));
  distance.difference->setOperands({distance.rowsFirst ? scaled : y, distance.rowsFirst ? y : scaled});
  for (Operation *op : {distance.difference, distance.square, distance.sum}) {
    op->remove();
    builder.insert(op);
  }
  auto choice = SelectOp::create(builder, loc, isAccurate, expanded, distance.sum->getResult(0));
  auto *dialect = builder.getContext()->getLoadedDialect<KeopsDialect>();
  dialect->getEitherAttrHelper().setAttr(choice, builder.getUnitAttr());
  return choice;
}

/// Σ (x − y)² over components, if nobody else uses it or its parts.
static std::optional<Distance> distanceOf(Value value) {
  auto fold = value.getDefiningOp<FoldOp>();
  if (!fold || !fold.getReduction().isLinearIn(llvm::SmallBitVector(1, true)))
    return std::nullopt;
  Operation *square = fold.getOperand().getDefiningOp();
  if (!square || !isSquare(square) || !square->hasOneUse())
    return std::nullopt;
  Operation *difference = square->getOperand(0).getDefiningOp();
  auto isThatSquare = [&](Operation *user) { return user == square; };
  if (!difference || signsOf(difference) != ArrayRef<int>({1, -1}) ||
      !llvm::all_of(difference->getUsers(), isThatSquare))
    return std::nullopt;
  Distance distance{difference, square, fold, indicesOf(difference->getOperand(0)) == IndexSet::I};
  int64_t dim = dimOf(difference->getResult(0));
  if (indicesOf(distance.row()) != IndexSet::I || indicesOf(distance.column()) != IndexSet::J ||
      dimOf(distance.row()) != dim || dimOf(distance.column()) != dim)
    return std::nullopt;
  return distance;
}

/// Expands distances of which operand `use`, alone, is made: by signs, sums, and factors that are the same for all
/// pairs, which so far are `factor`.
static void expandIn(OpOperand &use, Product factor, double tolerance) {
  Value value = use.get();
  Operation *op = value.getDefiningOp(), *user = use.getOwner();
  if (!op || indicesOf(value) != IndexSet::IJ || !value.hasOneUse())
    return;
  // As late as possible: factors may stand between a distance and its user.
  op->moveBefore(user);
  if (std::optional<Distance> distance = distanceOf(value)) {
    Type element = vecOf(value).getElementType();
    OpBuilder builder(user);
    DerivativeBuilder products(builder, op->getLoc(), element, SumScheme());
    Value common = build(products, factor);
    use.set(Expansion(builder, op->getLoc(), element).choose(*distance, common, tolerance));
    return;
  }
  auto arithmetic = dyn_cast<ArithmeticOpInterface>(op);
  if (!arithmetic)
    return;
  auto isPair = [](Value operand) { return indicesOf(operand) == IndexSet::IJ; };
  if (!arithmetic.signs().empty()) {
    // The terms share what may be lost.
    double share = tolerance / static_cast<double>(llvm::count_if(op->getOperands(), isPair));
    for (OpOperand &operand : op->getOpOperands())
      if (isPair(operand.get()))
        expandIn(operand, factor, share);
    return;
  }
  OpOperand *varying = nullptr;
  for (OpOperand &operand : op->getOpOperands()) {
    int exponent = arithmetic.exponents().empty() ? 0 : arithmetic.exponents()[operand.getOperandNumber()];
    if (isPair(operand.get()) && exponent == 1 && !varying) {
      varying = &operand;
      continue;
    }
    if (indicesOf(operand.get()) != IndexSet::None || dimOf(operand.get()) != 1 || std::abs(exponent) != 1)
      return;
    factor.factors.push_back({operand.get(), /*inverse=*/exponent == -1});
  }
  if (varying)
    expandIn(*varying, factor, tolerance);
}

namespace {
struct ExpandDistancesPass : keops::impl::KeopsExpandDistancesBase<ExpandDistancesPass> {
  void runOnOperation() override {
    SmallVector<std::pair<OpOperand *, double>> exponents;
    getOperation().walk([&](Operation *op) {
      if (auto power = dyn_cast<ExponentialOpInterface>(op))
        exponents.push_back({&op->getOpOperand(0), power.logOfBase()});
      if (auto reduce = dyn_cast<ReduceOp>(op))
        for (OpOperand &term : op->getOpOperands())
          if (reduce.getReduction().isExponent(term.getOperandNumber()))
            exponents.push_back({&term, 1});
    });
    for (auto [exponent, logOfBase] : exponents)
      expandIn(*exponent, Product(), kTolerance / logOfBase);
  }
};
} // namespace
