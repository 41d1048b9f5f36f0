//===- MapTilesToCPU.cpp - Kernels to CPU loops -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel becomes two functions. `accumulate`:
//
//   call stage
//   rows: copy the block's rows into a buffer, rows stage
//   state := neutral
//   for each tile of columns:
//     cols: copy the tile's columns into a buffer, cols stage
//     for each group of rows:                    one group is one row when columns are the lanes
//       partial := neutral
//       for each column: pairs stage, accumulate into partial
//       state := state ⊕ partial                 the flush: sums of tiles are added in float64
//
// and `finalize` merges the states of several column ranges, runs the finish
// stage and writes results. Buffers of the index that runs over lanes are
// component-major, so a group is one vector load; buffers of the other index
// are row-major, so a column's values are neighbours, each broadcast to lanes.
//
//===----------------------------------------------------------------------===//

#include "ArrangeArithmetic.h"
#include "CpuMapping.h"
#include "MapTiles.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace keops;

//===----------------------------------------------------------------------===//
// Stages before pairs
//===----------------------------------------------------------------------===//

func::FuncOp CpuMapping::beginFunction(StringRef suffix) {
  auto function =
      func::FuncOp::create(builder, loc, (kernel.getSymName() + suffix).str(), builder.getFunctionType({pointer}, {}));
  builder.setInsertionPointToStart(function.addEntryBlock());
  frame = function.getArgument(0);
  scratch = frameField(kScratch, pointer);
  rowBuffer.base = bytes(scratch, rowBuffer.scratchOffset);
  colBuffer.base = bytes(scratch, colBuffer.scratchOffset);
  callSources.clear();
  return function;
}

void CpuMapping::useScratchMaps(StageEmitter &emitter, int64_t copy) {
  int64_t shift = copy * mapCopyBytes;
  auto index = [this, &emitter](MapOp map, LaneIndex d) {
    return mul(scalarLane.position(d), emitter.onLanes(map) ? lanes : 1);
  };
  emitter.storeMap = [=](MapOp map, LaneIndex d, Value value) {
    store(bytes(scratch, mapOffsets.lookup(map) + shift), number, index(map, d), toMemory(map, value));
  };
  emitter.loadMap = [=, &emitter](MapOp map, LaneIndex d) {
    return fromMemory(map, load(bytes(scratch, mapOffsets.lookup(map) + shift), number, index(map, d),
                                emitter.onLanes(map) ? lanes : 1));
  };
}

void CpuMapping::emitCallStage() {
  // Parameters: small ones are loaded once, others where a loop over components needs them.
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    auto type = cast<VecType>(argument.getType());
    if (type.getIndices() != IndexSet::None || argument.use_empty())
      continue;
    Value n = i64(argument.getArgNumber());
    Value base = load(frameField(kInputs, pointer), pointer, n);
    Value stride = load(frameField(kComponentStrides, pointer), builder.getI64Type(), n);
    Type storage = storageOf(argument);
    auto component = [=](LaneIndex d) {
      return loadInput(base, arith::MulIOp::create(builder, loc, scalarLane.position(d), stride), storage);
    };
    SmallVector<Value> loaded;
    if (type.getDim() <= std::max<int64_t>(schedule.getUnroll(), 1))
      for (int64_t d = 0; d < type.getDim(); ++d)
        loaded.push_back(component(d));
    callSources[argument] = [=](LaneIndex d) {
      return d.isConstant() && !loaded.empty() ? loaded[d.constant] : component(d);
    };
  }
  StageOp stage = kernel.getStage(StageKind::Call);
  if (!stage)
    return;
  StageEmitter emitter(scalarLane, laneIndex);
  useScratchMaps(emitter, 0);
  bindCall(emitter);
  emitter.emit(stage.getBody().front());
  for (auto [result, yielded] : llvm::zip(stage.getResults(), stage.getBody().front().getTerminator()->getOperands())) {
    if (auto map = yielded.getDefiningOp<MapOp>()) {
      int64_t offset = mapOffsets.lookup(map);
      callSources[result] = [=, result = Value(result)](LaneIndex d) {
        return fromMemory(result, load(bytes(scratch, offset), number, scalarLane.position(d)));
      };
      continue;
    }
    Value value = emitter.get(yielded);
    callSources[result] = [=](LaneIndex) { return value; };
  }
}

void CpuMapping::bindCall(StageEmitter &emitter) {
  for (auto &[value, source] : callSources)
    emitter.bind(value, source);
}

/// Copies `count` rows to the buffer's positions from `at` on, and the last of them up to `padded`.
void CpuMapping::copyRows(const Fields &fields, Buffer &buffer, IndexSet set, Value begin, Value count, Value padded,
                          Value at) {
  Value last = sub(count, i64(1));
  for (auto &field : fields.offsets) {
    int64_t offset = field.second;
    auto argument = dyn_cast<BlockArgument>(field.first);
    if (!argument || cast<VecType>(argument.getType()).getIndices() != set)
      continue;
    Value n = i64(argument.getArgNumber());
    Value base = load(frameField(kInputs, pointer), pointer, n);
    Value rowStride = load(frameField(kRowStrides, pointer), builder.getI64Type(), n);
    Value componentStride = load(frameField(kComponentStrides, pointer), builder.getI64Type(), n);
    Type storage = storageOf(argument);
    loop(i64(0), padded, 1, [&](Value position) {
      // Lanes beyond the end repeat the last row: their results are never used.
      Value row = add(begin, min(position, last));
      Value rowBase = element(base, memoryType(storage), arith::MulIOp::create(builder, loc, row, rowStride));
      scalarLane.forEach(cast<VecType>(argument.getType()).getDim(), [&](LaneIndex d) {
        Value from = arith::MulIOp::create(builder, loc, scalarLane.position(d), componentStride);
        store(buffer.base, number, bufferIndex(buffer, fields, offset, d, at ? add(at, position) : position),
              loadInput(rowBase, from, storage));
      });
    });
  }
}

void CpuMapping::bindBuffer(StageEmitter &emitter, const Fields &fields, const Buffer &buffer, Value position) {
  for (auto [value, offset] : fields.offsets)
    emitter.bind(value, [=, &fields, &buffer, value = value](LaneIndex d) {
      return loadField(buffer, fields, value, d, position);
    });
}

void CpuMapping::emitIndexStage(StageKind kind, const Fields &fields, Buffer &buffer, IndexSet set, Value begin,
                                Value count) {
  StageOp stage = kernel.getStage(kind);
  if (!stage)
    return;
  MachineLane &lane = buffer.componentMajor ? vectorLane : scalarLane;
  loop(i64(0), count, lane.lanes, [&](Value position) {
    StageEmitter emitter(lane, set);
    lane.indexNumbers = [&, this] {
      Value first = lane.splat(add(begin, position));
      return lane.lanes == 1 ? first : add(first, laneNumbers());
    };
    useScratchMaps(emitter, 0);
    bindCall(emitter);
    bindBuffer(emitter, fields, buffer, position);
    Operation *yield = stage.getBody().front().getTerminator();
    // A map that is yielded goes straight to its field, or to several: equal vectors are one map.
    auto scratchStore = emitter.storeMap;
    auto scratchLoad = emitter.loadMap;
    auto fieldsOf = [=](MapOp map) {
      SmallVector<Value, 1> found;
      for (auto [result, yielded] : llvm::zip(stage->getResults(), yield->getOperands()))
        if (yielded == map.getResult())
          found.push_back(result);
      return found;
    };
    emitter.storeMap = [&, this](MapOp map, LaneIndex d, Value value) {
      SmallVector<Value, 1> found = fieldsOf(map);
      for (Value field : found)
        storeField(buffer, fields, field, d, position, value);
      if (found.empty())
        scratchStore(map, d, value);
    };
    emitter.loadMap = [&, this](MapOp map, LaneIndex d) {
      SmallVector<Value, 1> found = fieldsOf(map);
      return found.empty() ? scratchLoad(map, d) : loadField(buffer, fields, found.front(), d, position);
    };
    emitter.emit(stage.getBody().front());
    for (auto [result, yielded] : llvm::zip(stage.getResults(), yield->getOperands()))
      if (!yielded.getDefiningOp<MapOp>())
        storeField(buffer, fields, result, 0, position, emitter.get(yielded));
    lane.indexNumbers = nullptr;
  });
}

//===----------------------------------------------------------------------===//
// The two functions
//===----------------------------------------------------------------------===//

/// True if a column's number is asked for: by a state that keeps some, or by a
/// value of columns that is made of nothing else.
bool CpuMapping::countsColumns() {
  for (const StateLayout &layout : states)
    if (llvm::any_of(layout.slots, [](const StateSlot &slot) { return slot.kind == StateSlot::Kind::Row; }))
      return true;
  return kernel
      .walk([](Operation *op) {
        bool isNumber = op->getNumOperands() == 0 && op->getNumRegions() == 0 && op->getNumResults() == 1;
        auto type = isNumber ? dyn_cast<VecType>(op->getResultTypes().front()) : VecType();
        return type && contains(type.getIndices(), IndexSet::J) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Tiles of columns that follow each other.
void CpuMapping::emitTiles(Value numRows) {
  Value intervals = frameField(kIntervals, pointer);
  loop(i64(0), frameField(kNumIntervals, builder.getI64Type()), 1, [&](Value n) {
    Value begin = load(intervals, builder.getI64Type(), mul(n, 2));
    Value end = load(intervals, builder.getI64Type(), add(mul(n, 2), i64(1)));
    loop(begin, end, tileColumns, [&](Value column) {
      Value count = min(sub(end, column), i64(tileColumns));
      copyRows(colFields, colBuffer, IndexSet::J, column, count, rowLanes ? count : paddedToLanes(count));
      emitTile(column, count, numRows);
    });
  });
}

/// Tiles of columns from as many intervals as it takes to fill them: small
/// intervals would else leave most of a tile empty.
void CpuMapping::emitPackedTiles(Value numRows) {
  Type size = builder.getI64Type();
  Value intervals = frameField(kIntervals, pointer), count = frameField(kNumIntervals, size);
  auto less = [&](Value a, Value b) -> Value {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, a, b);
  };
  auto select = [&](Value condition, Value a, Value b) -> Value {
    return arith::SelectOp::create(builder, loc, condition, a, b);
  };
  // The body may look for what is around it, so the loop is in its place before it has one.
  auto repeat = [&](ValueRange initial, llvm::function_ref<Value(ValueRange)> goesOn,
                    llvm::function_ref<SmallVector<Value>(ValueRange)> turn) -> SmallVector<Value> {
    SmallVector<Type> types(initial.size(), size);
    SmallVector<Location> places(initial.size(), loc);
    auto op = scf::WhileOp::create(builder, loc, types, initial);
    OpBuilder::InsertionGuard guard(builder);
    Block *before = builder.createBlock(&op.getBefore(), {}, types, places);
    scf::ConditionOp::create(builder, loc, goesOn(before->getArguments()), before->getArguments());
    Block *body = builder.createBlock(&op.getAfter(), {}, types, places);
    scf::YieldOp::create(builder, loc, turn(body->getArguments()));
    return op.getResults();
  };
  // The interval at hand, and how many of its columns are done; then how many columns are in the tile.
  auto hasMore = [&](ValueRange now) {
    return arith::AndIOp::create(builder, loc, less(now[0], count), less(now[2], i64(tileColumns))).getResult();
  };
  auto addPiece = [&](ValueRange now) -> SmallVector<Value> {
    Value begin = add(load(intervals, size, mul(now[0], 2)), now[1]);
    Value left = sub(load(intervals, size, add(mul(now[0], 2), i64(1))), begin);
    Value taken = min(left, sub(i64(tileColumns), now[2])), filled = add(now[2], taken);
    Value ends = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, taken, left);
    Value next = select(ends, add(now[0], i64(1)), now[0]);
    Value copied = taken;
    // The last piece also fills the lanes that no column is left for.
    if (!rowLanes)
      copied = select(hasMore({next, next, filled}), taken, sub(paddedToLanes(filled), now[2]));
    copyRows(colFields, colBuffer, IndexSet::J, begin, taken, copied, now[2]);
    return {next, select(ends, i64(0), add(now[1], taken)), filled};
  };
  repeat(
      {i64(0), i64(0)}, [&](ValueRange done) { return less(done[0], count); },
      [&](ValueRange done) -> SmallVector<Value> {
        SmallVector<Value> now = repeat({done[0], done[1], i64(0)}, hasMore, addPiece);
        // Nobody asks for the number of the first column.
        emitTile(i64(0), now[2], numRows);
        return {now[0], now[1]};
      });
}

void CpuMapping::emitAccumulate() {
  OpBuilder::InsertionGuard guard(builder);
  func::FuncOp function = beginFunction("_accumulate");
  emitCallStage();
  Value rowBegin = frameField(kRowBegin, builder.getI64Type());
  Value numRows = sub(frameField(kRowEnd, builder.getI64Type()), rowBegin);
  Value padded = numRows;
  if (rowLanes)
    padded = mul(arith::CeilDivUIOp::create(builder, loc, numRows, i64(lanes)), lanes);
  if (!states.empty()) {
    copyRows(rowFields, rowBuffer, IndexSet::I, rowBegin, numRows, padded);
    emitIndexStage(StageKind::Rows, rowFields, rowBuffer, IndexSet::I, rowBegin, padded);
    MachineLane &lane = rowLanes ? vectorLane : scalarLane;
    loop(i64(0), numRows, lane.lanes, [&](Value row) {
      for (StateLayout &layout : states) {
        MachineState state = blockState(layout, lane, frameField(kState, pointer), row);
        layout.op.getReduction().init(lane, state);
      }
    });
    if (countsColumns())
      emitTiles(numRows);
    else
      emitPackedTiles(numRows);
  }
  func::ReturnOp::create(builder, loc);
  describeLaunch(function);
}

/// The launch rule, read by the compiler's last step.
void CpuMapping::describeLaunch(func::FuncOp function) {
  SmallVector<Attribute> arguments, results;
  auto describe = [&](VecType type, int64_t axis, Type storage) {
    return builder.getDenseI64ArrayAttr({axis, type.getDim(), launchType(storage)});
  };
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    auto type = cast<VecType>(argument.getType());
    IndexSet set = type.getIndices();
    arguments.push_back(describe(type, set == IndexSet::I ? 0 : set == IndexSet::J ? 1 : 2, storageOf(argument)));
  }
  for (auto [n, type] : llvm::enumerate(kernel.getResultTypes().getAsValueRange<TypeAttr>()))
    results.push_back(describe(cast<VecType>(type), 0, keops::storageOf(kernel.getResultStorage(), n, type)));
  function->setAttr("keops.launch",
                    builder.getDictionaryAttr({
                        builder.getNamedAttr("arguments", builder.getArrayAttr(arguments)),
                        builder.getNamedAttr("columns_per_tile", builder.getI64IntegerAttr(tileColumns)),
                        builder.getNamedAttr("entry", builder.getStringAttr(kernel.getSymName())),
                        builder.getNamedAttr("results", builder.getArrayAttr(results)),
                        builder.getNamedAttr("row_granularity", builder.getI64IntegerAttr(rowLanes ? lanes : 1)),
                        builder.getNamedAttr("rows_per_block", builder.getI64IntegerAttr(schedule.getRows())),
                        builder.getNamedAttr("scratch_bytes", builder.getI64IntegerAttr(scratchBytes)),
                        builder.getNamedAttr("state_bytes", builder.getI64IntegerAttr(stateBytes)),
                    }));
}

void CpuMapping::emitFinalize() {
  OpBuilder::InsertionGuard guard(builder);
  beginFunction("_finalize");
  emitCallStage();
  Value rowBegin = frameField(kRowBegin, builder.getI64Type());
  Value numRows = sub(frameField(kRowEnd, builder.getI64Type()), rowBegin);
  MachineLane &lane = rowLanes ? vectorLane : scalarLane;
  StageOp finish = kernel.getStage(StageKind::Finish);
  if (finish) {
    Value padded = rowLanes ? mul(arith::CeilDivUIOp::create(builder, loc, numRows, i64(lanes)), lanes) : numRows;
    copyRows(rowFields, rowBuffer, IndexSet::I, rowBegin, numRows, padded);
    emitIndexStage(StageKind::Rows, rowFields, rowBuffer, IndexSet::I, rowBegin, padded);
  }
  Value base = frameField(kState, pointer);
  Value outputs = frameField(kOutputs, pointer);
  loop(i64(0), numRows, lane.lanes, [&](Value row) {
    if (!states.empty())
      loop(i64(1), frameField(kNumStates, builder.getI64Type()), 1, [&](Value s) {
        Value other = element(base, builder.getI8Type(), mul(s, stateBytes));
        for (StateLayout &layout : states) {
          MachineState into = blockState(layout, lane, base, row), from = blockState(layout, lane, other, row);
          layout.op.getReduction().merge(lane, into, from);
        }
      });
    StageEmitter emitter(lane, IndexSet::I);
    useScratchMaps(emitter, 0);
    bindCall(emitter);
    bindBuffer(emitter, rowFields, rowBuffer, row);
    SmallVector<std::unique_ptr<MachineState>> finished;
    if (StageOp pairs = kernel.getStage(StageKind::Pairs)) {
      Operation *yield = pairs.getBody().front().getTerminator();
      for (auto [result, yielded] : llvm::zip(pairs.getResults(), yield->getOperands())) {
        auto produced = cast<OpResult>(yielded);
        StateLayout *layout = &*llvm::find_if(states, [&](StateLayout &l) { return l.op == produced.getOwner(); });
        finished.push_back(std::make_unique<MachineState>(blockState(*layout, lane, base, row)));
        MachineState *state = finished.back().get();
        unsigned n = produced.getResultNumber();
        emitter.bind(result, [=, &lane](LaneIndex d) {
          Value value = layout->op.getReduction().finalize(lane, *state, n, d).ssa;
          return getElementTypeOrSelf(value).isInteger() ? value : lane.convert(value, lane.element);
        });
      }
    }
    Operation *yield = nullptr;
    if (finish) {
      emitter.emit(finish.getBody().front());
      yield = finish.getBody().front().getTerminator();
    }
    // Component-major on lanes first, then row-major for the rows that exist.
    Value staging = bytes(scratch, outOffset);
    for (auto [n, returned] : llvm::enumerate(kernel.getBody().front().getTerminator()->getOperands())) {
      auto type = cast<VecType>(returned.getType());
      Value source = returned;
      if (yield && returned.getDefiningOp() == finish)
        source = yield->getOperand(cast<OpResult>(returned).getResultNumber());
      Type elementType = type.getElementType();
      lane.forEach(type.getDim(), [&](LaneIndex d) {
        Value value = lane.splat(emitter.get(source, d));
        store(staging, elementType, mul(scalarLane.position(d), lane.lanes), value);
      });
      Type storage = keops::storageOf(kernel.getResultStorage(), n, type);
      Value out = load(outputs, pointer, i64(n));
      loop(i64(0), min(i64(lane.lanes), sub(numRows, row)), 1, [&](Value l) {
        Value outRow = mul(add(add(rowBegin, row), l), type.getDim());
        scalarLane.forEach(type.getDim(), [&](LaneIndex d) {
          Value component = scalarLane.position(d);
          Value value = load(staging, elementType, add(mul(component, lane.lanes), l));
          store(out, memoryType(storage), add(outRow, component), narrow(builder, loc, value, storage));
        });
      });
    }
  });
  func::ReturnOp::create(builder, loc);
}

void CpuMapping::run() {
  arrangeArithmetic(kernel, laneIndex);
  layOut();
  emitAccumulate();
  emitFinalize();
  kernel.erase();
}

void keops::mapTilesToCPU(KernelOp kernel) { CpuMapping(kernel).run(); }
