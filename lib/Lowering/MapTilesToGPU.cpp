//===- MapTilesToGPU.cpp - Kernels to GPU code -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel becomes a GPU function. A thread owns `lanes` rows, a block `rows` of
// them, so that a block's threads read neighbouring rows:
//
//   call stage
//   rows: load this thread's rows, rows stage
//   state := neutral                                              sums in float64
//   for each interval of columns, for each tile of it:
//     wait for the copies of this tile
//     barrier                                                     the last tile has been read
//     for each component of this thread: long vectors of columns, to shared memory
//     barrier, if the cols stage reads them
//     for each column of this thread: cols stage, store to shared memory
//     barrier
//     start to copy the columns of the next tile
//     partial := neutral
//     for each column of the tile: pairs stage, accumulate into partial
//     state := state ⊕ partial
//   finish stage, store the rows that exist; or leave the state for a merge
//
// As on the CPU, a block gets its rows and a list of intervals, so that dense,
// block-sparse and batched launches are one. Block (x, y) has rows and intervals
// of entry x of a table (PlannedBlock in Runtime/LaunchPlan.h) and the arrays of
// batch y. The function takes, for each argument, a pointer and the strides of
// rows and components; a pointer for each result; the rows of one batch; the
// table of blocks; pairs [begin, end) of columns; for each batch and argument the
// number of elements to the batch's first one; and where states are left, with
// the bytes from one batch's to the next's. What becomes of states that are left
// is said in GpuStates.cpp.
//
// Short arguments of a column are copied by the thread that runs the cols stage
// for it. Long vectors are the work of all threads, component by component, so
// that neighbours read what is next to each other: who reads what others copied
// does so after the barrier that follows the wait. Where a processor has no
// asynchronous copies, the stage loads arguments. In shared memory a column's
// values are neighbours, padded so that 16 bytes are read at a time; one such
// read serves all rows of a thread. Only what pairs read is there.
//
// Stages are those of the CPU, emitted by the same code. Short vectors live in
// registers; long ones, which loops go through, in memory of the thread. States
// of what lies in memory anyway (the k smallest) are added to without a partial
// one for each tile.
//
//===----------------------------------------------------------------------===//

#include "GpuMapping.h"
#include "MapTiles.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace keops;

static int64_t dimOf(Value value) { return cast<VecType>(value.getType()).getDim(); }
static bool isOver(Value value, IndexSet set) { return cast<VecType>(value.getType()).getIndices() == set; }

//===----------------------------------------------------------------------===//
// Values of stages
//===----------------------------------------------------------------------===//

ComponentSource GpuMapping::fromRegisters(SmallVector<Value> values, ComponentSource inMemory) {
  return [values = std::move(values), inMemory = std::move(inMemory)](LaneIndex d) {
    return d.isConstant() ? values[d.constant] : inMemory(d);
  };
}

ComponentSource GpuMapping::source(int64_t dim, const ComponentSource &component, ComponentSource inMemory) {
  if (!fitsRegisters(dim))
    return inMemory;
  SmallVector<Value> values;
  for (int64_t d = 0; d < dim; ++d)
    values.push_back(component(d));
  return fromRegisters(std::move(values), std::move(inMemory));
}

void GpuMapping::bind(StageEmitter &emitter, const Bindings &values) {
  for (const auto &[value, source] : values)
    emitter.bind(value, source);
}

/// Stored vectors in registers where positions are known, and in memory where a loop may ask.
void GpuMapping::useMaps(StageEmitter &emitter, int64_t copy) {
  auto cells = std::make_shared<llvm::DenseMap<std::pair<Operation *, int64_t>, Value>>();
  emitter.storeMap = [=, &emitter](MapOp map, LaneIndex d, Value value) {
    if (d.isConstant() && fitsRegisters(dimOf(map)))
      (*cells)[{map, d.constant}] = value;
    if (needsMemory(dimOf(map)))
      storeLocal(arrayOf(map, emitter.onLanes(map), copy), d, toMemory(map, value, emitter.lane));
  };
  // Neither this nor the memory belongs to the emitter: what it yields is asked for when it is gone.
  emitter.loadMap =
      [=,
       onLanes = [lanes = emitter.lane.lanes](
                     MapOp map) { return lanes > 1 && contains(map.getType().getIndices(), IndexSet::I); },
       &lane = emitter.lane](MapOp map, LaneIndex d) {
        Value cell = d.isConstant() ? cells->lookup({map, d.constant}) : Value();
        return cell ? cell : fromMemory(map, loadLocal(arrayOf(map, onLanes(map), copy), d), lane);
      };
}

void GpuMapping::emitStage(StageKind kind, MachineLane &lane, Bindings &values, int64_t copy) {
  StageOp stage = kernel.getStage(kind);
  if (!stage)
    return;
  StageEmitter emitter(lane, IndexSet::I);
  bind(emitter, callValues);
  bind(emitter, values);
  useMaps(emitter, copy);
  Block &body = stage.getBody().front();
  emitter.emit(body);
  for (auto [result, yielded] : llvm::zip(stage.getResults(), body.getTerminator()->getOperands())) {
    if (auto map = yielded.getDefiningOp<MapOp>()) {
      if (ComponentSource elsewhere = values.lookup(map)) {
        values[result] = std::move(elsewhere);
        continue;
      }
      values[result] = [map, load = emitter.loadMap](LaneIndex d) { return load(map, d); };
      continue;
    }
    Value scalar = emitter.get(yielded);
    values[result] = [scalar](LaneIndex) { return scalar; };
  }
}

/// The components of a map that stands alone, computed whenever they are asked for.
ComponentSource GpuMapping::computed(MapOp map, MachineLane &lane, Bindings values) {
  return [this, map, &lane, values = std::move(values), numbers = lane.indexNumbers](LaneIndex d) mutable {
    llvm::SaveAndRestore<std::function<Value()>> restore(lane.indexNumbers, numbers);
    StageEmitter emitter(lane, IndexSet::I);
    bind(emitter, callValues);
    bind(emitter, values);
    for (Operation &op : *map->getBlock())
      if (standsAnywhere(op))
        emitter.emit(&op);
    Value component = emitter.emitComponent(map.getBody(), d);
    return emitter.onLanes(map) ? lane.splat(component) : component;
  };
}

void GpuMapping::emitCall() {
  Bindings values;
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    if (!isOver(argument, IndexSet::None) || argument.use_empty())
      continue;
    ComponentSource component = [this, argument](LaneIndex d) { return loadArgument(argument, /*row=*/{}, d); };
    values[argument] = source(dimOf(argument), component, component);
  }
  emitStage(StageKind::Call, scalarLane, values, /*copy=*/0);
  callValues = std::move(values);
}

bool GpuMapping::isReadByPairs(Value value) const {
  StageOp pairs = KernelOp(kernel).getStage(StageKind::Pairs);
  return pairs && llvm::any_of(value.getUsers(), [&](Operation *user) { return pairs->isProperAncestor(user); });
}

/// The values of this thread's rows. Lanes beyond the end repeat the last row: their results are not stored. Long
/// arguments that pairs read again and again are copied to memory of the thread.
Bindings GpuMapping::emitRows(bool forPairs) {
  Bindings values;
  Value last = arith::SubIOp::create(builder, loc, rowEnd, i64(1));
  SmallVector<Value> existing;
  for (Value row : rowNumbers)
    existing.push_back(arith::MinSIOp::create(builder, loc, row, last));
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    if (!isOver(argument, IndexSet::I) || argument.use_empty())
      continue;
    ComponentSource component = [this, argument, existing](LaneIndex d) -> Value {
      SmallVector<Value> each;
      for (Value row : existing)
        each.push_back(loadArgument(argument, row, d));
      if (lanes == 1)
        return each[0];
      return vector::FromElementsOp::create(builder, loc, cast<VectorType>(vectorLane.laneType(number)), each);
    };
    ComponentSource inMemory = component;
    if (forPairs && needsMemory(dimOf(argument)) && fitsLocalMemory(dimOf(argument)) && isReadByPairs(argument)) {
      LocalArray array = localArray(argument.getAsOpaquePointer(), 0, number, dimOf(argument), lanes);
      vectorLane.forEach(dimOf(argument), [&](LaneIndex d) { storeLocal(array, d, component(d)); });
      inMemory = [this, array](LaneIndex d) { return loadLocal(array, d); };
    }
    values[argument] = source(dimOf(argument), component, inMemory);
  }
  vectorLane.indexNumbers = [this]() -> Value {
    if (lanes == 1)
      return rowNumbers[0];
    return vector::FromElementsOp::create(builder, loc, cast<VectorType>(vectorLane.laneType(builder.getI64Type())),
                                          rowNumbers);
  };
  if (StageOp stage = kernel.getStage(StageKind::Rows))
    for (Value result : stage.getResults())
      if (MapOp map = mapAlone(result); map && needsMemory(dimOf(map)) && !fitsLocalMemory(dimOf(map)))
        values[map] = computed(map, vectorLane, values);
  emitStage(StageKind::Rows, vectorLane, values, /*copy=*/0);
  vectorLane.indexNumbers = nullptr;
  return values;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

void GpuMapping::emitResults(std::vector<MachineState> &states) {
  // Row values again: what only this stage reads took no register meanwhile.
  Bindings values = kernel.getStage(StageKind::Finish) ? emitRows(/*forPairs=*/false) : Bindings();
  if (StageOp pairs = kernel.getStage(StageKind::Pairs)) {
    Operation *yield = pairs.getBody().front().getTerminator();
    for (auto [result, yielded] : llvm::zip(pairs.getResults(), yield->getOperands())) {
      auto produced = cast<OpResult>(yielded);
      auto isProducer = [&](const StateLayout &layout) { return layout.op == produced.getOwner(); };
      size_t n = std::distance(layouts.begin(), llvm::find_if(layouts, isProducer));
      // A result of the whole call is the same on all lanes, which repeat its one row.
      bool isOnce = isOver(result, IndexSet::None);
      ComponentSource component = [this, &states, n, number = produced.getResultNumber(), isOnce](LaneIndex d) {
        Value value = layouts[n].op.getReduction().finalize(vectorLane, states[n], number, d).ssa;
        if (!getElementTypeOrSelf(value).isInteger())
          value = vectorLane.convert(value, this->number);
        bool isVector = isa<VectorType>(value.getType());
        return isOnce && isVector ? vector::ExtractOp::create(builder, loc, value, 0).getResult() : value;
      };
      ComponentSource inMemory = component;
      if (fitsRegisters(dimOf(result)) && needsMemory(dimOf(result))) {
        Type type = cast<VecType>(result.getType()).getElementType();
        LocalArray array = localArray(result.getAsOpaquePointer(), 0, type, dimOf(result), isOnce ? 1 : lanes);
        for (int64_t d = 0; d < dimOf(result); ++d)
          storeLocal(array, d, isOnce ? component(d) : vectorLane.splat(component(d)));
        inMemory = [this, array](LaneIndex d) { return loadLocal(array, d); };
      }
      values[result] = source(dimOf(result), component, inMemory);
    }
  }
  emitStage(StageKind::Finish, vectorLane, values, /*copy=*/0);

  SmallVector<Value> exist;
  for (Value row : rowNumbers)
    exist.push_back(arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, row, rowEnd));
  for (auto [n, returned] : llvm::enumerate(kernel.getBody().front().getTerminator()->getOperands())) {
    int64_t dim = dimOf(returned);
    // Some components together, so that few branches ask which rows exist.
    auto storeSome = [&, n = n, returned = Value(returned)](ArrayRef<LaneIndex> positions) {
      SmallVector<Value> components;
      for (LaneIndex d : positions)
        components.push_back(vectorLane.splat(values[returned](d)));
      for (auto [lane, row] : llvm::enumerate(rowNumbers)) {
        auto branch = scf::IfOp::create(builder, loc, exist[lane], /*withElseRegion=*/false);
        OpBuilder::InsertionGuard guard(builder);
        builder.setInsertionPointToStart(branch.thenBlock());
        Value first = mul(row, i64(dim));
        for (auto [d, value] : llvm::zip(positions, components)) {
          Value one = lanes == 1 ? value : vector::ExtractOp::create(builder, loc, value, static_cast<int64_t>(lane));
          store(outputs[n], add(first, scalarLane.position(d)), narrow(builder, loc, one, resultStorage(n)));
        }
      }
    };
    if (!fitsRegisters(dim)) {
      loop(i64(0), i64(dim), 1, [&](Value d) { storeSome(LaneIndex(d)); });
      continue;
    }
    SmallVector<LaneIndex> all;
    for (int64_t d = 0; d < dim; ++d)
      all.push_back(d);
    storeSome(all);
  }
}

//===----------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------===//

/// Begins a function of the launch's parameters at the end of `module`.
void GpuMapping::beginFunction(gpu::GPUModuleOp module, StringRef name) {
  LaunchParameters parameters;
  function = beginKernelOfRows(module, name, kernel.getBody().getNumArguments(), kernel.getResultTypes().size(),
                               threads, parameters);
  arguments = parameters.arguments;
  outputs = parameters.outputs;
  blocks = parameters.blocks;
  intervals = parameters.intervals;
  leftStates = parameters.states;
  moveToBatch(parameters.rows, parameters.offsets, parameters.bytesOfStates);

  Type size = builder.getI64Type();
  Value thread = place<gpu::ThreadIdOp>(gpu::Dimension::x), block = place<gpu::BlockIdOp>(gpu::Dimension::x);
  thread32 = arith::TruncIOp::create(builder, loc, builder.getI32Type(), thread);
  blockEntry = mul(block, i64(5));
  Value firstRow = add(load(blocks, blockEntry, size), thread);
  rowEnd = load(blocks, add(blockEntry, i64(1)), size);
  firstInterval = load(blocks, add(blockEntry, i64(2)), size);
  endInterval = load(blocks, add(blockEntry, i64(3)), size);
  for (int64_t lane = 0; lane < lanes; ++lane)
    rowNumbers.push_back(add(firstRow, i64(lane * threads)));
}

/// Arguments, results and states of this block's batch.
void GpuMapping::moveToBatch(Value rows, Value offsets, Value bytesOfStates) {
  Type size = builder.getI64Type();
  Value batch = place<gpu::BlockIdOp>(gpu::Dimension::y);
  Value firstOffset = mul(batch, i64(static_cast<int64_t>(arguments.size())));
  for (auto [n, access] : llvm::enumerate(arguments)) {
    BlockArgument argument = kernel.getBody().getArgument(n);
    if (!argument.use_empty())
      access.base = element(access.base, memoryType(storageOf(argument)),
                            load(offsets, add(firstOffset, i64(static_cast<int64_t>(n))), size));
  }
  Value firstRow = mul(batch, rows);
  for (auto [n, type] : llvm::enumerate(kernel.getResultTypes().getAsValueRange<TypeAttr>()))
    outputs[n] = element(outputs[n], memoryType(resultStorage(n)), mul(firstRow, i64(cast<VecType>(type).getDim())));
  if (stateBytes > 0)
    leftStates = element(leftStates, builder.getI8Type(), mul(batch, bytesOfStates));
}

/// What a launch needs to know, in the words of the CPU's rule.
void GpuMapping::writeLaunchRule() {
  auto describe = [&](VecType type, Type storage) -> Attribute {
    IndexSet set = type.getIndices();
    int64_t axis = set == IndexSet::I ? 0 : set == IndexSet::J ? 1 : 2;
    return builder.getDenseI64ArrayAttr({axis, type.getDim(), launchType(storage)});
  };
  SmallVector<Attribute> argumentRules, resultRules;
  for (BlockArgument argument : kernel.getBody().getArguments())
    argumentRules.push_back(describe(cast<VecType>(argument.getType()), storageOf(argument)));
  for (auto [n, type] : llvm::enumerate(kernel.getResultTypes().getAsValueRange<TypeAttr>()))
    resultRules.push_back(describe(cast<VecType>(type).withIndices(IndexSet::I), resultStorage(n)));
  function->setAttr("keops.launch",
                    builder.getDictionaryAttr({
                        builder.getNamedAttr("arguments", builder.getArrayAttr(argumentRules)),
                        builder.getNamedAttr("entry", builder.getStringAttr(kernel.getSymName())),
                        builder.getNamedAttr("results", builder.getArrayAttr(resultRules)),
                        builder.getNamedAttr("rows_per_block", builder.getI64IntegerAttr(schedule.getRows())),
                        builder.getNamedAttr("state_bytes", builder.getI64IntegerAttr(stateBytes)),
                        builder.getNamedAttr("threads", builder.getI64IntegerAttr(threads)),
                    }));
}

/// All intervals of columns, tile by tile.
void GpuMapping::emitIntervals(std::vector<MachineState> &states) {
  Bindings rows = emitRows(/*forPairs=*/true);
  auto each = scf::ForOp::create(builder, loc, firstInterval, endInterval, i64(1), flatten(states));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(each.getBody());
  unflatten(states, each.getRegionIterArgs());
  Value interval = mul(each.getInductionVar(), i64(2));
  Value columnBegin = load(intervals, interval, builder.getI64Type());
  Value columnEnd = load(intervals, add(interval, i64(1)), builder.getI64Type());
  if (stagingWidth > 0)
    startCopies(columnBegin, columnsOfTile(columnBegin, columnEnd));
  auto tiles = scf::ForOp::create(builder, loc, columnBegin, columnEnd, i64(schedule.getColumns()), flatten(states));
  builder.setInsertionPointToStart(tiles.getBody());
  unflatten(states, tiles.getRegionIterArgs());
  emitTile(states, tiles.getInductionVar(), columnEnd, rows);
  for (scf::ForOp loop : {tiles, each}) {
    if (loop.getNumResults() > 0) // A loop that carries nothing has its terminator already.
      scf::YieldOp::create(builder, loc, flatten(states));
    builder.setInsertionPointAfter(loop);
    unflatten(states, loop.getResults());
  }
}

/// The states of reductions over nothing.
std::vector<MachineState> GpuMapping::neutralStates() {
  std::vector<MachineState> states = makeStates(/*wide=*/true);
  for (auto [layout, state] : llvm::zip(layouts, states))
    layout.op.getReduction().init(vectorLane, state);
  return states;
}

LogicalResult GpuMapping::emitKernel(gpu::GPUModuleOp module) {
  if (failed(check()))
    return failure();
  layOut();
  builder.setInsertionPointToEnd(module.getBody());
  LLVM::GlobalOp tileGlobal, stagingGlobal;
  if (tileWidth > 0)
    tileGlobal = createTile("tile", tileWidth);
  if (stagingWidth > 0)
    stagingGlobal = createTile("staging", stagingWidth);
  beginFunction(module, kernel.getSymName());
  if (tileGlobal)
    tile = LLVM::AddressOfOp::create(builder, loc, tileGlobal);
  if (stagingGlobal)
    staging = LLVM::AddressOfOp::create(builder, loc, stagingGlobal);
  emitCall();
  std::vector<MachineState> states = neutralStates();
  if (!layouts.empty())
    emitIntervals(states);
  emitEnd(states);
  gpu::ReturnOp::create(builder, loc);
  writeLaunchRule();
  return finishFunction();
}

LogicalResult GpuMapping::emitMerge(gpu::GPUModuleOp module) {
  layOut();
  if (layouts.empty())
    return success();
  beginFunction(module, (kernel.getSymName() + "_merge").str());
  emitCall();
  std::vector<MachineState> states = neutralStates();
  emitMerges(states);
  emitEnd(states);
  gpu::ReturnOp::create(builder, loc);
  return finishFunction();
}

LogicalResult keops::mapTilesToGPU(KernelOp kernel, TargetAttr target) {
  OpBuilder builder(kernel);
  auto module = gpu::GPUModuleOp::create(builder, kernel.getLoc(), kernel.getSymName());
  if (failed(GpuMapping(kernel, target).emitKernel(module)) || failed(GpuMapping(kernel, target).emitMerge(module)))
    return failure();
  kernel.erase();
  return success();
}
