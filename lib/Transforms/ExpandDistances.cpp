//===- ExpandDistances.cpp - Squared distances by scalar products ---------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ‖x − y‖² = ‖x‖² + ‖y‖² − 2⟨x, y⟩ has half the operations for a pair, and loses
// digits where the norms are large beside the distance. So both stand in the
// formula, around the middle of all x, and a choice between them that is the same
// for the whole call: what the exponent loses is bounded by the largest norms.
//
//===----------------------------------------------------------------------===//

#include "Products.h"

#include "keops/Dialect/Arithmetic.h"
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

/// Vectors of more components would not find room in registers in both forms.
static constexpr int64_t kMostComponents = 4;

namespace {

/// A squared distance of vectors of rows and columns that nothing else uses.
struct Distance {
  Value row, column;
  int64_t dim = 0;
};

/// Builds what replaces one distance.
class Expansion {
public:
  Expansion(OpBuilder &builder, Location loc, Type element) : builder(builder), loc(loc), element(element) {}
  /// `exact` is the distance as it is, and a factor of it, the same for all pairs, is in an exponent.
  Value choose(const Distance &distance, Value exact, Value factor);

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

Value Expansion::choose(const Distance &distance, Value exact, Value factor) {
  Value origin = centre(distance.row);
  Value x = SubOp::create(builder, loc, distance.row, origin), y = SubOp::create(builder, loc, distance.column, origin);
  Value ofX = sum(square(x)), ofY = sum(square(y));
  Value product = sum(MulOp::create(builder, loc, y, MulOp::create(builder, loc, x, number(-2))));
  Value expanded = AddOp::create(builder, loc, AddOp::create(builder, loc, product, ofY), ofX);
  // Of D components: D + 4 roundings in the norms and in the product each, and those of the differences to the centre.
  double limit = kTolerance / static_cast<double>(2 * distance.dim + 10);
  Attribute maximum = ExtremumAttr::get(builder.getContext(), Extremum::Max);
  Value norms = AddOp::create(builder, loc, overAll(maximum, ofX), overAll(maximum, ofY));
  Value magnitude = MulOp::create(builder, loc, AbsOp::create(builder, loc, factor), norms);
  Value isAccurate = CmpOp::create(builder, loc, Comparison::LE, magnitude, number(limit));
  auto choice = SelectOp::create(builder, loc, isAccurate, expanded, exact);
  choice->setAttr("keops.either", builder.getUnitAttr());
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
  Distance distance{difference->getOperand(0), difference->getOperand(1), dimOf(difference->getResult(0))};
  if (indicesOf(distance.row) == IndexSet::J)
    std::swap(distance.row, distance.column);
  if (indicesOf(distance.row) != IndexSet::I || indicesOf(distance.column) != IndexSet::J ||
      dimOf(distance.row) != distance.dim || dimOf(distance.column) != distance.dim || distance.dim > kMostComponents)
    return std::nullopt;
  return distance;
}

/// Expands distances of which operand `use`, alone, is made: by signs, sums, and factors that are the same for all
/// pairs, whose product so far is `factor`.
static void expandIn(OpOperand &use, Value factor) {
  Value value = use.get();
  Operation *op = value.getDefiningOp(), *user = use.getOwner();
  if (!op || indicesOf(value) != IndexSet::IJ || !value.hasOneUse())
    return;
  // As late as possible: factors may stand between a distance and its user.
  op->moveBefore(user);
  OpBuilder builder(user);
  if (std::optional<Distance> distance = distanceOf(value)) {
    Expansion expansion(builder, op->getLoc(), vecOf(value).getElementType());
    use.set(expansion.choose(*distance, value, factor));
    return;
  }
  auto arithmetic = dyn_cast<ArithmeticOpInterface>(op);
  if (!arithmetic)
    return;
  builder.setInsertionPoint(op);
  OpOperand *varying = nullptr;
  for (OpOperand &operand : op->getOpOperands()) {
    bool isPair = indicesOf(operand.get()) == IndexSet::IJ;
    if (!arithmetic.signs().empty()) {
      if (isPair)
        expandIn(operand, factor);
      continue;
    }
    int exponent = arithmetic.exponents().empty() ? 0 : arithmetic.exponents()[operand.getOperandNumber()];
    if (isPair && exponent == 1 && !varying) {
      varying = &operand;
      continue;
    }
    if (indicesOf(operand.get()) != IndexSet::None || dimOf(operand.get()) != 1 || std::abs(exponent) != 1)
      return;
    factor = exponent == 1 ? MulOp::create(builder, op->getLoc(), factor, operand.get()).getResult()
                           : DivOp::create(builder, op->getLoc(), factor, operand.get()).getResult();
  }
  if (varying)
    expandIn(*varying, factor);
}

namespace {
struct ExpandDistancesPass : keops::impl::KeopsExpandDistancesBase<ExpandDistancesPass> {
  void runOnOperation() override {
    SmallVector<ExpOp> exponentials;
    getOperation().walk([&](ExpOp op) { exponentials.push_back(op); });
    for (ExpOp op : exponentials) {
      OpBuilder builder(op);
      auto type = VecType::get(&getContext(), 1, vecOf(op.getOperand()).getElementType(), IndexSet::None);
      Value one = ConstantOp::create(builder, op.getLoc(), type, builder.getF64FloatAttr(1));
      expandIn(op->getOpOperand(0), one);
      if (one.use_empty())
        one.getDefiningOp()->erase();
    }
  }
};
} // namespace
