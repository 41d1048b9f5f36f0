//===- CpuMemory.cpp - Where a CPU kernel keeps what it works on -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Offsets of buffers, maps and states, and the loads and stores that reach them.
//
//===----------------------------------------------------------------------===//

#include "CpuMapping.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace keops;

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
  // Row numbers within a tile are as wide as the numbers, so that one mask selects both.
  return keops::slotType(slot, number, wide, number.getIntOrFloatBitWidth());
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

Type CpuMapping::storageOf(BlockArgument argument) {
  return keops::storageOf(kernel.getArgumentStorage(), argument.getArgNumber(), argument.getType());
}

/// A number of the caller's; any NaN becomes the one without a payload, which is
/// what exponentials ask for (ApproximateMath.h) and no arithmetic changes.
Value CpuMapping::loadInput(Value base, Value index, Type storage) {
  // In integers, because a compiler may take floating-point NaNs for equal.
  unsigned width = number.getIntOrFloatBitWidth();
  const llvm::fltSemantics &semantics = cast<FloatType>(number).getFloatSemantics();
  auto constant = [&](const APInt &value) -> Value {
    return arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(builder.getIntegerType(width), value));
  };
  Value bits;
  if (storage == number)
    bits = load(base, builder.getIntegerType(width), index);
  else
    bits = arith::BitcastOp::create(builder, loc, builder.getIntegerType(width),
                                    widen(builder, loc, load(base, memoryType(storage), index), storage));
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

Value CpuMapping::fromMemory(Value value, Value loaded) {
  if (!isMask(value))
    return loaded;
  return vectorLane.compare(CompareKind::NE, {loaded}, vectorLane.constant(0)).ssa;
}

Value CpuMapping::toMemory(Value value, Value component) {
  if (!isMask(value))
    return component;
  return vectorLane.select({component}, vectorLane.constant(1), vectorLane.constant(0)).ssa;
}

Value CpuMapping::loadField(const Buffer &buffer, const Fields &fields, Value value, LaneIndex d, Value position) {
  Value index = bufferIndex(buffer, fields, fields.offsets.lookup(value), d, position);
  return fromMemory(value, load(buffer.base, number, index, buffer.componentMajor ? lanes : 1));
}

void CpuMapping::storeField(const Buffer &buffer, const Fields &fields, Value value, LaneIndex d, Value position,
                            Value component) {
  component = toMemory(value, component);
  if (buffer.componentMajor)
    component = vectorLane.splat(component);
  store(buffer.base, number, bufferIndex(buffer, fields, fields.offsets.lookup(value), d, position), component);
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
