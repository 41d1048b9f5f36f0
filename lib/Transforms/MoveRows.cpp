//===- MoveRows.cpp - Compute for rows what is asked of a few pairs -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A formula at the pair (i, row r(i)) is the same formula of what is gathered at
// r: a function of i. Where a value is zero but at some pairs, because it is
// linear in a scatter, it is enough to know it there.
//
//===----------------------------------------------------------------------===//

#include "RefineTypes.h"
#include "keops/Transforms/Passes.h"

#include "mlir/IR/IRMapping.h"

namespace keops {
#define GEN_PASS_DEF_KEOPSMOVEROWS
#include "keops/Transforms/Passes.h.inc"
} // namespace keops

using namespace mlir;
using namespace keops;

static VecType typeOf(Value value) { return cast<VecType>(value.getType()); }

static bool dependsOn(Value value, ReducedIndex index) {
  return contains(typeOf(value).getIndices(), static_cast<IndexSet>(index));
}

/// What is gathered itself, because there is nothing to compute it from.
static bool isLeaf(Value value) {
  Operation *op = value.getDefiningOp();
  return !op || isa<ReduceOp>(op) || op->getNumOperands() == 0 || op->hasTrait<MovesRows>();
}

static bool isZero(Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  return constant && constant.getValue().isZero();
}

namespace {

/// The pairs at which a scatter may differ from zero.
struct Pairs {
  Value rows;
  ReducedIndex over = ReducedIndex::J;
  int64_t groups = 1;

  explicit operator bool() const { return rows != nullptr; }
  bool operator==(const Pairs &other) const {
    return rows == other.rows && over == other.over && groups == other.groups;
  }
  int64_t count() const { return typeOf(rows).getDim(); }
};

class Mover {
public:
  explicit Mover(FormulaFuncOp formula) : formula(formula), builder(formula) {}
  LogicalResult run();

private:
  void notePairs(Operation *op);
  Value moved(GatherOp gather);
  Value moved(ReduceOp reduce);

  SmallVector<Value> valuesAt(Value value, const Pairs &pairs, bool isSum);
  Value leafAt(Value leaf, const Pairs &pairs, int64_t number);
  Value scatteredAt(ScatterOp scatter, Value operand, int64_t number);
  Value slice(Value value, int64_t offset, int64_t size);
  Value concat(ArrayRef<Value> parts);

  FormulaFuncOp formula;
  OpBuilder builder;
  /// Values that are zero but at some pairs.
  llvm::DenseMap<Value, Pairs> sparse;
  llvm::DenseMap<std::pair<Value, Value>, Value> gathered;
};

} // namespace

//===----------------------------------------------------------------------===//
// Which values are zero at nearly all pairs
//===----------------------------------------------------------------------===//

void Mover::notePairs(Operation *op) {
  if (auto scatter = dyn_cast<ScatterOp>(op)) {
    if (!scatter.getTotal())
      sparse[scatter] = {scatter.getRows(), scatter.getOver(), static_cast<int64_t>(scatter.getGroups())};
    return;
  }
  auto rule = dyn_cast<DifferentiableOpInterface>(op);
  if (!rule)
    return;
  Pairs pairs;
  llvm::SmallBitVector own(op->getNumOperands()), orZero(op->getNumOperands());
  for (auto [n, operand] : llvm::enumerate(op->getOperands())) {
    Pairs known = sparse.lookup(operand);
    if (known && pairs && !(known == pairs))
      return;
    if (known) {
      pairs = known;
      own.set(n);
    }
    if (known || isZero(operand))
      orZero.set(n);
  }
  // A choice is linear in both its operands only, of which one may be zero.
  if (pairs && (rule.isLinearIn(own) || rule.isLinearIn(orZero)))
    sparse[op->getResult(0)] = pairs;
}

//===----------------------------------------------------------------------===//
// A formula at some pairs
//===----------------------------------------------------------------------===//

Value Mover::slice(Value value, int64_t offset, int64_t size) {
  if (size == typeOf(value).getDim())
    return value;
  return SliceOp::create(builder, value.getLoc(), value, offset, size);
}

/// As a tree: a component is then as many steps deep as the logarithm of the number of parts.
Value Mover::concat(ArrayRef<Value> parts) {
  if (parts.size() == 1)
    return parts[0];
  Value left = concat(parts.take_front(parts.size() / 2)), right = concat(parts.drop_front(parts.size() / 2));
  return ConcatOp::create(builder, left.getLoc(), left, right);
}

Value Mover::leafAt(Value leaf, const Pairs &pairs, int64_t number) {
  Value &rows = gathered[{leaf, pairs.rows}];
  if (!rows)
    rows = GatherOp::create(builder, leaf.getLoc(), leaf, pairs.over, pairs.rows, /*groups=*/1);
  return slice(rows, number * typeOf(leaf).getDim(), typeOf(leaf).getDim());
}

/// What the row number `number` has of a scatter: one of its groups.
Value Mover::scatteredAt(ScatterOp scatter, Value operand, int64_t number) {
  int64_t dim = scatter.getType().getDim(), groups = scatter.getGroups(), size = dim / groups;
  Value part = slice(operand, number * size, size);
  if (groups == 1)
    return part;
  return PadOp::create(builder, scatter.getLoc(), part, number % groups * size, dim);
}

/// The value at each of the pairs; of a sum, what each of the row numbers adds to it.
SmallVector<Value> Mover::valuesAt(Value value, const Pairs &pairs, bool isSum) {
  // What is computed again, in the order of the formula. It may be deeper than the stack.
  llvm::DenseSet<Operation *> found;
  SmallVector<Operation *> ops;
  SmallVector<Value> open = {value};
  auto isEnd = [&](Value end) {
    if (!dependsOn(end, pairs.over))
      return true;
    return isLeaf(end) && !(isSum && sparse.lookup(end) == pairs);
  };
  while (!open.empty()) {
    Value next = open.pop_back_val();
    if (isEnd(next) || !found.insert(next.getDefiningOp()).second)
      continue;
    ops.push_back(next.getDefiningOp());
    llvm::append_range(open, next.getDefiningOp()->getOperands());
  }
  llvm::sort(ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });

  SmallVector<Value> values;
  for (int64_t number = 0; number < pairs.count(); ++number) {
    IRMapping here;
    auto at = [&](Value operand) {
      if (!isEnd(operand))
        return here.lookup(operand);
      return dependsOn(operand, pairs.over) ? leafAt(operand, pairs, number) : operand;
    };
    for (Operation *op : ops) {
      if (auto scatter = dyn_cast<ScatterOp>(op)) {
        here.map(scatter.getResult(), scatteredAt(scatter, at(scatter.getOperand()), number));
        continue;
      }
      IRMapping operands;
      for (Value operand : op->getOperands())
        operands.map(operand, at(operand));
      Operation *copy = builder.clone(*op, operands);
      refineTypes(copy);
      here.map(op->getResults(), copy->getResults());
    }
    values.push_back(at(value));
  }
  return values;
}

//===----------------------------------------------------------------------===//
// What asks for some pairs
//===----------------------------------------------------------------------===//

/// What replaces a gather of what is computed; null for others.
Value Mover::moved(GatherOp gather) {
  if (isLeaf(gather.getOperand()) && dependsOn(gather.getOperand(), gather.getOver()))
    return {};
  int64_t groups = gather.getGroups(), size = gather.getOperand().getType().getDim() / groups;
  SmallVector<Value> parts = valuesAt(gather.getOperand(), {gather.getRows(), gather.getOver(), groups}, false);
  for (auto [number, part] : llvm::enumerate(parts))
    part = slice(part, static_cast<int64_t>(number) % groups * size, size);
  return concat(parts);
}

/// What replaces a sum of what is zero at nearly all pairs; null for others.
Value Mover::moved(ReduceOp reduce) {
  Pairs pairs = sparse.lookup(reduce.getTerms()[0]);
  bool adds = reduce.getTerms().size() == 1 && reduce.getReduction().isLinearIn(llvm::SmallBitVector(1, true));
  if (!pairs || !adds || reduce.getOnce())
    return {};
  SmallVector<Value> parts = valuesAt(reduce.getTerms()[0], pairs, true);
  if (reduce.getOver() != pairs.over)
    return ScatterOp::create(builder, reduce.getLoc(), concat(parts), pairs.over, pairs.rows, /*groups=*/1,
                             /*total=*/true);
  Value sum = parts[0];
  for (Value part : ArrayRef(parts).drop_front())
    sum = AddOp::create(builder, reduce.getLoc(), sum, part);
  return sum;
}

LogicalResult Mover::run() {
  Block &body = formula.getBody().front();
  for (Operation &op : llvm::make_early_inc_range(body)) {
    builder.setInsertionPoint(&op);
    Value replacement;
    if (auto gather = dyn_cast<GatherOp>(op))
      replacement = moved(gather);
    else if (auto reduce = dyn_cast<ReduceOp>(op))
      replacement = moved(reduce);
    if (replacement) {
      op.getResult(0).replaceAllUsesWith(replacement);
      op.erase();
      continue;
    }
    refineTypes(&op);
    notePairs(&op);
  }
  finishRewriting(formula);
  for (auto scatter : body.getOps<ScatterOp>())
    if (!scatter.getTotal())
      return scatter.emitOpError("is used where it is not summed over one of its indices in a formula that is linear "
                                 "in it");
  return success();
}

namespace {
struct MoveRowsPass : keops::impl::KeopsMoveRowsBase<MoveRowsPass> {
  void runOnOperation() override {
    auto movesRows = [](Operation &op) { return op.hasTrait<MovesRows>(); };
    // Formulas that move no rows stay as they are.
    if (llvm::any_of(getOperation().getBody().front(), movesRows) && failed(Mover(getOperation()).run()))
      signalPassFailure();
  }
};
} // namespace
