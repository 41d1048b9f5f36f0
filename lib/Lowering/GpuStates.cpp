//===- GpuStates.cpp - States that blocks leave for a merge ----*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where rows alone make too few blocks, several blocks share the rows of one and
// each takes a part of the columns. Such a block leaves its states in memory,
// and the function `<entry>_merge` adds up those of the same rows, in the order
// of their columns:
//
//   call stage
//   state := neutral
//   for each state of this entry of the table:   state := state ⊕ that
//   leave the state, or finish stage and results
//
// It takes the parameters of the kernel itself, and a table whose entries name
// states instead of intervals; so merges of many states may go in rounds. A
// thread reads what the thread of the same number has written: threads next to
// each other lie next to each other in memory, for each number of a state.
//
//===----------------------------------------------------------------------===//

#include "GpuMapping.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace keops;

/// Bytes of which each slot takes a multiple, so that rows of threads lie on whole lines of the caches.
static constexpr int64_t kSlotAlignment = 128;

static int64_t byteSize(Type type) { return type.getIntOrFloatBitWidth() / 8; }

void GpuMapping::layOutStates() {
  for (StateLayout &layout : layouts)
    for (const StateSlot &slot : layout.slots) {
      layout.leftOffsets.push_back(stateBytes);
      stateBytes +=
          llvm::alignTo(slot.count * lanes * threads * byteSize(slotType(slot, /*wide=*/true)), kSlotAlignment);
    }
}

/// This thread's share of state `number` among those that blocks leave.
MachineState GpuMapping::leftState(StateLayout &layout, Value number) {
  MachineState state;
  state.lane = &vectorLane;
  state.dims.assign(layout.op.getDims().begin(), layout.op.getDims().end());
  SmallVector<Type> types;
  for (const StateSlot &slot : layout.slots) {
    types.push_back(slotType(slot, /*wide=*/true));
    state.types.push_back(vectorLane.laneType(types.back()));
    state.cells.emplace_back();
  }
  Value first = mul(number, i64(stateBytes));
  auto base = [this, first, &layout](unsigned slot) {
    return element(leftStates, builder.getI8Type(), add(first, i64(layout.leftOffsets[slot])));
  };
  // The number of an element for one of the lanes.
  auto place = [this](LaneIndex e, int64_t lane) {
    Value row = add(mul(scalarLane.position(e), i64(lanes)), i64(lane));
    return add(mul(row, i64(threads)), widen64(thread32));
  };
  state.load = [this, base, place, types](unsigned slot, LaneIndex e) -> Value {
    SmallVector<Value> each;
    for (int64_t lane = 0; lane < lanes; ++lane)
      each.push_back(load(base(slot), place(e, lane), types[slot]));
    if (lanes == 1)
      return each[0];
    return vector::FromElementsOp::create(builder, loc, cast<VectorType>(vectorLane.laneType(types[slot])), each);
  };
  state.store = [this, base, place](unsigned slot, LaneIndex e, Value value) {
    for (int64_t lane = 0; lane < lanes; ++lane)
      store(base(slot), place(e, lane),
            lanes == 1 ? value : vector::ExtractOp::create(builder, loc, value, lane).getResult());
  };
  return state;
}

/// States of this entry's numbers, added to `states`.
void GpuMapping::emitMerges(std::vector<MachineState> &states) {
  auto each = scf::ForOp::create(builder, loc, firstInterval, endInterval, i64(1), flatten(states));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(each.getBody());
  unflatten(states, each.getRegionIterArgs());
  for (auto [layout, into] : llvm::zip(layouts, states)) {
    MachineState from = leftState(layout, each.getInductionVar());
    vectorLane.registers = &into;
    layout.op.getReduction().merge(vectorLane, into, from);
    vectorLane.registers = nullptr;
  }
  if (each.getNumResults() > 0) // A loop that carries nothing has its terminator already.
    scf::YieldOp::create(builder, loc, flatten(states));
  unflatten(states, each.getResults());
}

/// Leaves the states where the table has a number for them, else finishes.
void GpuMapping::emitEnd(std::vector<MachineState> &states) {
  if (layouts.empty())
    return emitResults(states);
  Value number = load(blocks, add(blockEntry, i64(4)), builder.getI64Type());
  Value leaves = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sge, number, i64(0));
  auto branch = scf::IfOp::create(builder, loc, leaves, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  for (auto [layout, state] : llvm::zip(layouts, states)) {
    MachineState left = leftState(layout, number);
    for (auto [n, slot] : llvm::enumerate(layout.slots))
      vectorLane.forEach(slot.count, [&, n = static_cast<unsigned>(n), &state = state](LaneIndex e) {
        left.set(n, e, state.get(n, e));
      });
  }
  builder.setInsertionPointToStart(branch.elseBlock());
  emitResults(states);
}
