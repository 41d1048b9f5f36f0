//===- CpuPairs.cpp - The loops over pairs of a CPU kernel -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One group of rows meets the columns of a tile: the loop in which time is spent.
//
//===----------------------------------------------------------------------===//

#include "CpuMapping.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace keops;

//===----------------------------------------------------------------------===//
// Pairs
//===----------------------------------------------------------------------===//

void CpuMapping::bindPreloaded(StageEmitter &emitter, const Fields &fields, const Buffer &buffer, Value position,
                               llvm::DenseMap<Value, SmallVector<Value>> &preloaded) {
  for (auto [value, offset] : fields.offsets) {
    SmallVector<Value> values = preloaded.lookup(value);
    emitter.bind(value, [=, &fields, &buffer, value = value](LaneIndex d) {
      if (d.isConstant() && !values.empty())
        return values[d.constant];
      return loadField(buffer, fields, value, d, position);
    });
  }
}

void CpuMapping::emitGroup(Value row, Value firstColumn, Value numColumns) {
  Block &body = kernel.getStage(StageKind::Pairs).getBody().front();
  // Row values stay in registers while columns pass.
  llvm::DenseMap<Value, SmallVector<Value>> preloaded;
  for (auto [value, offset] : rowFields.offsets) {
    int64_t dim = cast<VecType>(value.getType()).getDim();
    if (dim <= std::max<int64_t>(schedule.getUnroll(), 1))
      for (int64_t d = 0; d < dim; ++d)
        preloaded[value].push_back(loadField(rowBuffer, rowFields, value, d, row));
  }

  std::vector<MachineState> partial;
  for (StateLayout &layout : states) {
    if (layout.direct) {
      partial.push_back(blockState(layout, vectorLane, frameField(kState, pointer), row));
      continue;
    }
    partial.push_back(partialState(layout, vectorLane));
    if (rowLanes) {
      MachineState earlier = blockState(layout, vectorLane, frameField(kState, pointer), row);
      layout.op.getReduction().resume(vectorLane, partial.back(), earlier);
      continue;
    }
    layout.op.getReduction().init(vectorLane, partial.back());
  }

  Type narrow = builder.getIntegerType(number.getIntOrFloatBitWidth());
  Value iota = rowLanes ? Value() : laneNumbers();
  auto columns = [&](Value from, Value to, int64_t step, int64_t chunk, bool masked) {
    auto op = scf::ForOp::create(builder, loc, from, to, i64(step * chunk), flatten(partial));
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(op.getBody());
    unflatten(partial, op.getRegionIterArgs());
    std::vector<StageEmitter> emitters;
    emitters.reserve(chunk); // They must not move: terms and maps point to them.
    SmallVector<Value> numbers;
    Value mask;
    for (int64_t c = 0; c < chunk; ++c) {
      Value column = add(op.getInductionVar(), i64(c * step));
      StageEmitter &emitter = emitters.emplace_back(vectorLane, laneIndex);
      useScratchMaps(emitter, c);
      bindCall(emitter);
      bindPreloaded(emitter, rowFields, rowBuffer, row, preloaded);
      bindBuffer(emitter, colFields, colBuffer, column);
      numbers.push_back(rowLanes ? column : add(vectorLane.splat(column), iota));
      if (masked)
        mask = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, numbers.back(),
                                     vectorLane.splat(numColumns));
    }
    StageEmitter::emitTogether(emitters, body);
    for (auto [layout, state] : llvm::zip(states, partial)) {
      SmallVector<AccumulateTerm> terms;
      SmallVector<ReductionTerm *> chunkTerms;
      for (auto [emitter, column] : llvm::zip(emitters, numbers)) {
        // A state in memory keeps absolute row numbers, a partial one those within the tile.
        Value rowNumber = layout.direct ? add(column, firstColumn) : vectorLane.convert(column, narrow);
        terms.emplace_back(emitter, layout.op, rowNumber);
      }
      for (AccumulateTerm &term : terms)
        chunkTerms.push_back(&term);
      vectorLane.registers = &state;
      state.mask = mask;
      layout.op.getReduction().accumulate(vectorLane, state, chunkTerms);
      state.mask = {};
      vectorLane.registers = nullptr;
    }
    if (op.getNumResults() > 0) // A loop that carries nothing has its terminator already.
      scf::YieldOp::create(builder, loc, flatten(partial));
    builder.setInsertionPointAfter(op);
    unflatten(partial, op.getResults());
  };

  if (rowLanes) {
    int64_t chunk = schedule.getChunk();
    Value whole = chunk == 1 ? numColumns : mul(arith::DivUIOp::create(builder, loc, numColumns, i64(chunk)), chunk);
    columns(i64(0), whole, 1, chunk, /*masked=*/false);
    if (chunk > 1)
      columns(whole, numColumns, 1, 1, /*masked=*/false);
    for (auto [layout, state] : llvm::zip(states, partial)) {
      if (layout.direct)
        continue;
      MachineState into = blockState(layout, vectorLane, frameField(kState, pointer), row);
      state.rowBase = firstColumn;
      layout.op.getReduction().merge(vectorLane, into, state);
    }
    return;
  }

  Value whole = mul(arith::DivUIOp::create(builder, loc, numColumns, i64(lanes)), lanes);
  columns(i64(0), whole, lanes, 1, /*masked=*/false);
  columns(whole, numColumns, lanes, 1, /*masked=*/true);
  // Lanes hold columns of one row: spill them and merge one after the other, in order.
  for (auto [layout, state] : llvm::zip(states, partial)) {
    for (auto [slot, cells] : llvm::enumerate(state.cells))
      for (auto [e, cell] : llvm::enumerate(cells))
        state.store(slot, static_cast<int64_t>(e), cell);
    loop(i64(0), min(numColumns, i64(lanes)), 1, [&, &layout = layout](Value l) {
      MachineState from = partialState(layout, scalarLane);
      for (auto &cells : from.cells)
        cells.clear();
      from.load = [&](unsigned slot, LaneIndex e) {
        Value index = add(mul(scalarLane.position(e), lanes), l);
        return load(bytes(scratch, layout.laneOffsets[slot]), slotType(layout.slots[slot], /*wide=*/false), index);
      };
      from.rowBase = firstColumn;
      MachineState into = blockState(layout, scalarLane, frameField(kState, pointer), row);
      layout.op.getReduction().merge(scalarLane, into, from);
    });
  }
}

void CpuMapping::emitTile(Value firstColumn, Value numColumns, Value numRows) {
  emitIndexStage(StageKind::Cols, colFields, colBuffer, IndexSet::J, firstColumn,
                 rowLanes ? numColumns : paddedToLanes(numColumns));
  loop(i64(0), numRows, rowLanes ? lanes : 1, [&](Value row) { emitGroup(row, firstColumn, numColumns); });
}
