//===- SimulatorTest.cpp - The GPU made of fibers --------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A right kernel must give right numbers for every order of its threads, and
// a wrong one must be caught in every order. The wrong kernels are the right
// one with a single thing changed, so that each test says what it is about.
//
//===----------------------------------------------------------------------===//

#include "SimulatorTesting.h"

#include <cmath>

using namespace keops::simtest;

//===----------------------------------------------------------------------===//
// A Gaussian product through a tile of shared memory
//===----------------------------------------------------------------------===//

static constexpr int64_t Block = 32;

/// out_i = sum_j 2^(-|x_i - y_j|²) b_j, three components; a thread per row and
/// tiles of 32 columns, each column as one word of 16 bytes.
static const std::string Gaussian = R"(
gpu.module @gaussian {
  llvm.mlir.global internal @tile() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<128 x f32>
  gpu.func @gauss(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>, %b: !llvm.ptr<1>, %out: !llvm.ptr<1>, %rows: index,
                  %columns: index) kernel {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c3 = arith.constant 3 : index
    %c4 = arith.constant 4 : index
    %width = arith.constant 32 : index
    %zero = arith.constant 0.0 : f32
    %t = gpu.thread_id x
    %block = gpu.block_id x
    %size = gpu.block_dim x
    %first = arith.muli %block, %size : index
    %i = arith.addi %first, %t : index
    %lastRow = arith.subi %rows, %c1 : index
    %lastColumn = arith.subi %columns, %c1 : index
    %row = arith.minsi %i, %lastRow : index
    %xAt = arith.muli %row, %c3 : index
    %xAt64 = arith.index_cast %xAt : index to i64
    %xp = llvm.getelementptr inbounds %x[%xAt64] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
    %xp1 = llvm.getelementptr inbounds %xp[1] : (!llvm.ptr<1>) -> !llvm.ptr<1>, f32
    %xp2 = llvm.getelementptr inbounds %xp[2] : (!llvm.ptr<1>) -> !llvm.ptr<1>, f32
    %x0 = llvm.load %xp : !llvm.ptr<1> -> f32
    %x1 = llvm.load %xp1 : !llvm.ptr<1> -> f32
    %x2 = llvm.load %xp2 : !llvm.ptr<1> -> f32
    %tile = llvm.mlir.addressof @tile : !llvm.ptr<3>
    %sum = scf.for %j0 = %c0 to %columns step %width iter_args(%outer = %zero) -> f32 {
      %j = arith.addi %j0, %t : index
      %inside = arith.cmpi slt, %j, %columns : index
      %column = arith.minsi %j, %lastColumn : index
      %yAt = arith.muli %column, %c3 : index
      %yAt64 = arith.index_cast %yAt : index to i64
      %bAt64 = arith.index_cast %column : index to i64
      %yp = llvm.getelementptr inbounds %y[%yAt64] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
      %yp1 = llvm.getelementptr inbounds %yp[1] : (!llvm.ptr<1>) -> !llvm.ptr<1>, f32
      %yp2 = llvm.getelementptr inbounds %yp[2] : (!llvm.ptr<1>) -> !llvm.ptr<1>, f32
      %bp = llvm.getelementptr inbounds %b[%bAt64] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
      %y0 = llvm.load %yp : !llvm.ptr<1> -> f32
      %y1 = llvm.load %yp1 : !llvm.ptr<1> -> f32
      %y2 = llvm.load %yp2 : !llvm.ptr<1> -> f32
      %loaded = llvm.load %bp : !llvm.ptr<1> -> f32
      %weight = arith.select %inside, %loaded, %zero : f32
      %word = vector.from_elements %y0, %y1, %y2, %weight : vector<4xf32>
      %slot = arith.muli %t, %c4 : index
      %slot64 = arith.index_cast %slot : index to i64
      %to = llvm.getelementptr inbounds %tile[%slot64] : (!llvm.ptr<3>, i64) -> !llvm.ptr<3>, f32
      llvm.store %word, %to {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<3>
      gpu.barrier {written}
      %inner = scf.for %k = %c0 to %width step %c1 iter_args(%acc = %outer) -> f32 {
        %at = arith.muli %k, %c4 : index
        %at64 = arith.index_cast %at : index to i64
        %from = llvm.getelementptr inbounds %tile[%at64] : (!llvm.ptr<3>, i64) -> !llvm.ptr<3>, f32
        %v = llvm.load %from {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xf32>
        %v0 = vector.extract %v[0] : f32 from vector<4xf32>
        %v1 = vector.extract %v[1] : f32 from vector<4xf32>
        %v2 = vector.extract %v[2] : f32 from vector<4xf32>
        %v3 = vector.extract %v[3] : f32 from vector<4xf32>
        %d0 = arith.subf %x0, %v0 : f32
        %d1 = arith.subf %x1, %v1 : f32
        %d2 = arith.subf %x2, %v2 : f32
        %s0 = arith.mulf %d0, %d0 : f32
        %s1 = math.fma %d1, %d1, %s0 : f32
        %s2 = math.fma %d2, %d2, %s1 : f32
        %minus = arith.negf %s2 : f32
        %e = llvm.intr.exp2(%minus) : (f32) -> f32
        %next = llvm.intr.fma(%e, %v3, %acc) : (f32, f32, f32) -> f32
        scf.yield %next : f32
      }
      gpu.barrier {read}
      scf.yield %inner : f32
    }
    %owned = arith.cmpi slt, %i, %rows : index
    scf.if %owned {
      %i64 = arith.index_cast %i : index to i64
      %op = llvm.getelementptr inbounds %out[%i64] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
      llvm.store %sum, %op : f32, !llvm.ptr<1>
    }
    gpu.return
  }
}
)";

namespace {
/// Arrays of the Gaussian product and the launch that computes it.
struct GaussianProblem {
  GaussianProblem(int64_t rows, int64_t columns, uint64_t seed)
      : rows(rows), columns(columns), x(rows * 3), y(columns * 3), b(columns), out(rows, -1.0f) {
    auto fill = [](std::vector<float> &values, double step) {
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<float>(std::sin(step * (i + 1)));
    };
    fill(x, 0.7);
    fill(y, 1.3);
    fill(b, 2.1);
    launch.grid = {(rows + Block - 1) / Block, 1, 1};
    launch.block = {Block, 1, 1};
    launch.arguments = {SimArgument(static_cast<void *>(x.data())),
                        static_cast<void *>(y.data()),
                        static_cast<void *>(b.data()),
                        static_cast<void *>(out.data()),
                        rows,
                        columns};
    auto buffer = [](std::vector<float> &values, bool writable) {
      return keops::runtime::SimBuffer{values.data(), static_cast<int64_t>(values.size() * sizeof(float)), writable};
    };
    launch.buffers = {buffer(x, false), buffer(y, false), buffer(b, false), buffer(out, true)};
    launch.seed = seed;
  }

  double expected(int64_t i) const {
    double sum = 0;
    for (int64_t j = 0; j < columns; ++j) {
      double squared = 0;
      for (int64_t d = 0; d < 3; ++d)
        squared += std::pow(double(x[i * 3 + d]) - double(y[j * 3 + d]), 2);
      sum += std::exp2(-squared) * b[j];
    }
    return sum;
  }

  int64_t rows, columns;
  std::vector<float> x, y, b, out;
  SimLaunch launch;
};
} // namespace

TEST(Simulator, GaussianProductIsRightInEveryOrder) {
  auto kernel = compileOrFail(Gaussian);
  ASSERT_TRUE(kernel);
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{1, 1}, {5, 70}, {32, 32}, {33, 31}, {100, 97}})
    for (uint64_t seed : Seeds) {
      GaussianProblem problem(rows, columns, seed);
      auto fault = kernel->launch(problem.launch);
      ASSERT_FALSE(fault) << *fault;
      for (int64_t i = 0; i < rows; ++i)
        ASSERT_NEAR(problem.out[i], problem.expected(i), 1e-5) << rows << "x" << columns << " row " << i;
    }
}

/// The sentence for the changed kernel, which must be the same kind of fault
/// in every order of threads.
static void expectFaultInEveryOrder(const std::string &text, const std::string &part,
                                    const std::string &otherPart = "") {
  auto kernel = compileOrFail(text);
  ASSERT_TRUE(kernel);
  for (uint64_t seed : Seeds) {
    GaussianProblem problem(100, 97, seed);
    auto fault = kernel->launch(problem.launch);
    EXPECT_TRUE(contains(fault, part) || (!otherPart.empty() && contains(fault, otherPart)))
        << "seed " << seed << ": " << fault.value_or("no fault");
  }
}

TEST(Simulator, FindsMissingBarrierAfterReading) {
  expectFaultInEveryOrder(with(Gaussian, "gpu.barrier {read}", ""), "data race: thread (");
}

TEST(Simulator, FindsMissingBarrierAfterWriting) {
  expectFaultInEveryOrder(with(Gaussian, "gpu.barrier {written}", ""), "unwritten shared memory: thread (",
                          "data race: thread (");
}

TEST(Simulator, FindsGlobalIndexTooFar) {
  expectFaultInEveryOrder(with(Gaussian, "%row = arith.minsi %i, %lastRow", "%row = arith.addi %i, %c0"),
                          "out of bounds: thread (");
  expectFaultInEveryOrder(
      with(Gaussian, "%bAt64 = arith.index_cast %column : index", "%bAt64 = arith.index_cast %columns : index"),
      "reads 4 bytes at byte 388 of buffer 2, which has 388 bytes, in `%");
}

TEST(Simulator, FindsSharedIndexTooFar) {
  expectFaultInEveryOrder(with(Gaussian, "!llvm.array<128 x f32>", "!llvm.array<124 x f32>"),
                          "writes 16 bytes at byte 496 of shared array @tile, which has 496 bytes");
}

TEST(Simulator, FindsFalsePromiseOfAlignment) {
  expectFaultInEveryOrder(with(Gaussian, "%at = arith.muli %k, %c4", "%at = arith.muli %k, %c3"),
                          "misaligned: thread (");
  // Here each address could be a multiple of 16 by luck; the simulator gives no luck.
  expectFaultInEveryOrder(with(Gaussian, "alignment = 16 : i64} : !llvm.array", "alignment = 4 : i64} : !llvm.array"),
                          "4 bytes past a multiple of the promised alignment 16");
}

TEST(Simulator, FindsReadOfUnwrittenSharedMemory) {
  expectFaultInEveryOrder(
      with(Gaussian, "llvm.store %word, %to {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<3>", ""),
      "which no thread of the block has written");
}

TEST(Simulator, FindsBarrierThatSomeThreadsSkip) {
  expectFaultInEveryOrder(with(Gaussian, "gpu.barrier {read}", "scf.if %inside {\n gpu.barrier {read}\n}"),
                          "divergent barrier: thread (");
}

TEST(Simulator, FindsStoreToReadOnlyBuffer) {
  expectFaultInEveryOrder(with(Gaussian, "inbounds %out[%i64]", "inbounds %x[%i64]"),
                          "store to read-only memory: thread (");
}

TEST(Simulator, FindsRaceBetweenBlocks) {
  auto kernel = compileOrFail(with(Gaussian, "%i64 = arith.index_cast %i :", "%i64 = arith.index_cast %t :"));
  ASSERT_TRUE(kernel);
  for (uint64_t seed : Seeds) {
    GaussianProblem problem(100, 97, seed);
    EXPECT_FAULT(kernel->launch(problem.launch), "which another block writes in the same launch");
  }
}

TEST(Simulator, NamesThreadOperationAndPlace) {
  auto kernel = compileOrFail(with(Gaussian, "inbounds %out[%i64]", "inbounds %out[%xAt64]"));
  ASSERT_TRUE(kernel);
  GaussianProblem problem(2, 1, /*seed=*/0);
  auto fault = kernel->launch(problem.launch);
  EXPECT_FAULT(fault, "thread (1, 0, 0) of block (0, 0, 0) writes 4 bytes at byte 12 of buffer 3, which has 8 bytes");
  EXPECT_FAULT(fault, "`llvm.store %");
  EXPECT_FAULT(fault, "` at kernel.mlir:");
}

/// Thread number g of the launch reads cell g + shift and writes cell g.
static const std::string Shift = kernelText("%cells: !llvm.ptr<1>, %shift: i64", R"(
    %t = gpu.thread_id x
    %b = gpu.block_id x
    %n = gpu.block_dim x
    %first = arith.muli %b, %n : index
    %g = arith.addi %first, %t : index
    %g64 = arith.index_cast %g : index to i64
    %far = arith.addi %g64, %shift : i64
    %from = llvm.getelementptr inbounds %cells[%far] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
    %to = llvm.getelementptr inbounds %cells[%g64] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
    %v = llvm.load %from : !llvm.ptr<1> -> f32
    gpu.barrier
    llvm.store %v, %to : f32, !llvm.ptr<1>
  )");

TEST(Simulator, BarriersOrderGlobalMemoryWithinABlockOnly) {
  auto kernel = compileOrFail(Shift);
  auto unordered = compileOrFail(with(Shift, "gpu.barrier", ""));
  ASSERT_TRUE(kernel && unordered);
  for (uint64_t seed : Seeds) {
    std::vector<float> cells(64, 1.0f);
    auto launch = [&](SimKernel &code, int64_t blocks, int64_t shift) {
      SimLaunch launch;
      launch.grid = {blocks, 1, 1};
      launch.block = {8, 1, 1};
      launch.arguments = {SimArgument(static_cast<void *>(cells.data())), shift};
      launch.buffers = {{cells.data(), 64 * 4, /*writable=*/true}};
      launch.seed = seed;
      return code.launch(launch);
    };
    auto fault = launch(*kernel, /*blocks=*/4, /*shift=*/0);
    EXPECT_FALSE(fault) << *fault;
    fault = launch(*kernel, /*blocks=*/1, /*shift=*/1);
    EXPECT_FALSE(fault) << *fault;
    EXPECT_FAULT(launch(*unordered, /*blocks=*/1, /*shift=*/1), "with no barrier in between, in `");
    EXPECT_FAULT(launch(*kernel, /*blocks=*/4, /*shift=*/1), "in the same launch");
  }
}

TEST(Simulator, NeighbouringBytesAreNoRace) {
  auto kernel = compileOrFail(kernelText("%bytes: !llvm.ptr<1>", R"(
    %t = gpu.thread_id x
    %t64 = arith.index_cast %t : index to i64
    %t8 = arith.trunci %t64 : i64 to i8
    %to = llvm.getelementptr %bytes[%t64] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, i8
    llvm.store %t8, %to : i8, !llvm.ptr<1>
    gpu.barrier
    %first = llvm.load %bytes : !llvm.ptr<1> -> i32
  )"));
  ASSERT_TRUE(kernel);
  alignas(4) uint8_t bytes[16];
  SimLaunch launch;
  launch.block = {16, 1, 1};
  launch.arguments = {SimArgument(static_cast<void *>(bytes))};
  launch.buffers = {{bytes, 16, /*writable=*/true}};
  auto fault = kernel->launch(launch);
  EXPECT_FALSE(fault) << *fault;
  EXPECT_EQ(bytes[15], 15);
}

TEST(Simulator, FindsWriteByOneOfSeveralReaders) {
  auto kernel = compileOrFail(kernelText("%cell: !llvm.ptr<1>", R"(
    %c0 = arith.constant 0 : index
    %t = gpu.thread_id x
    %v = llvm.load %cell : !llvm.ptr<1> -> f32
    %first = arith.cmpi eq, %t, %c0 : index
    scf.if %first {
      llvm.store %v, %cell : f32, !llvm.ptr<1>
    })"));
  ASSERT_TRUE(kernel);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    float cell = 1.0f;
    SimLaunch launch;
    launch.block = {2, 1, 1};
    launch.arguments = {SimArgument(static_cast<void *>(&cell))};
    launch.buffers = {{&cell, 4, /*writable=*/true}};
    launch.seed = seed;
    EXPECT_FAULT(kernel->launch(launch), "data race: thread (");
  }
}

TEST(Simulator, SeedDrawsTheOrder) {
  auto kernel = compileOrFail(Shift);
  ASSERT_TRUE(kernel);
  auto firstFault = [&](uint64_t seed) {
    SimLaunch launch;
    launch.grid = {100, 1, 1};
    launch.block = {100, 1, 1};
    launch.arguments = {SimArgument(static_cast<void *>(nullptr)), int64_t(0)};
    launch.seed = seed;
    return kernel->launch(launch).value_or("no fault");
  };
  EXPECT_EQ(firstFault(0).find("out of bounds: thread (0, 0, 0) of block (0, 0, 0) reads 4 bytes at the null pointer"),
            0u);
  EXPECT_EQ(firstFault(7), firstFault(7));
  EXPECT_NE(firstFault(7), firstFault(8));
}

TEST(Simulator, FindsPointerToTheWrongMemory) {
  auto kernel =
      compileOrFail(kernelText("", R"(
    %tile = llvm.mlir.addressof @tile : !llvm.ptr<3>
    %generic = llvm.addrspacecast %tile : !llvm.ptr<3> to !llvm.ptr
    %global = llvm.addrspacecast %generic : !llvm.ptr to !llvm.ptr<1>
    %x = llvm.mlir.zero : f32
    llvm.store %x, %generic : f32, !llvm.ptr
    llvm.store %x, %global : f32, !llvm.ptr<1>
  )",
                               "llvm.mlir.global internal @tile() {addr_space = 3 : i32} : !llvm.array<4 x f32>"));
  ASSERT_TRUE(kernel);
  EXPECT_FAULT(kernel->launch(SimLaunch()),
               "writes 4 bytes at byte 0 of shared array @tile, which has 16 bytes, through "
               "a pointer to global memory, in `llvm.store %");
}

//===----------------------------------------------------------------------===//
// Threads, blocks and their meeting points
//===----------------------------------------------------------------------===//

TEST(Simulator, EveryThreadOfEveryBlockRunsOnce) {
  auto kernel = compileOrFail(kernelText("%out: !llvm.ptr<1>", R"(
    %tx = gpu.thread_id x
    %ty = gpu.thread_id y
    %tz = gpu.thread_id z
    %bx = gpu.block_id x
    %by = gpu.block_id y
    %bz = gpu.block_id z
    %dx = gpu.block_dim x
    %dy = gpu.block_dim y
    %dz = gpu.block_dim z
    %gx = gpu.grid_dim x
    %gy = gpu.grid_dim y
    %a0 = arith.muli %bz, %gy : index
    %a1 = arith.addi %a0, %by : index
    %a2 = arith.muli %a1, %gx : index
    %a3 = arith.addi %a2, %bx : index
    %a4 = arith.muli %a3, %dz : index
    %a5 = arith.addi %a4, %tz : index
    %a6 = arith.muli %a5, %dy : index
    %a7 = arith.addi %a6, %ty : index
    %a8 = arith.muli %a7, %dx : index
    %a9 = arith.addi %a8, %tx : index
    %at = arith.index_cast %a9 : index to i64
    %p = llvm.getelementptr %out[%at] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, i64
    %old = llvm.load %p : !llvm.ptr<1> -> i64
    %new = arith.addi %old, %at : i64
    llvm.store %new, %p : i64, !llvm.ptr<1>
  )"));
  ASSERT_TRUE(kernel);
  for (uint64_t seed : Seeds) {
    std::vector<int64_t> out(2 * 3 * 4 * 5 * 6 * 7, 1);
    SimLaunch launch;
    launch.grid = {2, 3, 4};
    launch.block = {5, 6, 7};
    launch.arguments = {SimArgument(static_cast<void *>(out.data()))};
    launch.buffers = {{out.data(), static_cast<int64_t>(out.size() * 8), /*writable=*/true}};
    launch.seed = seed;
    auto fault = kernel->launch(launch);
    ASSERT_FALSE(fault) << *fault;
    for (size_t i = 0; i < out.size(); ++i)
      ASSERT_EQ(out[i], static_cast<int64_t>(i) + 1);
  }
}

/// Every thread hands its value on to the next one, around the block.
static const std::string Rotate =
    kernelText("%out: !llvm.ptr<1>", R"(
    %c1 = arith.constant 1 : index
    %t = gpu.thread_id x
    %n = gpu.block_dim x
    %t1 = arith.addi %t, %c1 : index
    %next = arith.remui %t1, %n : index
    %here64 = arith.index_cast %t : index to i64
    %next64 = arith.index_cast %next : index to i64
    %ring = llvm.mlir.addressof @ring : !llvm.ptr<3>
    %to = llvm.getelementptr %ring[%here64] : (!llvm.ptr<3>, i64) -> !llvm.ptr<3>, i64
    %from = llvm.getelementptr %ring[%next64] : (!llvm.ptr<3>, i64) -> !llvm.ptr<3>, i64
    llvm.store %here64, %to : i64, !llvm.ptr<3>
    gpu.barrier
    %v = llvm.load %from : !llvm.ptr<3> -> i64
    %p = llvm.getelementptr %out[%here64] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, i64
    llvm.store %v, %p : i64, !llvm.ptr<1>
  )",
               "llvm.mlir.global external @ring() {addr_space = 3 : i32, alignment = 8 : i64} : !llvm.array<0 x i64>");

TEST(Simulator, LargestBlockAndDynamicSharedMemory) {
  auto kernel = compileOrFail(Rotate);
  ASSERT_TRUE(kernel);
  std::vector<int64_t> out(1024, -1);
  SimLaunch launch;
  launch.block = {1024, 1, 1};
  launch.arguments = {SimArgument(static_cast<void *>(out.data()))};
  launch.buffers = {{out.data(), 1024 * 8, /*writable=*/true}};
  launch.sharedBytes = 1024 * 8;
  launch.seed = 5;
  auto fault = kernel->launch(launch);
  ASSERT_FALSE(fault) << *fault;
  for (int64_t i = 0; i < 1024; ++i)
    ASSERT_EQ(out[i], (i + 1) % 1024);

  launch.sharedBytes -= 8;
  EXPECT_FAULT(kernel->launch(launch), "thread (1023, 0, 0) of block (0, 0, 0) writes 8 bytes at byte 8184 of shared "
                                       "array @ring, which has 8184 bytes");
}

TEST(Simulator, FindsThreadsAtDifferentBarriers) {
  auto kernel = compileOrFail(kernelText("%half: index", R"(
    %t = gpu.thread_id x
    %low = arith.cmpi ult, %t, %half : index
    scf.if %low {
      gpu.barrier {first}
    } else {
      gpu.barrier {second}
    })"));
  ASSERT_TRUE(kernel);
  for (uint64_t seed : Seeds) {
    SimLaunch launch;
    launch.block = {8, 1, 1};
    launch.seed = seed;
    launch.arguments = {SimArgument(int64_t(8))};
    auto fault = kernel->launch(launch);
    EXPECT_FALSE(fault) << *fault;
    launch.arguments = {SimArgument(int64_t(4))};
    EXPECT_FAULT(kernel->launch(launch), "thread (3, 0, 0) of block (0, 0, 0) waits at `gpu.barrier {first}` at "
                                         "kernel.mlir:8:7, but thread (4, 0, 0) of block (0, 0, 0) at "
                                         "`gpu.barrier {second}`");
  }
}

/// The sum over a group of 32 threads, by exchanging values.
static const std::string WarpSum = kernelText("%out: !llvm.ptr<1>, %width: i32", R"(
    %lane = gpu.lane_id
    %lane32 = arith.index_cast %lane : index to i32
    %start = arith.sitofp %lane32 : i32 to f32
    %c1 = arith.constant 1 : i32
    %sum:2 = scf.while (%value = %start, %offset = %c1) : (f32, i32) -> (f32, i32) {
      %more = arith.cmpi slt, %offset, %width : i32
      scf.condition(%more) %value, %offset : f32, i32
    } do {
    ^bb0(%value: f32, %offset: i32):
      %other, %valid = gpu.shuffle xor %value, %offset, %width : f32
      %added = arith.addf %value, %other : f32
      %further = arith.muli %offset, %c1 : i32
      %twice = arith.addi %offset, %offset : i32
      scf.yield %added, %twice : f32, i32
    }
    %up, %hasUp = gpu.shuffle up %start, %c1, %width : f32
    %none = arith.constant -1.0 : f32
    %before = arith.select %hasUp, %up, %none : f32
    %pair = vector.from_elements %sum#0, %before : vector<2xf32>
    %t = gpu.thread_id x
    %t64 = arith.index_cast %t : index to i64
    %p = llvm.getelementptr %out[%t64] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, vector<2xf32>
    llvm.store %pair, %p : vector<2xf32>, !llvm.ptr<1>
  )");

TEST(Simulator, ShufflesMeetWithinGroupsOf32) {
  auto kernel = compileOrFail(WarpSum);
  ASSERT_TRUE(kernel);
  for (uint64_t seed : Seeds) {
    alignas(8) float out[64][2];
    SimLaunch launch;
    launch.block = {64, 1, 1};
    launch.arguments = {SimArgument(static_cast<void *>(out)), int32_t(32)};
    launch.buffers = {{out, sizeof(out), /*writable=*/true}};
    launch.seed = seed;
    auto fault = kernel->launch(launch);
    ASSERT_FALSE(fault) << *fault;
    for (int i = 0; i < 64; ++i) {
      ASSERT_EQ(out[i][0], 31.0f * 32 / 2);
      ASSERT_EQ(out[i][1], i % 32 - 1.0f);
    }

    launch.block = {40, 1, 1};
    EXPECT_FAULT(kernel->launch(launch), "divergent shuffle: the first 32 threads of a group of 32 must take part in");
    launch.block = {64, 1, 1};
    launch.arguments[1] = int32_t(33);
    EXPECT_FAULT(kernel->launch(launch), "the width of a shuffle must be from 1 to 32");
  }
}
