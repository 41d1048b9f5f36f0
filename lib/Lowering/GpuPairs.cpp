//===- GpuPairs.cpp - The loops over pairs of a GPU kernel -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile of columns is brought into shared memory, and the rows of each thread
// meet it: the loop in which time is spent.
//
//===----------------------------------------------------------------------===//

#include "GpuMapping.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace keops;

/// Columns of one turn of the inner loop: few enough for the instruction cache, enough to hide the loop itself.
static constexpr int64_t kColumnsPerTurn = 4;
/// Components of long vectors that a thread asks for before it waits for one.
static constexpr int64_t kComponentsPerTurn = 4;
/// Threads that run in step.
static constexpr int64_t kWarp = 32;

static int64_t dimOf(Value value) { return cast<VecType>(value.getType()).getDim(); }

//===----------------------------------------------------------------------===//
// Tiles of columns
//===----------------------------------------------------------------------===//

/// The arguments of column `row`, as stages over columns ask for them.
Bindings GpuMapping::readArguments(Value row) {
  Bindings values;
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    if (cast<VecType>(argument.getType()).getIndices() != IndexSet::J || argument.use_empty())
      continue;
    auto component = [this, argument, row](LaneIndex d) { return loadArgument(argument, row, d); };
    values[argument] = source(dimOf(argument), component, component);
  }
  return values;
}

/// The components of `columns` columns, a few for each thread in turn: neighbours have neighbouring ones.
void GpuMapping::forEachComponent(Value columns, int64_t dim, function_ref<void(Value, LaneIndex)> body) {
  int64_t few = kComponentsPerTurn;
  while (dim % few != 0)
    --few;
  Value all = arith::MulIOp::create(builder, loc, columns, i32(dim / few));
  auto each = loop(thread32, all, threads, [&](Value n) {
    Value column = arith::DivUIOp::create(builder, loc, n, i32(dim / few));
    Value part = arith::RemUIOp::create(builder, loc, n, i32(dim / few));
    LaneIndex first(mul(widen64(part), i64(few)));
    for (int64_t d = 0; d < few; ++d)
      body(column, scalarLane.add(first, d));
  });
  setUnroll(each, kComponentsPerTurn / few);
}

void GpuMapping::startCopy(const ArgumentAccess &access, Value row, LaneIndex d, Value place) {
  Value component = scalarLane.position(d), first = mul(row, access.rowStride);
  Value from = element(access.base, number, add(first, mul(component, access.componentStride)));
  Value to = element(staging, number, add(place, component));
  NVVM::CpAsyncOp::create(builder, loc, to, from, number.getIntOrFloatBitWidth() / 8, NVVM::LoadCacheModifierKind::CA,
                          /*cpSize=*/Value());
}

/// Starts to copy the arguments of columns to the staging area: of each thread those that it will ask for, and of long
/// ones its share.
void GpuMapping::startCopies(Value firstColumn, Value count) {
  SmallVector<std::pair<BlockArgument, int64_t>> offsets;
  int64_t offset = 0;
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    if (cast<VecType>(argument.getType()).getIndices() != IndexSet::J || argument.use_empty())
      continue;
    offsets.push_back({argument, offset});
    offset += dimOf(argument);
  }
  auto copy = [&](BlockArgument argument, Value column, LaneIndex d, int64_t offset) {
    Value place = add(mul(widen64(column), i64(stagingWidth)), i64(offset));
    startCopy(arguments[argument.getArgNumber()], add(firstColumn, widen64(column)), d, place);
  };
  auto each = loop(thread32, count, threads, [&](Value column) {
    for (auto [argument, offset] : offsets)
      for (int64_t d = 0; fitsRegisters(dimOf(argument)) && d < dimOf(argument); ++d)
        copy(argument, column, d, offset);
  });
  setUnroll(each, 1);
  for (auto [argument, offset] : offsets)
    if (!fitsRegisters(dimOf(argument)))
      forEachComponent(count, dimOf(argument), [&, argument = argument, offset = offset](Value column, LaneIndex d) {
        copy(argument, column, d, offset);
      });
  NVVM::CpAsyncCommitGroupOp::create(builder, loc);
}

/// The arguments of a column, from the staging area.
Bindings GpuMapping::readStaging(Value column) {
  Bindings values;
  Value place = mul(widen64(column), i64(stagingWidth));
  int64_t offset = 0;
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    if (cast<VecType>(argument.getType()).getIndices() != IndexSet::J || argument.use_empty())
      continue;
    Value first = add(place, i64(offset));
    ComponentSource component = [this, first](LaneIndex d) {
      return load(staging, add(first, scalarLane.position(d)), number);
    };
    values[argument] = source(dimOf(argument), component, component);
    offset += dimOf(argument);
  }
  return values;
}

Bindings GpuMapping::readArgumentsOfTile(Value firstColumn, Value column) {
  return stagingWidth > 0 ? readStaging(column) : readArguments(add(firstColumn, widen64(column)));
}

/// Long vectors, of which each thread brings some components to shared memory.
void GpuMapping::emitVectorsOfTile(Value firstColumn, Value count) {
  for (const SharedVector &vector : sharedVectors)
    forEachComponent(count, dimOf(vector.value), [&](Value column, LaneIndex d) {
      Value row = add(firstColumn, widen64(column));
      Bindings values = readArgumentsOfTile(firstColumn, column);
      Value number;
      if (vector.map) {
        scalarLane.indexNumbers = [row] { return row; };
        number = computed(vector.map, scalarLane, values)(d);
        scalarLane.indexNumbers = nullptr;
      } else {
        number = values[vector.value](d);
      }
      Value index = add(widen64(tilePosition(column, tileOffsets.lookup(vector.value))), scalarLane.position(d));
      store(tile, index, toMemory(vector.value, number, scalarLane));
    });
}

/// Threads share the columns of a tile among them.
void GpuMapping::emitColumnsOfTile(Value firstColumn, Value count) {
  auto each = loop(thread32, count, threads, [&](Value column) {
    Value row = add(firstColumn, widen64(column));
    Bindings values = readArgumentsOfTile(firstColumn, column);
    for (const SharedVector &vector : sharedVectors)
      values[vector.map ? MapOp(vector.map).getResult() : vector.value] = inTile(vector.value, column);
    scalarLane.indexNumbers = [row] { return row; };
    emitStage(StageKind::Cols, scalarLane, values, /*copy=*/0);
    scalarLane.indexNumbers = nullptr;
    storeColumn(column, values);
  });
  setUnroll(each, 1);
}

void GpuMapping::storeColumn(Value column, Bindings &values) {
  SmallVector<Value> numbers;
  for (auto [value, offset] : tileOffsets) {
    if (offset < packedWidth)
      for (int64_t d = 0; d < dimOf(value); ++d)
        numbers.push_back(toMemory(value, values[value](d), scalarLane));
    else if (!llvm::is_contained(llvm::map_range(sharedVectors, [](SharedVector v) { return v.value; }), value))
      scalarLane.forEach(dimOf(value), [&, value = value, offset = offset](LaneIndex d) {
        Value number = toMemory(value, values[value](d), scalarLane);
        Value index = d.isConstant() ? tilePosition(column, offset + d.constant)
                                     : add(widen64(tilePosition(column, offset)), scalarLane.position(d));
        store(tile, index, number);
      });
  }
  // What pads a word is read with it, so it is written.
  numbers.resize(packedWidth, scalarLane.constant(0).ssa);
  for (int64_t word = 0; word < packedWidth; word += wordWidth) {
    Value value = numbers[word];
    if (wordWidth > 1)
      value = vector::FromElementsOp::create(builder, loc, VectorType::get({wordWidth}, number),
                                             ArrayRef(numbers).slice(word, wordWidth));
    store(tile, tilePosition(column, word), value);
  }
}

/// What pairs read of a column: short values in registers, long ones as loops ask for them.
Bindings GpuMapping::readColumn(Value column, Value firstColumn, int64_t copy) {
  SmallVector<Value> numbers;
  for (int64_t word = 0; word < packedWidth; word += wordWidth) {
    Type type = wordWidth == 1 ? number : VectorType::get({wordWidth}, number);
    Value value = load(tile, tilePosition(column, word), type);
    for (int64_t n = 0; n < wordWidth; ++n)
      numbers.push_back(wordWidth == 1 ? value : vector::ExtractOp::create(builder, loc, value, n).getResult());
  }
  Bindings values;
  for (auto [value, offset] : tileOffsets) {
    ComponentSource inMemory = inTile(value, column);
    if (offset >= packedWidth) {
      values[value] = inMemory;
      continue;
    }
    SmallVector<Value> components;
    for (Value number : ArrayRef(numbers).slice(offset, dimOf(value)))
      components.push_back(fromMemory(value, number, scalarLane));
    values[value] = fromRegisters(std::move(components), inMemory);
  }
  if (farValues.empty())
    return values;
  // What had no room is read or computed where it is used.
  Value row = add(firstColumn, widen64(column));
  Bindings all = readArguments(row);
  if (llvm::any_of(farValues, [](Value value) { return value.getDefiningOp(); })) {
    scalarLane.indexNumbers = [row] { return row; };
    for (Value value : farValues)
      if (MapOp map = mapAlone(value))
        all[map] = computed(map, scalarLane, all);
    emitStage(StageKind::Cols, scalarLane, all, copy);
    scalarLane.indexNumbers = nullptr;
  }
  for (Value value : farValues)
    values[value] = all[value];
  return values;
}

//===----------------------------------------------------------------------===//
// Pairs
//===----------------------------------------------------------------------===//

/// Adds `chunk` columns from `begin` on to the states of a tile.
void GpuMapping::emitChunk(std::vector<MachineState> &partial, Value first, Value begin, int64_t chunk,
                           const Bindings &rows) {
  Block &body = kernel.getStage(StageKind::Pairs).getBody().front();
  // Columns go through a loop over components together, so that what it reads of rows is read once for all. Without
  // such a loop one follows the other, and what was read of a column is not needed any more.
  bool together = llvm::any_of(body.getOps<ContractOp>(), [&](ContractOp op) { return !fitsRegisters(op.getCount()); });
  vectorLane.reassociates = isExpanded;
  std::vector<StageEmitter> emitters;
  emitters.reserve(chunk); // They must not move: terms and maps point to them.
  SmallVector<Value> numbers;
  for (int64_t c = 0; c < chunk; ++c) {
    Value column = c == 0 ? begin : add(begin, i32(c));
    Bindings values = readColumn(column, first, c);
    StageEmitter &emitter = emitters.emplace_back(vectorLane, IndexSet::I);
    bind(emitter, callValues);
    bind(emitter, rows);
    bind(emitter, values);
    useMaps(emitter, c);
    numbers.push_back(column);
    if (!together)
      emitter.emit(body);
  }
  if (together)
    StageEmitter::emitTogether(emitters, body);
  vectorLane.reassociates = false;
  for (auto [layout, state] : llvm::zip(layouts, partial)) {
    std::vector<AccumulateTerm> terms;
    SmallVector<ReductionTerm *> chunkTerms;
    for (auto [emitter, column] : llvm::zip(emitters, numbers))
      // A running state keeps the numbers that columns have in the array, a partial one those within the tile.
      terms.emplace_back(emitter, layout.op, layout.direct ? add(first, widen64(column)) : column);
    for (AccumulateTerm &term : terms)
      chunkTerms.push_back(&term);
    vectorLane.registers = &state;
    layout.op.getReduction().accumulate(vectorLane, state, chunkTerms);
    vectorLane.registers = nullptr;
  }
}

/// Columns [from, to) of a tile, `chunk` at a time, so many turns in one.
void GpuMapping::emitColumns(std::vector<MachineState> &partial, Value first, Value from, Value to, int64_t chunk,
                             int64_t turns, const Bindings &rows) {
  auto op = scf::ForOp::create(builder, loc, from, to, i32(chunk), flatten(partial));
  setUnroll(op, turns);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  unflatten(partial, op.getRegionIterArgs());
  emitChunk(partial, first, op.getInductionVar(), chunk, rows);
  if (op.getNumResults() > 0) // A loop that carries nothing has its terminator already.
    scf::YieldOp::create(builder, loc, flatten(partial));
  unflatten(partial, op.getResults());
}

/// True if columns that need rare work can leave the loop over the others: what the loop did for them is in registers
/// alone, and whole warps leave it.
bool GpuMapping::putsOffRareWork() const {
  auto isInRegisters = [&](const StateSlot &slot) { return !slot.inMemory && fitsRegisters(slot.count); };
  return schedule.getChunk() > 1 && !hasLoops && threads % kWarp == 0 &&
         llvm::any_of(layouts,
                      [](const StateLayout &layout) { return AccumulateOp(layout.op).getReduction().hasRareWork(); }) &&
         llvm::all_of(layouts, [&](const StateLayout &layout) { return llvm::all_of(layout.slots, isInRegisters); });
}

/// Chunks of columns from `begin` on, up to the first one that needs rare work or has less than `chunk` columns;
/// returns where that begins. Threads of a warp stay together: one that left alone would be waited for.
Value GpuMapping::emitCommonColumns(std::vector<MachineState> &partial, Value first, Value begin, Value count,
                                    int64_t chunk, const Bindings &rows) {
  OpBuilder::InsertionGuard guard(builder);
  SmallVector<Value> before = {begin};
  before.append(flatten(partial));
  SmallVector<Type> types(ValueRange(before).getTypes()), both = types;
  both.append(types.begin() + 1, types.end());
  // The states that a chunk finds and those that it leaves: who leaves the loop has the former.
  auto loop = scf::WhileOp::create(builder, loc, both, before);
  SmallVector<Location> places(both.size(), loc);
  Block *test = builder.createBlock(&loop.getBefore(), {}, types, ArrayRef(places).take_front(types.size()));
  Value column = test->getArgument(0);
  Value isWhole = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sle, add(column, i32(chunk)), count);
  types[0] = builder.getI1Type();
  auto tried = scf::IfOp::create(builder, loc, types, isWhole, /*withElseRegion=*/true);
  builder.setInsertionPointToStart(tried.thenBlock());
  std::vector<MachineState> added = partial;
  unflatten(added, test->getArguments().drop_front());
  SmallVector<Value> rare;
  vectorLane.putOff = &rare;
  emitChunk(added, first, column, chunk, rows);
  vectorLane.putOff = nullptr;
  Value any = rare.front(), no = arith::ConstantIntOp::create(builder, loc, 0, 1);
  for (Value other : llvm::drop_begin(rare))
    any = arith::OrIOp::create(builder, loc, any, other);
  any = NVVM::VoteSyncOp::create(builder, loc, any.getType(), i32(-1), any, NVVM::VoteSyncKind::any);
  any = LLVM::ExpectOp::create(builder, loc, any, no);
  SmallVector<Value> yielded = {arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, any, no)};
  yielded.append(flatten(added));
  scf::YieldOp::create(builder, loc, yielded);
  builder.setInsertionPointToStart(tried.elseBlock());
  yielded.assign(test->args_begin(), test->args_end());
  yielded[0] = arith::ConstantIntOp::create(builder, loc, 0, 1);
  scf::YieldOp::create(builder, loc, yielded);

  builder.setInsertionPointToEnd(test);
  SmallVector<Value> forwarded(test->args_begin(), test->args_end());
  llvm::append_range(forwarded, tried.getResults().drop_front());
  scf::ConditionOp::create(builder, loc, tried.getResult(0), forwarded);
  Block *next = builder.createBlock(&loop.getAfter(), {}, both, places);
  yielded.assign({add(next->getArgument(0), i32(chunk))});
  llvm::append_range(yielded, next->getArguments().drop_front(types.size()));
  scf::YieldOp::create(builder, loc, yielded);
  unflatten(partial, loop.getResults().slice(1, types.size() - 1));
  return loop.getResult(0);
}

void GpuMapping::emitPairs(std::vector<MachineState> &partial, Value first, Value count, const Bindings &rows) {
  int64_t chunk = schedule.getChunk();
  if (chunk == 1)
    return emitColumns(partial, first, i32(0), count, 1, hasLoops ? 1 : kColumnsPerTurn, rows);
  if (!putsOffRareWork()) {
    Value whole = mul(arith::DivUIOp::create(builder, loc, count, i32(chunk)), i32(chunk));
    int64_t turns = hasLoops ? 1 : std::max<int64_t>(kColumnsPerTurn / chunk, 1);
    emitColumns(partial, first, i32(0), whole, chunk, turns, rows);
    return emitColumns(partial, first, whole, count, 1, 1, rows);
  }
  // Rare work is the loop around that over the other columns, which is short code and needs few registers: a chunk that
  // needs it is gone through again, column by column.
  SmallVector<Value> before = {i32(0)};
  before.append(flatten(partial));
  SmallVector<Type> types(ValueRange(before).getTypes());
  auto loop = scf::WhileOp::create(builder, loc, types, before);
  OpBuilder::InsertionGuard guard(builder);
  SmallVector<Location> places(types.size(), loc);
  Block *test = builder.createBlock(&loop.getBefore(), {}, types, places);
  Value isLeft = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, test->getArgument(0), count);
  scf::ConditionOp::create(builder, loc, isLeft, test->getArguments());
  Block *body = builder.createBlock(&loop.getAfter(), {}, types, places);
  unflatten(partial, body->getArguments().drop_front());
  Value begin = emitCommonColumns(partial, first, body->getArgument(0), count, chunk, rows);
  Value end = arith::MinSIOp::create(builder, loc, add(begin, i32(chunk)), count);
  emitColumns(partial, first, begin, end, 1, 1, rows);
  SmallVector<Value> after = {end};
  after.append(flatten(partial));
  scf::YieldOp::create(builder, loc, after);
  unflatten(partial, loop.getResults().drop_front());
}

/// Pairs of a tile. Of two ways between which a number of the call chooses, each has loops of its own.
void GpuMapping::emitEitherPairs(std::vector<MachineState> &partial, Value first, Value count, const Bindings &rows) {
  auto either = builder.getContext()->getLoadedDialect<KeopsDialect>()->getEitherAttrHelper();
  SmallVector<Operation *> choices;
  kernel.getStage(StageKind::Pairs).walk([&](Operation *op) {
    if (either.isAttrPresent(op) && callValues.count(op->getOperand(0)))
      choices.push_back(op);
  });
  if (choices.empty())
    return emitPairs(partial, first, count, rows);
  Value isFirst;
  for (Operation *op : choices) {
    Value condition = callValues[op->getOperand(0)](0);
    isFirst = isFirst ? arith::AndIOp::create(builder, loc, isFirst, condition).getResult() : condition;
  }
  SmallVector<Value> before = flatten(partial);
  auto branch = scf::IfOp::create(builder, loc, ValueRange(before).getTypes(), isFirst, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  for (unsigned way : {0, 1}) {
    builder.setInsertionPointToStart(way == 0 ? branch.thenBlock() : branch.elseBlock());
    std::vector<MachineState> added = partial;
    // Their users read one of the two for as long as code is made from them.
    SmallVector<std::pair<OpOperand *, Value>> replaced;
    for (Operation *op : choices)
      for (OpOperand &use : op->getUses())
        replaced.push_back({&use, op->getOperand(1 + way)});
    SmallVector<Value> chosen;
    for (auto &[use, value] : replaced) {
      chosen.push_back(use->get());
      use->set(value);
    }
    isExpanded = way == 0;
    emitPairs(added, first, count, rows);
    isExpanded = false;
    for (auto [entry, value] : llvm::zip(replaced, chosen))
      entry.first->set(value);
    if (!before.empty()) // A branch that gives nothing has its terminator already.
      scf::YieldOp::create(builder, loc, flatten(added));
  }
  unflatten(partial, branch.getResults());
}

/// How many columns a tile from `first` on has.
Value GpuMapping::columnsOfTile(Value first, Value end) {
  Value left = arith::SubIOp::create(builder, loc, end, first);
  return arith::TruncIOp::create(builder, loc, builder.getI32Type(),
                                 arith::MinSIOp::create(builder, loc, left, i64(schedule.getColumns())));
}

/// The columns of one tile, added to the running states.
void GpuMapping::emitTile(std::vector<MachineState> &states, Value first, Value end, const Bindings &rows) {
  Value count = columnsOfTile(first, end);
  if (stagingWidth > 0)
    NVVM::CpAsyncWaitGroupOp::create(builder, loc, 0);
  if (tileWidth > 0) {
    gpu::BarrierOp::create(builder, loc);
    emitVectorsOfTile(first, count);
    if (readsSharedVectors)
      gpu::BarrierOp::create(builder, loc);
    emitColumnsOfTile(first, count);
    gpu::BarrierOp::create(builder, loc);
  }
  if (stagingWidth > 0) {
    // None after the last tile: a loop up to a negative number has no turn.
    Value next = add(first, i64(schedule.getColumns()));
    startCopies(next, columnsOfTile(next, end));
  }
  std::vector<MachineState> partial = makeStates(/*wide=*/false);
  for (auto [layout, state, earlier] : llvm::zip(layouts, partial, states))
    if (!layout.direct) {
      vectorLane.registers = &state;
      layout.op.getReduction().resume(vectorLane, state, earlier);
      vectorLane.registers = nullptr;
    }
  emitEitherPairs(partial, first, count, rows);
  for (auto [layout, into, from] : llvm::zip(layouts, states, partial)) {
    if (layout.direct)
      continue;
    from.rowBase = first;
    vectorLane.registers = &into;
    layout.op.getReduction().merge(vectorLane, into, from);
    vectorLane.registers = nullptr;
  }
}
