//===- SelectSchedule.cpp - Choosing how a reduction runs -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Turns a target's numbers and a formula's cost into a schedule.
//
//===----------------------------------------------------------------------===//

#include "keops/Schedule/CostModel.h"
#include "keops/Schedule/KnownTargets.h"
#include "keops/Schedule/Passes.h"

#include "llvm/Support/MathExtras.h"

namespace keops {
#define GEN_PASS_DEF_KEOPSSELECTSCHEDULE
#include "keops/Schedule/Passes.h.inc"
} // namespace keops

using namespace mlir;
using namespace keops;

/// Vectors of at most this many components live in registers.
static constexpr int64_t kUnroll = 16;

/// Columns whose terms are summed in the numbers' own type before float64 takes
/// over. Equal terms make the same rounding error each time, so this bounds the
/// relative error of any sum of positive float32 terms: by 63 · 2^-24 at worst.
static constexpr int64_t kTileColumns = 64;

/// A pair of more operations than this hides its own latency: repeating its code
/// for several vectors, columns and components would only cost compile time.
static constexpr int64_t kLongFormula = 1024;

/// Instructions of a loop's body that the first-level cache for instructions holds.
static constexpr int64_t kLongestBody = 4096;

static Type numberType(FormulaFuncOp formula) {
  for (BlockArgument argument : formula.getBody().getArguments())
    return cast<VecType>(argument.getType()).getElementType();
  return Float32Type::get(formula.getContext());
}

static int64_t preferredChunk(FormulaFuncOp formula) {
  int64_t chunk = 1;
  for (auto reduce : formula.getBody().getOps<ReduceOp>())
    chunk = std::max(chunk, reduce.getReduction().preferredChunk());
  return chunk;
}

/// The longest vector of a formula, arguments included.
static int64_t largestVector(FormulaFuncOp formula, const PairCost &cost) {
  int64_t largest = cost.largestDim;
  for (BlockArgument argument : formula.getBody().getArguments())
    if (!argument.use_empty())
      largest = std::max(largest, cast<VecType>(argument.getType()).getDim());
  return largest;
}

/// Numbers that each pair stores: vectors whose components each cost many others.
static int64_t storedNumbers(FormulaFuncOp formula) {
  int64_t numbers = 0;
  for (auto op : formula.getBody().getOps<FormulaOpInterface>()) {
    auto type = cast<VecType>(op->getResult(0).getType());
    if (op.isStored() && type.getIndices() == IndexSet::IJ)
      numbers += type.getDim();
  }
  return numbers;
}

/// True if the result of the reductions is one row for the call.
static bool isOnce(FormulaFuncOp formula) {
  auto reductions = formula.getBody().getOps<ReduceOp>();
  return !reductions.empty() && llvm::all_of(reductions, [](ReduceOp reduce) { return reduce.getOnce(); });
}

// On a GPU: threads of a block, registers of a thread that rows and states may take, instructions of a loop, bytes of
// shared memory that columns take so that there is room to copy the next ones ahead, bytes of stored vectors of a
// thread, and numbers of a row of which eight a thread stay in the nearest cache.
static constexpr int64_t kThreads = 128, kRowRegisters = 144, kGpuBody = 8192, kTileBytes = 20 * 1024,
                         kStoredBytes = 64 * 1024, kNearRow = 64;

static ScheduleAttr scheduleForGPU(FormulaFuncOp formula) {
  PairCost cost = costOfPair(formula);
  int64_t bytes = numberType(formula).getIntOrFloatBitWidth() / 8, words = bytes / 4;
  int64_t chunk = preferredChunk(formula), largest = largestVector(formula, cost);
  bool hasLoops = largest > kUnroll;
  // Rows of a thread share each read of a column.
  int64_t lanes = isOnce(formula) ? 1 : 8 / words;
  // Rare work is done for all rows of 32 threads when one needs it.
  if (cost.memoryValues > 0 && lanes > 1)
    lanes /= 2;
  if (hasLoops && cost.memoryValues == 0 && chunk <= 2) {
    // Each row's component is read once for all columns of a step; fewer rows, if they would leave the nearest cache.
    chunk = (cost.stateValues > kUnroll ? 14 : 16) / words; // with long sums in memory, registers hold 14 by 8 terms
    if (cost.rowValues > kNearRow && lanes > 1)
      lanes /= 2;
  }
  if (!hasLoops)
    while (lanes > 1 && (cost.rowValues + cost.stateValues) * words * lanes > kRowRegisters)
      lanes /= 2;

  // Of a long vector, the components of one turn stand in the code.
  int64_t perPair = cost.plain - cost.joined + cost.special * (bytes == 4 ? 2 : 20);
  if (hasLoops)
    perPair = perPair * kUnroll / largest + 1;
  auto bodyLength = [&] { return perPair * lanes * (chunk > 1 ? chunk + 1 : 1); };
  while (chunk > 1 && bodyLength() > kGpuBody)
    chunk /= 2;
  while (lanes > 1 && bodyLength() > kGpuBody)
    lanes /= 2;
  int64_t stored = storedNumbers(formula);
  while (chunk > 1 && stored * lanes * chunk * bytes > kStoredBytes)
    chunk /= 2;
  while (lanes > 1 && std::max(stored, hasLoops ? largest : 0) * lanes * bytes > kStoredBytes)
    lanes /= 2;

  int64_t columns = kTileBytes / std::max<int64_t>(cost.columnValues * bytes, 1);
  columns = std::clamp<int64_t>(llvm::PowerOf2Ceil(columns + 1) / 2, 16, 256) / chunk * chunk;
  return ScheduleAttr::get(formula.getContext(), LaneAxis::Rows, lanes, lanes * kThreads, columns, chunk, kUnroll);
}

static ScheduleAttr scheduleForCPU(FormulaFuncOp formula, TargetAttr target, int64_t rows) {
  PairCost cost = costOfPair(formula);
  int64_t bytes = numberType(formula).getIntOrFloatBitWidth() / 8;
  int64_t width = target.getVectorBits() / 8 / bytes;
  int64_t chunk = preferredChunk(formula);
  // Several vectors a step hide latency. Row values that do not fit in registers
  // cost one load per use, which the load ports hide; states do not get that.
  int64_t vectors = 4;
  if (cost.memoryValues > 0) {
    // Rare work is done for all lanes when one needs it: fewer lanes, less of it.
    // The columns of a chunk hide latency as well.
    vectors = chunk > 1 ? 1 : 2;
  } else {
    // A test for rare work is cheap where branches are predicted; more columns
    // would only have more terms live together.
    chunk = std::min<int64_t>(chunk, 2);
  }
  // Plain sums of many numbers are kept in memory between steps: more columns a step, so that it is done less often.
  bool areSums = cost.memoryValues == 0 && preferredChunk(formula) <= 2;
  if (cost.memoryValues == 0)
    while (vectors > (areSums ? 2 : 1) && vectors * std::min(cost.stateValues, kUnroll) > target.getRegisters() / 2)
      vectors /= 2;
  if (areSums && vectors == 2)
    chunk = 4;
  int64_t unroll = kUnroll;
  if (cost.plain + cost.special > kLongFormula && cost.largestDim <= kUnroll) {
    vectors = 1;
    chunk = 1;
    unroll = 1;
  }
  // A chunk comes with one more copy of the pair's code, for the columns that are left over.
  int64_t perVector = instructionsOfPair(cost, bytes);
  auto bodyLength = [&] { return perVector * vectors * (chunk > 1 ? chunk + 1 : 1); };
  if (cost.largestDim <= kUnroll && cost.memoryValues == 0) {
    if (bodyLength() > kLongestBody)
      chunk = 1;
    while (vectors > 1 && bodyLength() > kLongestBody)
      vectors /= 2;
  }
  bool columnsAreLanes = rows > 0 && rows < width * vectors / 2;
  int64_t lanes = width * vectors;

  // Rows of a block and columns of a tile stay in the first-level cache together, as far as they can.
  auto fit = [&](int64_t budget, int64_t bytesEach, int64_t least, int64_t most) {
    int64_t count = budget / std::max<int64_t>(bytesEach, 1);
    return std::clamp<int64_t>(llvm::PowerOf2Ceil(count + 1) / 2, least, most);
  };
  if (columnsAreLanes) {
    int64_t columns = fit(target.getL2() / 2, cost.columnValues * bytes, lanes, kTileColumns * lanes);
    return ScheduleAttr::get(formula.getContext(), LaneAxis::Columns, lanes, /*rows=*/lanes, columns, 1, unroll);
  }
  int64_t rowBytes = cost.rowValues * bytes + (cost.stateValues + cost.memoryValues) * 8;
  // What a state keeps in memory is rarely touched: it may lie further away.
  int64_t near = cost.memoryValues > 0 ? target.getL2() : target.getL1();
  int64_t blockRows = fit(near / 2, rowBytes, 4 * lanes, 32 * lanes);
  int64_t columns = fit(target.getL1() / 4, cost.columnValues * bytes, 16, kTileColumns);
  return ScheduleAttr::get(formula.getContext(), LaneAxis::Rows, lanes, blockRows, columns, chunk, unroll);
}

namespace {
struct SelectSchedulePass : keops::impl::KeopsSelectScheduleBase<SelectSchedulePass> {
  using KeopsSelectScheduleBase::KeopsSelectScheduleBase;

  void runOnOperation() override {
    std::string error;
    TargetAttr attr = lookupTarget(&getContext(), target, error);
    if (!attr) {
      getOperation().emitError(error);
      return signalPassFailure();
    }
    getOperation()->setAttr("keops.target", attr);
    if (accurateMath)
      getOperation()->setAttr("keops.accurate_math", UnitAttr::get(&getContext()));
    for (auto formula : getOperation().getOps<FormulaFuncOp>()) {
      int64_t expected = isOnce(formula) ? 1 : int64_t(rows);
      ScheduleAttr schedule = attr.getGpu() ? scheduleForGPU(formula) : scheduleForCPU(formula, attr, expected);
      auto reductions = formula.getBody().getOps<ReduceOp>();
      for (auto reduce : reductions)
        if (!reduce->hasAttr("keops.schedule"))
          reduce->setAttr("keops.schedule", schedule);
      // A formula that reduces nothing still runs over rows.
      if (reductions.empty() && !formula->hasAttr("keops.schedule"))
        formula->setAttr("keops.schedule", schedule);
    }
  }
};
} // namespace
