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

#include "MapTiles.h"
#include "StageEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace keops;

namespace {

/// Byte offsets of KernelFrame's fields; see Runtime/Artifact.h.
enum FrameField : int64_t {
  kInputs = 0,
  kRowStrides = 8,
  kComponentStrides = 16,
  kOutputs = 24,
  kIntervals = 32,
  kNumIntervals = 40,
  kRowBegin = 48,
  kRowEnd = 56,
  kState = 64,
  kNumStates = 72,
  kScratch = 80
};

/// Stored vectors of one index, in the order of their offsets.
struct Fields {
  llvm::MapVector<Value, int64_t> offsets;
  int64_t width = 0;
  void add(Value value) {
    if (offsets.insert({value, width}).second)
      width += cast<VecType>(value.getType()).getDim();
  }
};

/// Memory that holds `Fields` for many positions.
struct Buffer {
  int64_t scratchOffset = 0;
  bool componentMajor = false;
  int64_t extent = 0; ///< positions, when component-major
  Value base;
};

/// The state of one accumulation.
struct StateLayout {
  AccumulateOp op;
  SmallVector<int64_t> dims;
  SmallVector<StateSlot> slots;
  SmallVector<int64_t> blockOffsets; ///< bytes in the block's state
  SmallVector<int64_t> laneOffsets;  ///< bytes in scratch: partial state in memory, or spilled
  bool direct = false;               ///< accumulates into the block's state without a partial one
};

class CpuMapping {
public:
  explicit CpuMapping(KernelOp kernel);
  void run();

private:
  // Layout.
  void layOut();
  int64_t reserve(int64_t bytes) {
    int64_t at = scratchBytes;
    scratchBytes += llvm::alignTo(bytes, 64);
    return at;
  }
  Type slotType(const StateSlot &slot, bool wide) const;

  // Memory.
  Value frameField(int64_t offset, Type type);
  Value bytes(Value base, int64_t offset);
  Value element(Value base, Type type, Value index);
  Value load(Value base, Type elementType, Value index, int64_t count = 1);
  Value loadInput(Value base, Value index);
  void store(Value base, Type elementType, Value index, Value value);
  Value mul(Value a, int64_t b);
  Value add(Value a, Value b) { return arith::AddIOp::create(builder, loc, a, b); }
  Value sub(Value a, Value b) { return arith::SubIOp::create(builder, loc, a, b); }
  Value min(Value a, Value b) { return arith::MinSIOp::create(builder, loc, a, b); }
  Value i64(int64_t value) { return arith::ConstantIntOp::create(builder, loc, value, 64); }
  /// 0, 1, 2, … on the lanes, as i64.
  Value laneNumbers();
  void loop(Value from, Value to, int64_t step, function_ref<void(Value)> body);
  Value bufferIndex(const Buffer &buffer, const Fields &fields, int64_t offset, LaneIndex d, Value position);
  Value loadField(const Buffer &buffer, const Fields &fields, Value value, LaneIndex d, Value position);
  void storeField(const Buffer &buffer, const Fields &fields, Value value, LaneIndex d, Value position, Value number);

  // Pieces of the functions.
  func::FuncOp beginFunction(StringRef suffix);
  void emitCallStage();
  void copyRows(const Fields &fields, Buffer &buffer, IndexSet set, Value begin, Value count, Value padded);
  void emitIndexStage(StageKind kind, const Fields &fields, Buffer &buffer, IndexSet set, Value begin, Value count);
  void bindCall(StageEmitter &emitter);
  void bindBuffer(StageEmitter &emitter, const Fields &fields, const Buffer &buffer, Value position);
  void bindPreloaded(StageEmitter &emitter, const Fields &fields, const Buffer &buffer, Value position,
                     llvm::DenseMap<Value, SmallVector<Value>> &preloaded);
  void useScratchMaps(StageEmitter &emitter, int64_t copy);
  MachineState blockState(const StateLayout &layout, MachineLane &lane, Value base, Value row);
  MachineState partialState(const StateLayout &layout, MachineLane &lane);
  void emitTile(Value firstColumn, Value numColumns, Value numRows);
  void emitGroup(Value row, Value firstColumn, Value numColumns);
  void emitAccumulate();
  void emitFinalize();

  KernelOp kernel;
  ScheduleAttr schedule;
  OpBuilder builder;
  Location loc;
  Type number;
  LLVM::LLVMPointerType pointer;
  bool rowLanes;
  int64_t lanes;
  IndexSet laneIndex;
  MachineLane vectorLane, scalarLane;

  Fields rowFields, colFields;
  Buffer rowBuffer, colBuffer;
  std::vector<StateLayout> states;
  llvm::DenseMap<Operation *, int64_t> mapOffsets; // maps among pairs and in the call stage
  int64_t mapCopyBytes = 0;                        // one set of pair maps for each column of a chunk
  int64_t outOffset = 0;
  int64_t stateBytes = 0, scratchBytes = 0, tileColumns = 0;

  // Values of the function that is being built.
  Value frame, scratch;
  llvm::DenseMap<Value, ComponentSource> callSources;
};

} // namespace

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

/// The type of the kernel's numbers: all arguments agree.
static Type numberType(KernelOp kernel) {
  Type type = Float32Type::get(kernel.getContext());
  kernel.walk([&](Operation *op) {
    for (Type result : op->getResultTypes())
      if (auto vec = dyn_cast<VecType>(result); vec && isa<FloatType>(vec.getElementType()))
        type = vec.getElementType();
  });
  for (BlockArgument argument : kernel.getBody().getArguments())
    type = cast<VecType>(argument.getType()).getElementType();
  return type;
}

CpuMapping::CpuMapping(KernelOp kernel)
    : kernel(kernel), schedule(*kernel.getSchedule()), builder(kernel), loc(kernel.getLoc()),
      number(numberType(kernel)), pointer(LLVM::LLVMPointerType::get(kernel.getContext())),
      rowLanes(schedule.getLaneAxis() == LaneAxis::Rows), lanes(schedule.getLanes()),
      laneIndex(rowLanes ? IndexSet::I : IndexSet::J), vectorLane(builder, loc, number, lanes, schedule.getUnroll()),
      scalarLane(builder, loc, number, 1, schedule.getUnroll()) {
  auto target = kernel->getParentOfType<ModuleOp>()->getAttrOfType<TargetAttr>("keops.target");
  vectorLane.registerLanes = target ? target.getVectorBits() / number.getIntOrFloatBitWidth() : lanes;
}

Type CpuMapping::slotType(const StateSlot &slot, bool wide) const {
  MLIRContext *context = number.getContext();
  switch (slot.kind) {
  case StateSlot::Kind::Term:
    return number;
  case StateSlot::Kind::Sum:
    // A tile is summed in the numbers' type and tiles in float64.
    return wide ? Float64Type::get(context) : number;
  case StateSlot::Kind::WideSum:
    return Float64Type::get(context);
  case StateSlot::Kind::Row:
    // Row numbers within a tile are as wide as the numbers, so that one mask selects both.
    return IntegerType::get(context, wide ? 64 : number.getIntOrFloatBitWidth());
  }
  llvm_unreachable("all kinds are handled");
}

static int64_t byteSize(Type type) { return isa<LLVM::LLVMPointerType>(type) ? 8 : type.getIntOrFloatBitWidth() / 8; }

void CpuMapping::layOut() {
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    if (argument.use_empty())
      continue;
    IndexSet set = cast<VecType>(argument.getType()).getIndices();
    if (set == IndexSet::I)
      rowFields.add(argument);
    else if (set == IndexSet::J)
      colFields.add(argument);
  }
  if (StageOp stage = kernel.getStage(StageKind::Rows))
    for (Value result : stage.getResults())
      rowFields.add(result);
  if (StageOp stage = kernel.getStage(StageKind::Cols))
    for (Value result : stage.getResults())
      colFields.add(result);

  tileColumns = schedule.getColumns();
  int64_t paddedColumns = llvm::alignTo(tileColumns, lanes);
  rowBuffer.componentMajor = rowLanes;
  rowBuffer.extent = schedule.getRows();
  rowBuffer.scratchOffset = reserve(schedule.getRows() * rowFields.width * byteSize(number));
  colBuffer.componentMajor = !rowLanes;
  colBuffer.extent = paddedColumns;
  colBuffer.scratchOffset = reserve(paddedColumns * colFields.width * byteSize(number));

  if (StageOp stage = kernel.getStage(StageKind::Call))
    stage.getBody().walk([&](MapOp map) { mapOffsets[map] = reserve(map.getType().getDim() * byteSize(number)); });
  for (StageKind kind : {StageKind::Rows, StageKind::Cols, StageKind::Finish})
    if (StageOp stage = kernel.getStage(kind))
      stage.getBody().walk(
          [&](MapOp map) { mapOffsets[map] = reserve(map.getType().getDim() * lanes * byteSize(number)); });
  StageOp pairs = kernel.getStage(StageKind::Pairs);
  if (pairs) {
    int64_t before = scratchBytes;
    pairs.getBody().walk(
        [&](MapOp map) { mapOffsets[map] = reserve(map.getType().getDim() * lanes * byteSize(number)); });
    mapCopyBytes = scratchBytes - before;
    scratchBytes += mapCopyBytes * (schedule.getChunk() - 1);
    for (auto op : pairs.getBody().getOps<AccumulateOp>()) {
      StateLayout layout;
      layout.op = op;
      layout.dims.assign(op.getDims().begin(), op.getDims().end());
      layout.slots = op.getReduction().slots(op.getDims());
      layout.direct = rowLanes && llvm::all_of(layout.slots, [](const StateSlot &slot) { return slot.inMemory; });
      for (const StateSlot &slot : layout.slots) {
        layout.blockOffsets.push_back(stateBytes);
        stateBytes += llvm::alignTo(slot.count * schedule.getRows() * byteSize(slotType(slot, /*wide=*/true)), 64);
        layout.laneOffsets.push_back(reserve(slot.count * lanes * byteSize(slotType(slot, /*wide=*/false))));
      }
      states.push_back(std::move(layout));
    }
  }
  int64_t widest = 1;
  for (Type type : kernel.getResultTypes().getAsValueRange<TypeAttr>())
    widest = std::max(widest, cast<VecType>(type).getDim());
  outOffset = reserve(widest * lanes * 8);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value CpuMapping::bytes(Value base, int64_t offset) {
  if (offset == 0)
    return base;
  return LLVM::GEPOp::create(builder, loc, pointer, builder.getI8Type(), base, ArrayRef<LLVM::GEPArg>{i64(offset)});
}

Value CpuMapping::element(Value base, Type type, Value index) {
  return LLVM::GEPOp::create(builder, loc, pointer, type, base, ArrayRef<LLVM::GEPArg>{index});
}

Value CpuMapping::frameField(int64_t offset, Type type) {
  return LLVM::LoadOp::create(builder, loc, type, bytes(frame, offset));
}

Value CpuMapping::load(Value base, Type elementType, Value index, int64_t count) {
  Type type = count == 1 ? elementType : VectorType::get({count}, elementType);
  return LLVM::LoadOp::create(builder, loc, type, element(base, elementType, index), byteSize(elementType));
}

/// A number of the caller's; any NaN becomes the one without a payload, which is
/// what exponentials ask for (ApproximateMath.h) and no arithmetic changes.
Value CpuMapping::loadInput(Value base, Value index) {
  // In integers, because a compiler may take floating-point NaNs for equal.
  unsigned width = number.getIntOrFloatBitWidth();
  const llvm::fltSemantics &semantics = cast<FloatType>(number).getFloatSemantics();
  auto constant = [&](const APInt &value) -> Value {
    return arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(builder.getIntegerType(width), value));
  };
  Value bits = load(base, builder.getIntegerType(width), index);
  Value magnitude = arith::AndIOp::create(builder, loc, bits, constant(APInt::getSignedMaxValue(width)));
  Value isNaN = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ugt, magnitude,
                                      constant(APFloat::getInf(semantics).bitcastToAPInt()));
  Value plain = constant(APFloat::getQNaN(semantics).bitcastToAPInt());
  return arith::BitcastOp::create(builder, loc, number, arith::SelectOp::create(builder, loc, isNaN, plain, bits));
}

void CpuMapping::store(Value base, Type elementType, Value index, Value value) {
  LLVM::StoreOp::create(builder, loc, value, element(base, elementType, index), byteSize(elementType));
}

Value CpuMapping::mul(Value a, int64_t b) { return b == 1 ? a : arith::MulIOp::create(builder, loc, a, i64(b)); }

Value CpuMapping::laneNumbers() {
  if (lanes == 1)
    return i64(0);
  auto numbers = llvm::to_vector(llvm::seq<int64_t>(0, lanes));
  auto type = cast<ShapedType>(vectorLane.laneType(builder.getI64Type()));
  return arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(type, ArrayRef<int64_t>(numbers)));
}

void CpuMapping::loop(Value from, Value to, int64_t step, function_ref<void(Value)> body) {
  auto op = scf::ForOp::create(builder, loc, from, to, i64(step));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  body(op.getInductionVar());
}

Value CpuMapping::bufferIndex(const Buffer &buffer, const Fields &fields, int64_t offset, LaneIndex d, Value position) {
  Value component = scalarLane.position(scalarLane.add(d, offset));
  return buffer.componentMajor ? add(mul(component, buffer.extent), position)
                               : add(mul(position, fields.width), component);
}

static bool isMask(Value value) { return cast<VecType>(value.getType()).getElementType().isInteger(1); }

Value CpuMapping::loadField(const Buffer &buffer, const Fields &fields, Value value, LaneIndex d, Value position) {
  Value index = bufferIndex(buffer, fields, fields.offsets.lookup(value), d, position);
  Value loaded = load(buffer.base, number, index, buffer.componentMajor ? lanes : 1);
  if (!isMask(value))
    return loaded;
  return vectorLane.compare(CompareKind::NE, {loaded}, vectorLane.constant(0)).ssa;
}

void CpuMapping::storeField(const Buffer &buffer, const Fields &fields, Value value, LaneIndex d, Value position,
                            Value component) {
  if (isMask(value))
    component = vectorLane.select({component}, vectorLane.constant(1), vectorLane.constant(0)).ssa;
  if (buffer.componentMajor)
    component = vectorLane.splat(component);
  store(buffer.base, number, bufferIndex(buffer, fields, fields.offsets.lookup(value), d, position), component);
}

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
    store(bytes(scratch, mapOffsets.lookup(map) + shift), number, index(map, d), value);
  };
  emitter.loadMap = [=, &emitter](MapOp map, LaneIndex d) {
    return load(bytes(scratch, mapOffsets.lookup(map) + shift), number, index(map, d),
                emitter.onLanes(map) ? lanes : 1);
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
    auto component = [=](LaneIndex d) {
      return loadInput(base, arith::MulIOp::create(builder, loc, scalarLane.position(d), stride));
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
      callSources[result] = [=](LaneIndex d) { return load(bytes(scratch, offset), number, scalarLane.position(d)); };
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

void CpuMapping::copyRows(const Fields &fields, Buffer &buffer, IndexSet set, Value begin, Value count, Value padded) {
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
    loop(i64(0), padded, 1, [&](Value position) {
      // Lanes beyond the end repeat the last row: their results are never used.
      Value row = add(begin, min(position, last));
      Value rowBase = element(base, number, arith::MulIOp::create(builder, loc, row, rowStride));
      scalarLane.forEach(cast<VecType>(argument.getType()).getDim(), [&](LaneIndex d) {
        Value from = arith::MulIOp::create(builder, loc, scalarLane.position(d), componentStride);
        store(buffer.base, number, bufferIndex(buffer, fields, offset, d, position), loadInput(rowBase, from));
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
    // A map that is yielded goes straight to its field.
    auto scratchStore = emitter.storeMap;
    auto scratchLoad = emitter.loadMap;
    auto fieldOf = [=](MapOp map) -> Value {
      for (auto [result, yielded] : llvm::zip(stage->getResults(), yield->getOperands()))
        if (yielded == map.getResult())
          return result;
      return {};
    };
    emitter.storeMap = [&, this](MapOp map, LaneIndex d, Value value) {
      if (Value field = fieldOf(map))
        return storeField(buffer, fields, field, d, position, value);
      scratchStore(map, d, value);
    };
    emitter.loadMap = [&, this](MapOp map, LaneIndex d) {
      Value field = fieldOf(map);
      return field ? loadField(buffer, fields, field, d, position) : scratchLoad(map, d);
    };
    emitter.emit(stage.getBody().front());
    for (auto [result, yielded] : llvm::zip(stage.getResults(), yield->getOperands()))
      if (!yielded.getDefiningOp<MapOp>())
        storeField(buffer, fields, result, 0, position, emitter.get(yielded));
    lane.indexNumbers = nullptr;
  });
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

MachineState CpuMapping::blockState(const StateLayout &layout, MachineLane &lane, Value base, Value row) {
  MachineState state;
  state.lane = &lane;
  state.dims.assign(layout.dims.begin(), layout.dims.end());
  SmallVector<Type> elements;
  for (const StateSlot &slot : layout.slots) {
    elements.push_back(slotType(slot, /*wide=*/true));
    state.types.push_back(lane.laneType(elements.back()));
    state.cells.emplace_back();
  }
  auto index = [=](LaneIndex e) { return add(mul(scalarLane.position(e), schedule.getRows()), row); };
  int64_t width = lane.lanes;
  state.load = [=, &layout](unsigned slot, LaneIndex e) {
    return load(bytes(base, layout.blockOffsets[slot]), elements[slot], index(e), width);
  };
  state.store = [=, &layout](unsigned slot, LaneIndex e, Value value) {
    store(bytes(base, layout.blockOffsets[slot]), elements[slot], index(e), value);
  };
  return state;
}

MachineState CpuMapping::partialState(const StateLayout &layout, MachineLane &lane) {
  MachineState state;
  state.lane = &lane;
  state.dims.assign(layout.dims.begin(), layout.dims.end());
  SmallVector<Type> elements;
  for (const StateSlot &slot : layout.slots) {
    elements.push_back(slotType(slot, /*wide=*/false));
    state.types.push_back(lane.laneType(elements.back()));
    bool inRegisters = !slot.inMemory && slot.count <= std::max<int64_t>(schedule.getUnroll(), 1);
    state.cells.emplace_back(inRegisters ? slot.count : 0);
  }
  auto index = [=](LaneIndex e) { return mul(scalarLane.position(e), lanes); };
  state.load = [=, &layout](unsigned slot, LaneIndex e) {
    return load(bytes(scratch, layout.laneOffsets[slot]), elements[slot], index(e), lanes);
  };
  state.store = [=, &layout](unsigned slot, LaneIndex e, Value value) {
    store(bytes(scratch, layout.laneOffsets[slot]), elements[slot], index(e), value);
  };
  return state;
}

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
  Value padded = numColumns;
  if (!rowLanes)
    padded = mul(arith::CeilDivUIOp::create(builder, loc, numColumns, i64(lanes)), lanes);
  copyRows(colFields, colBuffer, IndexSet::J, firstColumn, numColumns, padded);
  emitIndexStage(StageKind::Cols, colFields, colBuffer, IndexSet::J, firstColumn, padded);
  loop(i64(0), numRows, rowLanes ? lanes : 1, [&](Value row) { emitGroup(row, firstColumn, numColumns); });
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
    Value intervals = frameField(kIntervals, pointer);
    loop(i64(0), frameField(kNumIntervals, builder.getI64Type()), 1, [&](Value n) {
      Value begin = load(intervals, builder.getI64Type(), mul(n, 2));
      Value end = load(intervals, builder.getI64Type(), add(mul(n, 2), i64(1)));
      loop(begin, end, tileColumns,
           [&](Value column) { emitTile(column, min(sub(end, column), i64(tileColumns)), numRows); });
    });
  }
  func::ReturnOp::create(builder, loc);

  // The launch rule, read by the compiler's last step.
  SmallVector<Attribute> arguments, results;
  auto describe = [&](VecType type, int64_t axis) {
    return builder.getDenseI64ArrayAttr({axis, type.getDim(),
                                         type.getElementType().isInteger(64) ? 2
                                         : type.getElementType().isF64()     ? 1
                                                                             : 0});
  };
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    auto type = cast<VecType>(argument.getType());
    IndexSet set = type.getIndices();
    arguments.push_back(describe(type, set == IndexSet::I ? 0 : set == IndexSet::J ? 1 : 2));
  }
  for (Type type : kernel.getResultTypes().getAsValueRange<TypeAttr>())
    results.push_back(describe(cast<VecType>(type), 0));
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
      Value out = load(outputs, pointer, i64(n));
      loop(i64(0), min(i64(lane.lanes), sub(numRows, row)), 1, [&](Value l) {
        Value outRow = mul(add(add(rowBegin, row), l), type.getDim());
        scalarLane.forEach(type.getDim(), [&](LaneIndex d) {
          Value component = scalarLane.position(d);
          Value value = load(staging, elementType, add(mul(component, lane.lanes), l));
          store(out, elementType, add(outRow, component), value);
        });
      });
    }
  });
  func::ReturnOp::create(builder, loc);
}

/// A square does not mind the order of its difference. With the operand that is
/// broadcast first, the other one can be an operand in memory, which no register
/// has to hold; processors that know this take it as the second one only.
static void orderDifferences(KernelOp kernel, IndexSet laneIndex) {
  kernel.walk([&](SubOp op) {
    auto indices = [](Value value) { return cast<VecType>(value.getType()).getIndices(); };
    bool squared = llvm::all_of(op->getUsers(), [&](Operation *user) {
      auto product = dyn_cast<MulOp>(user);
      return product && product.getLhs() == product.getRhs();
    });
    if (squared && contains(indices(op.getLhs()), laneIndex) && !contains(indices(op.getRhs()), laneIndex)) {
      Value lhs = op.getLhs();
      op.getLhsMutable().assign(op.getRhs());
      op.getRhsMutable().assign(lhs);
    }
  });
}

void CpuMapping::run() {
  orderDifferences(kernel, laneIndex);
  layOut();
  emitAccumulate();
  emitFinalize();
  kernel.erase();
}

void keops::mapTilesToCPU(KernelOp kernel) { CpuMapping(kernel).run(); }
