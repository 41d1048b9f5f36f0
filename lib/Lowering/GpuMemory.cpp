//===- GpuMemory.cpp - Where a GPU kernel keeps what it works on -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Registers cannot be addressed. What loops over components ask for by a
// position that is known at run time only lies in memory: of the thread itself
// (rows, stored vectors, long states), with the numbers of its lanes next to
// each other so that one read serves them all; or of the block (columns).
//
//===----------------------------------------------------------------------===//

#include "GpuMapping.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace keops;

/// Shared memory that a kernel may name at compile time, threads of a block, and memory of a thread, on every GPU.
static constexpr int64_t kMaxSharedBytes = 48 * 1024, kMaxThreads = 1024, kMaxLocalBytes = 512 * 1024;
/// Running states of at most this many numbers stay in registers while columns pass; others would take them from the
/// pairs, and are asked for once a tile.
static constexpr int64_t kRunningRegisters = 16;
/// Bytes of a thread's own memory that a vector of its rows may take. The driver sets so much aside for each thread
/// that a GPU can run, some 200 000 of them.
static constexpr int64_t kRowBytes = 16 * 1024;

static int64_t dimOf(Value value) { return cast<VecType>(value.getType()).getDim(); }
static int64_t byteSize(Type type) { return type.getIntOrFloatBitWidth() / 8; }
static bool isMask(Value value) { return cast<VecType>(value.getType()).getElementType().isInteger(1); }
static bool isOver(Value value, IndexSet set) { return cast<VecType>(value.getType()).getIndices() == set; }

static constexpr StringLiteral kLoopAnnotation = "llvm.loop_annotation";

void keops::setUnroll(scf::ForOp loop, int64_t count) {
  Builder builder(loop.getContext());
  auto unroll =
      LLVM::LoopUnrollAttr::get(loop.getContext(), /*disable=*/builder.getBoolAttr(count == 1),
                                count == 1 ? IntegerAttr() : builder.getI32IntegerAttr(count), {}, {}, {}, {}, {});
  loop->setAttr(kLoopAnnotation, LLVM::LoopAnnotationAttr::get(loop.getContext(), {}, {}, {}, unroll, {}, {}, {}, {},
                                                               {}, {}, {}, {}, {}, {}, {}));
}

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

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
    : GpuBuilder(OpBuilder(kernel), kernel.getLoc()), kernel(kernel), target(target), schedule(*kernel.getSchedule()),
      number(numberType(kernel)), lanes(schedule.getLanes()), threads(schedule.getRows() / lanes),
      vectorLane(builder, loc, number, lanes, schedule.getUnroll()),
      scalarLane(builder, loc, number, 1, schedule.getUnroll()) {
  vectorLane.powersOfTwo = !kernel->getParentOp()->hasAttr("keops.accurate_math");
  // What is read of a column is next to each other, so some components a turn are read at once.
  vectorLane.panel = scalarLane.panel = vectorLane.levelPanel = scalarLane.levelPanel = kWordBytes / 4;
}

/// Whether any loop over components stays one.
static bool findLoops(KernelOp kernel, llvm::function_ref<bool(int64_t)> fitsRegisters) {
  auto isLong = [&](TypeRange types) {
    return llvm::any_of(types, [&](Type type) {
      auto vec = dyn_cast<VecType>(type);
      return vec && !fitsRegisters(vec.getDim());
    });
  };
  if (isLong(kernel.getBody().front().getArgumentTypes()))
    return true;
  return kernel
      .walk([&](Operation *op) {
        auto contract = dyn_cast<ContractOp>(op);
        auto accumulate = dyn_cast<AccumulateOp>(op);
        bool found = isLong(op->getResultTypes()) || (contract && !fitsRegisters(contract.getCount())) ||
                     (accumulate && !llvm::all_of(accumulate.getDims(), fitsRegisters));
        return found ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

void GpuMapping::layOut() {
  hasLoops = findLoops(kernel, [this](int64_t dim) { return fitsRegisters(dim); });
  StageOp pairs = kernel.getStage(StageKind::Pairs);
  int64_t running = 0;
  if (pairs)
    for (auto op : pairs.getBody().getOps<AccumulateOp>()) {
      StateLayout layout{op, op.getReduction().slots(op.getDims()), false, {}};
      layout.direct = llvm::all_of(layout.slots, [](const StateSlot &slot) { return slot.inMemory; });
      for (const StateSlot &slot : layout.slots)
        running += slot.count * lanes;
      layouts.push_back(std::move(layout));
    }
  wideInRegisters = running <= kRunningRegisters;
  layOutTile();
  findSharedVectors();
  layOutStaging();
  layOutStates();
}

/// Short values first, packed into words that are read whole; each of the others begins a word. What does not fit into
/// shared memory is left where it is.
void GpuMapping::layOutTile() {
  StageOp pairs = kernel.getStage(StageKind::Pairs);
  if (!pairs)
    return;
  SmallVector<Value> values;
  llvm::DenseSet<Value> known;
  pairs.getBody().walk([&](Operation *op) {
    for (Value operand : op->getOperands())
      if (isa<VecType>(operand.getType()) && isOver(operand, IndexSet::J) &&
          !pairs.getBody().isAncestor(operand.getParentRegion()) && known.insert(operand).second)
        values.push_back(operand);
  });
  int64_t widest = kWordBytes / byteSize(number);
  int64_t room = std::min(kMaxSharedBytes, target.getL1()) / byteSize(number) / schedule.getColumns();
  auto padded = [&](int64_t width) {
    return width < widest ? static_cast<int64_t>(llvm::PowerOf2Ceil(width)) : llvm::alignTo(width, widest);
  };
  auto place = [&](Value value, int64_t offset) {
    int64_t end = padded(offset + dimOf(value));
    if (end > room) {
      farValues.push_back(value);
      return false;
    }
    tileOffsets[value] = offset;
    tileWidth = end;
    return true;
  };
  int64_t packed = 0;
  for (Value value : values)
    if (fitsRegisters(dimOf(value)) && place(value, packed))
      packed += dimOf(value);
  packedWidth = tileWidth;
  wordWidth = std::clamp<int64_t>(tileWidth, 1, widest);
  // Long ones by length, so that as many as possible fit.
  SmallVector<std::pair<int64_t, size_t>> byLength;
  for (auto [n, value] : llvm::enumerate(values))
    if (!fitsRegisters(dimOf(value)))
      byLength.push_back({dimOf(value), n});
  llvm::sort(byLength);
  for (auto [dim, n] : byLength)
    place(values[n], llvm::alignTo(tileWidth, widest));
}

bool GpuMapping::fitsLocalMemory(int64_t dim) const { return dim * lanes * byteSize(number) <= kRowBytes; }

bool keops::standsAnywhere(Operation &op) { return op.getNumOperands() == 0 && op.getNumRegions() == 0; }

MapOp keops::mapAlone(Value result) {
  auto stage = result.getDefiningOp<StageOp>();
  if (!stage)
    return {};
  Operation *yield = stage.getBody().front().getTerminator();
  auto map = yield->getOperand(cast<OpResult>(result).getResultNumber()).getDefiningOp<MapOp>();
  if (!map || map.getBody().getNumArguments() > 1)
    return {};
  // Constants and row numbers of the stage aside, of which there may be copies.
  auto isOfStage = [&](Value operand) {
    Region *region = operand.getParentRegion();
    return stage.getBody().isAncestor(region) && !map.getBody().isAncestor(region) &&
           !standsAnywhere(*operand.getDefiningOp());
  };
  WalkResult walk = map.getBody().walk([&](Operation *op) {
    return llvm::any_of(op->getOperands(), isOfStage) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return walk.wasInterrupted() ? MapOp() : map;
}

/// What of the tile all threads work on together, and whether a column reads any of it.
void GpuMapping::findSharedVectors() {
  StageOp cols = kernel.getStage(StageKind::Cols);
  llvm::DenseSet<Value> read;
  llvm::DenseSet<Operation *> maps;
  for (auto [value, offset] : tileOffsets) {
    if (offset < packedWidth)
      continue;
    MapOp map = mapAlone(value);
    if (!map && value.getDefiningOp())
      continue;
    if (map)
      maps.insert(map);
    sharedVectors.push_back({value, map});
    read.insert(map ? map.getResult() : value);
  }
  if (cols)
    cols.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (maps.contains(op))
        return WalkResult::skip();
      readsSharedVectors |=
          !isa<YieldOp>(op) && llvm::any_of(op->getOperands(), [&](Value operand) { return read.contains(operand); });
      return WalkResult::advance();
    });
}

/// The arguments of columns are copied ahead where the processor can (from sm_80 on), each number as it is, and where
/// there is room for them beside the tile.
void GpuMapping::layOutStaging() {
  int generation = 0;
  if (tileWidth == 0 || !farValues.empty() || !target.getName().starts_with("sm_") ||
      target.getName().drop_front(3).consumeInteger(10, generation) || generation < 80)
    return;
  int64_t width = 0;
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    if (!isOver(argument, IndexSet::J) || argument.use_empty())
      continue;
    if (storageOf(argument) != number)
      return;
    width += dimOf(argument);
  }
  if (schedule.getColumns() * (tileWidth + width) * byteSize(number) <= std::min(kMaxSharedBytes, target.getL1()))
    stagingWidth = width;
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
  return success();
}

/// Other loops go over the components of a vector in memory: LLVM would take short ones apart, and all of the vector to
/// registers.
LogicalResult GpuMapping::finishFunction() {
  function.walk([](scf::ForOp loop) {
    if (!loop->hasAttr(kLoopAnnotation))
      setUnroll(loop, 1);
  });
  if (localBytes <= kMaxLocalBytes)
    return success();
  return emitError(loc) << "needs " << localBytes << " bytes of memory for each thread, but a GPU has "
                        << kMaxLocalBytes << "; fewer lanes or columns a step in the schedule would fit";
}

//===----------------------------------------------------------------------===//
// Global memory
//===----------------------------------------------------------------------===//

Value GpuMapping::widen64(Value value) { return arith::ExtSIOp::create(builder, loc, builder.getI64Type(), value); }

Type GpuMapping::storageOf(BlockArgument argument) {
  return keops::storageOf(kernel.getArgumentStorage(), argument.getArgNumber(), argument.getType());
}

Type GpuMapping::resultStorage(size_t n) {
  return keops::storageOf(kernel.getResultStorage(), n, cast<TypeAttr>(kernel.getResultTypes()[n]).getValue());
}

Value GpuMapping::loadArgument(BlockArgument argument, Value row, LaneIndex d) {
  const ArgumentAccess &access = arguments[argument.getArgNumber()];
  Value index = mul(scalarLane.position(d), access.componentStride);
  if (row)
    index = add(mul(row, access.rowStride), index);
  Type storage = storageOf(argument);
  return widen(builder, loc, load(access.base, index, memoryType(storage)), storage);
}

//===----------------------------------------------------------------------===//
// A thread's own memory
//===----------------------------------------------------------------------===//

/// An array that lives as long as the thread; asked for again by the same owner, the same one.
GpuMapping::LocalArray &GpuMapping::localArray(const void *owner, int64_t part, Type element, int64_t dim,
                                               int64_t width) {
  LocalArray &array = localArrays[{owner, part}];
  if (array.base)
    return array;
  array.element = element;
  array.width = width;
  int64_t bytes = dim * width * byteSize(element);
  localBytes += llvm::alignTo(bytes, kWordBytes);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&function.getBody().front());
  array.base = allocateLocal(element, dim * width);
  return array;
}

Value GpuMapping::loadLocal(const LocalArray &array, LaneIndex d) {
  Type type = array.width == 1 ? array.element : VectorType::get({array.width}, array.element);
  return load(array.base, mul(scalarLane.position(d), i64(array.width)), type);
}

void GpuMapping::storeLocal(const LocalArray &array, LaneIndex d, Value value) {
  store(array.base, mul(scalarLane.position(d), i64(array.width)), value);
}

GpuMapping::LocalArray &GpuMapping::arrayOf(MapOp map, bool onLanes, int64_t copy) {
  return localArray(map.getOperation(), copy, number, map.getType().getDim(), onLanes ? lanes : 1);
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

LLVM::GlobalOp GpuMapping::createTile(StringRef name, int64_t width) {
  return createShared(name, number, schedule.getColumns() * width);
}

/// Index of a number of a column. The tile is small: i32 does.
Value GpuMapping::tilePosition(Value column, int64_t offset) {
  auto flags = arith::IntegerOverflowFlags::nsw | arith::IntegerOverflowFlags::nuw;
  Value first = arith::MulIOp::create(builder, loc, column, i32(tileWidth), flags);
  return offset == 0 ? first : arith::AddIOp::create(builder, loc, first, i32(offset), flags).getResult();
}

/// A power of two, at most `most`, that divides a position: a turn of a loop begins at a multiple of its step.
static int64_t divisorOf(LaneIndex d, int64_t most) {
  auto powerOfTwo = [&](int64_t value) { return value == 0 ? most : std::min(value & -value, most); };
  if (d.isConstant())
    return powerOfTwo(d.constant);
  APInt constant;
  Value value = d.ssa;
  int64_t divisor = most;
  if (auto sum = value.getDefiningOp<arith::AddIOp>(); sum && matchPattern(sum.getRhs(), m_ConstantInt(&constant))) {
    divisor = powerOfTwo(constant.getSExtValue());
    value = sum.getLhs();
  }
  auto argument = dyn_cast<BlockArgument>(value);
  auto loop = argument ? dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp()) : scf::ForOp();
  APInt from, step;
  if (!loop || value != loop.getInductionVar() || !matchPattern(loop.getLowerBound(), m_ConstantInt(&from)) ||
      !matchPattern(loop.getStep(), m_ConstantInt(&step)))
    return 1;
  return std::min({divisor, powerOfTwo(from.getSExtValue()), powerOfTwo(step.getSExtValue())});
}

/// Number `d` of what stands at `offset` of a column. Neighbours that are read one after the other become one wide read
/// if their alignment is known.
Value GpuMapping::loadTile(Value value, Value column, LaneIndex d) {
  int64_t offset = tileOffsets.lookup(value), word = kWordBytes / byteSize(number);
  int64_t known = std::min({divisorOf(d, word), divisorOf(offset, word), divisorOf(tileWidth, word)});
  Value index;
  if (d.isConstant())
    index = tilePosition(column, offset + d.constant);
  else
    index = add(widen64(tilePosition(column, offset)), scalarLane.position(d));
  return load(tile, index, number, known * byteSize(number));
}

ComponentSource GpuMapping::inTile(Value value, Value column) {
  return [this, value, column](LaneIndex d) { return fromMemory(value, loadTile(value, column, d), scalarLane); };
}

Value GpuMapping::fromMemory(Value value, Value loaded, MachineLane &lane) {
  return isMask(value) ? lane.compare(CompareKind::NE, {loaded}, lane.constant(0)).ssa : loaded;
}

Value GpuMapping::toMemory(Value value, Value component, MachineLane &lane) {
  return isMask(value) ? lane.select({component}, lane.constant(1), lane.constant(0)).ssa : component;
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

Type GpuMapping::slotType(const StateSlot &slot, bool wide) const {
  return keops::slotType(slot, number, wide, /*rowBits=*/32);
}

/// The running state if `wide`, else that of one tile.
MachineState GpuMapping::makeState(StateLayout &layout, bool wide) {
  MachineState state;
  state.lane = &vectorLane;
  state.dims.assign(layout.op.getDims().begin(), layout.op.getDims().end());
  SmallVector<LocalArray> inMemory(layout.slots.size());
  for (auto [n, slot] : llvm::enumerate(layout.slots)) {
    Type type = slotType(slot, wide);
    bool inRegisters = !slot.inMemory && fitsRegisters(slot.count) && (!wide || wideInRegisters);
    state.types.push_back(vectorLane.laneType(type));
    state.cells.emplace_back(inRegisters ? slot.count : 0);
    if (!inRegisters)
      inMemory[n] =
          localArray(layout.op.getOperation(), 2 * static_cast<int64_t>(n) + (wide ? 1 : 0), type, slot.count, lanes);
  }
  state.load = [this, inMemory](unsigned slot, LaneIndex e) { return loadLocal(inMemory[slot], e); };
  state.store = [this, inMemory](unsigned slot, LaneIndex e, Value value) { storeLocal(inMemory[slot], e, value); };
  return state;
}

std::vector<MachineState> GpuMapping::makeStates(bool wide) {
  std::vector<MachineState> states;
  for (StateLayout &layout : layouts)
    states.push_back(makeState(layout, wide || layout.direct));
  return states;
}
