//===- MachineLane.h - Lanes of generated code --------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A lane whose numbers are SSA values: scalars for what is the same on all
// lanes, vectors for the rest. An operation on a scalar and a vector broadcasts
// the scalar, so hoisted work stays scalar until it meets a lane.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_LOWERING_MACHINELANE_H
#define KEOPS_LIB_LOWERING_MACHINELANE_H

#include "keops/Dialect/Keops.h"

namespace keops {

/// Type of a slot's numbers: of the running state if `wide`, else of that of
/// one tile of columns, whose row numbers have `rowBits` bits.
mlir::Type slotType(const StateSlot &slot, mlir::Type number, bool wide, unsigned rowBits);

/// A reduction's state in registers or in memory of one lane group, or a mix.
/// Elements of slots in registers are SSA values that control flow carries.
class MachineState : public ReductionState {
public:
  /// Types of elements per slot.
  llvm::SmallVector<mlir::Type> types;
  /// Register cells per slot; empty for a slot in memory.
  llvm::SmallVector<llvm::SmallVector<mlir::Value>> cells;
  /// Access to slots in memory.
  std::function<mlir::Value(unsigned slot, LaneIndex element)> load;
  std::function<void(unsigned slot, LaneIndex element, mlir::Value)> store;
  class MachineLane *lane = nullptr;
  /// When set, only these lanes change.
  mlir::Value mask;
  /// Added to row numbers that are read, after widening them to i64.
  mlir::Value rowBase;

  LaneValue get(unsigned slot, LaneIndex element) override;
  void set(unsigned slot, LaneIndex element, LaneValue value) override;

  /// All register cells in order, to carry through control flow.
  llvm::SmallVector<mlir::Value> flatten() const;
  void unflatten(mlir::ValueRange values);
};

/// The same for several states that are carried together.
llvm::SmallVector<mlir::Value> flatten(llvm::ArrayRef<MachineState> states);
void unflatten(llvm::MutableArrayRef<MachineState> states, mlir::ValueRange values);

class MachineLane : public Lane {
public:
  /// `lanes` is 1 for scalar code. A loop of at most `unroll` turns is unrolled.
  MachineLane(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type element, int64_t lanes, int64_t unroll)
      : builder(builder), loc(loc), element(element), lanes(lanes), unroll(unroll) {}

  LaneValue constant(double value) override;
  LaneValue rowNumber(int64_t value) override;
  LaneValue unary(UnaryKind kind, LaneValue x) override;
  LaneValue binary(BinaryKind kind, LaneValue a, LaneValue b) override;
  LaneValue compare(CompareKind kind, LaneValue a, LaneValue b) override;
  LaneValue select(LaneValue mask, LaneValue a, LaneValue b) override;
  LaneValue maskAnd(LaneValue a, LaneValue b) override;
  LaneValue maskOr(LaneValue a, LaneValue b) override;
  LaneValue number(LaneIndex d) override;
  LaneValue indexNumber(IndexSet) override;
  LaneValue largest() override;
  LaneValue boundedExp(LaneValue x) override;
  bool hasExpOfDifference() const override { return powersOfTwo && element.isF32(); }
  LaneValue expOfDifference(LaneValue x, LaneValue shift) override;
  LaneValue fold(ReductionInterface, int64_t, llvm::function_ref<LaneValue(LaneIndex)>) override;
  void ifAny(LaneValue mask, llvm::function_ref<void()> body, llvm::MutableArrayRef<LaneValue> values = {}) override;
  void forEach(int64_t count, llvm::function_ref<void(LaneIndex)> body) override;
  llvm::SmallVector<LaneValue>
  loop(int64_t count, llvm::ArrayRef<LaneValue> carried,
       llvm::function_ref<llvm::SmallVector<LaneValue>(LaneIndex, llvm::ArrayRef<LaneValue>)> body) override;

  /// The level `contract`: folds components with registers, unrolled or as a
  /// loop. `vector` says that the components differ between lanes. Several folds
  /// (one per column) go through the components together, so that what they read
  /// alike is read once.
  llvm::SmallVector<LaneValue> contract(ReductionInterface reduction, int64_t count, bool vector, unsigned folds,
                                        llvm::function_ref<LaneValue(unsigned fold, LaneIndex d)> component);

  /// A scalar or vector type like `element` on all lanes.
  mlir::Type laneType(mlir::Type type) const;
  /// `value` on all lanes.
  mlir::Value splat(mlir::Value value);
  /// To another type of number or row number; keeps scalar or vector.
  mlir::Value convert(mlir::Value value, mlir::Type elementType);
  mlir::Value index(int64_t value);
  mlir::Value i64(int64_t value);
  /// True if so many components have code of their own each, and no loop.
  bool unrolls(int64_t count) const { return count <= std::max<int64_t>(unroll, 1); }
  /// A position as i64.
  mlir::Value position(LaneIndex d);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Type element;
  int64_t lanes;
  int64_t unroll;
  /// True if 2^x is one instruction, and right for all x.
  bool powersOfTwo = false;
  /// True while sums may be added in any order.
  bool reassociates = false;
  /// Turns of a loop of `forEach` that are one.
  int64_t panel = 1;
  /// The same for a level, so that the loop itself costs little.
  int64_t levelPanel = 8;
  /// The numbers of the rows or columns on the lanes as i64, in a stage that runs over one of them.
  std::function<mlir::Value()> indexNumbers;
  /// The state whose registers `ifAny` carries.
  MachineState *registers = nullptr;
  /// When set, `ifAny` leaves its test here and its work to others.
  llvm::SmallVectorImpl<mlir::Value> *putOff = nullptr;
  /// Lanes of one register, for the tests of `ifAny`; 0 for a target that has
  /// one thread a lane.
  int64_t registerLanes = 0;

protected:
  LaneIndex indexOp(IndexKind kind, LaneIndex a, LaneIndex b) override;
  LaneValue indexBranch(LaneIndex, int64_t, llvm::function_ref<LaneValue()>, llvm::function_ref<LaneValue()>) override;

private:
  void unify(mlir::Value &a, mlir::Value &b);
};

} // namespace keops

#endif // KEOPS_LIB_LOWERING_MACHINELANE_H
