//===- TileReductions.cpp - Formulas to kernels of stages -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sorts the ops of a formula into stages by the indices they depend on, and
// turns vectors into loops over components.
//
// Scalars of a stage are emitted in the order of the formula. A vector is not
// emitted where it is defined: its components are recomputed inside each level
// that needs them (`Stage::component`), so no lane ever stores a vector that it
// could compute, and code grows with the number of ops, not with dimensions.
//
//===----------------------------------------------------------------------===//

#include "keops/Lowering/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace keops {
#define GEN_PASS_DEF_KEOPSTILE
#include "keops/Lowering/Passes.h.inc"
} // namespace keops

using namespace mlir;
using namespace keops;

static constexpr int kNumStages = 5;

namespace {

/// Writes ops of the tile level: the lane while tiling. Structural ops of the
/// formula use it to say where a component comes from.
class TileLane : public Lane {
public:
  TileLane(OpBuilder &builder, Location loc, Type element) : builder(builder), loc(loc), element(element) {}

  LaneValue constant(double value) override {
    return {ConstantOp::create(builder, loc, vec(IndexSet::None), builder.getF64FloatAttr(value))};
  }
  LaneValue rowNumber(int64_t) override { llvm_unreachable("row numbers appear only inside reductions"); }
  LaneValue number(LaneIndex d) override { return {PositionOp::create(builder, loc, vec(IndexSet::None), index(d))}; }
  LaneValue indexNumber(IndexSet) override { llvm_unreachable("a pointwise op is copied as it is"); }
  LaneValue largest() override { llvm_unreachable("only reductions ask for the largest number"); }
  LaneValue unary(UnaryKind kind, LaneValue x) override {
    // In the order of UnaryKind.
    static constexpr StringLiteral names[] = {"neg",   "abs",   "floor", "round", "exp", "log",   "sin",  "cos",
                                              "asin",  "acos",  "atan",  "tanh",  "erf", "sqrt",  "exp2", "log2",
                                              "expm1", "log1p", "sinh",  "cosh",  "tan", "lgamma"};
    return create(("keops." + names[static_cast<int>(kind)]).str(), {x.ssa}, x.ssa.getType());
  }
  LaneValue binary(BinaryKind kind, LaneValue a, LaneValue b) override {
    static constexpr StringLiteral names[] = {"add", "sub", "mul", "div", "powf", "atan2"};
    return create(("keops." + names[static_cast<int>(kind)]).str(), {a.ssa, b.ssa}, join(a.ssa, b.ssa, element));
  }
  LaneValue compare(CompareKind kind, LaneValue a, LaneValue b) override {
    return {CmpOp::create(builder, loc, static_cast<Comparison>(kind), a.ssa, b.ssa)};
  }
  LaneValue select(LaneValue mask, LaneValue a, LaneValue b) override {
    return {SelectOp::create(builder, loc, mask.ssa, a.ssa, b.ssa)};
  }
  LaneValue maskAnd(LaneValue, LaneValue) override { llvm_unreachable("only reductions combine masks"); }
  LaneValue maskOr(LaneValue, LaneValue) override { llvm_unreachable("only reductions combine masks"); }

  LaneValue fold(ReductionInterface reduction, int64_t count,
                 llvm::function_ref<LaneValue(LaneIndex)> component) override;
  void ifAny(LaneValue, llvm::function_ref<void()>, llvm::MutableArrayRef<LaneValue>) override {
    llvm_unreachable("only reductions branch");
  }
  void forEach(int64_t, llvm::function_ref<void(LaneIndex)>) override { llvm_unreachable("only reductions loop"); }
  SmallVector<LaneValue> loop(int64_t, ArrayRef<LaneValue>,
                              llvm::function_ref<SmallVector<LaneValue>(LaneIndex, ArrayRef<LaneValue>)>) override {
    llvm_unreachable("only reductions loop");
  }

  /// A region over components whose body is `component`; returns what it yields.
  /// With `self` the region has an argument of that type too, which is set to it.
  Value buildLoop(Region &region, llvm::function_ref<LaneValue(LaneIndex)> component, Type selfType = {},
                  Value *self = nullptr);

  Value index(LaneIndex d) {
    return d.isConstant() ? arith::ConstantIndexOp::create(builder, loc, d.constant).getResult() : d.ssa;
  }
  VecType vec(IndexSet set) { return VecType::get(builder.getContext(), 1, element, set); }

  /// Called when a loop body starts and ends: values known inside end there.
  std::function<void()> enterScope, leaveScope;

protected:
  LaneIndex indexOp(IndexKind kind, LaneIndex a, LaneIndex b) override {
    Value x = index(a), y = index(b);
    switch (kind) {
    case IndexKind::Add:
      return LaneIndex(arith::AddIOp::create(builder, loc, x, y).getResult());
    case IndexKind::Mul:
      return LaneIndex(arith::MulIOp::create(builder, loc, x, y).getResult());
    case IndexKind::Div:
      return LaneIndex(arith::DivUIOp::create(builder, loc, x, y).getResult());
    case IndexKind::Rem:
      return LaneIndex(arith::RemUIOp::create(builder, loc, x, y).getResult());
    }
    llvm_unreachable("all kinds are handled");
  }
  LaneValue indexBranch(LaneIndex d, int64_t bound, llvm::function_ref<LaneValue()> below,
                        llvm::function_ref<LaneValue()> otherwise) override;

private:
  LaneValue create(StringRef name, ValueRange operands, Type type) {
    OperationState state(loc, name, operands, type);
    return {builder.create(state)->getResult(0)};
  }
  Type join(Value a, Value b, Type type) {
    return VecType::get(builder.getContext(), 1, type,
                        cast<VecType>(a.getType()).getIndices() | cast<VecType>(b.getType()).getIndices());
  }

  OpBuilder &builder;
  Location loc;
  Type element;
};

} // namespace

Value TileLane::buildLoop(Region &region, llvm::function_ref<LaneValue(LaneIndex)> component, Type selfType,
                          Value *self) {
  OpBuilder::InsertionGuard guard(builder);
  Block &body = region.emplaceBlock();
  Value d = body.addArgument(builder.getIndexType(), loc);
  if (self)
    *self = body.addArgument(selfType, loc);
  builder.setInsertionPointToStart(&body);
  enterScope();
  Value value = component(LaneIndex(d)).ssa;
  leaveScope();
  YieldOp::create(builder, loc, value);
  return value;
}

LaneValue TileLane::fold(ReductionInterface reduction, int64_t count,
                         llvm::function_ref<LaneValue(LaneIndex)> component) {
  // The result's indices are known only once the body stands.
  OperationState state(loc, ContractOp::getOperationName());
  state.addAttribute("reduction", reduction);
  state.addAttribute("count", builder.getI64IntegerAttr(count));
  auto region = std::make_unique<Region>();
  Value yielded = buildLoop(*region, component);
  state.addRegion(std::move(region));
  state.addTypes(yielded.getType());
  return {builder.create(state)->getResult(0)};
}

LaneValue TileLane::indexBranch(LaneIndex d, int64_t bound, llvm::function_ref<LaneValue()> below,
                                llvm::function_ref<LaneValue()> otherwise) {
  Value limit = index(bound);
  Value condition = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult, d.ssa, limit);
  auto thenRegion = std::make_unique<Region>(), elseRegion = std::make_unique<Region>();
  auto fill = [&](Region &region, llvm::function_ref<LaneValue()> value) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&region.emplaceBlock());
    enterScope();
    Value result = value().ssa;
    leaveScope();
    return result;
  };
  Value a = fill(*thenRegion, below), b = fill(*elseRegion, otherwise);
  Type type = join(a, b, element);
  auto finish = [&](Region &region, Value value) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(&region.front());
    if (value.getType() != type)
      value = ExtendOp::create(builder, loc, type, value);
    scf::YieldOp::create(builder, loc, value);
  };
  finish(*thenRegion, a);
  finish(*elseRegion, b);
  OperationState state(loc, scf::IfOp::getOperationName(), condition, type, {});
  state.addRegion(std::move(thenRegion));
  state.addRegion(std::move(elseRegion));
  return {builder.create(state)->getResult(0)};
}

namespace {

/// Tiles one formula.
class Tiler {
public:
  explicit Tiler(FormulaFuncOp formula) : formula(formula), builder(formula) {}
  LogicalResult run();

private:
  LogicalResult collectReductions();
  void assignStages();
  void chooseStored();
  void emitStage(StageKind kind);
  void emitAccumulations(SmallVectorImpl<Value> &yields);

  VecType renamed(Type type) const;
  std::optional<StageKind> stageOf(Value value) const;
  /// A value of another stage that this one reads, or an argument.
  Value stored(Value value) const { return storedValues.lookup(value); }
  Value component(Value value, LaneIndex d);
  Value storeVector(Value value);
  Type elementOf(Value value) const { return cast<VecType>(value.getType()).getElementType(); }

  FormulaFuncOp formula;
  OpBuilder builder;
  KernelOp kernel;
  bool swapped = false;
  SmallVector<ReduceOp> reductions;
  llvm::DenseMap<Operation *, StageKind> stages;
  llvm::SetVector<Value> fields[kNumStages]; // values that a later stage or the result reads
  llvm::DenseSet<Operation *> needed;
  llvm::DenseSet<Operation *> storedOps;     // whose vectors are stored
  llvm::DenseMap<Value, Value> storedValues; // formula value → result of a stage, argument, or map
  llvm::DenseMap<Value, Value> unfinished;   // recurrence → argument of its map that is the vector so far
  /// Components known in the loops that enclose the insertion point.
  using Key = std::pair<Value, std::pair<Value, int64_t>>;
  SmallVector<llvm::DenseMap<Key, Value>> scopes;
};

} // namespace

VecType Tiler::renamed(Type type) const {
  auto vec = cast<VecType>(type);
  if (!swapped || vec.getIndices() == IndexSet::None || vec.getIndices() == IndexSet::IJ)
    return vec;
  return vec.withIndices(vec.getIndices() == IndexSet::I ? IndexSet::J : IndexSet::I);
}

LogicalResult Tiler::collectReductions() {
  llvm::DenseSet<Value> reduced; // what depends on a reduction
  for (Operation &op : formula.getBody().front().without_terminator()) {
    bool depends = llvm::any_of(op.getOperands(), [&](Value operand) { return reduced.contains(operand); });
    auto reduce = dyn_cast<ReduceOp>(op);
    if (reduce && depends)
      return reduce.emitError("needs the result of another reduction; one pass over the pairs cannot compute both");
    if (reduce && !reductions.empty() && reduce.getOver() != reductions[0].getOver())
      return reduce.emitError("runs over another index than the first reduction of the formula");
    if (reduce && !reductions.empty() && reduce.getOnce() != reductions[0].getOnce())
      return reduce.emitError("keeps other rows than the first reduction of the formula");
    if (op.hasTrait<MovesRows>())
      return op.emitError(
          "moves rows, which a pass over the pairs does not; expected keops-split-passes to have put it "
          "between passes");
    if (reduce)
      reductions.push_back(reduce);
    if (reduce || depends)
      for (Value result : op.getResults())
        reduced.insert(result);
    if (depends)
      stages[&op] = StageKind::Finish;
  }
  if (!reductions.empty())
    swapped = reductions[0].getOver() == ReducedIndex::I;
  else
    for (Value result : formula.getBody().front().getTerminator()->getOperands())
      swapped |= cast<VecType>(result.getType()).getIndices() == IndexSet::J;
  for (Value result : formula.getBody().front().getTerminator()->getOperands())
    if (contains(renamed(result.getType()).getIndices(), IndexSet::J))
      return formula.emitError("returns values for each i and values for each j; expected results that all keep one "
                               "index: compute the others in a formula of their own");
  return success();
}

std::optional<StageKind> Tiler::stageOf(Value value) const {
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (isa<ReduceOp>(op))
    return StageKind::Pairs;
  return stages.lookup(op);
}

void Tiler::assignStages() {
  Block &body = formula.getBody().front();
  for (Operation &op : body.without_terminator()) {
    if (isa<ReduceOp>(op) || stages.count(&op))
      continue;
    switch (renamed(op.getResult(0).getType()).getIndices()) {
    case IndexSet::None:
      stages[&op] = StageKind::Call;
      break;
    case IndexSet::I:
      stages[&op] = StageKind::Rows;
      break;
    case IndexSet::J:
      stages[&op] = StageKind::Cols;
      break;
    case IndexSet::IJ:
      stages[&op] = StageKind::Pairs;
      break;
    }
  }
  // Backwards from the results: what is needed, and where.
  auto use = [&](Value value, std::optional<StageKind> user) {
    std::optional<StageKind> maker = stageOf(value);
    if (!maker)
      return;
    needed.insert(value.getDefiningOp());
    // A constant costs nothing anywhere: each stage has its own.
    if (maker != user && !value.getDefiningOp<ReduceOp>() && !value.getDefiningOp<ConstantOp>())
      fields[static_cast<int>(*maker)].insert(value);
  };
  for (Value result : body.getTerminator()->getOperands()) {
    if (result.getDefiningOp())
      needed.insert(result.getDefiningOp());
    if (result.getDefiningOp<ReduceOp>())
      continue;
    fields[static_cast<int>(StageKind::Finish)].insert(result);
    use(result, StageKind::Finish);
  }
  for (Operation &op : llvm::reverse(body.without_terminator())) {
    if (!needed.contains(&op))
      continue;
    StageKind kind = isa<ReduceOp>(op) ? StageKind::Pairs : stages[&op];
    for (Value operand : op.getOperands())
      use(operand, kind);
  }
}

/// A component is computed by calls that go as deep as the chain of vectors
/// behind it. Vectors in between that are stored keep this, and the length of
/// what is recomputed, within bounds.
void Tiler::chooseStored() {
  constexpr int64_t deepest = 256;
  llvm::DenseMap<Operation *, int64_t> depths;
  for (Operation &op : formula.getBody().front().without_terminator()) {
    auto known = dyn_cast<FormulaOpInterface>(op);
    auto type = known ? cast<VecType>(op.getResult(0).getType()) : VecType();
    if (!type || type.isScalar())
      continue;
    int64_t depth = 0;
    for (Value operand : op.getOperands())
      depth = std::max(depth, depths.lookup(operand.getDefiningOp()));
    // A comparison is not a number that could be stored; what comes after it is.
    if (known.isStored() || (depth >= deepest && isa<FloatType>(type.getElementType())))
      storedOps.insert(&op);
    else
      depths[&op] = depth + 1;
  }
}

/// Component `d` of a formula value, in the stage that is being emitted.
Value Tiler::component(Value value, LaneIndex d) {
  auto type = cast<VecType>(value.getType());
  if (type.isScalar())
    d = 0;
  Key key = {value, {d.ssa, d.constant}};
  for (auto &scope : llvm::reverse(scopes))
    if (Value known = scope.lookup(key))
      return known;

  Location loc = value.getLoc();
  TileLane lane(builder, loc, type.getElementType());
  lane.enterScope = [&] { scopes.emplace_back(); };
  lane.leaveScope = [&] { scopes.pop_back(); };
  Value result;
  if (Value vector = stored(value)) {
    result = type.isScalar() ? vector : ComponentOp::create(builder, loc, vector, lane.index(d)).getResult();
  } else {
    Operation *op = value.getDefiningOp();
    auto operand = [&](unsigned n, LaneIndex k) -> LaneValue {
      if (n == op->getNumOperands())
        return {ComponentOp::create(builder, loc, unfinished.lookup(value), lane.index(k))};
      return {component(op->getOperand(n), k)};
    };
    if (op->hasTrait<Pointwise>()) {
      // A component may depend on fewer indices than its vector: of a concatenation, say.
      IRMapping mapping;
      IndexSet indices = op->getNumOperands() == 0 ? renamed(type).getIndices() : IndexSet::None;
      for (auto [n, v] : llvm::enumerate(op->getOperands())) {
        Value known = operand(n, d).ssa;
        mapping.map(v, known);
        indices = indices | cast<VecType>(known.getType()).getIndices();
      }
      Operation *copy = op->clone(mapping);
      copy->getResult(0).setType(type.withDim(1).withIndices(indices));
      builder.insert(copy);
      result = copy->getResult(0);
    } else {
      result = cast<FormulaOpInterface>(op).component(lane, operand, d).ssa;
    }
  }
  scopes.back()[key] = result;
  return result;
}

/// A loop that stores all components of a vector.
Value Tiler::storeVector(Value value) {
  Location loc = value.getLoc();
  TileLane lane(builder, loc, elementOf(value));
  lane.enterScope = [&] { scopes.emplace_back(); };
  lane.leaveScope = [&] { scopes.pop_back(); };
  OperationState state(loc, MapOp::getOperationName());
  Region *region = state.addRegion();
  auto formulaOp = value.getDefiningOp<FormulaOpInterface>();
  bool readsItself = formulaOp && formulaOp.isRecurrence();
  lane.buildLoop(
      *region, [&](LaneIndex d) -> LaneValue { return {component(value, d)}; }, renamed(value.getType()),
      readsItself ? &unfinished[value] : nullptr);
  state.addTypes(renamed(value.getType()));
  return builder.create(state)->getResult(0);
}

void Tiler::emitAccumulations(SmallVectorImpl<Value> &yields) {
  for (ReduceOp reduce : reductions) {
    if (!needed.contains(reduce))
      continue;
    Location loc = reduce.getLoc();
    OperationState state(loc, AccumulateOp::getOperationName());
    SmallVector<int64_t> dims;
    for (Value term : reduce.getTerms()) {
      TileLane lane(builder, loc, elementOf(term));
      lane.enterScope = [&] { scopes.emplace_back(); };
      lane.leaveScope = [&] { scopes.pop_back(); };
      lane.buildLoop(*state.addRegion(), [&](LaneIndex d) -> LaneValue { return {component(term, d)}; });
      dims.push_back(cast<VecType>(term.getType()).getDim());
    }
    state.addAttribute("reduction", reduce.getReduction());
    state.addAttribute("dims", builder.getDenseI64ArrayAttr(dims));
    for (Type type : reduce.getResultTypes())
      state.addTypes(renamed(type));
    Operation *accumulate = builder.create(state);
    for (auto [from, to] : llvm::zip(reduce.getResults(), accumulate->getResults())) {
      yields.push_back(to);
      fields[static_cast<int>(StageKind::Pairs)].insert(from);
    }
  }
}

void Tiler::emitStage(StageKind kind) {
  auto &results = fields[static_cast<int>(kind)];
  if (kind == StageKind::Pairs ? reductions.empty() : results.empty())
    return;
  auto region = std::make_unique<Region>();
  SmallVector<Value> yields;
  // What is stored inside this stage only is forgotten at its end.
  llvm::DenseMap<Value, Value> outside = storedValues;
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&region->emplaceBlock());
    scopes.emplace_back();
    for (Operation &op : formula.getBody().front().without_terminator()) {
      if (!needed.contains(&op) || isa<ReduceOp, ConstantOp>(op) || stages[&op] != kind)
        continue;
      Value value = op.getResult(0);
      auto type = cast<VecType>(value.getType());
      if (type.isScalar())
        (void)component(value, 0);
      else if (storedOps.contains(&op) || (kind != StageKind::Pairs && results.contains(value)))
        storedValues[value] = storeVector(value); // What is read later is read here, too.
    }
    if (kind == StageKind::Pairs) {
      results.clear();
      emitAccumulations(yields);
    } else {
      for (Value value : results) {
        auto type = cast<VecType>(value.getType());
        Value inside = storedValues.lookup(value);
        bool isMap = inside && inside.getDefiningOp<MapOp>();
        yields.push_back(type.isScalar() ? component(value, 0) : isMap ? inside : storeVector(value));
      }
    }
    YieldOp::create(builder, formula.getLoc(), yields);
    scopes.pop_back();
  }
  storedValues = std::move(outside);
  SmallVector<Type> types;
  for (Value value : results)
    types.push_back(renamed(value.getType()));
  // A scalar may be yielded with fewer indices than the formula gave it.
  for (auto [type, value] : llvm::zip(types, yields))
    type = value.getType();
  OperationState state(formula.getLoc(), StageOp::getOperationName());
  state.addAttribute("kind", StageKindAttr::get(builder.getContext(), kind));
  state.addRegion(std::move(region));
  state.addTypes(types);
  Operation *stage = builder.create(state);
  for (auto [value, result] : llvm::zip(results, stage->getResults()))
    storedValues[value] = result;
}

LogicalResult Tiler::run() {
  if (failed(collectReductions()))
    return failure();
  assignStages();
  chooseStored();

  Block &body = formula.getBody().front();
  Operation *terminator = body.getTerminator();
  SmallVector<Type> arguments, results;
  for (BlockArgument argument : body.getArguments())
    arguments.push_back(renamed(argument.getType()));
  for (Type type : terminator->getOperandTypes())
    results.push_back(renamed(type));
  kernel = KernelOp::create(builder, formula.getLoc(), formula.getSymName(), arguments, results);
  for (auto [from, to] : llvm::zip(body.getArguments(), kernel.getBody().getArguments()))
    storedValues[from] = to;
  kernel.setArgumentStorageAttr(formula.getArgumentStorageAttr());
  kernel.setResultStorageAttr(formula.getResultStorageAttr());
  if (auto schedule = formula->getAttrOfType<ScheduleAttr>("keops.schedule"))
    kernel.setScheduleAttr(schedule);
  for (ReduceOp reduce : reductions)
    if (auto schedule = reduce->getAttrOfType<ScheduleAttr>("keops.schedule"))
      kernel.setScheduleAttr(schedule);

  builder.setInsertionPointToStart(&kernel.getBody().front());
  for (StageKind kind : {StageKind::Call, StageKind::Rows, StageKind::Cols, StageKind::Pairs, StageKind::Finish})
    emitStage(kind);
  SmallVector<Value> returned;
  for (Value value : terminator->getOperands())
    returned.push_back(stored(value));
  ReturnOp::create(builder, formula.getLoc(), returned);
  kernel.setResultTypesAttr(builder.getTypeArrayAttr(llvm::to_vector(ValueRange(returned).getTypes())));
  formula.erase();
  return success();
}

namespace {
struct TilePass : keops::impl::KeopsTileBase<TilePass> {
  void runOnOperation() override {
    for (FormulaFuncOp formula : llvm::make_early_inc_range(getOperation().getOps<FormulaFuncOp>()))
      if (failed(Tiler(formula).run()))
        return signalPassFailure();
  }
};
} // namespace
