//===- StageEmitter.h - Bodies of stages as code on lanes -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The part of lowering that CPU and GPU share: given where stored vectors and
// scalars are found, emits the ops of a stage on a lane, and drives a
// reduction's `accumulate`.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_LOWERING_STAGEEMITTER_H
#define KEOPS_LIB_LOWERING_STAGEEMITTER_H

#include "MachineLane.h"

#include <functional>

namespace keops {

/// Component of a stored vector.
using ComponentSource = std::function<mlir::Value(LaneIndex)>;

class StageEmitter {
public:
  /// `laneIndex` is the index that runs over lanes; values that depend on it
  /// are vectors if the lane has more than one.
  StageEmitter(MachineLane &lane, IndexSet laneIndex) : lane(lane), laneIndex(laneIndex) {}

  /// Where a value of the kernel is found: an argument, a result of a stage, or a map that is not to be emitted.
  void bind(mlir::Value value, ComponentSource source) {
    sources[value] = std::move(source);
    bound.insert(value);
  }

  /// Scratch memory for a `keops.map` among pairs: returns the address of an
  /// element on all lanes.
  std::function<void(MapOp, LaneIndex, mlir::Value)> storeMap;
  std::function<mlir::Value(MapOp, LaneIndex)> loadMap;

  /// Emits a block but for its terminator.
  void emit(mlir::Block &block);
  void emit(mlir::Operation *op);
  /// Emits a block for several columns: one after the other between levels, in
  /// lockstep within a level, whose components of rows are then read once.
  static void emitTogether(llvm::MutableArrayRef<StageEmitter> columns, mlir::Block &block);
  /// The value of a scalar after `emit`, or component `d` of a stored vector.
  mlir::Value get(mlir::Value value, LaneIndex d = 0);
  /// Emits the body of a loop over components for component `d`.
  mlir::Value emitComponent(mlir::Region &region, LaneIndex d);
  /// True if the value differs between lanes.
  bool onLanes(mlir::Value value) const {
    return lane.lanes > 1 && contains(mlir::cast<VecType>(value.getType()).getIndices(), laneIndex);
  }

  MachineLane &lane;

private:
  void emit(mlir::Block::iterator begin, mlir::Block::iterator end);
  /// In one loop over their components.
  void emitMaps(llvm::ArrayRef<MapOp> maps);
  static void emitContract(llvm::MutableArrayRef<StageEmitter> columns, ContractOp contract);
  LaneIndex position(mlir::Value index);

  IndexSet laneIndex;
  llvm::DenseMap<mlir::Value, mlir::Value> scalars;
  llvm::DenseMap<mlir::Value, LaneIndex> positions;
  llvm::DenseMap<mlir::Value, ComponentSource> sources;
  llvm::DenseSet<mlir::Value> bound;
};

/// A column's terms of `accumulate`: one emitter per column of a chunk, after
/// its pair stage has been emitted.
class AccumulateTerm : public ReductionTerm {
public:
  AccumulateTerm(StageEmitter &emitter, AccumulateOp op, mlir::Value column)
      : emitter(emitter), op(op), column(column) {}
  LaneValue get(unsigned operand, LaneIndex d) override { return {emitter.emitComponent(op.getTerms()[operand], d)}; }
  LaneValue row() override { return {column}; }

private:
  StageEmitter &emitter;
  AccumulateOp op;
  mlir::Value column;
};

} // namespace keops

#endif // KEOPS_LIB_LOWERING_STAGEEMITTER_H
