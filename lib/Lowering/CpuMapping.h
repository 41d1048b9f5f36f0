//===- CpuMapping.h - One kernel on its way to CPU loops --------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the mapping of a kernel to the CPU knows while it goes on: where stored
// vectors and states lie in memory, and how they are read and written. The
// steps are in MapTilesToCPU.cpp, the memory in CpuMemory.cpp, the loop over
// pairs in CpuPairs.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_LOWERING_CPUMAPPING_H
#define KEOPS_LIB_LOWERING_CPUMAPPING_H

#include "StageEmitter.h"
#include "Storage.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/MapVector.h"

namespace keops {

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
  llvm::MapVector<mlir::Value, int64_t> offsets;
  int64_t width = 0;
  void add(mlir::Value value) {
    if (offsets.insert({value, width}).second)
      width += mlir::cast<VecType>(value.getType()).getDim();
  }
};

/// Memory that holds `Fields` for many positions.
struct Buffer {
  int64_t scratchOffset = 0;
  bool componentMajor = false;
  int64_t extent = 0; ///< positions, when component-major
  mlir::Value base;
};

/// The state of one accumulation.
struct StateLayout {
  AccumulateOp op;
  llvm::SmallVector<int64_t> dims;
  llvm::SmallVector<StateSlot> slots;
  llvm::SmallVector<int64_t> blockOffsets; ///< bytes in the block's state
  llvm::SmallVector<int64_t> laneOffsets;  ///< bytes in scratch: partial state in memory, or spilled
  bool direct = false;                     ///< accumulates into the block's state without a partial one
};

/// Replaces one kernel by its two functions.
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
  mlir::Type slotType(const StateSlot &slot, bool wide) const;

  // Memory.
  mlir::Value frameField(int64_t offset, mlir::Type type);
  mlir::Value bytes(mlir::Value base, int64_t offset);
  mlir::Value element(mlir::Value base, mlir::Type type, mlir::Value index);
  mlir::Value load(mlir::Value base, mlir::Type elementType, mlir::Value index, int64_t count = 1);
  mlir::Type storageOf(mlir::BlockArgument argument);
  mlir::Value loadInput(mlir::Value base, mlir::Value index, mlir::Type storage);
  void store(mlir::Value base, mlir::Type elementType, mlir::Value index, mlir::Value value);
  mlir::Value mul(mlir::Value a, int64_t b);
  mlir::Value add(mlir::Value a, mlir::Value b) { return mlir::arith::AddIOp::create(builder, loc, a, b); }
  mlir::Value sub(mlir::Value a, mlir::Value b) { return mlir::arith::SubIOp::create(builder, loc, a, b); }
  mlir::Value min(mlir::Value a, mlir::Value b) { return mlir::arith::MinSIOp::create(builder, loc, a, b); }
  mlir::Value i64(int64_t value) { return mlir::arith::ConstantIntOp::create(builder, loc, value, 64); }
  /// 0, 1, 2, … on the lanes, as i64.
  mlir::Value laneNumbers();
  void loop(mlir::Value from, mlir::Value to, int64_t step, llvm::function_ref<void(mlir::Value)> body);
  mlir::Value bufferIndex(const Buffer &buffer, const Fields &fields, int64_t offset, LaneIndex d,
                          mlir::Value position);
  /// Numbers lie in memory as they are, a mask as 1 or 0: a component of `value` from and to there.
  mlir::Value fromMemory(mlir::Value value, mlir::Value loaded);
  mlir::Value toMemory(mlir::Value value, mlir::Value component);
  mlir::Value loadField(const Buffer &buffer, const Fields &fields, mlir::Value value, LaneIndex d,
                        mlir::Value position);
  void storeField(const Buffer &buffer, const Fields &fields, mlir::Value value, LaneIndex d, mlir::Value position,
                  mlir::Value number);

  // Pieces of the functions.
  mlir::func::FuncOp beginFunction(llvm::StringRef suffix);
  void emitCallStage();
  void copyRows(const Fields &fields, Buffer &buffer, IndexSet set, mlir::Value begin, mlir::Value count,
                mlir::Value padded, mlir::Value at = {});
  void emitIndexStage(StageKind kind, const Fields &fields, Buffer &buffer, IndexSet set, mlir::Value begin,
                      mlir::Value count);
  void bindCall(StageEmitter &emitter);
  void bindBuffer(StageEmitter &emitter, const Fields &fields, const Buffer &buffer, mlir::Value position);
  void bindPreloaded(StageEmitter &emitter, const Fields &fields, const Buffer &buffer, mlir::Value position,
                     llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> &preloaded);
  void useScratchMaps(StageEmitter &emitter, int64_t copy);
  MachineState blockState(const StateLayout &layout, MachineLane &lane, mlir::Value base, mlir::Value row);
  MachineState partialState(const StateLayout &layout, MachineLane &lane);
  bool countsColumns();
  mlir::Value paddedToLanes(mlir::Value count) {
    return mul(mlir::arith::CeilDivUIOp::create(builder, loc, count, i64(lanes)), lanes);
  }
  void emitTiles(mlir::Value numRows);
  void emitPackedTiles(mlir::Value numRows);
  void emitTile(mlir::Value firstColumn, mlir::Value numColumns, mlir::Value numRows);
  void emitGroup(mlir::Value row, mlir::Value firstColumn, mlir::Value numColumns);
  void emitAccumulate();
  void describeLaunch(mlir::func::FuncOp function);
  void emitFinalize();

  KernelOp kernel;
  ScheduleAttr schedule;
  mlir::OpBuilder builder;
  mlir::Location loc;
  mlir::Type number;
  mlir::LLVM::LLVMPointerType pointer;
  bool rowLanes;
  int64_t lanes;
  IndexSet laneIndex;
  MachineLane vectorLane, scalarLane;

  Fields rowFields, colFields;
  Buffer rowBuffer, colBuffer;
  std::vector<StateLayout> states;
  llvm::DenseMap<mlir::Operation *, int64_t> mapOffsets; // maps among pairs and in the call stage
  int64_t mapCopyBytes = 0;                              // one set of pair maps for each column of a chunk
  int64_t outOffset = 0;
  int64_t stateBytes = 0, scratchBytes = 0, tileColumns = 0;

  // Values of the function that is being built.
  mlir::Value frame, scratch;
  llvm::DenseMap<mlir::Value, ComponentSource> callSources;
};

} // namespace keops

#endif // KEOPS_LIB_LOWERING_CPUMAPPING_H
