//===- MapTilesToGPU.cpp - Kernels to GPU code -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel becomes one GPU function. A thread owns `lanes` rows, a block
// `rows` of them, so that a block's threads read neighbouring rows:
//
//   call stage
//   rows: load this thread's rows, rows stage                     all in registers
//   state := neutral                                              sums in float64
//   for each interval of columns, for each tile of it:
//     barrier                                                     the last tile has been read
//     for each column of this thread: load it, cols stage, store to shared memory
//     barrier
//     partial := neutral
//     for each column of the tile: pairs stage, accumulate into partial
//     state := state ⊕ partial
//   finish stage, store the rows that exist
//
// As on the CPU, a block gets its rows and a list of intervals, so that dense,
// block-sparse and batched launches are one. Block (x, y) has rows and intervals
// of entry x of a table (PlannedBlock in Runtime/LaunchPlan.h) and the arrays of
// batch y. The function takes, for each argument, a pointer and the strides of
// rows and components; a pointer for each result; the rows of one batch; the
// table of blocks; pairs [begin, end) of columns; and for each batch and
// argument the number of elements to the batch's first one.
//
// In shared memory a column's values are neighbours, padded so that 16 bytes
// are read at a time; one such read serves all rows of a thread. Only what
// pairs read is there.
//
// Stages are those of the CPU, emitted by the same code. Everything but the
// tile lives in registers, whose number is not known at run time: so loops over
// components are unrolled, and what would need one that is not is refused.
//
//===----------------------------------------------------------------------===//

#include "MapTiles.h"
#include "StageEmitter.h"
#include "Storage.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace keops;

/// Address spaces of global and shared memory.
static constexpr unsigned kGlobal = 1, kShared = 3;
/// Shared memory that a kernel may name at compile time, and threads of a block, on every GPU.
static constexpr int64_t kMaxSharedBytes = 48 * 1024, kMaxThreads = 1024;
/// Columns of one turn of the inner loop: few enough for the instruction cache, enough to hide the loop itself.
static constexpr int64_t kColumnsPerTurn = 4;

namespace {

/// Where values of the kernel are found.
using Bindings = llvm::MapVector<Value, ComponentSource>;

/// Pointers and strides of one argument.
struct ArgumentAccess {
  Value base, rowStride, componentStride;
};

class GpuMapping {
public:
  GpuMapping(KernelOp kernel, TargetAttr target);
  LogicalResult run();

private:
  // What this mapping takes.
  LogicalResult check();
  LogicalResult checkSizes();
  void layOutTile();

  // Arithmetic and memory.
  Value i32(int64_t value) { return arith::ConstantIntOp::create(builder, loc, value, 32); }
  Value i64(int64_t value) { return arith::ConstantIntOp::create(builder, loc, value, 64); }
  Value add(Value a, Value b) { return arith::AddIOp::create(builder, loc, a, b); }
  Value mul(Value a, Value b) { return arith::MulIOp::create(builder, loc, a, b); }
  Value element(Value base, Type type, Value index) {
    return LLVM::GEPOp::create(builder, loc, base.getType(), type, base, ArrayRef<LLVM::GEPArg>{index});
  }
  Value load(Value base, Value index, Type type) {
    Value address = element(base, getElementTypeOrSelf(type), index);
    return LLVM::LoadOp::create(builder, loc, type, address, alignmentOf(type));
  }
  void store(Value base, Value index, Value value) {
    Value address = element(base, getElementTypeOrSelf(value), index);
    LLVM::StoreOp::create(builder, loc, value, address, alignmentOf(value.getType()));
  }
  static unsigned alignmentOf(Type type);
  Type storageOf(BlockArgument argument) {
    return keops::storageOf(kernel.getArgumentStorage(), argument.getArgNumber(), argument.getType());
  }
  Type resultStorage(size_t n) {
    return keops::storageOf(kernel.getResultStorage(), n, cast<TypeAttr>(kernel.getResultTypes()[n]).getValue());
  }
  Value loadArgument(BlockArgument argument, Value row, int64_t d);
  Value tileWord(Value column, int64_t word);

  // Pieces of the function.
  gpu::GPUFuncOp beginFunction();
  void moveToBatch(Value rows, Value offsets);
  LLVM::GlobalOp createTile();
  void emitStage(StageKind kind, MachineLane &lane, Bindings &values);
  void bind(StageEmitter &emitter, const Bindings &values);
  static ComponentSource fromRegisters(SmallVector<Value> values);
  void emitCall();
  Bindings emitRows();
  void emitColumnsOfTile(Value firstColumn, Value numColumns);
  Bindings readColumn(Value column);
  std::vector<MachineState> makeStates(bool wide);
  void emitPairs(std::vector<MachineState> &partial, Value numColumns, const Bindings &rows);
  void emitResults(std::vector<MachineState> &states);
  void writeLaunchRule(gpu::GPUFuncOp function);

  KernelOp kernel;
  TargetAttr target;
  ScheduleAttr schedule;
  OpBuilder builder;
  Location loc;
  Type number;
  int64_t lanes, threads;
  MachineLane vectorLane, scalarLane;

  SmallVector<AccumulateOp> accumulations;
  llvm::SetVector<Value> tileValues; ///< what pairs read of a column, in the order of the tile
  int64_t tileWidth = 0;             ///< numbers of one column, padded
  int64_t wordWidth = 1;             ///< numbers read at a time

  // Values of the function that is being built.
  SmallVector<ArgumentAccess> arguments;
  SmallVector<Value> outputs;
  Value rowEnd, firstInterval, endInterval, intervals, thread32;
  SmallVector<Value> rowNumbers; ///< of each lane; may lie beyond the end
  Value tile;
  Bindings callValues;
};

} // namespace

/// The type of the kernel's numbers: all arguments agree.
static Type numberType(KernelOp kernel) {
  for (BlockArgument argument : kernel.getBody().getArguments())
    return cast<VecType>(argument.getType()).getElementType();
  for (Type type : kernel.getResultTypes().getAsValueRange<TypeAttr>())
    if (auto element = dyn_cast<FloatType>(cast<VecType>(type).getElementType()))
      return element;
  return Float32Type::get(kernel.getContext());
}

GpuMapping::GpuMapping(KernelOp kernel, TargetAttr target)
    : kernel(kernel), target(target), schedule(*kernel.getSchedule()), builder(kernel), loc(kernel.getLoc()),
      number(numberType(kernel)), lanes(schedule.getLanes()), threads(schedule.getRows() / lanes),
      vectorLane(builder, loc, number, lanes, schedule.getUnroll()),
      scalarLane(builder, loc, number, 1, schedule.getUnroll()) {
  if (StageOp pairs = kernel.getStage(StageKind::Pairs))
    llvm::append_range(accumulations, pairs.getBody().getOps<AccumulateOp>());
  layOutTile();
}

static int64_t dimOf(Value value) { return cast<VecType>(value.getType()).getDim(); }
static int64_t byteSize(Type type) { return type.getIntOrFloatBitWidth() / 8; }
static bool isMask(Value value) { return cast<VecType>(value.getType()).getElementType().isInteger(1); }
static bool isOver(Value value, IndexSet set) { return cast<VecType>(value.getType()).getIndices() == set; }

/// Turns of a loop that become one in machine code, left to LLVM.
static void setUnroll(scf::ForOp loop, int64_t count) {
  Builder builder(loop.getContext());
  auto unroll =
      LLVM::LoopUnrollAttr::get(loop.getContext(), /*disable=*/builder.getBoolAttr(count == 1),
                                count == 1 ? IntegerAttr() : builder.getI32IntegerAttr(count), {}, {}, {}, {}, {});
  loop->setAttr("llvm.loop_annotation", LLVM::LoopAnnotationAttr::get(loop.getContext(), {}, {}, {}, unroll, {}, {}, {},
                                                                      {}, {}, {}, {}, {}, {}, {}, {}));
}

//===----------------------------------------------------------------------===//
// What this mapping takes
//===----------------------------------------------------------------------===//

void GpuMapping::layOutTile() {
  StageOp pairs = kernel.getStage(StageKind::Pairs);
  if (!pairs)
    return;
  pairs.getBody().walk([&](Operation *op) {
    for (Value operand : op->getOperands())
      if (isa<VecType>(operand.getType()) && isOver(operand, IndexSet::J) &&
          !pairs.getBody().isAncestor(operand.getParentRegion()))
        tileValues.insert(operand);
  });
  for (Value value : tileValues)
    tileWidth += dimOf(value);
  int64_t widest = 16 / byteSize(number);
  tileWidth = tileWidth < widest ? llvm::PowerOf2Ceil(tileWidth) : llvm::alignTo(tileWidth, widest);
  // Without a number of a column there is no tile, and no word of it.
  wordWidth = std::clamp<int64_t>(tileWidth, 1, widest);
}

/// Everything but the tile is in registers, so loops over components are unrolled.
LogicalResult GpuMapping::checkSizes() {
  int64_t unroll = std::max<int64_t>(schedule.getUnroll(), 1);
  auto fits = [&](Location where, StringRef what, int64_t count) -> LogicalResult {
    if (count <= unroll)
      return success();
    return emitError(where) << what << " of " << count
                            << " components does not fit: on a GPU each component takes a register, and the schedule "
                               "unrolls at most "
                            << unroll;
  };
  for (BlockArgument argument : kernel.getBody().getArguments())
    if (!argument.use_empty() &&
        failed(fits(loc, "argument " + std::to_string(argument.getArgNumber()), dimOf(argument))))
      return failure();
  WalkResult result = kernel.walk([&](Operation *op) -> WalkResult {
    if (auto contract = dyn_cast<ContractOp>(op))
      return fits(op->getLoc(), "a reduction over components", contract.getCount());
    for (Value value : op->getResults())
      if (isa<VecType>(value.getType()) && failed(fits(op->getLoc(), "a vector", dimOf(value))))
        return failure();
    auto accumulate = dyn_cast<AccumulateOp>(op);
    if (!accumulate)
      return WalkResult::advance();
    ReductionInterface reduction = accumulate.getReduction();
    for (const StateSlot &slot : reduction.slots(accumulate.getDims())) {
      if (slot.inMemory)
        return op->emitError("the reduction '")
               << reduction.spelling() << "' keeps its state in memory; on a GPU a state must be in registers";
      if (failed(fits(op->getLoc(), "the state of '" + reduction.spelling() + "'", slot.count)))
        return failure();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

LogicalResult GpuMapping::check() {
  if (schedule.getLaneAxis() != LaneAxis::Rows)
    return kernel.emitError("expected a schedule with lane_axis = rows: on a GPU a thread owns rows");
  if (!number.isF32() && !number.isF64())
    return kernel.emitError("has numbers of type ") << number << "; a GPU kernel expects f32 or f64";
  if (threads > kMaxThreads)
    return kernel.emitError("has a schedule of ")
           << schedule.getRows() << " rows with " << lanes << " on each thread, that is " << threads
           << " threads in a block; a GPU allows " << kMaxThreads;
  if (failed(checkSizes()))
    return failure();
  int64_t limit = std::min(kMaxSharedBytes, target.getL1());
  int64_t bytes = schedule.getColumns() * tileWidth * byteSize(number);
  if (bytes > limit)
    return kernel.emitError("a tile of ")
           << schedule.getColumns() << " columns takes " << bytes << " bytes of shared memory, but a block has "
           << limit << "; fewer columns in the schedule would fit";
  return success();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

unsigned GpuMapping::alignmentOf(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return byteSize(getElementTypeOrSelf(type)) * (vector ? vector.getNumElements() : 1);
}

Value GpuMapping::loadArgument(BlockArgument argument, Value row, int64_t d) {
  const ArgumentAccess &access = arguments[argument.getArgNumber()];
  Value index = mul(i64(d), access.componentStride);
  if (row)
    index = add(mul(row, access.rowStride), index);
  Type storage = storageOf(argument);
  return widen(builder, loc, load(access.base, index, memoryType(storage)), storage);
}

/// Index of a word of a column in the tile. The tile is small: i32 does.
Value GpuMapping::tileWord(Value column, int64_t word) {
  auto flags = arith::IntegerOverflowFlags::nsw | arith::IntegerOverflowFlags::nuw;
  Value first = arith::MulIOp::create(builder, loc, column, i32(tileWidth), flags);
  return word == 0 ? first : arith::AddIOp::create(builder, loc, first, i32(word * wordWidth), flags).getResult();
}

//===----------------------------------------------------------------------===//
// Stages in registers
//===----------------------------------------------------------------------===//

ComponentSource GpuMapping::fromRegisters(SmallVector<Value> values) {
  return [values = std::move(values)](LaneIndex d) {
    assert(d.isConstant() && "loops over components are unrolled");
    return values[d.constant];
  };
}

/// Gives the emitter all values, and registers for maps.
void GpuMapping::bind(StageEmitter &emitter, const Bindings &values) {
  for (auto &[value, source] : values)
    emitter.bind(value, source);
  auto cells = std::make_shared<llvm::DenseMap<std::pair<Operation *, int64_t>, Value>>();
  emitter.storeMap = [cells](MapOp map, LaneIndex d, Value value) { (*cells)[{map, d.constant}] = value; };
  emitter.loadMap = [cells](MapOp map, LaneIndex d) { return cells->lookup({map, d.constant}); };
}

void GpuMapping::emitStage(StageKind kind, MachineLane &lane, Bindings &values) {
  StageOp stage = kernel.getStage(kind);
  if (!stage)
    return;
  StageEmitter emitter(lane, IndexSet::I);
  bind(emitter, callValues);
  bind(emitter, values);
  Block &body = stage.getBody().front();
  emitter.emit(body);
  for (auto [result, yielded] : llvm::zip(stage.getResults(), body.getTerminator()->getOperands())) {
    SmallVector<Value> components;
    for (int64_t d = 0; d < dimOf(result); ++d)
      components.push_back(emitter.get(yielded, d));
    values[result] = fromRegisters(std::move(components));
  }
}

void GpuMapping::emitCall() {
  Bindings values;
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    if (!isOver(argument, IndexSet::None) || argument.use_empty())
      continue;
    SmallVector<Value> components;
    for (int64_t d = 0; d < dimOf(argument); ++d)
      components.push_back(loadArgument(argument, /*row=*/{}, d));
    values[argument] = fromRegisters(std::move(components));
  }
  emitStage(StageKind::Call, scalarLane, values);
  callValues = std::move(values);
}

/// The values of this thread's rows. Lanes beyond the end repeat the last row:
/// their results are not stored.
Bindings GpuMapping::emitRows() {
  Bindings values;
  Value last = arith::SubIOp::create(builder, loc, rowEnd, i64(1));
  SmallVector<Value> existing;
  for (Value row : rowNumbers)
    existing.push_back(arith::MinSIOp::create(builder, loc, row, last));
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    if (!isOver(argument, IndexSet::I) || argument.use_empty())
      continue;
    SmallVector<Value> components;
    for (int64_t d = 0; d < dimOf(argument); ++d) {
      SmallVector<Value> each;
      for (Value row : existing)
        each.push_back(loadArgument(argument, row, d));
      Type type = vectorLane.laneType(number);
      components.push_back(lanes == 1 ? each[0] : vector::FromElementsOp::create(builder, loc, type, each).getResult());
    }
    values[argument] = fromRegisters(std::move(components));
  }
  vectorLane.indexNumbers = [&]() -> Value {
    if (lanes == 1)
      return rowNumbers[0];
    return vector::FromElementsOp::create(builder, loc, cast<VectorType>(vectorLane.laneType(builder.getI64Type())),
                                          rowNumbers);
  };
  emitStage(StageKind::Rows, vectorLane, values);
  vectorLane.indexNumbers = nullptr;
  return values;
}

//===----------------------------------------------------------------------===//
// Tiles of columns
//===----------------------------------------------------------------------===//

/// Threads share the columns of a tile among them.
void GpuMapping::emitColumnsOfTile(Value firstColumn, Value count) {
  auto loop = scf::ForOp::create(builder, loc, thread32, count, i32(threads));
  setUnroll(loop, 1);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value column = loop.getInductionVar();
  Value row = add(firstColumn, arith::ExtSIOp::create(builder, loc, builder.getI64Type(), column));
  Bindings values;
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    if (!isOver(argument, IndexSet::J) || argument.use_empty())
      continue;
    SmallVector<Value> components;
    for (int64_t d = 0; d < dimOf(argument); ++d)
      components.push_back(loadArgument(argument, row, d));
    values[argument] = fromRegisters(std::move(components));
  }
  scalarLane.indexNumbers = [&] { return row; };
  emitStage(StageKind::Cols, scalarLane, values);
  scalarLane.indexNumbers = nullptr;

  SmallVector<Value> numbers;
  for (Value value : tileValues)
    for (int64_t d = 0; d < dimOf(value); ++d) {
      Value component = values[value](d);
      if (isMask(value))
        component = scalarLane.select({component}, scalarLane.constant(1), scalarLane.constant(0)).ssa;
      numbers.push_back(component);
    }
  // What pads a column is read with it, so it is written.
  numbers.resize(tileWidth, scalarLane.constant(0).ssa);
  for (int64_t word = 0; word < tileWidth / wordWidth; ++word) {
    Value value = numbers[word];
    if (wordWidth > 1)
      value = vector::FromElementsOp::create(builder, loc, VectorType::get({wordWidth}, number),
                                             ArrayRef(numbers).slice(word * wordWidth, wordWidth));
    store(tile, tileWord(column, word), value);
  }
}

Bindings GpuMapping::readColumn(Value column) {
  SmallVector<Value> numbers;
  for (int64_t word = 0; word < tileWidth / wordWidth; ++word) {
    Type type = wordWidth == 1 ? number : VectorType::get({wordWidth}, number);
    Value value = load(tile, tileWord(column, word), type);
    for (int64_t n = 0; n < wordWidth; ++n)
      numbers.push_back(wordWidth == 1 ? value : vector::ExtractOp::create(builder, loc, value, n).getResult());
  }
  Bindings values;
  size_t next = 0;
  for (Value value : tileValues) {
    SmallVector<Value> components(ArrayRef(numbers).slice(next, dimOf(value)));
    next += dimOf(value);
    if (isMask(value))
      for (Value &component : components)
        component = scalarLane.compare(CompareKind::NE, {component}, scalarLane.constant(0)).ssa;
    values[value] = fromRegisters(std::move(components));
  }
  return values;
}

//===----------------------------------------------------------------------===//
// Pairs
//===----------------------------------------------------------------------===//

/// Neutral states of all accumulations: `wide` for the running ones, whose sums
/// are float64 and whose row numbers are those of the whole array.
std::vector<MachineState> GpuMapping::makeStates(bool wide) {
  std::vector<MachineState> states;
  for (AccumulateOp op : accumulations) {
    MachineState &state = states.emplace_back();
    state.lane = &vectorLane;
    state.dims.assign(op.getDims().begin(), op.getDims().end());
    for (const StateSlot &slot : op.getReduction().slots(op.getDims())) {
      Type type = number;
      if (slot.kind == StateSlot::Kind::Row)
        type = builder.getIntegerType(wide ? 64 : 32);
      else if (slot.kind == StateSlot::Kind::WideSum || (slot.kind == StateSlot::Kind::Sum && wide))
        type = builder.getF64Type();
      state.types.push_back(vectorLane.laneType(type));
      state.cells.emplace_back(slot.count);
    }
    op.getReduction().init(vectorLane, state);
  }
  return states;
}

void GpuMapping::emitPairs(std::vector<MachineState> &partial, Value count, const Bindings &rows) {
  Block &body = kernel.getStage(StageKind::Pairs).getBody().front();
  auto columns = [&](Value from, Value to, int64_t chunk, int64_t turns) {
    auto op = scf::ForOp::create(builder, loc, from, to, i32(chunk), flatten(partial));
    setUnroll(op, turns);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(op.getBody());
    unflatten(partial, op.getRegionIterArgs());
    std::vector<StageEmitter> emitters;
    emitters.reserve(chunk); // They must not move: terms and maps point to them.
    SmallVector<Value> numbers;
    for (int64_t c = 0; c < chunk; ++c) {
      Value column = c == 0 ? op.getInductionVar() : add(op.getInductionVar(), i32(c));
      StageEmitter &emitter = emitters.emplace_back(vectorLane, IndexSet::I);
      bind(emitter, callValues);
      bind(emitter, rows);
      bind(emitter, readColumn(column));
      numbers.push_back(column);
    }
    StageEmitter::emitTogether(emitters, body);
    for (auto [accumulation, state] : llvm::zip(accumulations, partial)) {
      std::vector<AccumulateTerm> terms;
      SmallVector<ReductionTerm *> chunkTerms;
      for (auto [emitter, column] : llvm::zip(emitters, numbers))
        terms.emplace_back(emitter, accumulation, column);
      for (AccumulateTerm &term : terms)
        chunkTerms.push_back(&term);
      vectorLane.registers = &state;
      accumulation.getReduction().accumulate(vectorLane, state, chunkTerms);
      vectorLane.registers = nullptr;
    }
    scf::YieldOp::create(builder, loc, flatten(partial));
    unflatten(partial, op.getResults());
  };

  int64_t chunk = schedule.getChunk();
  if (chunk == 1)
    return columns(i32(0), count, 1, kColumnsPerTurn);
  Value whole = mul(arith::DivUIOp::create(builder, loc, count, i32(chunk)), i32(chunk));
  columns(i32(0), whole, chunk, std::max<int64_t>(kColumnsPerTurn / chunk, 1));
  columns(whole, count, 1, 1);
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

void GpuMapping::emitResults(std::vector<MachineState> &states) {
  // Row values again: what only this stage reads took no register meanwhile.
  Bindings values = kernel.getStage(StageKind::Finish) ? emitRows() : Bindings();
  if (StageOp pairs = kernel.getStage(StageKind::Pairs)) {
    Operation *yield = pairs.getBody().front().getTerminator();
    for (auto [result, yielded] : llvm::zip(pairs.getResults(), yield->getOperands())) {
      auto produced = cast<OpResult>(yielded);
      size_t n = std::distance(accumulations.begin(), llvm::find(accumulations, produced.getOwner()));
      SmallVector<Value> components;
      for (int64_t d = 0; d < dimOf(result); ++d) {
        Value value = accumulations[n]
                          .getReduction()
                          .finalize(vectorLane, states[n], produced.getResultNumber(), LaneIndex(d))
                          .ssa;
        bool isRow = getElementTypeOrSelf(value).isInteger();
        components.push_back(isRow ? value : vectorLane.convert(value, number));
      }
      values[result] = fromRegisters(std::move(components));
    }
  }
  emitStage(StageKind::Finish, vectorLane, values);

  SmallVector<SmallVector<Value>> results;
  for (Value returned : kernel.getBody().front().getTerminator()->getOperands()) {
    SmallVector<Value> &components = results.emplace_back();
    for (int64_t d = 0; d < dimOf(returned); ++d)
      components.push_back(vectorLane.splat(values[returned](d)));
  }
  for (auto [lane, row] : llvm::enumerate(rowNumbers)) {
    Value exists = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, row, rowEnd);
    auto branch = scf::IfOp::create(builder, loc, exists, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.thenBlock());
    for (auto [n, components] : llvm::enumerate(results)) {
      Value first = mul(row, i64(components.size()));
      for (auto [d, value] : llvm::enumerate(components)) {
        Value one = lanes == 1 ? value : vector::ExtractOp::create(builder, loc, value, static_cast<int64_t>(lane));
        store(outputs[n], add(first, i64(d)), narrow(builder, loc, one, resultStorage(n)));
      }
    }
  }
}

//===----------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------===//

LLVM::GlobalOp GpuMapping::createTile() {
  auto type = LLVM::LLVMArrayType::get(number, schedule.getColumns() * tileWidth);
  return LLVM::GlobalOp::create(builder, loc, type, /*isConstant=*/false, LLVM::Linkage::Internal, "tile",
                                /*value=*/Attribute(), /*alignment=*/16, kShared);
}

gpu::GPUFuncOp GpuMapping::beginFunction() {
  auto module = gpu::GPUModuleOp::create(builder, loc, kernel.getSymName());
  builder.setInsertionPointToStart(module.getBody());
  LLVM::GlobalOp tileGlobal;
  if (!tileValues.empty())
    tileGlobal = createTile();

  Type pointer = LLVM::LLVMPointerType::get(builder.getContext(), kGlobal), size = builder.getI64Type();
  SmallVector<Type> types;
  for (size_t n = 0; n < kernel.getBody().getNumArguments(); ++n)
    types.append({pointer, size, size});
  types.append(kernel.getResultTypes().size(), pointer);
  types.append({size, pointer, pointer, pointer});
  auto function = gpu::GPUFuncOp::create(builder, loc, kernel.getSymName(), builder.getFunctionType(types, {}));
  function->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), builder.getUnitAttr());
  function.setKnownBlockSizeAttr(builder.getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));

  builder.setInsertionPointToStart(&function.getBody().front());
  auto next = function.getArguments().begin();
  for (size_t n = 0; n < kernel.getBody().getNumArguments(); ++n, next += 3)
    arguments.push_back({next[0], next[1], next[2]});
  for (size_t n = 0; n < kernel.getResultTypes().size(); ++n)
    outputs.push_back(*next++);
  Value rows = *next++, blocks = *next++;
  intervals = *next++;
  moveToBatch(rows, *next++);

  Value thread =
      arith::IndexCastOp::create(builder, loc, size, gpu::ThreadIdOp::create(builder, loc, gpu::Dimension::x));
  Value block = arith::IndexCastOp::create(builder, loc, size, gpu::BlockIdOp::create(builder, loc, gpu::Dimension::x));
  thread32 = arith::TruncIOp::create(builder, loc, builder.getI32Type(), thread);
  Value entry = mul(block, i64(4));
  Value firstRow = add(load(blocks, entry, size), thread);
  rowEnd = load(blocks, add(entry, i64(1)), size);
  firstInterval = load(blocks, add(entry, i64(2)), size);
  endInterval = load(blocks, add(entry, i64(3)), size);
  for (int64_t lane = 0; lane < lanes; ++lane)
    rowNumbers.push_back(add(firstRow, i64(lane * threads)));
  if (tileGlobal)
    tile = LLVM::AddressOfOp::create(builder, loc, tileGlobal);
  return function;
}

/// Arguments and results of this block's batch.
void GpuMapping::moveToBatch(Value rows, Value offsets) {
  Type size = builder.getI64Type();
  Value batch = arith::IndexCastOp::create(builder, loc, size, gpu::BlockIdOp::create(builder, loc, gpu::Dimension::y));
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
}

/// What a launch needs to know, in the words of the CPU's rule.
void GpuMapping::writeLaunchRule(gpu::GPUFuncOp function) {
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
                        builder.getNamedAttr("threads", builder.getI64IntegerAttr(threads)),
                    }));
}

LogicalResult GpuMapping::run() {
  if (failed(check()))
    return failure();
  gpu::GPUFuncOp function = beginFunction();
  emitCall();
  std::vector<MachineState> states = makeStates(/*wide=*/true);
  if (!accumulations.empty()) {
    Bindings rows = emitRows();
    auto each = scf::ForOp::create(builder, loc, firstInterval, endInterval, i64(1), flatten(states));
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(each.getBody());
    unflatten(states, each.getRegionIterArgs());
    Value interval = mul(each.getInductionVar(), i64(2));
    Value columnBegin = load(intervals, interval, builder.getI64Type());
    Value columnEnd = load(intervals, add(interval, i64(1)), builder.getI64Type());
    auto loop = scf::ForOp::create(builder, loc, columnBegin, columnEnd, i64(schedule.getColumns()), flatten(states));
    builder.setInsertionPointToStart(loop.getBody());
    unflatten(states, loop.getRegionIterArgs());
    Value first = loop.getInductionVar();
    Value left = arith::SubIOp::create(builder, loc, columnEnd, first);
    Value count = arith::TruncIOp::create(builder, loc, builder.getI32Type(),
                                          arith::MinSIOp::create(builder, loc, left, i64(schedule.getColumns())));
    if (!tileValues.empty()) {
      gpu::BarrierOp::create(builder, loc);
      emitColumnsOfTile(first, count);
      gpu::BarrierOp::create(builder, loc);
    }
    std::vector<MachineState> partial = makeStates(/*wide=*/false);
    emitPairs(partial, count, rows);
    for (auto [accumulation, into, from] : llvm::zip(accumulations, states, partial)) {
      from.rowBase = first;
      vectorLane.registers = &into;
      accumulation.getReduction().merge(vectorLane, into, from);
      vectorLane.registers = nullptr;
    }
    scf::YieldOp::create(builder, loc, flatten(states));
    builder.setInsertionPointAfter(loop);
    unflatten(states, loop.getResults());
    scf::YieldOp::create(builder, loc, flatten(states));
    unflatten(states, each.getResults());
  }
  emitResults(states);
  gpu::ReturnOp::create(builder, loc);
  writeLaunchRule(function);
  kernel.erase();
  return success();
}

LogicalResult keops::mapTilesToGPU(KernelOp kernel, TargetAttr target) { return GpuMapping(kernel, target).run(); }
