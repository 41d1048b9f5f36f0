//===- GpuMapping.h - One kernel on its way to GPU code ---------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the mapping of a kernel to a GPU knows while it goes on: where values
// and states lie, and how they are read and written. The steps are in
// MapTilesToGPU.cpp, the memory in GpuMemory.cpp, the loops over pairs in
// GpuPairs.cpp, and what blocks leave for each other in GpuStates.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_LOWERING_GPUMAPPING_H
#define KEOPS_LIB_LOWERING_GPUMAPPING_H

#include "GpuBuilder.h"
#include "StageEmitter.h"
#include "Storage.h"

#include "llvm/ADT/MapVector.h"

#include <map>

namespace keops {

/// True if `op` reads nothing: a constant, say.
bool standsAnywhere(mlir::Operation &op);

/// The map whose vector a stage yields as `result`, if it needs nothing else of that stage.
MapOp mapAlone(mlir::Value result);

/// Where values of the kernel are found.
using Bindings = llvm::MapVector<mlir::Value, ComponentSource>;

/// One function that a kernel becomes.
class GpuMapping : GpuBuilder {
public:
  GpuMapping(KernelOp kernel, TargetAttr target);
  /// The kernel itself, in `module`.
  mlir::LogicalResult emitKernel(mlir::gpu::GPUModuleOp module);
  /// The function that merges states, if the kernel has any.
  mlir::LogicalResult emitMerge(mlir::gpu::GPUModuleOp module);

private:
  /// Numbers of a thread's own: `width` of them for each component.
  struct LocalArray {
    mlir::Value base;
    mlir::Type element;
    int64_t width = 1;
  };
  /// A long vector of columns whose components in shared memory all threads work on: an argument, or what a map of the
  /// cols stage yields that needs nothing else of that stage.
  struct SharedVector {
    mlir::Value value;
    MapOp map;
  };
  /// The state of one accumulation.
  struct StateLayout {
    AccumulateOp op;
    llvm::SmallVector<StateSlot> slots;
    bool direct = false; ///< columns are added to the running state, without a partial one for their tile
    llvm::SmallVector<int64_t> leftOffsets; ///< of slots, in bytes, in a state that a block leaves
  };

  // Layout.
  void layOut();
  void layOutTile();
  void findSharedVectors();
  mlir::LogicalResult check();
  /// True if a vector of a thread's rows of this length may be copied to the thread's own memory.
  bool fitsLocalMemory(int64_t dim) const;
  /// True if the components of a vector of this length take a register each.
  bool fitsRegisters(int64_t dim) const { return dim <= std::max<int64_t>(schedule.getUnroll(), 1); }
  /// True if a vector of this length is in memory, too or alone, because a loop may ask for any component.
  bool needsMemory(int64_t dim) const { return dim > 1 && hasLoops; }
  bool isReadByPairs(mlir::Value value) const;
  mlir::Type slotType(const StateSlot &slot, bool wide) const;

  // Arithmetic and memory.
  mlir::Value widen64(mlir::Value value);
  mlir::Type storageOf(mlir::BlockArgument argument);
  mlir::Type resultStorage(size_t n);
  mlir::Value loadArgument(mlir::BlockArgument argument, mlir::Value row, LaneIndex d);

  // A thread's own memory.
  LocalArray &localArray(const void *owner, int64_t part, mlir::Type element, int64_t dim, int64_t width);
  mlir::Value loadLocal(const LocalArray &array, LaneIndex d);
  void storeLocal(const LocalArray &array, LaneIndex d, mlir::Value value);
  LocalArray &arrayOf(MapOp map, bool onLanes, int64_t copy);
  mlir::LogicalResult finishFunction();

  // Shared memory.
  mlir::LLVM::GlobalOp createTile(llvm::StringRef name, int64_t width);
  mlir::Value tilePosition(mlir::Value column, int64_t offset);
  mlir::Value loadTile(mlir::Value value, mlir::Value column, LaneIndex d);
  ComponentSource inTile(mlir::Value value, mlir::Value column);

  /// A mask lies in memory as 1 or 0: a component of `value` from and to there.
  mlir::Value fromMemory(mlir::Value value, mlir::Value loaded, MachineLane &lane);
  mlir::Value toMemory(mlir::Value value, mlir::Value component, MachineLane &lane);

  // Values.
  /// Components in registers where their position is known, else in memory.
  static ComponentSource fromRegisters(llvm::SmallVector<mlir::Value> values, ComponentSource inMemory);
  /// The same, with components that are computed here if they fit registers.
  ComponentSource source(int64_t dim, const ComponentSource &component, ComponentSource inMemory);
  static void bind(StageEmitter &emitter, const Bindings &values);
  void useMaps(StageEmitter &emitter, int64_t copy);
  void emitStage(StageKind kind, MachineLane &lane, Bindings &values, int64_t copy);
  ComponentSource computed(MapOp map, MachineLane &lane, Bindings values);

  // State.
  MachineState makeState(StateLayout &layout, bool wide);
  std::vector<MachineState> makeStates(bool wide);

  void layOutStates();
  MachineState leftState(StateLayout &layout, mlir::Value number);

  // Pieces of the function.
  void beginFunction(mlir::gpu::GPUModuleOp module, llvm::StringRef name);
  void moveToBatch(mlir::Value rows, mlir::Value offsets, mlir::Value bytesOfStates);
  void emitCall();
  Bindings emitRows(bool forPairs);
  Bindings readArguments(mlir::Value row);
  void layOutStaging();
  void startCopies(mlir::Value firstColumn, mlir::Value numColumns);
  void startCopy(const ArgumentAccess &access, mlir::Value row, LaneIndex d, mlir::Value place);
  Bindings readStaging(mlir::Value column);
  Bindings readArgumentsOfTile(mlir::Value firstColumn, mlir::Value column);
  void forEachComponent(mlir::Value columns, int64_t dim, llvm::function_ref<void(mlir::Value, LaneIndex)> body);
  void emitVectorsOfTile(mlir::Value firstColumn, mlir::Value numColumns);
  void emitColumnsOfTile(mlir::Value firstColumn, mlir::Value numColumns);
  void storeColumn(mlir::Value column, Bindings &values);
  Bindings readColumn(mlir::Value column, mlir::Value firstColumn, int64_t copy);
  mlir::Value columnsOfTile(mlir::Value first, mlir::Value end);
  void emitTile(std::vector<MachineState> &states, mlir::Value first, mlir::Value end, const Bindings &rows);
  void emitPairs(std::vector<MachineState> &partial, mlir::Value first, mlir::Value count, const Bindings &rows);
  void emitEitherPairs(std::vector<MachineState> &partial, mlir::Value first, mlir::Value count, const Bindings &rows);
  bool putsOffRareWork() const;
  mlir::Value emitCommonColumns(std::vector<MachineState> &partial, mlir::Value first, mlir::Value begin,
                                mlir::Value count, int64_t chunk, const Bindings &rows);
  void emitChunk(std::vector<MachineState> &partial, mlir::Value first, mlir::Value begin, int64_t chunk,
                 const Bindings &rows);
  void emitColumns(std::vector<MachineState> &partial, mlir::Value first, mlir::Value from, mlir::Value to,
                   int64_t chunk, int64_t turns, const Bindings &rows);
  void emitIntervals(std::vector<MachineState> &states);
  std::vector<MachineState> neutralStates();
  void emitMerges(std::vector<MachineState> &states);
  void emitEnd(std::vector<MachineState> &states);
  void emitResults(std::vector<MachineState> &states);
  void writeLaunchRule();

  KernelOp kernel;
  TargetAttr target;
  ScheduleAttr schedule;
  mlir::Type number;
  int64_t lanes, threads;
  MachineLane vectorLane, scalarLane;

  std::vector<StateLayout> layouts;
  bool hasLoops = false;        ///< over components, with positions that are known at run time only
  bool wideInRegisters = false; ///< the running states
  bool isExpanded = false;      ///< the pairs that are being emitted have expanded distances
  int64_t localBytes = 0;       ///< of a thread's own memory
  int64_t wordWidth = 1;        ///< numbers of the tile that are read at a time
  int64_t packedWidth = 0;      ///< numbers of a column that are read in words, …
  int64_t tileWidth = 0;        ///< … and with those that loops read
  llvm::MapVector<mlir::Value, int64_t> tileOffsets; ///< what pairs read of a column in shared memory
  llvm::SmallVector<mlir::Value> farValues;          ///< and what does not fit there
  llvm::SmallVector<SharedVector> sharedVectors;
  bool readsSharedVectors = false; ///< in the cols stage, outside of their own maps
  int64_t stagingWidth = 0;        ///< numbers of a column that are copied ahead; 0: none is
  int64_t stateBytes = 0;          ///< of the states that a block leaves

  // Values of the function that is being built.
  mlir::gpu::GPUFuncOp function;
  llvm::SmallVector<ArgumentAccess> arguments;
  llvm::SmallVector<mlir::Value> outputs;
  mlir::Value blocks, blockEntry; ///< the table of blocks, and where this one's entry begins
  mlir::Value rowEnd, firstInterval, endInterval, intervals, leftStates, thread32;
  llvm::SmallVector<mlir::Value> rowNumbers; ///< of each lane; may lie beyond the end
  mlir::Value tile, staging;
  Bindings callValues;
  std::map<std::pair<const void *, int64_t>, LocalArray> localArrays;
};

/// Turns of a loop that become one in machine code, left to LLVM.
void setUnroll(mlir::scf::ForOp loop, int64_t count);

} // namespace keops

#endif // KEOPS_LIB_LOWERING_GPUMAPPING_H
