//===- SplitPasses.cpp - One formula as several passes over the pairs -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A pass has reductions over one index that do not need each other. Which pass a
// reduction is in is decided first, by a list of those that are ready. Then, from
// the last pass back to the first, each asks for what it needs of earlier ones:
// of a chain of ops that depend on a pass and on the rows that it has, the last
// one, which that pass computes in its end, once per row. What depends on a pass
// but has other rows is computed where it is used.
//
// Between passes stand ops that move rows. What they read must be stored, and is
// an additional result of a pass that has these rows, or of one without
// reductions.
//
//===----------------------------------------------------------------------===//

#include "keops/Transforms/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

#include <map>

namespace keops {
#define GEN_PASS_DEF_KEOPSSPLITPASSES
#include "keops/Transforms/Passes.h.inc"
} // namespace keops

using namespace mlir;
using namespace keops;

static VecType typeOf(Value value) { return cast<VecType>(value.getType()); }
static IndexSet setOf(Value value) { return typeOf(value).getIndices(); }

namespace {

/// What decides which reductions go together: the index that they reduce, and the rows that remain.
struct Kind {
  std::optional<ReducedIndex> over;
  IndexSet kept = IndexSet::None;
  bool operator==(const Kind &other) const { return over == other.over && kept == other.kept; }
};

/// A step of the program: a pass, or an op that moves rows.
struct Step {
  Kind kind;
  Operation *move = nullptr;
  SmallVector<ReduceOp> reductions;
  llvm::SetVector<Value> results;  ///< what is asked of it
  SmallVector<Value> inputs;       ///< arguments of the formula, and what earlier steps give
  llvm::DenseSet<Operation *> ops; ///< what it computes
};

class Splitter {
public:
  explicit Splitter(FormulaFuncOp formula) : formula(formula), body(formula.getBody().front()) {}
  LogicalResult run();

private:
  /// When a step is done. Those with reductions or moves have even moments, and behind each there is room for steps
  /// without.
  using Moment = int;
  static constexpr Moment kStart = -2, kEnd = std::numeric_limits<Moment>::max();

  void findNeeded();
  void schedule();
  Step &addStep(Kind kind);
  Moment momentOf(Value value) const;
  bool isGivenBy(Value value, const Step &step) const;
  void store(Value value, Moment before);
  void collect(Moment moment, Step &step);
  bool isOnePass() const;
  Type heldAs(Value value);
  void setStorage(FormulaFuncOp part, const Step &step);
  void build();

  FormulaFuncOp formula;
  Block &body;
  std::map<Moment, SmallVector<Step, 1>> steps;
  /// The last step with reductions or moves that a value depends on.
  llvm::DenseMap<Value, Moment> moments;
  llvm::DenseSet<Operation *> needed;
  llvm::DenseSet<Value> stored; ///< by some step, for others or as results
  llvm::DenseSet<Value> read;   ///< by some step
};

} // namespace

static Kind kindOf(ReduceOp reduce) { return {reduce.getOver(), setOf(reduce.getResult(0))}; }

Step &Splitter::addStep(Kind kind) {
  Moment moment = steps.empty() ? 0 : steps.rbegin()->first + 2;
  Step &step = steps[moment].emplace_back();
  step.kind = kind;
  return step;
}

Splitter::Moment Splitter::momentOf(Value value) const {
  auto known = moments.find(value);
  return known == moments.end() ? kStart : known->second;
}

void Splitter::findNeeded() {
  for (Operation &op : llvm::reverse(body))
    if (&op == body.getTerminator() || needed.contains(&op))
      for (Value operand : op.getOperands())
        if (Operation *maker = operand.getDefiningOp())
          needed.insert(maker);
}

/// Puts reductions and moves into steps, each when all that it needs is there.
void Splitter::schedule() {
  llvm::SetVector<Operation *> waiting;
  for (Operation &op : body.without_terminator())
    if (needed.contains(&op) && (isa<ReduceOp>(op) || op.hasTrait<MovesRows>()))
      waiting.insert(&op);
  // For each op, those of the waiting ones that it needs, itself left out.
  llvm::DenseMap<Operation *, llvm::SmallDenseSet<Operation *, 4>> needs;
  for (Operation &op : body.without_terminator()) {
    llvm::SmallDenseSet<Operation *, 4> own;
    for (Value operand : op.getOperands())
      if (Operation *maker = operand.getDefiningOp()) {
        own.insert_range(needs[maker]);
        if (waiting.contains(maker))
          own.insert(maker);
      }
    needs[&op] = std::move(own);
  }
  while (!waiting.empty()) {
    auto isReady = [&](Operation *op) {
      return llvm::none_of(needs[op], [&](Operation *other) { return waiting.contains(other); });
    };
    auto ready = llvm::to_vector(llvm::make_filter_range(waiting.getArrayRef(), isReady));
    auto move = llvm::find_if(ready, [](Operation *op) { return op->hasTrait<MovesRows>(); });
    if (move != ready.end()) {
      addStep({}).move = *move;
      waiting.remove(*move);
      continue;
    }
    // A kind all of whose reductions are ready leaves none for another pass of that kind.
    auto isComplete = [&](Operation *op) {
      return llvm::all_of(waiting, [&](Operation *other) {
        auto reduce = dyn_cast<ReduceOp>(other);
        return !reduce || !(kindOf(reduce) == kindOf(cast<ReduceOp>(op))) || llvm::is_contained(ready, other);
      });
    };
    auto chosen = llvm::find_if(ready, isComplete);
    Kind kind = kindOf(cast<ReduceOp>(chosen == ready.end() ? ready.front() : *chosen));
    Step &step = addStep(kind);
    for (Operation *op : ready)
      if (kindOf(cast<ReduceOp>(op)) == kind) {
        step.reductions.push_back(cast<ReduceOp>(op));
        waiting.remove(op);
      }
  }
  llvm::DenseMap<Operation *, Moment> own;
  for (auto &[moment, group] : steps)
    for (Step &step : group) {
      if (step.move)
        own[step.move] = moment;
      for (ReduceOp reduce : step.reductions)
        own[reduce] = moment;
    }
  for (Operation &op : body.without_terminator()) {
    Moment last = kStart;
    for (Value operand : op.getOperands())
      last = std::max(last, momentOf(operand));
    if (auto found = own.find(&op); found != own.end())
      last = found->second;
    for (Value result : op.getResults())
      moments[result] = last;
  }
}

/// True if `step` has the value once it has ended: as the result of a reduction or a move, or as numbers computed for
/// each of its rows from those. Comparisons are not stored.
bool Splitter::isGivenBy(Value value, const Step &step) const {
  Operation *op = value.getDefiningOp();
  if (isa<ReduceOp>(op) || op->hasTrait<MovesRows>())
    return op == step.move || llvm::is_contained(step.reductions, op);
  auto type = cast<VecType>(value.getType());
  return !step.move && type.getIndices() == step.kind.kept && isa<FloatType>(type.getElementType());
}

/// Makes a step before the moment `before` give the value.
void Splitter::store(Value value, Moment before) {
  // The caller has arguments; a result that is one is copied.
  if (!value.getDefiningOp() || !stored.insert(value).second)
    return;
  Moment home = momentOf(value);
  Step *host = nullptr;
  for (auto place = steps.lower_bound(home); place != steps.end() && place->first < before && !host; ++place)
    for (Step &step : place->second)
      if (!host && isGivenBy(value, step))
        host = &step;
  if (!host) {
    Step step;
    step.kind = {std::nullopt, setOf(value)};
    host = &steps[home + 1].emplace_back(std::move(step));
  }
  host->results.insert(value);
}

/// In the order of the formula, its arguments first.
static bool isEarlier(Value a, Value b) {
  Operation *makerA = a.getDefiningOp(), *makerB = b.getDefiningOp();
  if (!makerA || !makerB)
    return !makerA && (makerB || cast<BlockArgument>(a).getArgNumber() < cast<BlockArgument>(b).getArgNumber());
  if (makerA == makerB)
    return cast<OpResult>(a).getResultNumber() < cast<OpResult>(b).getResultNumber();
  return makerA->isBeforeInBlock(makerB);
}

/// What a step computes, and what it needs of earlier ones.
void Splitter::collect(Moment moment, Step &step) {
  if (step.move) {
    for (Value operand : step.move->getOperands())
      store(operand, moment);
    return;
  }
  llvm::SetVector<Value> inputs;
  SmallVector<Value> open(step.results.begin(), step.results.end());
  for (ReduceOp reduce : step.reductions)
    open.push_back(reduce.getResult(0));
  while (!open.empty()) {
    Value value = open.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op) {
      inputs.insert(value);
      continue;
    }
    if (step.ops.contains(op))
      continue;
    // What an earlier step has anyway, or ends with.
    Moment home = momentOf(value);
    auto place = home < moment ? steps.find(home) : steps.end();
    if (place != steps.end() && isGivenBy(value, place->second.front())) {
      store(value, moment);
      inputs.insert(value);
      continue;
    }
    step.ops.insert(op);
    llvm::append_range(open, op->getOperands());
  }
  step.inputs = inputs.takeVector();
  llvm::sort(step.inputs, isEarlier);
}

/// True if the formula is one pass already. A result without an index has one row, which a pass over rows has not.
bool Splitter::isOnePass() const {
  if (steps.size() != 1 || steps.begin()->second.size() != 1 || steps.begin()->second.front().move)
    return false;
  IndexSet kept = steps.begin()->second.front().kind.kept;
  return kept != IndexSet::None && llvm::all_of(body.getTerminator()->getOperands(), [&](Value result) {
           return result.getDefiningOp() || setOf(result) == kept;
         });
}

/// The type in which an array holds its numbers: between steps that of the arithmetic, so that nothing is rounded
/// there.
Type Splitter::heldAs(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return storageOf(formula.getArgumentStorage(), argument.getArgNumber(), value.getType());
  Type own = typeOf(value).getElementType();
  if (read.contains(value))
    return own;
  std::optional<Type> held;
  for (auto [n, result] : llvm::enumerate(body.getTerminator()->getOperands()))
    if (result == value) {
      Type type = storageOf(formula.getResultStorage(), n, value.getType());
      held = held.value_or(type) == type ? type : own;
    }
  return held.value_or(own);
}

void Splitter::setStorage(FormulaFuncOp part, const Step &step) {
  Builder builder(part.getContext());
  auto types = [&](auto &&values) { return llvm::map_to_vector(values, [&](Value value) { return heldAs(value); }); };
  if (formula.getArgumentStorage())
    part.setArgumentStorageAttr(builder.getTypeArrayAttr(types(step.inputs)));
  if (formula.getResultStorage())
    part.setResultStorageAttr(builder.getTypeArrayAttr(types(step.results)));
}

void Splitter::build() {
  for (auto &[moment, group] : steps)
    for (Step &step : group)
      read.insert_range(step.move ? SmallVector<Value>(step.move->getOperands()) : step.inputs);
  OpBuilder builder(formula);
  auto program = ProgramOp::create(builder, formula.getLoc(), formula.getSymName(), body.getArgumentTypes());
  program.setResultTypesAttr(formula.getResultTypesAttr());
  program.setArgumentStorageAttr(formula.getArgumentStorageAttr());
  program.setResultStorageAttr(formula.getResultStorageAttr());
  OpBuilder calls = OpBuilder::atBlockEnd(&program.getBody().front());
  IRMapping arrays;
  arrays.map(body.getArguments(), program.getBody().getArguments());
  int64_t number = 0;
  for (auto &[moment, group] : steps)
    for (Step &step : group) {
      if (step.move) {
        calls.clone(*step.move, arrays);
        continue;
      }
      std::string name = (formula.getSymName() + "_" + Twine(number++)).str();
      SmallVector<Type> types = llvm::map_to_vector(step.inputs, [](Value input) { return input.getType(); });
      builder.setInsertionPoint(formula);
      auto part = FormulaFuncOp::create(builder, formula.getLoc(), name, types);
      builder.setInsertionPointToEnd(&part.getBody().front());
      IRMapping inside;
      inside.map(step.inputs, part.getBody().getArguments());
      for (Operation &op : body.without_terminator())
        if (step.ops.contains(&op))
          builder.clone(op, inside);
      SmallVector<Value> results =
          llvm::map_to_vector(step.results, [&](Value result) { return inside.lookup(result); });
      ReturnOp::create(builder, formula.getLoc(), results);
      SmallVector<Type> resultTypes = llvm::to_vector(TypeRange(ValueRange(results)));
      part.setResultTypesAttr(builder.getTypeArrayAttr(resultTypes));
      setStorage(part, step);

      SmallVector<Value> operands = llvm::map_to_vector(step.inputs, [&](Value input) { return arrays.lookup(input); });
      auto over = step.kind.over ? ReducedIndexAttr::get(builder.getContext(), *step.kind.over) : ReducedIndexAttr();
      auto call = CallOp::create(calls, formula.getLoc(), resultTypes,
                                 FlatSymbolRefAttr::get(builder.getContext(), name), over, operands);
      for (auto [from, to] : llvm::zip(step.results, call.getResults()))
        arrays.map(from, to);
    }
  SmallVector<Value> results =
      llvm::map_to_vector(body.getTerminator()->getOperands(), [&](Value result) { return arrays.lookup(result); });
  ReturnOp::create(calls, formula.getLoc(), results);
  formula.erase();
}

LogicalResult Splitter::run() {
  findNeeded();
  for (Operation &op : body.without_terminator())
    if (needed.contains(&op) && op.hasTrait<MovesRows>())
      for (Value value : {op.getOperand(0), Value(op.getResult(0))})
        if (setOf(value) == IndexSet::IJ)
          return op.emitOpError("has a value for each pair, which no pass over the pairs stores; expected "
                                "keops-move-rows to have written it out");
  schedule();
  for (Value result : body.getTerminator()->getOperands())
    store(result, kEnd);
  // Steps are added before the one at hand only.
  for (auto place = steps.rbegin(); place != steps.rend(); ++place)
    for (Step &step : place->second)
      collect(place->first, step);
  if (steps.empty() || isOnePass())
    return success();
  build();
  return success();
}

namespace {
struct SplitPassesPass : keops::impl::KeopsSplitPassesBase<SplitPassesPass> {
  void runOnOperation() override {
    // Formulas that a program calls are passes already.
    if (!getOperation().getOps<ProgramOp>().empty())
      return;
    for (FormulaFuncOp formula : llvm::make_early_inc_range(getOperation().getOps<FormulaFuncOp>()))
      if (failed(Splitter(formula).run()))
        return signalPassFailure();
  }
};
} // namespace
