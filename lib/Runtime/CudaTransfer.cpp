//===- CudaTransfer.cpp - Arrays of the host through a GPU -----------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A call is a list of pieces: one, if the device has memory for all arrays;
// else each batch by itself, and of that as many rows at a time as fit beside
// the columns, which stay. If a block of rows does not fit beside them, rows and
// the states of their reductions take half of the memory, and columns come in
// windows. A piece waits for none of the host's copies but its own.
//
// A program is one piece, or each of its steps is a call of its own: what a pass
// leaves for the next has all rows, and so lies in memory of the host.
//
//===----------------------------------------------------------------------===//

#include "Buffer.h"
#include "HostArrays.h"
#include "StepRunner.h"
#include "keops/Runtime/CudaModule.h"
#include "keops/Runtime/GpuLaunch.h"

#include <algorithm>
#include <list>
#include <new>

using namespace keops::runtime;

namespace {

/// Of the free memory, what arrays may take; tables and what steps leave for each other come beside them.
constexpr double usableShare = 0.9;
/// How often a call that finds less memory than it was told tries again, with half as much.
constexpr int tries = 4;

/// One call with arrays of the host: of a kernel, or of the whole program.
class Transfer {
public:
  static constexpr int64_t WholeProgram = -1;
  Transfer(CudaModule &module, int64_t kernel, const CpuCall &call)
      : module(module), kernel(kernel),
        rule(kernel == WholeProgram ? module.artifact() : module.artifact().kernel(kernel)), call(call),
        batches(batchesOf(call)) {}

  /// Piece by piece, if need be.
  void run() {
    int64_t budget = memory();
    for (int tried = 1;; ++tried, budget /= 2)
      try {
        return runWithin(budget);
      } catch (const OutOfDeviceMemory &) {
        if (tried == tries)
          throw;
      }
  }
  /// In one piece, or not at all: false if there is no memory for that.
  bool runAtOnce() {
    if (bytesOf(whole()) > memory())
      return false;
    try {
      runRows(whole(), std::max<int64_t>(call.rows, 1));
      return true;
    } catch (const OutOfDeviceMemory &) {
      return false;
    }
  }

private:
  /// Rows and columns of a batch, or of all batches if `batch` is negative.
  struct Piece {
    int64_t batch = -1;
    int64_t firstRow = 0, endRow = 0;
    int64_t firstColumn = 0, endColumn = 0;
  };
  /// What a piece is computed with on the device.
  struct OnDevice {
    std::vector<const void *> inputs;
    std::vector<int64_t> rowStrides, componentStrides, batchStrides;
  };
  /// Results of a piece on the device.
  struct Results {
    std::vector<DeviceMemory> memory;
    std::vector<void *> outputs;
    std::vector<int64_t> bytes;
  };
  /// Arrays on the device, and what is sent there; in this order, since memory goes first.
  struct Held {
    std::list<std::vector<char>> staged;
    std::list<DeviceMemory> memory;
  };

  int64_t memory() const {
    CurrentDevice current(module.device());
    return static_cast<int64_t>(usableShare * static_cast<double>(module.device().freeBytes()));
  }
  int64_t rowsOf(Axis axis) const { return axis == Axis::Row ? call.rows : axis == Axis::Column ? call.columns : 1; }
  static int64_t rowsOf(Axis axis, const Piece &piece) {
    return axis == Axis::Row      ? piece.endRow - piece.firstRow
           : axis == Axis::Column ? piece.endColumn - piece.firstColumn
                                  : 1;
  }
  static int64_t firstOf(Axis axis, const Piece &piece) {
    return axis == Axis::Row ? piece.firstRow : axis == Axis::Column ? piece.firstColumn : 0;
  }
  int64_t blocksOf(int64_t rows) const { return (rows + rule.rowsPerBlock - 1) / rule.rowsPerBlock; }
  Piece whole() const { return {-1, 0, call.rows, 0, call.columns}; }
  HostArray input(size_t n, const Piece &piece) const;
  int64_t bytesOf(const Piece &piece, Axis axis) const;
  int64_t bytesOf(const Piece &piece) const {
    return bytesOf(piece, Axis::Row) + bytesOf(piece, Axis::Column) + bytesOf(piece, Axis::Parameter);
  }

  void runWithin(int64_t budget);
  /// All rows of `piece`, `rowsAtOnce` at a time, and all its columns.
  void runRows(const Piece &piece, int64_t rowsAtOnce);
  /// The same with `columnsAtOnce` at a time.
  void runWindows(const Piece &piece, int64_t rowsAtOnce, int64_t columnsAtOnce);
  /// The arguments of this axis go into `arrays`.
  void upload(const Piece &piece, Axis axis, const DeviceStream &stream, Held &held, OnDevice &arrays) const;
  OnDevice emptyArrays() const;
  Results makeResults(const Piece &piece, const DeviceStream &stream) const;
  void download(const Piece &piece, const Results &results, const DeviceStream &stream) const;
  void enqueue(const CpuCall &own, const DeviceStream &stream) const {
    if (kernel == WholeProgram)
      module.enqueue(own, stream.get());
    else
      module.enqueueKernel(kernel, own, stream.get());
  }
  /// The call of a piece; calls `action` with it.
  template <typename Action>
  void withCall(const Piece &piece, const OnDevice &arrays, const Results &results, Action action) const;
  /// Runs `action`; if it fails, waits for what the stream has to do, since that may read what the host lets go.
  template <typename Action>
  void waiting(const DeviceStream &stream, Action action) const;
  /// Tells that the pairs of `piece` are done.
  void tell(const Piece &piece);

  CudaModule &module;
  const int64_t kernel;
  const LaunchRule &rule;
  const CpuCall &call;
  const int64_t batches;
  double done = 0, told = 0; ///< parts of all pairs: in this try, and told in any
};

/// Steps of a program, each with arrays of the host. Rows that lie there are moved there.
class HostSteps : public StepRunner {
public:
  HostSteps(CudaModule &module, ThreadPool &pool) : module(module), pool(pool) {}

  char *reserve(size_t bytes) override {
    if (char *place = memory.reserve(bytes))
      return place;
    throw std::bad_alloc();
  }
  void launch(const Step &step, const CpuCall &call) override { Transfer(module, step.kernel, call).run(); }
  ThreadPool *movers(const Step &) override { return &pool; }

private:
  CudaModule &module;
  ThreadPool &pool;
  Buffer memory;
};

} // namespace

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

HostArray Transfer::input(size_t n, const Piece &piece) const {
  const ArgumentInfo &info = rule.arguments[n];
  HostArray array;
  array.elementBytes = sizeOf(info.type);
  array.data = static_cast<const char *>(call.inputs[n]);
  int64_t rest = piece.batch;
  for (int64_t axis = call.batchAxes - 1; axis >= 0; --axis) {
    int64_t stride = call.batchStrides[static_cast<int64_t>(n) * call.batchAxes + axis];
    if (piece.batch < 0) {
      array.axes.insert(array.axes.begin(), {call.batchSizes[axis], stride});
      continue;
    }
    array.data += rest % call.batchSizes[axis] * stride * array.elementBytes;
    rest /= call.batchSizes[axis];
  }
  if (info.axis != Axis::Parameter)
    array.data += firstOf(info.axis, piece) * call.rowStrides[n] * array.elementBytes;
  array.axes.push_back({rowsOf(info.axis, piece), info.axis == Axis::Parameter ? 0 : call.rowStrides[n]});
  array.axes.push_back({info.dim, call.componentStrides[n]});
  return array;
}

/// Bytes on the device of arguments and results over this axis.
int64_t Transfer::bytesOf(const Piece &piece, Axis axis) const {
  int64_t bytes = 0, copies = piece.batch < 0 ? batches : 1;
  for (size_t n = 0; n < rule.arguments.size(); ++n)
    if (rule.arguments[n].axis == axis)
      bytes += input(n, piece).packedBytes();
  for (const ResultInfo &result : rule.results)
    if (result.axis == axis)
      bytes += copies * rowsOf(axis, piece) * result.dim * sizeOf(result.type);
  return bytes;
}

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

void Transfer::runWithin(int64_t budget) {
  done = 0;
  if (bytesOf(whole()) <= budget)
    return runRows(whole(), std::max<int64_t>(call.rows, 1));
  for (int64_t batch = 0; batch < batches; ++batch) {
    Piece one = {batch, 0, call.rows, 0, call.columns}, smallest = {batch, 0, 1, 0, 1};
    int64_t forRows = budget - bytesOf(one, Axis::Parameter), columnBytes = bytesOf(one, Axis::Column);
    int64_t eachRow = std::max<int64_t>(bytesOf(smallest, Axis::Row), 1);
    int64_t block = std::max<int64_t>(rule.rowsPerBlock, 1);
    int64_t rows = std::min((forRows - columnBytes) / eachRow, call.rows);
    if (rows >= std::min(block, call.rows)) {
      // Whole blocks, but no empty ones.
      runRows(one, rows > block ? rows - rows % block : rows);
      continue;
    }
    // Rows and their states in one half of the memory, in whole blocks if possible, and a window of columns in the
    // other.
    // Clusters of rows, and gaps between them, have blocks of their own.
    int64_t states = 2 * rule.stateBytes, ofBlock = eachRow * block + states;
    int64_t forClusters = call.ranges ? (2 * call.ranges->clusters + 1) * states : 0;
    forRows -= forClusters;
    int64_t half = forRows / 2;
    int64_t beside = half >= ofBlock ? half / ofBlock * block : (forRows - states) / 2 / eachRow;
    beside = std::clamp<int64_t>(beside, 1, call.rows);
    int64_t eachColumn = std::max<int64_t>(bytesOf(smallest, Axis::Column), 1);
    int64_t columns = (forRows - beside * eachRow - blocksOf(beside) * states) / eachColumn;
    if (columns >= 1 && call.columns > 0 && rule.stateBytes > 0)
      runWindows(one, beside, std::min(columns, call.columns));
    else if (rows >= 1)
      runRows(one, rows);
    else
      throw OutOfDeviceMemory("kernel '" + rule.entry + "': " + module.device().title() +
                              " is out of memory: expected room for a column, a row, and twice the state of a block, " +
                              std::to_string(budget - forRows + eachColumn + eachRow + states) + " bytes, got " +
                              std::to_string(budget));
  }
}

void Transfer::tell(const Piece &piece) {
  if (!call.progress)
    return;
  auto share = [](int64_t part, int64_t all) { return static_cast<double>(part) / static_cast<double>(all); };
  // Where there are no pairs, one piece is all.
  done += (piece.batch < 0 ? 1 : share(1, batches)) *
          (call.rows > 0 ? share(piece.endRow - piece.firstRow, call.rows) : 1) *
          (call.columns > 0 ? share(piece.endColumn - piece.firstColumn, call.columns) : 1);
  if (done > told)
    (*call.progress)(told = std::min(done, 1.0));
}

template <typename Action>
void Transfer::waiting(const DeviceStream &stream, Action action) const {
  try {
    action();
  } catch (...) {
    module.device().call().cuStreamSynchronize(stream.get());
    throw;
  }
  stream.wait();
}

void Transfer::runRows(const Piece &piece, int64_t rowsAtOnce) {
  CurrentDevice current(module.device());
  // What is held goes before its stream, which ends before what it copies from.
  DeviceStream stream(module.device());
  Held held;
  OnDevice arrays = emptyArrays();
  waiting(stream, [&] {
    upload(piece, Axis::Parameter, stream, held, arrays);
    upload(piece, Axis::Column, stream, held, arrays);
  });
  for (int64_t first = 0; first < std::max<int64_t>(call.rows, 1); first += rowsAtOnce) {
    Piece part = piece;
    part.firstRow = first;
    part.endRow = std::min(first + rowsAtOnce, call.rows);
    Held rows;
    waiting(stream, [&] {
      upload(part, Axis::Row, stream, rows, arrays);
      Results results = makeResults(part, stream);
      withCall(part, arrays, results, [&](const CpuCall &own) { enqueue(own, stream); });
      download(part, results, stream);
    });
    tell(part);
  }
}

void Transfer::runWindows(const Piece &piece, int64_t rowsAtOnce, int64_t columnsAtOnce) {
  CurrentDevice current(module.device());
  DeviceStream stream(module.device());
  Held held;
  OnDevice arrays = emptyArrays();
  waiting(stream, [&] { upload(piece, Axis::Parameter, stream, held, arrays); });
  std::vector<ColumnWindow> windows;
  for (int64_t first = 0; first < call.columns; first += columnsAtOnce)
    windows.push_back({first, std::min(first + columnsAtOnce, call.columns)});
  for (int64_t first = 0; first < call.rows; first += rowsAtOnce) {
    Piece part = piece;
    part.firstRow = first;
    part.endRow = std::min(first + rowsAtOnce, call.rows);
    Held rows;
    Results results;
    std::optional<DeviceMemory> states;
    waiting(stream, [&] {
      upload(part, Axis::Row, stream, rows, arrays);
      results = makeResults(part, stream);
      int64_t bytes = 0;
      withCall(part, arrays, results, [&](const CpuCall &own) {
        for (const ColumnWindow &window : windows)
          bytes = std::max(bytes, module.windowBytes(kernel, own, window));
      });
      states.emplace(module.device(), bytes, stream.get());
    });
    for (const ColumnWindow &window : windows) {
      Held columns;
      part.firstColumn = window.begin;
      part.endColumn = window.end;
      waiting(stream, [&] {
        upload(part, Axis::Column, stream, columns, arrays);
        withCall(part, arrays, results, [&](const CpuCall &own) {
          module.enqueueWindow(kernel, own, window, states->address(), stream.get());
        });
        if (window.end == call.columns)
          download(part, results, stream);
      });
      tell(part);
    }
  }
}

//===----------------------------------------------------------------------===//
// Arrays of a piece
//===----------------------------------------------------------------------===//

Transfer::OnDevice Transfer::emptyArrays() const {
  OnDevice arrays;
  size_t count = rule.arguments.size();
  arrays.inputs.resize(count);
  arrays.rowStrides.resize(count);
  arrays.componentStrides.resize(count);
  arrays.batchStrides.resize(count * static_cast<size_t>(call.batchAxes));
  return arrays;
}

void Transfer::upload(const Piece &piece, Axis axis, const DeviceStream &stream, Held &held, OnDevice &arrays) const {
  for (size_t n = 0; n < rule.arguments.size(); ++n) {
    if (rule.arguments[n].axis != axis)
      continue;
    HostArray array = input(n, piece);
    int64_t bytes = array.packedBytes();
    held.memory.emplace_back(module.device(), bytes, stream.get());
    const char *source = array.data;
    if (!array.isPacked()) {
      held.staged.emplace_back(bytes);
      array.pack(held.staged.back().data());
      source = held.staged.back().data();
    }
    stream.copyToDevice(held.memory.back().address(), source, bytes);
    std::vector<int64_t> strides = array.packedStrides();
    size_t axes = array.axes.size();
    arrays.rowStrides[n] = strides[axes - 2];
    arrays.componentStrides[n] = strides[axes - 1];
    // Rows and columns keep their numbers: the first one of all would lie here.
    int64_t before = firstOf(axis, piece) * arrays.rowStrides[n] * sizeOf(rule.arguments[n].type);
    arrays.inputs[n] = reinterpret_cast<const void *>(held.memory.back().address() - static_cast<uint64_t>(before));
    if (piece.batch < 0)
      std::copy_n(strides.begin(), call.batchAxes,
                  arrays.batchStrides.begin() + static_cast<int64_t>(n) * call.batchAxes);
  }
}

Transfer::Results Transfer::makeResults(const Piece &piece, const DeviceStream &stream) const {
  Results results;
  for (const ResultInfo &result : rule.results) {
    int64_t rows = (piece.batch < 0 ? batches : 1) * rowsOf(result.axis, piece);
    results.bytes.push_back(rows * result.dim * sizeOf(result.type));
    results.memory.emplace_back(module.device(), results.bytes.back(), stream.get());
    int64_t before = firstOf(result.axis, piece) * result.dim * sizeOf(result.type);
    results.outputs.push_back(
        reinterpret_cast<void *>(results.memory.back().address() - static_cast<uint64_t>(before)));
  }
  return results;
}

void Transfer::download(const Piece &piece, const Results &results, const DeviceStream &stream) const {
  for (size_t n = 0; n < results.memory.size(); ++n) {
    const ResultInfo &result = rule.results[n];
    int64_t before = (std::max<int64_t>(piece.batch, 0) * rowsOf(result.axis) + firstOf(result.axis, piece)) *
                     result.dim * sizeOf(result.type);
    stream.copyToHost(static_cast<char *>(call.outputs[n]) + before, results.memory[n].address(), results.bytes[n]);
  }
}

template <typename Action>
void Transfer::withCall(const Piece &piece, const OnDevice &arrays, const Results &results, Action action) const {
  CpuCall own = call;
  own.inputs = arrays.inputs.data();
  own.rowStrides = arrays.rowStrides.data();
  own.componentStrides = arrays.componentStrides.data();
  own.batchStrides = arrays.batchStrides.data();
  own.outputs = results.outputs.data();
  own.rows = piece.endRow - piece.firstRow;
  own.firstRow = piece.firstRow;
  if (piece.batch >= 0)
    own.batchAxes = 0;
  std::optional<RangesOfRows> ranges;
  if (call.ranges && own.rows < call.rows) {
    ranges.emplace(*call.ranges, piece.firstRow, piece.endRow);
    own.ranges = ranges->get();
  }
  action(own);
}

//===----------------------------------------------------------------------===//
// Door
//===----------------------------------------------------------------------===//

void CudaModule::run(const CpuCall &call, ThreadPool &pool) {
  if (batchesOf(call) == 0)
    return;
  if (!artifact().isProgram())
    return Transfer(*this, /*kernel=*/0, call).run();
  if (Transfer(*this, Transfer::WholeProgram, call).runAtOnce())
    return;
  HostSteps steps(*this, pool);
  runSteps(artifact(), call, steps);
}
