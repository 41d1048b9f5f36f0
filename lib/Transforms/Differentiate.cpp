//===- Differentiate.cpp - Write out derivatives -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One sweep over the ops between variable and value, forward for tangents and
// backward for cotangents; the ops themselves say what each contributes.
//
// In a total gradient the cotangent of a value depends on the indices of that
// value alone. Where the backward sweep passes from a value of i and j to one of
// i, it sums over j at once: the sum then has the dimension of the value that
// was broadcast, and what lies further back is done per row. A reduction gives
// its terms cotangents with a density (the softmax, for a log-sum-exp) that is
// kept aside until such a sum, because the reduction can often sum with its
// density in one pass where the density itself would need another.
//
//===----------------------------------------------------------------------===//

#include "RefineTypes.h"
#include "SumSchemes.h"

#include "keops/Transforms/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

namespace keops {
#define GEN_PASS_DEF_KEOPSEXPANDDERIVATIVES
#include "keops/Transforms/Passes.h.inc"
} // namespace keops

using namespace mlir;
using namespace keops;

static VecType typeOf(Value value) { return cast<VecType>(value.getType()); }
static int64_t dimOf(Value value) { return typeOf(value).getDim(); }
static IndexSet without(IndexSet set, IndexSet removed) {
  return static_cast<IndexSet>(static_cast<uint32_t>(set) & ~static_cast<uint32_t>(removed));
}

//===----------------------------------------------------------------------===//
// The ops between a variable and a value
//===----------------------------------------------------------------------===//

namespace {
/// Ops through which `value` varies with `variable`, in the order of the formula.
class Path {
public:
  Path(Value value, Value variable) : variable(variable) {
    varying.insert(variable);
    Operation *last = value.getDefiningOp();
    if (!last || value == variable)
      return;
    SmallVector<Operation *> forward;
    for (Operation &op : *last->getBlock()) {
      bool varies = !op.hasTrait<ZeroDerivative>() &&
                    llvm::any_of(op.getOperands(), [&](Value operand) { return varying.contains(operand); });
      // The variable itself may be the result of an op, whose operands are then of no interest.
      if (varies && !llvm::is_contained(op.getResults(), variable)) {
        forward.push_back(&op);
        varying.insert(op.result_begin(), op.result_end());
      }
      if (&op == last)
        break;
    }
    llvm::DenseSet<Value> needed = {value};
    for (Operation *op : llvm::reverse(forward))
      if (llvm::any_of(op->getResults(), [&](Value result) { return needed.contains(result); })) {
        ops.push_back(op);
        needed.insert(op->operand_begin(), op->operand_end());
      }
    std::reverse(ops.begin(), ops.end());
  }

  bool varies(Value value) const { return varying.contains(value); }
  ArrayRef<Operation *> getOps() const { return ops; }

private:
  Value variable;
  llvm::DenseSet<Value> varying;
  SmallVector<Operation *> ops;
};
} // namespace

static LogicalResult checkRules(Operation *derivative, const Path &path) {
  auto refuse = [&](Operation *op, StringRef reason) -> LogicalResult {
    InFlightDiagnostic diagnostic = derivative->emitOpError("meets '") << op->getName() << "', which " << reason;
    diagnostic.attachNote(op->getLoc()) << "it is here";
    return diagnostic;
  };
  for (Operation *op : path.getOps()) {
    if (isa<ReduceOp>(op))
      continue;
    auto rule = dyn_cast<DifferentiableOpInterface>(op);
    if (!rule)
      return refuse(op, "has no derivative");
    for (auto [n, operand] : llvm::enumerate(op->getOperands()))
      if (StringRef reason = path.varies(operand) ? rule.refusalIn(n) : ""; !reason.empty())
        return refuse(op, reason);
  }
  return success();
}

static bool isLinearIn(Operation *op, const llvm::SmallBitVector &variable) {
  if (auto reduce = dyn_cast<ReduceOp>(op))
    return reduce.getReduction().isLinearIn(variable);
  auto rule = dyn_cast<DifferentiableOpInterface>(op);
  return rule && rule.isLinearIn(variable);
}

/// Checks that `value` is linear in `variable`: every op that depends on it, also where its derivative is zero.
static LogicalResult checkLinear(Operation *derivative, Value value, Value variable) {
  auto refuse = [&](Operation *culprit) -> LogicalResult {
    InFlightDiagnostic diagnostic = derivative->emitOpError("expects a formula that is linear in the variable, but ");
    if (!culprit)
      return diagnostic << "it does not depend on it linearly";
    diagnostic << "'" << culprit->getName() << "' is not linear in what depends on it";
    diagnostic.attachNote(culprit->getLoc()) << "this operation";
    return diagnostic;
  };
  // NaN stands where there is no value, and is no affine part.
  auto isZero = [](Value operand) {
    auto constant = operand.getDefiningOp<ConstantOp>();
    return constant && (constant.getValue().isZero() || constant.getValue().isNaN());
  };
  llvm::DenseSet<Value> depends = {variable};
  llvm::DenseMap<Value, Operation *> culprits;
  Operation *last = value.getDefiningOp();
  for (Operation &op : last ? *last->getBlock() : *value.getParentBlock()) {
    if (!last || llvm::is_contained(op.getResults(), variable))
      continue;
    llvm::SmallBitVector variable(op.getNumOperands()), orZero(op.getNumOperands());
    Operation *culprit = nullptr;
    for (auto [n, operand] : llvm::enumerate(op.getOperands())) {
      if (depends.contains(operand))
        variable.set(n);
      if (depends.contains(operand) || isZero(operand))
        orZero.set(n);
      if (Operation *earlier = culprits.lookup(operand))
        culprit = earlier;
    }
    bool any = variable.any();
    // A zero beside what varies is a linear part of a sum, and a constant factor of a product.
    if (any && !culprit && !isLinearIn(&op, variable) && !isLinearIn(&op, orZero))
      culprit = &op;
    if (any)
      for (Value result : op.getResults()) {
        depends.insert(result);
        if (culprit)
          culprits[result] = culprit;
      }
    if (&op == last)
      break;
  }
  if (Operation *culprit = culprits.lookup(value))
    return refuse(culprit);
  // What does not depend on the variable is linear in it only as zero.
  return depends.contains(value) || isZero(value) ? success() : refuse(nullptr);
}

static LogicalResult refuseReduction(Operation *derivative, ReduceOp reduce) {
  return derivative->emitOpError("meets the reduction '")
         << reduce.getReduction().spelling() << "', which has no derivative";
}

//===----------------------------------------------------------------------===//
// Forward
//===----------------------------------------------------------------------===//

/// The tangent of `value` for that of `variable`, for the op `derivative`.
static FailureOr<Value> carryForward(Operation *derivative, Value value, Value variable, Value tangent,
                                     DerivativeBuilder &b) {
  Path path(value, variable);
  if (failed(checkRules(derivative, path)))
    return failure();
  llvm::DenseMap<Value, Value> tangents;
  tangents[variable] = tangent;
  for (Operation *op : path.getOps()) {
    SmallVector<Value> given;
    for (Value operand : op->getOperands())
      given.push_back(tangents.lookup(operand));
    if (auto rule = dyn_cast<DifferentiableOpInterface>(op)) {
      if (llvm::any_of(given, [](Value tangent) { return tangent != nullptr; }))
        tangents[op->getResult(0)] = rule.buildTangent(b, given);
      continue;
    }
    auto reduce = cast<ReduceOp>(op);
    SmallVector<Value> results;
    if (failed(reduce.getReduction().buildTangent(b, reduce, given, results)))
      return refuseReduction(derivative, reduce);
    for (auto [result, tangent] : llvm::zip(reduce.getResults(), results))
      tangents[result] = tangent;
  }
  return b.orZero(tangents.lookup(value), dimOf(value));
}

//===----------------------------------------------------------------------===//
// Traces
//===----------------------------------------------------------------------===//

namespace {
/// Σ_k w_k ∂f_k/∂v_k. From f back, a cotangent of a vector whose components do not meet is that of each component
/// apart. A scalar that all components share ends this: with α_k what component k has for it, it adds Σ_k α_k ∂s/∂v_k,
/// which is the tangent of the scalar along α. So there is one sweep for each such scalar, and none for each component.
class Trace {
public:
  Trace(TraceOp trace, DerivativeBuilder &b)
      : trace(trace), b(b), path(trace.getValue(), trace.getVariable()), dim(dimOf(trace.getVariable())) {}
  FailureOr<Value> run();

private:
  /// Code grows with the number of tangents, and compile time with it.
  static constexpr int64_t kMostTangents = 256;

  Operation *findMeeting();
  FailureOr<Value> byScalars();
  FailureOr<Value> byComponents(Operation *meeting);
  FailureOr<Value> tangent(Value value, Value direction) {
    return carryForward(trace, value, trace.getVariable(), direction, b);
  }

  TraceOp trace;
  DerivativeBuilder &b;
  Path path;
  int64_t dim;
  llvm::SetVector<Value> scalars; ///< that components share
};
} // namespace

/// Collects the scalars; the last op that makes components of each other in another way, or null.
Operation *Trace::findMeeting() {
  llvm::DenseSet<Value> apart = {trace.getValue()};
  for (Operation *op : llvm::reverse(path.getOps())) {
    if (!apart.contains(op->getResult(0)))
      continue;
    if (!isa<DifferentiableOpInterface>(op))
      return op;
    for (Value operand : op->getOperands()) {
      if (!path.varies(operand))
        continue;
      if (typeOf(operand).isScalar())
        scalars.insert(operand);
      else if (op->hasTrait<Pointwise>())
        apart.insert(operand);
      else
        return op;
    }
  }
  return nullptr;
}

FailureOr<Value> Trace::byScalars() {
  llvm::DenseMap<Value, Value> cotangents, directions;
  cotangents[trace.getValue()] = b.fit(trace.getWeights(), dim);
  for (Operation *op : llvm::reverse(path.getOps())) {
    Value given = cotangents.lookup(op->getResult(0));
    for (unsigned n = 0; given && n < op->getNumOperands(); ++n) {
      Value operand = op->getOperand(n);
      if (!path.varies(operand))
        continue;
      auto rule = cast<DifferentiableOpInterface>(op);
      if (!typeOf(operand).isScalar()) {
        Value more = rule.buildAdjoint(b, n, given);
        cotangents[operand] = b.add(cotangents.lookup(operand), more);
        continue;
      }
      SmallVector<Value> one(op->getNumOperands());
      one[n] = b.constant(1);
      Value more = b.mul(given, rule.buildTangent(b, one));
      directions[operand] = b.add(directions.lookup(operand), more);
    }
  }
  Value sum = b.sum(cotangents.lookup(trace.getVariable()));
  for (Value scalar : scalars)
    if (Value direction = directions.lookup(scalar)) {
      FailureOr<Value> more = tangent(scalar, b.fit(direction, dim));
      if (failed(more))
        return failure();
      sum = b.add(sum, *more);
    }
  return b.orZero(sum, 1);
}

/// One tangent for each component. Its seed is zero but for that component, and rules keep what is zero out of the
/// code.
FailureOr<Value> Trace::byComponents(Operation *meeting) {
  if (dim > kMostTangents) {
    InFlightDiagnostic diagnostic = trace.emitOpError("meets ");
    if (meeting)
      diagnostic << "'" << meeting->getName() << "', which makes components of each other, and then needs";
    else
      diagnostic << scalars.size() << " scalars that components share, and needs";
    return diagnostic << " a derivative for each of " << dim << " components, of which it writes out at most "
                      << kMostTangents;
  }
  Value sum;
  for (int64_t n = 0; n < dim; ++n) {
    FailureOr<Value> column = tangent(trace.getValue(), b.pad(b.constant(1), n, dim));
    if (failed(column))
      return failure();
    Value weight = typeOf(trace.getWeights()).isScalar() ? trace.getWeights() : b.slice(trace.getWeights(), n, 1);
    sum = b.add(sum, b.mul(weight, b.slice(*column, n, 1)));
  }
  return b.orZero(sum, 1);
}

FailureOr<Value> Trace::run() {
  if (failed(checkRules(trace, path)))
    return failure();
  Operation *meeting = findMeeting();
  // A sweep for each scalar or for each component, whichever are fewer.
  if (!meeting && static_cast<int64_t>(scalars.size()) <= std::min(dim, kMostTangents) && dim > 1)
    return byScalars();
  return byComponents(meeting);
}

//===----------------------------------------------------------------------===//
// Backward
//===----------------------------------------------------------------------===//

namespace {
class Backward {
public:
  Backward(GradOp grad, DerivativeBuilder &b) : grad(grad), b(b), path(grad.getValue(), grad.getVariable()) {}
  FailureOr<Value> run();

private:
  /// What multiplies a cotangent: the density of a reduction and a factor of its results' indices. Number 0 is 1.
  struct Measure {
    ReduceOp reduce;
    Value factor;
  };
  unsigned measureOf(ReduceOp reduce, Value factor);
  Value times(unsigned measure, Value value);
  /// Adds to the cotangent of `operand` what an op of the indices `level` has for it.
  void give(Value operand, Value cotangent, unsigned measure, IndexSet level);
  void giveThrough(DifferentiableOpInterface op, unsigned operand, Value cotangent, unsigned measure);
  LogicalResult visit(ReduceOp reduce);
  Value take(Value value);

  GradOp grad;
  DerivativeBuilder &b;
  Path path;
  SmallVector<Measure> measures = {Measure()};
  llvm::DenseMap<Value, llvm::SmallMapVector<unsigned, Value, 2>> cotangents;
};
} // namespace

unsigned Backward::measureOf(ReduceOp reduce, Value factor) {
  for (auto [n, measure] : llvm::enumerate(measures))
    if (n > 0 && measure.reduce == reduce && measure.factor == factor)
      return n;
  measures.push_back({reduce, factor});
  return measures.size() - 1;
}

Value Backward::times(unsigned measure, Value value) {
  if (measure == 0)
    return value;
  auto [reduce, factor] = measures[measure];
  if (Value density = reduce.getReduction().buildDensity(b, reduce))
    value = b.mul(value, density);
  return factor ? b.mul(value, factor) : value;
}

void Backward::give(Value operand, Value cotangent, unsigned measure, IndexSet level) {
  if (!cotangent || !path.varies(operand))
    return;
  IndexSet lost = grad.getTotal() ? without(level, typeOf(operand).getIndices()) : IndexSet::None;
  if (measure != 0 && lost != IndexSet::None) {
    auto [reduce, factor] = measures[measure];
    auto over = static_cast<IndexSet>(reduce.getOver());
    if (contains(lost, over)) {
      cotangent = reduce.getReduction().buildWeightedSum(b, reduce, cotangent);
      cotangent = factor ? b.mul(cotangent, factor) : cotangent;
      lost = without(lost, over);
      level = without(level, over);
    } else {
      cotangent = times(measure, cotangent);
    }
    measure = 0;
  }
  for (IndexSet index : {IndexSet::J, IndexSet::I})
    if (contains(lost, index)) {
      cotangent = b.reduceSum(cotangent, index, /*once=*/level == index);
      level = without(level, index);
    }
  Value &sum = cotangents[operand][measure];
  sum = b.add(sum, cotangent);
}

/// Adds to the cotangent of an operand of `op` what the cotangent of its result gives.
void Backward::giveThrough(DifferentiableOpInterface op, unsigned operand, Value cotangent, unsigned measure) {
  Value to = op->getOperand(operand);
  if (!op->hasTrait<MovesRows>())
    return give(to, op.buildAdjoint(b, operand, cotangent), measure, typeOf(op->getResult(0)).getIndices());
  // A row is taken elsewhere with all that multiplies it.
  give(to, op.buildAdjoint(b, operand, times(measure, cotangent)), 0, typeOf(to).getIndices());
}

/// The whole cotangent of a value.
Value Backward::take(Value value) {
  Value sum;
  for (auto [measure, cotangent] : cotangents.lookup(value))
    sum = b.add(sum, times(measure, cotangent));
  return sum;
}

LogicalResult Backward::visit(ReduceOp reduce) {
  if (!grad.getTotal())
    return grad.emitOpError("meets a reduction and expects to be a total then: the rows that are reduced have one "
                            "derivative together");
  SmallVector<Value> given;
  for (Value result : reduce.getResults())
    given.push_back(take(result));
  if (llvm::none_of(given, [](Value value) { return value != nullptr; }))
    return success();
  SmallVector<TermCotangent> terms;
  if (failed(reduce.getReduction().buildAdjoint(b, reduce, given, terms)))
    return refuseReduction(grad, reduce);
  IndexSet level = typeOf(reduce.getResult(0)).getIndices() | static_cast<IndexSet>(reduce.getOver());
  for (const TermCotangent &term : terms)
    give(reduce.getTerms()[term.term], term.value, measureOf(reduce, term.factor), level);
  return success();
}

FailureOr<Value> Backward::run() {
  if (failed(checkRules(grad, path)))
    return failure();
  Value value = grad.getValue(), variable = grad.getVariable();
  give(value, grad.getCotangent(), 0, typeOf(value).getIndices());
  for (Operation *op : llvm::reverse(path.getOps())) {
    if (auto reduce = dyn_cast<ReduceOp>(op)) {
      if (failed(visit(reduce)))
        return failure();
      continue;
    }
    auto rule = cast<DifferentiableOpInterface>(op);
    // The table may move while it grows.
    auto given = cotangents.lookup(op->getResult(0));
    for (auto [measure, cotangent] : given)
      for (auto [n, operand] : llvm::enumerate(op->getOperands()))
        if (path.varies(operand))
          giveThrough(rule, n, cotangent, measure);
  }
  if (Value result = take(variable))
    return result;
  Value zero = b.constant(0, dimOf(variable));
  // A row for each value of the variable's index, as the gradients of other variables have.
  IndexSet set = typeOf(variable).getIndices();
  if (!grad.getTotal() || set == IndexSet::None || set == IndexSet::IJ)
    return zero;
  return b.reduceSum(zero, without(IndexSet::IJ, set));
}

//===----------------------------------------------------------------------===//
// All derivatives of a formula
//===----------------------------------------------------------------------===//

static bool isDerivative(Operation &op) { return isa<GradOp, DiffOp, TraceOp>(op); }

static FailureOr<Value> expand(Operation *op, DerivativeBuilder &b) {
  if (auto grad = dyn_cast<GradOp>(op))
    return Backward(grad, b).run();
  if (auto trace = dyn_cast<TraceOp>(op))
    return Trace(trace, b).run();
  auto diff = cast<DiffOp>(op);
  return carryForward(diff, diff.getValue(), diff.getVariable(), diff.getTangent(), b);
}

static LogicalResult expandAll(FormulaFuncOp formula) {
  Block &body = formula.getBody().front();
  // Derivatives are added as accurately as the sums that they are of.
  SumScheme scheme = schemeOf(formula);
  for (Operation &op : llvm::make_early_inc_range(body)) {
    if (!isDerivative(op)) {
      refineTypes(&op);
      continue;
    }
    OpBuilder builder(&op);
    DerivativeBuilder b(builder, op.getLoc(), typeOf(op.getResult(0)).getElementType(), scheme);
    bool linear = llvm::TypeSwitch<Operation *, bool>(&op).Case<GradOp, DiffOp, TraceOp>(
        [](auto derivative) { return derivative.getLinear(); });
    if (linear && failed(checkLinear(&op, op.getOperand(0), op.getOperand(1))))
      return failure();
    FailureOr<Value> result = expand(&op, b);
    if (failed(result))
      return failure();
    op.getResult(0).replaceAllUsesWith(*result);
    op.erase();
  }
  finishRewriting(formula);
  return success();
}

namespace {
struct ExpandDerivativesPass : keops::impl::KeopsExpandDerivativesBase<ExpandDerivativesPass> {
  void runOnOperation() override {
    FormulaFuncOp formula = getOperation();
    // Formulas without derivatives stay as they are.
    if (llvm::any_of(formula.getBody().front(), isDerivative) && failed(expandAll(formula)))
      signalPassFailure();
  }
};
} // namespace
