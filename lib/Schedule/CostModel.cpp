//===- CostModel.cpp - What a formula costs -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sums the costs of ops that depend on both indices, and divides them by what a
// processor does in a cycle.
//
//===----------------------------------------------------------------------===//

#include "keops/Schedule/CostModel.h"

#include "keops/Schedule/KnownTargets.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <iterator>
#include <vector>

using namespace mlir;
using namespace keops;

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

static bool addsItsOperands(Operation *op) {
  if (auto arithmetic = dyn_cast<ArithmeticOpInterface>(op))
    return arithmetic.signs().size() > 1;
  llvm::SmallBitVector all(op->getNumOperands(), true);
  if (auto reduce = dyn_cast<ReduceOp>(op))
    return reduce.getReduction().isLinearIn(all);
  auto fold = dyn_cast<FoldOp>(op);
  return fold && fold.getReduction().isLinearIn(all);
}

/// True when no instruction is spent on `op` alone: its one user is a sum, with which it is a multiply-add, or it only
/// changes a sign, which what comes after it takes along.
static bool joinsItsUser(Operation *op) {
  auto arithmetic = dyn_cast<ArithmeticOpInterface>(op);
  if (!arithmetic)
    return false;
  if (arithmetic.signs().size() == 1)
    return true;
  bool isProduct = !arithmetic.exponents().empty() && !llvm::is_contained(arithmetic.exponents(), -1);
  return isProduct && op->hasOneUse() && addsItsOperands(*op->user_begin());
}

namespace {

/// A lane that computes nothing and counts what it is asked for. A comparison
/// counts where its outcome is used; bodies behind `ifAny` are rare.
class CountingLane : public Lane {
public:
  int64_t plain = 0, special = 0;

  LaneValue constant(double) override { return {}; }
  LaneValue rowNumber(int64_t) override { return {}; }
  LaneValue number(LaneIndex) override { return {}; }
  LaneValue indexNumber(IndexSet) override { return {}; }
  LaneValue largest() override { return {}; }
  LaneValue unary(UnaryKind kind, LaneValue) override {
    bool simple = kind == UnaryKind::Abs || kind == UnaryKind::Floor || kind == UnaryKind::Round;
    (simple ? plain : special) += kind == UnaryKind::Neg ? 0 : 1;
    return {};
  }
  LaneValue binary(BinaryKind kind, LaneValue, LaneValue) override {
    bool simple = kind == BinaryKind::Add || kind == BinaryKind::Sub || kind == BinaryKind::Mul;
    (simple ? plain : special) += 1;
    return {};
  }
  LaneValue compare(CompareKind, LaneValue, LaneValue) override { return {{}, /*value=*/1, 0}; }
  LaneValue select(LaneValue mask, LaneValue, LaneValue) override { return use({mask, LaneValue{{}, 1, 0}}); }
  LaneValue maskAnd(LaneValue a, LaneValue b) override { return use({a, b}); }
  LaneValue maskOr(LaneValue a, LaneValue b) override { return use({a, b}); }
  LaneValue smaller(LaneValue, LaneValue) override { return use({LaneValue{{}, 1, 0}}); }
  LaneValue larger(LaneValue, LaneValue) override { return use({LaneValue{{}, 1, 0}}); }
  LaneValue fold(ReductionInterface, int64_t, llvm::function_ref<LaneValue(LaneIndex)>) override {
    llvm_unreachable("only formulas fold");
  }
  void ifAny(LaneValue mask, llvm::function_ref<void()>, MutableArrayRef<LaneValue>) override { use({mask}); }
  void forEach(int64_t count, llvm::function_ref<void(LaneIndex)> body) override {
    // Components are alike.
    int64_t plainBefore = plain, specialBefore = special;
    if (count > 0)
      body(0);
    plain = plainBefore + (plain - plainBefore) * count;
    special = specialBefore + (special - specialBefore) * count;
  }
  SmallVector<LaneValue>
  loop(int64_t count, ArrayRef<LaneValue> carried,
       llvm::function_ref<SmallVector<LaneValue>(LaneIndex, ArrayRef<LaneValue>)> body) override {
    SmallVector<LaneValue> now(carried);
    forEach(count, [&](LaneIndex d) { now = body(d, now); });
    return now;
  }

protected:
  LaneIndex indexOp(IndexKind, LaneIndex, LaneIndex) override { llvm_unreachable("positions are constants here"); }
  LaneValue indexBranch(LaneIndex, int64_t, llvm::function_ref<LaneValue()>, llvm::function_ref<LaneValue()>) override {
    llvm_unreachable("positions are constants here");
  }

private:
  LaneValue use(std::initializer_list<LaneValue> values) {
    for (const LaneValue &value : values)
      plain += value.value != 0;
    return {};
  }
};

class NoState : public ReductionState {
public:
  LaneValue get(unsigned, LaneIndex) override { return {}; }
  void set(unsigned, LaneIndex, LaneValue) override {}
};

class NoTerm : public ReductionTerm {
public:
  LaneValue get(unsigned, LaneIndex) override { return {}; }
  LaneValue row() override { return {}; }
};

} // namespace

/// What adding a column to a state costs, when columns come in the chunks that the reduction prefers.
static OpCost costOfColumn(ReductionInterface reduction, ArrayRef<int64_t> dims) {
  CountingLane lane;
  NoState state;
  state.dims.assign(dims.begin(), dims.end());
  std::vector<NoTerm> terms(reduction.preferredChunk());
  SmallVector<ReductionTerm *> chunk;
  for (NoTerm &term : terms)
    chunk.push_back(&term);
  reduction.accumulate(lane, state, chunk);
  auto columns = static_cast<int64_t>(chunk.size());
  return {llvm::divideCeilSigned(lane.plain, columns), llvm::divideCeilSigned(lane.special, columns)};
}

PairCost keops::costOfPair(FormulaFuncOp formula) {
  PairCost total;
  IndexSet reduced = IndexSet::J;
  for (auto reduce : formula.getBody().getOps<ReduceOp>())
    reduced = static_cast<IndexSet>(reduce.getOver());
  for (BlockArgument argument : formula.getBody().getArguments()) {
    auto type = cast<VecType>(argument.getType());
    if (argument.use_empty() || type.getIndices() == IndexSet::None)
      continue;
    (type.getIndices() == reduced ? total.columnValues : total.rowValues) += type.getDim();
  }
  for (Operation &op : formula.getBody().front()) {
    if (auto reduce = dyn_cast<ReduceOp>(op)) {
      SmallVector<int64_t> dims;
      for (Value term : reduce.getTerms())
        dims.push_back(cast<VecType>(term.getType()).getDim());
      for (const StateSlot &slot : reduce.getReduction().slots(dims))
        (slot.inMemory ? total.memoryValues : total.stateValues) +=
            slot.kind == StateSlot::Kind::WideSum ? 2 * slot.count : slot.count;
      OpCost cost = costOfColumn(reduce.getReduction(), dims);
      total.plain += cost.plain;
      total.special += cost.special;
      continue;
    }
    auto known = dyn_cast<FormulaOpInterface>(op);
    if (!known)
      continue;
    auto type = cast<VecType>(op.getResult(0).getType());
    total.largestDim = std::max(total.largestDim, type.getDim());
    if (type.getIndices() != IndexSet::IJ)
      continue;
    OpCost cost = known.cost();
    total.plain += cost.plain * type.getDim();
    total.special += cost.special * type.getDim();
    if (joinsItsUser(&op))
      total.joined += type.getDim();
  }
  return total;
}

//===----------------------------------------------------------------------===//
// Cycles
//===----------------------------------------------------------------------===//

// Clocks that a processor holds under such a load. Others scale the estimate.
static constexpr double kCpuGigahertz = 3.0, kGpuGigahertz = 1.7;

// A CPU has no instruction for an exponential; the polynomials have about so many, and a division takes as long.
static constexpr int64_t kSpecialOps32 = 10, kSpecialOps64 = 18;
static int64_t specialOps(int64_t bytes) { return bytes == 4 ? kSpecialOps32 : kSpecialOps64; }

int64_t keops::instructionsOfPair(const PairCost &cost, int64_t bytes) {
  return cost.plain - cost.joined + cost.special * specialOps(bytes);
}

static constexpr int64_t kLoadsPerCycle = 2;
/// Bytes that one core streams from memory in a cycle.
static constexpr double kMemoryBytesPerCycle = 8;

static Estimate estimateOnCPU(const PairCost &cost, TargetAttr target, ScheduleAttr schedule, int64_t bytes) {
  Estimate result;
  result.gigahertz = kCpuGigahertz;
  result.width = target.getVectorBits() / 8 / bytes;
  result.ports = throughputOf(target).f32 * 32 / target.getVectorBits();
  result.specialOps = specialOps(bytes);
  double width = static_cast<double>(result.width), lanes = static_cast<double>(schedule.getLanes());
  double perCycle = width * static_cast<double>(result.ports);
  double special = static_cast<double>(cost.special * result.specialOps) / perCycle;
  double arithmetic = static_cast<double>(cost.plain - cost.joined) / perCycle + special;
  result.cycles[static_cast<int>(Limit::Arithmetic)] = arithmetic;
  result.specialShare = arithmetic > 0 ? special / arithmetic : 0;

  // One index lies in vectors, the other is broadcast to all lanes of a step. Vectors that do not fit beside the states
  // are read again in each step.
  bool rowsAreLanes = schedule.getLaneAxis() == LaneAxis::Rows;
  int64_t held = rowsAreLanes ? cost.rowValues : cost.columnValues;
  int64_t shared = rowsAreLanes ? cost.columnValues : cost.rowValues;
  int64_t vectors = std::max<int64_t>(schedule.getLanes() / std::max<int64_t>(result.width, 1), 1);
  bool fits = rowsAreLanes && (held + cost.stateValues) * vectors <= target.getRegisters();
  double loads = static_cast<double>(shared) / lanes + (fits ? 0 : static_cast<double>(held) / width) +
                 (cost.memoryValues > 0 ? 1 / width : 0);
  result.cycles[static_cast<int>(Limit::Loads)] = loads / kLoadsPerCycle;
  // Columns stream once past each block of rows.
  result.cycles[static_cast<int>(Limit::Memory)] =
      static_cast<double>(cost.columnValues * bytes) / static_cast<double>(schedule.getRows()) / kMemoryBytesPerCycle;
  return result;
}

static constexpr double kGpuSpecial = 16, kGpuSharedLoads = 32, kGpuMemoryBytes = 16;

static Estimate estimateOnGPU(const PairCost &cost, TargetAttr target, ScheduleAttr schedule, int64_t bytes) {
  Estimate result;
  result.gigahertz = kGpuGigahertz;
  Throughput throughput = throughputOf(target);
  result.width = bytes == 4 ? throughput.f32 : throughput.f64;
  // Columns are read 16 bytes at a time, once for all rows of a thread.
  double reads = static_cast<double>(llvm::divideCeilSigned(cost.columnValues * bytes, 16)) /
                 static_cast<double>(schedule.getLanes());
  double plain = static_cast<double>(cost.plain - cost.joined), special = static_cast<double>(cost.special);
  double width = static_cast<double>(result.width);
  if (bytes == 4) {
    // A special function also takes a slot of the instruction stream, and so does a read.
    result.cycles[static_cast<int>(Limit::Arithmetic)] = (plain + special + reads) / width;
    result.cycles[static_cast<int>(Limit::Special)] = special / kGpuSpecial;
  } else {
    // The special units know float32 only.
    result.specialOps = kSpecialOps64;
    double arithmetic = plain + special * static_cast<double>(kSpecialOps64);
    result.cycles[static_cast<int>(Limit::Arithmetic)] = arithmetic / width;
    result.specialShare = arithmetic > 0 ? special * static_cast<double>(kSpecialOps64) / arithmetic : 0;
  }
  result.cycles[static_cast<int>(Limit::Loads)] = reads / kGpuSharedLoads;
  result.cycles[static_cast<int>(Limit::Memory)] =
      static_cast<double>(cost.columnValues * bytes) / static_cast<double>(schedule.getRows()) / kGpuMemoryBytes;
  return result;
}

Limit Estimate::binding() const {
  return static_cast<Limit>(std::distance(std::begin(cycles), std::max_element(std::begin(cycles), std::end(cycles))));
}

double Estimate::pairsPerSecond() const { return gigahertz * 1e9 / cycles[static_cast<int>(binding())]; }

Estimate keops::estimate(const PairCost &cost, TargetAttr target, ScheduleAttr schedule, Type number) {
  int64_t bytes = number.getIntOrFloatBitWidth() / 8;
  return target.getGpu() ? estimateOnGPU(cost, target, schedule, bytes) : estimateOnCPU(cost, target, schedule, bytes);
}
