//===- Explain.cpp - Schedules in words -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Words for the numbers of the cost model; no number is made here.
//
//===----------------------------------------------------------------------===//

#include "keops/Schedule/Explain.h"
#include "keops/Schedule/CostModel.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace keops;

/// "1 row", "2 rows".
static std::string count(int64_t number, StringRef what) {
  return (llvm::Twine(number) + " " + what + (number == 1 ? "" : "s")).str();
}

static void explainTarget(llvm::raw_ostream &out, TargetAttr target) {
  out << "target " << target.getName() << ": ";
  if (target.getGpu())
    out << target.getL1() / 1024 << " KiB of shared memory, " << count(target.getRegisters(), "register")
        << " a thread\n";
  else
    out << "vectors of " << target.getVectorBits() << " bits, " << count(target.getRegisters(), "register") << ", "
        << target.getL1() / 1024 << " KiB of first-level cache\n";
}

static void explainSchedule(llvm::raw_ostream &out, TargetAttr target, ScheduleAttr schedule, int64_t width) {
  bool rows = schedule.getLaneAxis() == LaneAxis::Rows;
  out << "schedule: ";
  if (target.getGpu()) {
    out << "a thread owns " << count(schedule.getLanes(), "row") << "; blocks of "
        << count(schedule.getRows() / schedule.getLanes(), "thread") << " and " << count(schedule.getRows(), "row");
  } else {
    out << (rows ? "rows" : "columns") << " on lanes, " << schedule.getLanes() << " a step ("
        << count(std::max<int64_t>(schedule.getLanes() / width, 1), "vector") << " of " << width << "); blocks of "
        << count(schedule.getRows(), "row");
  }
  out << "; tiles of " << count(schedule.getColumns(), "column");
  if (rows)
    out << ", " << schedule.getChunk() << " a step";
  out << "; loops over up to " << count(schedule.getUnroll(), "component") << " unrolled\n";
}

static void explainCost(llvm::raw_ostream &out, const PairCost &cost, const Estimate &estimate) {
  out << "a pair: " << count(cost.plain, "plain operation");
  if (cost.joined > 0)
    out << ", " << cost.joined << " of them joined to others (multiply-adds, signs)";
  out << "; " << count(cost.special, "special function");
  if (cost.special > 0 && estimate.specialOps > 1)
    out << " of about " << count(estimate.specialOps, "operation") << (cost.special > 1 ? " each" : "");
  out << "; " << count(cost.rowValues, "number") << " of its row, " << cost.columnValues << " of its column, "
      << cost.stateValues << " in the state in registers, " << cost.memoryValues << " in memory\n";
}

static void explainLimits(llvm::raw_ostream &out, TargetAttr target, const Estimate &estimate) {
  static constexpr llvm::StringLiteral onCPU[] = {"multiply-add ports", "special functions", "loads", "memory"};
  static constexpr llvm::StringLiteral onGPU[] = {"instruction slots", "special functions", "shared memory", "memory"};
  ArrayRef<llvm::StringLiteral> names = target.getGpu() ? ArrayRef(onGPU) : ArrayRef(onCPU);
  out << "cycles of a pair:";
  StringRef separator = " ";
  for (auto [name, cycles] : llvm::zip(names, estimate.cycles)) {
    if (cycles == 0)
      continue;
    out << separator << name << llvm::format(" %.3g", cycles);
    if (name == names[0] && estimate.specialShare > 0)
      out << llvm::format(" (%.0f%% of it in special functions)", 100 * estimate.specialShare);
    separator = ", ";
  }
  Limit limit = estimate.binding();
  out << "; " << names[static_cast<int>(limit)]
      << (limit == Limit::Memory || (target.getGpu() && limit == Limit::Loads) ? " binds\n" : " bind\n");
  out << llvm::format("estimate: at most %.2g pairs/s on one ", estimate.pairsPerSecond())
      << (target.getGpu() ? "multiprocessor" : "core") << llvm::format(" at %.1f GHz with ", estimate.gigahertz);
  if (target.getGpu())
    out << estimate.width << " operations a cycle\n";
  else
    out << estimate.ports << " vector operations a cycle\n";
}

std::string keops::explain(FormulaFuncOp formula, TargetAttr target) {
  auto schedule = formula->getAttrOfType<ScheduleAttr>("keops.schedule");
  auto reductions = formula.getBody().getOps<ReduceOp>();
  for (ReduceOp reduce : reductions)
    if (auto own = reduce->getAttrOfType<ScheduleAttr>("keops.schedule"))
      schedule = own;
  std::string text;
  llvm::raw_string_ostream out(text);
  explainTarget(out, target);
  if (!schedule)
    return text;
  Type number = Float32Type::get(formula.getContext());
  formula.walk([&](Operation *op) {
    for (Type type : op->getOperandTypes())
      if (auto vec = dyn_cast<VecType>(type); vec && isa<FloatType>(vec.getElementType()))
        number = vec.getElementType();
  });
  PairCost cost = costOfPair(formula);
  Estimate bound = estimate(cost, target, schedule, number);
  explainSchedule(out, target, schedule, bound.width);
  if (reductions.empty()) {
    out << "no reduction: each row is computed once\n";
    return text;
  }
  explainCost(out, cost, bound);
  explainLimits(out, target, bound);
  return text;
}
