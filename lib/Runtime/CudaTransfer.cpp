//===- CudaTransfer.cpp - Arrays of the host through a GPU -----------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A call is a list of pieces: one, if the device has memory for all arrays;
// else each batch by itself, and of that as many rows at a time as fit beside
// the columns, which stay. A piece waits for none of the host's copies but its
// own.
//
//===----------------------------------------------------------------------===//

#include "HostArrays.h"
#include "keops/Runtime/CudaModule.h"
#include "keops/Runtime/GpuLaunch.h"

#include <algorithm>
#include <list>

using namespace keops::runtime;

namespace {

/// Of the free memory, what arrays may take; tables and what steps leave for each other come beside them.
constexpr double usableShare = 0.9;
/// How often a call that finds less memory than it was told tries again, with half as much.
constexpr int tries = 4;

/// One call with arrays of the host.
class Transfer {
public:
  Transfer(CudaModule &module, const Artifact &artifact, const CpuCall &call, ThreadPool &pool)
      : module(module), artifact(artifact), call(call), pool(pool), batches(batchesOf(call)) {}

  void run() {
    for (int64_t budget = memory();; budget /= 2) {
      bool last = ++tried == tries || artifact.isProgram();
      try {
        return runWithin(budget);
      } catch (const OutOfDeviceMemory &) {
        if (last)
          throw;
      }
    }
  }

private:
  /// Rows [firstRow, endRow) of a batch, or of all batches if `batch` is negative.
  struct Piece {
    int64_t batch = -1;
    int64_t firstRow = 0, endRow = 0;
  };
  /// What a piece is computed with on the device.
  struct OnDevice {
    std::vector<const void *> inputs;
    std::vector<int64_t> rowStrides, componentStrides, batchStrides;
  };

  int64_t memory() const {
    CurrentDevice current(module.device());
    return static_cast<int64_t>(usableShare * static_cast<double>(module.device().freeBytes()));
  }
  int64_t rowsOf(Axis axis) const { return axis == Axis::Row ? call.rows : axis == Axis::Column ? call.columns : 1; }
  HostArray input(size_t n, const Piece &piece) const;
  int64_t bytesOf(const Piece &piece, bool rowsToo, bool restToo) const;

  void runWithin(int64_t budget);
  /// All rows of `piece`, `rowsAtOnce` at a time.
  void runBatch(const Piece &piece, int64_t rowsAtOnce);
  void upload(const Piece &piece, bool wantsRows, const DeviceStream &stream, std::list<DeviceMemory> &held,
              std::list<std::vector<char>> &staged, OnDevice &arrays) const;
  void compute(const Piece &piece, const DeviceStream &stream, const OnDevice &arrays);

  CudaModule &module;
  const Artifact &artifact;
  const CpuCall &call;
  ThreadPool &pool;
  const int64_t batches;
  int tried = 0;
};

} // namespace

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

HostArray Transfer::input(size_t n, const Piece &piece) const {
  const ArgumentInfo &info = artifact.arguments[n];
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
  int64_t rows = rowsOf(info.axis);
  if (info.axis == Axis::Row) {
    array.data += piece.firstRow * call.rowStrides[n] * array.elementBytes;
    rows = piece.endRow - piece.firstRow;
  }
  array.axes.push_back({rows, info.axis == Axis::Parameter ? 0 : call.rowStrides[n]});
  array.axes.push_back({info.dim, call.componentStrides[n]});
  return array;
}

/// Bytes on the device: of what has rows of the piece, and of the rest.
int64_t Transfer::bytesOf(const Piece &piece, bool rowsToo, bool restToo) const {
  int64_t bytes = 0;
  for (size_t n = 0; n < artifact.arguments.size(); ++n)
    if (artifact.arguments[n].axis == Axis::Row ? rowsToo : restToo)
      bytes += input(n, piece).packedBytes();
  for (const ResultInfo &result : artifact.results) {
    int64_t rows = result.axis == Axis::Row ? piece.endRow - piece.firstRow : rowsOf(result.axis);
    if (result.axis == Axis::Row ? rowsToo : restToo)
      bytes += (piece.batch < 0 ? batches : 1) * rows * result.dim * sizeOf(result.type);
  }
  for (const ArgumentInfo &temporary : artifact.temporaries)
    if (restToo)
      bytes += batches * rowsOf(temporary.axis) * temporary.dim * sizeOf(temporary.type);
  return bytes;
}

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

void Transfer::runWithin(int64_t budget) {
  Piece whole = {-1, 0, call.rows};
  if (artifact.isProgram() || bytesOf(whole, true, true) <= budget)
    return runBatch(whole, std::max<int64_t>(call.rows, 1));
  for (int64_t batch = 0; batch < batches; ++batch) {
    Piece one = {batch, 0, call.rows};
    int64_t rest = bytesOf(one, false, true), each = std::max<int64_t>(bytesOf({batch, 0, 1}, true, false), 1);
    int64_t rows = std::min((budget - rest) / each, call.rows);
    if (rows < 1)
      throw OutOfDeviceMemory("kernel '" + artifact.entry + "': " + module.device().title() +
                              " is out of memory: expected room for all columns and one row, " +
                              std::to_string(rest + each) + " bytes, got " + std::to_string(budget));
    // Whole blocks, but no empty ones.
    if (rows > artifact.rowsPerBlock && artifact.rowsPerBlock > 0)
      rows -= rows % artifact.rowsPerBlock;
    runBatch(one, rows);
  }
}

void Transfer::runBatch(const Piece &piece, int64_t rowsAtOnce) {
  CurrentDevice current(module.device());
  // In this order: memory goes before its stream, which ends before what it copies from.
  std::list<std::vector<char>> staged;
  DeviceStream stream(module.device());
  std::list<DeviceMemory> held;
  OnDevice arrays;
  size_t count = artifact.arguments.size();
  arrays.inputs.resize(count);
  arrays.rowStrides.resize(count);
  arrays.componentStrides.resize(count);
  arrays.batchStrides.resize(count * static_cast<size_t>(call.batchAxes));
  upload(piece, /*wantsRows=*/false, stream, held, staged, arrays);
  for (int64_t first = 0; first < std::max<int64_t>(call.rows, 1); first += rowsAtOnce) {
    Piece part = {piece.batch, first, std::min(first + rowsAtOnce, call.rows)};
    std::list<std::vector<char>> stagedRows;
    std::list<DeviceMemory> heldRows;
    try {
      upload(part, /*wantsRows=*/true, stream, heldRows, stagedRows, arrays);
      compute(part, stream, arrays);
    } catch (...) {
      // Copies that were begun read what was staged.
      module.device().call().cuStreamSynchronize(stream.get());
      throw;
    }
    stream.wait();
  }
}

void Transfer::upload(const Piece &piece, bool wantsRows, const DeviceStream &stream, std::list<DeviceMemory> &held,
                      std::list<std::vector<char>> &staged, OnDevice &arrays) const {
  for (size_t n = 0; n < artifact.arguments.size(); ++n) {
    if ((artifact.arguments[n].axis == Axis::Row) != wantsRows)
      continue;
    HostArray array = input(n, piece);
    int64_t bytes = array.packedBytes();
    held.emplace_back(module.device(), bytes, stream.get());
    const char *source = array.data;
    if (!array.isPacked()) {
      staged.emplace_back(bytes);
      array.pack(staged.back().data());
      source = staged.back().data();
    }
    stream.copyToDevice(held.back().address(), source, bytes);
    std::vector<int64_t> strides = array.packedStrides();
    size_t axes = array.axes.size();
    arrays.inputs[n] = held.back().pointer();
    arrays.rowStrides[n] = strides[axes - 2];
    arrays.componentStrides[n] = strides[axes - 1];
    if (piece.batch < 0)
      std::copy_n(strides.begin(), call.batchAxes,
                  arrays.batchStrides.begin() + static_cast<int64_t>(n) * call.batchAxes);
  }
}

void Transfer::compute(const Piece &piece, const DeviceStream &stream, const OnDevice &arrays) {
  std::vector<DeviceMemory> results;
  std::vector<void *> outputs;
  std::vector<int64_t> bytes;
  int64_t ownRows = piece.endRow - piece.firstRow;
  for (const ResultInfo &result : artifact.results) {
    int64_t rows = result.axis == Axis::Row ? ownRows : rowsOf(result.axis);
    bytes.push_back((piece.batch < 0 ? batches : 1) * rows * result.dim * sizeOf(result.type));
    results.emplace_back(module.device(), bytes.back(), stream.get());
    outputs.push_back(results.back().pointer());
  }
  CpuCall own = call;
  own.inputs = arrays.inputs.data();
  own.rowStrides = arrays.rowStrides.data();
  own.componentStrides = arrays.componentStrides.data();
  own.batchStrides = arrays.batchStrides.data();
  own.outputs = outputs.data();
  own.rows = ownRows;
  if (piece.batch >= 0)
    own.batchAxes = 0;
  std::optional<RangesOfRows> ranges;
  if (call.ranges && ownRows < call.rows) {
    ranges.emplace(*call.ranges, piece.firstRow, piece.endRow);
    own.ranges = ranges->get();
  }
  module.enqueue(own, stream.get(), pool);
  for (size_t n = 0; n < results.size(); ++n) {
    const ResultInfo &result = artifact.results[n];
    int64_t before =
        (std::max<int64_t>(piece.batch, 0) * rowsOf(result.axis) + (result.axis == Axis::Row ? piece.firstRow : 0)) *
        result.dim * sizeOf(result.type);
    stream.copyToHost(static_cast<char *>(call.outputs[n]) + before, results[n].address(), bytes[n]);
  }
}

void CudaModule::run(const CpuCall &call, ThreadPool &pool) {
  if (batchesOf(call) > 0)
    Transfer(*this, artifact(), call, pool).run();
}
