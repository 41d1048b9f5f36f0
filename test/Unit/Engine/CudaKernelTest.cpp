//===- CudaKernelTest.cpp - Kernels on a GPU that keeps accounts -----------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a launch is given, and what the driver is asked, on its way from arrays
// to a result. The kernels for processors say what is right.
//
//===----------------------------------------------------------------------===//

#include "CudaTesting.h"

#include <algorithm>
#include <filesystem>
#include <thread>

using namespace keops;
using namespace keops::test;

namespace {

using M = Matrix<float>;

const std::string gauss = "Sum_Reduction(Exp(-SqDist(x,y))*b, 0)";
const std::vector<std::string> gaussAliases = {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)"};

void expectNear(const M &found, const M &expected, double tolerance = 1e-5) {
  ASSERT_EQ(found.numbers.size(), expected.numbers.size());
  for (size_t n = 0; n < found.numbers.size(); ++n)
    if (found.numbers[n] != expected.numbers[n]) // which may be infinite
      EXPECT_NEAR(found.numbers[n], expected.numbers[n], tolerance * (1 + std::abs(expected.numbers[n]))) << "at " << n;
}

/// An array in the memory of a device, as the double has it.
class DeviceArray {
public:
  DeviceArray(CudaDouble &cuda, const M &from, int device = 0)
      : cuda(cuda), rows(from.rows), dim(from.dim), data(cuda.allocate(device, from.numbers.size() * sizeof(float))) {
    std::copy(from.numbers.begin(), from.numbers.end(), static_cast<float *>(data));
  }
  ~DeviceArray() { cuda.free(data); }
  DeviceArray(const DeviceArray &) = delete;
  DeviceArray &operator=(const DeviceArray &) = delete;

  operator ConstArray() const { return {data, rows, dim, DType::F32}; }
  operator Array() const { return {data, rows, dim, DType::F32}; }
  M read() const {
    auto *first = static_cast<const float *>(data);
    return M(rows, dim, std::vector<float>(first, first + rows * dim));
  }

private:
  CudaDouble &cuda;
  int64_t rows, dim;
  void *data;
};

class CudaKernel : public OnDouble {
protected:
  M x = M::random(67, 3, 1), y = M::random(131, 3, 2), b = M::random(131, 1, 3);
};

//===----------------------------------------------------------------------===//
// Arrays of the host
//===----------------------------------------------------------------------===//

TEST_F(CudaKernel, ComputesWithArraysOfTheHost) {
  M found(67, 1), expected(67, 1);
  compile(gauss, gaussAliases)({found}, {x, y, b});
  compileForHost(gauss, gaussAliases)({expected}, {x, y, b});
  expectNear(found, expected);
  EXPECT_EQ(cuda->launches().size(), 1u);
}

TEST_F(CudaKernel, SendsStridedArraysWithoutGaps) {
  // Every second component, last row first; stored by component; one weight for all.
  M wide = M::random(67, 6, 4), tall = M::random(3, 131, 5);
  ConstArray strided = {wide[66], 67, 3, DType::F32, -6, 2};
  ConstArray transposed = {tall.numbers.data(), 131, 3, DType::F32, 1, 131};
  ConstArray repeated = {b.numbers.data(), 131, 1, DType::F32, 0};
  M found(67, 1), expected(67, 1);
  compile(gauss, gaussAliases)({found}, {strided, transposed, repeated});
  compileForHost(gauss, gaussAliases)({expected}, {strided, transposed, repeated});
  expectNear(found, expected);
}

TEST_F(CudaKernel, TakesBatchesAndRanges) {
  M stacked = M::random(3 * 131, 3, 6), found(3 * 67, 1), expected(3 * 67, 1);
  ConstArray columns = {stacked.numbers.data(), 131, 3, DType::F32};
  columns.batch = {{3, 131 * 3}};
  const int64_t rows[] = {0, 20, 30, 67}, slices[] = {2, 3}, intervals[] = {100, 131, 5, 50, 0, 131};
  Ranges ranges{rows, slices, 2, intervals, 3};
  Array foundArray = {found.numbers.data(), 67, 1, DType::F32, {3}};
  Array expectedArray = {expected.numbers.data(), 67, 1, DType::F32, {3}};
  compile(gauss, gaussAliases)({foundArray}, {x, columns, b}, 0, &ranges);
  compileForHost(gauss, gaussAliases)({expectedArray}, {x, columns, b}, 0, &ranges);
  expectNear(found, expected);
}

TEST_F(CudaKernel, NoRowsAreNoLaunch) {
  M none(0, 3), found(0, 1);
  compile(gauss, gaussAliases)({found}, {none, y, b});
  EXPECT_TRUE(cuda->launches().empty());
}

// What does not fit at once goes through by rows. The columns take 2096 of the bytes.
TEST_F(CudaKernel, SendsRowsInPiecesWhenMemoryIsShort) {
  M many = M::random(3000, 3, 7), found(3000, 1), expected(3000, 1);
  const int64_t rows[] = {0, 1500, 1600, 3000}, slices[] = {1, 2}, intervals[] = {3, 131, 0, 64};
  Ranges ranges{rows, slices, 2, intervals, 2};
  Kernel kernel = compile(gauss, gaussAliases);
  cuda->settings().memory = 32 << 10;
  kernel({found}, {many, y, b});
  compileForHost(gauss, gaussAliases)({expected}, {many, y, b});
  expectNear(found, expected);
  EXPECT_GE(cuda->launches().size(), 2u);
  kernel({found}, {many, y, b}, 0, &ranges);
  compileForHost(gauss, gaussAliases)({expected}, {many, y, b}, 0, &ranges);
  expectNear(found, expected);
}

TEST_F(CudaKernel, SendsBatchesOneByOneWhenMemoryIsShort) {
  constexpr int64_t batches = 4;
  M stacked = M::random(batches * 500, 3, 8), found(batches * 500, 1), expected(batches * 500, 1);
  ConstArray rows = {stacked.numbers.data(), 500, 3, DType::F32};
  rows.batch = {{2, 1000 * 3}, {2, 500 * 3}};
  Array foundArray = {found.numbers.data(), 500, 1, DType::F32, {2, 2}};
  Array expectedArray = {expected.numbers.data(), 500, 1, DType::F32, {2, 2}};
  Kernel kernel = compile(gauss, gaussAliases);
  cuda->settings().memory = 16 << 10;
  kernel({foundArray}, {rows, y, b});
  compileForHost(gauss, gaussAliases)({expectedArray}, {rows, y, b});
  expectNear(found, expected);
  EXPECT_GE(cuda->launches().size(), 4u);
}

// Rows keep their numbers, of which formulas may be made.
TEST_F(CudaKernel, RowsOfPiecesKeepTheirNumbers) {
  const std::string text = "Sum_Reduction((Index_i()+2*Index_j())*Exp(-SqDist(x,y)), 0)";
  M many = M::random(3000, 3, 7), found(3000, 1), expected(3000, 1);
  cuda->settings().memory = 32 << 10;
  compile(text, gaussAliases)({found}, {many, y, b});
  compileForHost(text, gaussAliases)({expected}, {many, y, b});
  expectNear(found, expected);
}

// Others may take memory between the question and the answer.
TEST_F(CudaKernel, TriesAgainWithLessWhenMemoryIsShorterThanItSaid) {
  M found(67, 1), expected(67, 1);
  Kernel kernel = compile(gauss, gaussAliases);
  cuda->failCall("cuMemAllocFromPoolAsync", 2, /*after=*/1);
  kernel({found}, {x, y, b});
  compileForHost(gauss, gaussAliases)({expected}, {x, y, b});
  expectNear(found, expected);
}

/// Reductions of all kinds; of each the components, and KiB that twice the state of a block, some rows and some hundred
/// columns take, if it is to be computed in so many.
struct Reducing {
  const char *text;
  int64_t dim, memory;
};
const Reducing reductions[] = {
    {"Sum_Reduction(Exp(-SqDist(x,y))*b, 0)", 1, 27},
    {"LogSumExp_Reduction(SqDist(x,y)*b, 0)", 1, 36},
    {"LogSumExp_Reduction(SqDist(x,y), 0, Exp(b*y))", 3, 0},
    {"SumSoftMaxWeight_Reduction(SqDist(x,y)*b, 0, y)", 3, 91},
    {"Min_Reduction(SqDist(x,y)*b, 0)", 1, 0},
    {"ArgMax_Reduction(SqDist(x,y)*b, 0)", 1, 36},
    {"KMin_Reduction(SqDist(x,y)*b, 5, 0)", 5, 32},
    {"ArgKMin_Reduction(SqDist(x,y)*b, 5, 0)", 5, 0},
};
const std::vector<std::string> reductionAliases = {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)"};

/// Compares a kernel's results with those of the host, whatever their type.
void expectSame(const Kernel &found, const Kernel &expected, const std::vector<ConstArray> &inputs, int64_t rows,
                int64_t dim, const Ranges *ranges = nullptr) {
  if (expected.results()[0].type == DType::I64) {
    Matrix<int64_t> a(rows, dim), b(rows, dim);
    found({a}, inputs, 0, ranges);
    expected({b}, inputs, 0, ranges);
    EXPECT_EQ(a.numbers, b.numbers);
    return;
  }
  M a(rows, dim), b(rows, dim);
  found({a}, inputs, 0, ranges);
  expected({b}, inputs, 0, ranges);
  expectNear(a, b);
}

// Columns do not fit: they come in windows, and what is known of a row waits in a state.
TEST_F(CudaKernel, SendsColumnsInWindowsWhenMemoryIsShort) {
  for (auto [text, dim, memory] : reductions) {
    if (memory == 0)
      continue;
    SCOPED_TRACE(text);
    // Of the first, rows come in pieces too.
    bool first = text == reductions[0].text;
    int64_t rows = first ? 300 : 60, columns = memory * 64;
    M x = M::random(rows, 3, 7), y = M::random(columns, 3, 8), b = M::random(columns, 1, 9);
    engine.reset();
    cuda->settings().memory = memory << 10;
    cuda->launches().clear();
    Kernel kernel = compile(text, reductionAliases), host = compileForHost(text, reductionAliases);
    expectSame(kernel, host, {x, y, b}, rows, dim);
    auto isMerge = [](const DoubleLaunch &launch) { return launch.function == "formula_merge"; };
    EXPECT_GE(std::count_if(cuda->launches().begin(), cuda->launches().end(), isMerge), first ? 4 : 2);
  }
}

// Each cluster of rows has states of its own.
TEST_F(CudaKernel, SendsWindowsOfRanges) {
  constexpr int64_t rows = 90, columns = 7700;
  M x = M::random(rows, 3, 7), y = M::random(columns, 3, 8), b = M::random(columns, 1, 9);
  const int64_t rowRanges[] = {0, 30, 50, rows}, slices[] = {2, 3}, intervals[] = {3, 700, 900, columns, 1000, 1001};
  Ranges ranges{rowRanges, slices, 2, intervals, 3};
  cuda->settings().memory = 120 << 10;
  Kernel kernel = compile(gauss, gaussAliases);
  expectSame(kernel, compileForHost(gauss, gaussAliases), {x, y, b}, rows, 1, &ranges);
  EXPECT_GE(cuda->launches().size(), 3u);
}

TEST_F(CudaKernel, SendsWindowsOfBatches) {
  constexpr int64_t rows = 70, columns = 2000;
  M x = M::random(rows, 3, 7), y = M::random(2 * columns, 3, 8), b = M::random(columns, 1, 9);
  M found(2 * rows, 1), expected(2 * rows, 1);
  ConstArray stacked = {y.numbers.data(), columns, 3, DType::F32};
  stacked.batch = {{2, columns * 3}};
  Array foundArray = {found.numbers.data(), rows, 1, DType::F32, {2}};
  Array expectedArray = {expected.numbers.data(), rows, 1, DType::F32, {2}};
  cuda->settings().memory = 27 << 10;
  compile(gauss, gaussAliases)({foundArray}, {x, stacked, b});
  compileForHost(gauss, gaussAliases)({expectedArray}, {x, stacked, b});
  expectNear(found, expected);
  EXPECT_GE(cuda->launches().size(), 6u);
}

TEST_F(CudaKernel, SaysWhenColumnsDoNotFit) {
  M found(67, 1);
  Kernel kernel = compile(gauss, gaussAliases);
  cuda->settings().memory = 1000;
  expectError([&] { kernel({found}, {x, y, b}); },
              {"kernel 'formula'", "device 0 (Double)", "out of memory",
               "expected room for a column, a row, and twice the state of a block"});
  // Nothing is spoilt by that.
  cuda->settings().memory = 1 << 20;
  kernel({found}, {x, y, b});
}

//===----------------------------------------------------------------------===//
// Arrays of the device
//===----------------------------------------------------------------------===//

TEST_F(CudaKernel, ASteadyCallOnlyLaunches) {
  Kernel kernel = compile(gauss, gaussAliases);
  DeviceArray a(*cuda, x), c(*cuda, y), w(*cuda, b), out(*cuda, M(67, 1)), other(*cuda, M(67, 1));
  kernel.enqueue({out}, {a, c, w}, nullptr);
  cuda->calls().clear();
  kernel.enqueue({other}, {a, c, w}, nullptr);
  for (const std::string &name : cuda->calls())
    EXPECT_TRUE(name == "cuCtxPushCurrent_v2" || name == "cuCtxPopCurrent_v2" || name == "cuPointerGetAttribute" ||
                name == "cuStreamIsCapturing" || name == "cuLaunchKernel")
        << name;
  M expected(67, 1);
  compileForHost(gauss, gaussAliases)({expected}, {x, y, b});
  expectNear(out.read(), expected);
  expectNear(other.read(), expected);
}

// Too few rows for the machine: blocks share the columns, and a second kernel adds up what they found.
TEST_F(CudaKernel, SharesColumnsAmongBlocks) {
  constexpr int64_t rows = 7, columns = 700;
  M x = M::random(rows, 3, 7), y = M::random(columns, 3, 8), b = M::random(columns, 1, 9);
  for (auto [text, dim, memory] : reductions) {
    SCOPED_TRACE(text);
    Kernel kernel = compile(text, reductionAliases), host = compileForHost(text, reductionAliases);
    cuda->launches().clear();
    expectSame(kernel, host, {x, y, b}, rows, dim);
    ASSERT_GE(cuda->launches().size(), 2u);
    EXPECT_GE(cuda->launches()[0].grid[0], 7u);
    EXPECT_EQ(cuda->launches()[0].function, "formula");
    EXPECT_EQ(cuda->launches().back().function, "formula_merge");
    EXPECT_EQ(cuda->launches().back().grid[0], 1u);
  }
}

// States come and go in the order of the stream; nothing else is taken, and nothing waited for.
TEST_F(CudaKernel, ASteadyCallOfSharedColumnsOnlyLaunches) {
  M y = M::random(1500, 3, 8), b = M::random(1500, 1, 9);
  Kernel kernel = compile(gauss, gaussAliases);
  DeviceArray a(*cuda, x), c(*cuda, y), w(*cuda, b), out(*cuda, M(67, 1)), other(*cuda, M(67, 1));
  kernel.enqueue({out}, {a, c, w}, nullptr);
  cuda->calls().clear();
  kernel.enqueue({other}, {a, c, w}, nullptr);
  for (const std::string &name : cuda->calls())
    EXPECT_TRUE(name == "cuCtxPushCurrent_v2" || name == "cuCtxPopCurrent_v2" || name == "cuPointerGetAttribute" ||
                name == "cuStreamIsCapturing" || name == "cuLaunchKernel" || name == "cuMemAllocFromPoolAsync" ||
                name == "cuMemFreeAsync")
        << name;
  EXPECT_TRUE(out.read() == other.read());
  cuda->capture(nullptr, true);
  kernel.enqueue({other}, {a, c, w}, nullptr);
  cuda->capture(nullptr, false);
}

// On another device the same sums are rounded otherwise, and on a like one not.
TEST_F(CudaKernel, ResultsDependOnTheDeviceAlone) {
  M y = M::random(3000, 3, 8), b = M::random(3000, 1, 9), first(67, 1), again(67, 1), smaller(67, 1);
  Kernel kernel = compile(gauss, gaussAliases);
  kernel({first}, {x, y, b});
  kernel({again}, {x, y, b});
  EXPECT_TRUE(first == again);
  size_t launches = cuda->launches().size();
  engine.reset();
  cuda->settings().multiprocessors = 1;
  compile(gauss, gaussAliases)({smaller}, {x, y, b});
  EXPECT_EQ(cuda->launches().size() - launches, 2u); // four parts
  expectNear(smaller, first);
}

TEST_F(CudaKernel, CanBeCapturedInAGraph) {
  Kernel kernel = compile(gauss, gaussAliases);
  DeviceArray a(*cuda, x), c(*cuda, y), w(*cuda, b), out(*cuda, M(67, 1));
  int stream = 0;
  kernel.enqueue({out}, {a, c, w}, nullptr);
  cuda->capture(nullptr, true);
  size_t before = cuda->launches().size();
  kernel.enqueue({out}, {a, c, w}, nullptr);
  EXPECT_EQ(cuda->launches().size(), before + 1);
  // Sizes that were not met before would need a copy, which a graph would repeat.
  ConstArray fewer = a;
  fewer.rows = 66;
  Array fewerOut = out;
  fewerOut.rows = 66;
  expectError([&] { kernel.enqueue({fewerOut}, {fewer, c, w}, nullptr); }, {"once before its stream is captured"});
  cuda->capture(nullptr, false);
  (void)stream;
}

// A graph may be replayed long after: what it reads stays.
TEST_F(CudaKernel, KeepsThePlanOfAGraph) {
  Kernel kernel = compileOnly(gauss, gaussAliases);
  DeviceArray a(*cuda, x), c(*cuda, y), w(*cuda, b), out(*cuda, M(67, 1));
  auto call = [&](int64_t rows) {
    ConstArray fewer = a;
    fewer.rows = rows;
    Array fewerOut = out;
    fewerOut.rows = rows;
    kernel.enqueue({fewerOut}, {fewer, c, w}, nullptr);
  };
  call(67);
  cuda->capture(nullptr, true);
  call(67);
  cuda->capture(nullptr, false);
  for (int turn = 0; turn < 3; ++turn)
    for (int64_t rows = 1; rows < 67; ++rows)
      call(rows);
  cuda->calls().clear();
  call(67);
  EXPECT_FALSE(called("cuMemAlloc_v2"));
}

TEST_F(CudaKernel, TenThousandCallsTakeConstantMemory) {
  Kernel kernel = compileOnly(gauss, gaussAliases);
  DeviceArray a(*cuda, x), c(*cuda, y), w(*cuda, b), out(*cuda, M(67, 1));
  M host(67, 1);
  auto call = [&] {
    kernel.enqueue({out}, {a, c, w}, nullptr);
    kernel({host}, {x, y, b});
  };
  call();
  int64_t live = cuda->liveBytes(), peak = cuda->peakBytes();
  for (int turn = 0; turn < 10000; ++turn) {
    cuda->calls().clear();
    cuda->launches().clear();
    call();
  }
  EXPECT_EQ(cuda->liveBytes(), live);
  EXPECT_EQ(cuda->peakBytes(), peak);
}

TEST_F(CudaKernel, PlansOfManySizesTakeBoundedMemory) {
  Kernel kernel = compileOnly("Sum_Reduction(SqDist(x,y), 0)", {"x = Vi(3)", "y = Vj(3)"});
  DeviceArray a(*cuda, x), out(*cuda, M(67, 1));
  for (int64_t columns = 1; columns < 500; ++columns) {
    ConstArray fewer = a;
    fewer.rows = columns;
    ConstArray shared = {fewer.data, columns, 3, DType::F32, 0};
    kernel.enqueue({out}, {a, shared}, nullptr);
  }
  EXPECT_LT(cuda->liveBytes(), 128 * 1024);
}

TEST_F(CudaKernel, ManyBatchesAreSeveralLaunches) {
  constexpr int64_t batches = 70000;
  Kernel kernel = compileOnly("Sum_Reduction(x*y, 0)", {"x = Vi(1)", "y = Vj(1)"});
  M one(1, 1), many(batches, 1);
  ConstArray rows = {many.numbers.data(), 1, 1, DType::F32};
  rows.batch = {{batches, 1}};
  Array out = {many.numbers.data(), 1, 1, DType::F32, {batches}};
  kernel({out}, {rows, one});
  ASSERT_EQ(cuda->launches().size(), 2u);
  EXPECT_EQ(cuda->launches()[0].grid[1], 65535u);
  EXPECT_EQ(cuda->launches()[1].grid[1], 70000u - 65535u);
}

TEST_F(CudaKernel, ThreadsMayCallAtTheSameTime) {
  Kernel kernel = compile(gauss, gaussAliases);
  M expected(67, 1);
  compileForHost(gauss, gaussAliases)({expected}, {x, y, b});
  std::vector<M> found(8, M(67, 1));
  std::vector<std::thread> threads;
  for (M &own : found)
    threads.emplace_back([&] {
      for (int turn = 0; turn < 3; ++turn)
        kernel({own}, {x, y, b});
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const M &own : found)
    expectNear(own, expected);
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

TEST_F(CudaKernel, RunsProgramsOfSeveralPasses) {
  const std::string text = "Grad(LogSumExp_Reduction(-SqDist(x,y), 0), y, e)";
  const std::vector<std::string> aliases = {"x = Vi(3)", "y = Vj(3)", "e = Vi(1)"};
  M e = M::random(67, 1, 9), found(131, 3), expected(131, 3);
  compile(text, aliases)({found}, {x, y, e});
  compileForHost(text, aliases)({expected}, {x, y, e});
  expectNear(found, expected);
  EXPECT_EQ(cuda->launches().size(), 2u);
  DeviceArray a(*cuda, x), c(*cuda, y), w(*cuda, e), out(*cuda, M(131, 3));
  compile(text, aliases).enqueue({out}, {a, c, w}, nullptr);
  expectNear(out.read(), expected);
}

/// Programs that move rows between passes: of one pass over each index, of batches, of several numbers in a row.
struct Moving {
  const char *text;
  int64_t rows, dim;
};
const Moving moving[] = {
    {"Grad(Min_Reduction(SqDist(x,y), 0), y, e)", 131, 3},
    {"Grad(KMin_Reduction(SqDist(x,y), 3, 0), y, Concat(e, Concat(2*e, e)))", 131, 3},
    {"Grad(Max_Reduction(x*y, 0), y, Concat(e, Concat(e, 3*e)))", 131, 3},
    {"Grad(Min_Reduction(SqDist(x,y), 0), x, e)", 67, 3},
    {"Grad(Grad(Min_Reduction(SqDist(x,y)*SqDist(x,y), 0), x, e), y, x)", 131, 3},
};
const std::vector<std::string> movingAliases = {"x = Vi(3)", "y = Vj(3)", "e = Vi(1)"};

TEST_F(CudaKernel, MovesRows) {
  M e = M::random(67, 1, 9);
  for (auto [text, rows, dim] : moving) {
    SCOPED_TRACE(text);
    M found(rows, dim), expected(rows, dim);
    Kernel kernel = compile(text, movingAliases);
    kernel({found}, {x, y, e});
    compileForHost(text, movingAliases)({expected}, {x, y, e});
    expectNear(found, expected);
    DeviceArray a(*cuda, x), c(*cuda, y), w(*cuda, e), out(*cuda, M(rows, dim));
    kernel.enqueue({out}, {a, c, w}, nullptr);
    EXPECT_TRUE(out.read() == found);
  }
}

// Nothing of it waits, and a graph may hold it.
TEST_F(CudaKernel, MovesRowsOnTheDevice) {
  M e = M::random(67, 1, 9), expected(131, 3);
  Kernel kernel = compile(moving[0].text, movingAliases);
  compileForHost(moving[0].text, movingAliases)({expected}, {x, y, e});
  DeviceArray a(*cuda, x), c(*cuda, y), w(*cuda, e), out(*cuda, M(131, 3));
  kernel.enqueue({out}, {a, c, w}, nullptr);
  expectNear(out.read(), expected);
  cuda->calls().clear();
  cuda->capture(nullptr, true);
  kernel.enqueue({out}, {a, c, w}, nullptr);
  cuda->capture(nullptr, false);
  for (const std::string &name : cuda->calls())
    EXPECT_TRUE(name == "cuCtxPushCurrent_v2" || name == "cuCtxPopCurrent_v2" || name == "cuPointerGetAttribute" ||
                name == "cuStreamIsCapturing" || name == "cuLaunchKernel" || name == "cuMemAllocFromPoolAsync" ||
                name == "cuMemFreeAsync")
        << name;
}

// What a pass leaves for the next stays on the host, and each pass goes through the device in pieces.
TEST_F(CudaKernel, SendsProgramsStepByStepWhenMemoryIsShort) {
  constexpr int64_t rows = 3000, columns = 2500;
  M x = M::random(rows, 3, 7), y = M::random(columns, 3, 8), e = M::random(rows, 1, 9), found(columns, 3),
    expected(columns, 3);
  // KiB that are less than all arrays take, and enough for some rows and some columns of each pass.
  const std::pair<const char *, int64_t> programs[] = {
      {"Grad(LogSumExp_Reduction(-SqDist(x,y), 0), y, e)", 96}, {moving[0].text, 96}, {moving[1].text, 112}};
  for (auto [text, memory] : programs) {
    SCOPED_TRACE(text);
    engine.reset();
    cuda->settings().memory = memory << 10;
    cuda->launches().clear();
    Kernel kernel = compile(text, movingAliases);
    compileForHost(text, movingAliases)({expected}, {x, y, e});
    kernel({found}, {x, y, e});
    expectNear(found, expected);
    EXPECT_GE(cuda->launches().size(), 4u);
    for (const DoubleLaunch &launch : cuda->launches())
      EXPECT_EQ(launch.function.find("rows"), std::string::npos) << launch.function;
    cuda->settings().memory = 1000;
    expectError([&] { kernel({found}, {x, y, e}); }, {"kernel 'formula_", "device 0 (Double)", "out of memory"});
  }
}

// Ranges name pairs; for the pass over the other index, from the other side.
TEST_F(CudaKernel, SendsProgramsOfBatchesAndRangesStepByStep) {
  constexpr int64_t rows = 1500, columns = 1200;
  M x = M::random(2 * rows, 3, 7), y = M::random(columns, 3, 8), e = M::random(rows, 1, 9), found(2 * columns, 3),
    expected(2 * columns, 3);
  ConstArray stacked = {x.numbers.data(), rows, 3, DType::F32};
  stacked.batch = {{2, rows * 3}};
  Array foundArray = {found.numbers.data(), columns, 3, DType::F32, {2}};
  Array expectedArray = {expected.numbers.data(), columns, 3, DType::F32, {2}};
  const int64_t rowRanges[] = {0, 700, 700, columns}, slices[] = {2, 3}, intervals[] = {3, 700, 900, rows, 100, 1001};
  Ranges ranges{rowRanges, slices, 2, intervals, 3};
  for (const char *text : {"Grad(LogSumExp_Reduction(-SqDist(x,y), 0), y, e)", moving[0].text})
    for (const Ranges *given : {static_cast<const Ranges *>(nullptr), static_cast<const Ranges *>(&ranges)}) {
      SCOPED_TRACE(text);
      engine.reset();
      cuda->settings().memory = 84 << 10;
      cuda->launches().clear();
      Kernel kernel = compile(text, movingAliases);
      kernel({foundArray}, {stacked, y, e}, 0, given);
      EXPECT_GE(cuda->launches().size(), 4u);
      compileForHost(text, movingAliases)({expectedArray}, {stacked, y, e}, 0, given);
      expectNear(found, expected);
    }
}

// Memory that is not there after all, in the middle of a program.
TEST_F(CudaKernel, ProgramsTryAgainWithLessWhenMemoryIsShorterThanItSaid) {
  M e = M::random(67, 1, 9), found(131, 3), expected(131, 3);
  compileForHost(moving[1].text, movingAliases)({expected}, {x, y, e});
  Kernel kernel = compile(moving[1].text, movingAliases);
  for (int after = 0; after < 8; ++after) {
    cuda->failCall("cuMemAllocFromPoolAsync", 2, after);
    found = M(131, 3);
    kernel({found}, {x, y, e});
    expectNear(found, expected);
  }
}

TEST_F(CudaKernel, NamesTheStepWhoseLaunchFails) {
  M e = M::random(67, 1, 9), found(131, 3);
  Kernel kernel = compile(moving[0].text, movingAliases);
  cuda->failCall("cuLaunchKernel", 719, /*after=*/1);
  expectError([&] { kernel({found}, {x, y, e}); },
              {"kernel 'formula_rows0' on device 0 (Double): the launch failed", "CUDA_ERROR_LAUNCH_FAILED"});
  kernel({found}, {x, y, e});
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

TEST_F(CudaKernel, KeepsWhatTheDriverAssembled) {
  std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "keops-cubin-test";
  std::filesystem::remove_all(folder);
  options.diskCache = true;
  options.cacheFolder = folder.string();
  compileOnly(gauss, gaussAliases);
  EXPECT_TRUE(called("cuLinkComplete"));
  engine.reset();
  cuda->calls().clear();
  compileOnly(gauss, gaussAliases);
  EXPECT_FALSE(called("cuLinkComplete"));
  EXPECT_TRUE(called("cuModuleLoadData"));
  // A driver that does not take it gets the PTX.
  engine.reset();
  cuda->calls().clear();
  cuda->failCall("cuModuleLoadData", 209);
  compileOnly(gauss, gaussAliases);
  EXPECT_TRUE(called("cuLinkComplete"));
  engine.reset();
  std::filesystem::remove_all(folder);
}

TEST_F(CudaKernel, EachDeviceHasItsOwnCode) {
  Kernel first = compileOnly(gauss, gaussAliases, "cuda:0"), second = compileOnly(gauss, gaussAliases, "cuda:1");
  EXPECT_EQ(std::count(cuda->calls().begin(), cuda->calls().end(), "cuModuleLoadData"), 2);
  EXPECT_EQ(start().countGPUs(), 2);
  M found(67, 1);
  second({found}, {x, y, b});
  DeviceArray a(*cuda, x, 1), c(*cuda, y, 1), w(*cuda, b, 1), out(*cuda, M(67, 1), 1);
  second.enqueue({out}, {a, c, w}, nullptr);
}

TEST_F(CudaKernel, ForNewerDevicesTakesTheNewestCodeThatRuns) {
  for (auto [capability, name] : {std::pair(87, "sm_86"), std::pair(103, "sm_100"), std::pair(121, "sm_120")}) {
    engine.reset(); // which knows the device that it has found
    cuda->settings().capability = capability;
    EXPECT_NE(compileOnly(gauss, gaussAliases).explain().find(name), std::string::npos) << capability;
  }
}

//===----------------------------------------------------------------------===//
// What goes wrong
//===----------------------------------------------------------------------===//

TEST_F(CudaKernel, WithoutADriver) {
  options.cudaLibrary = "libkeops-no-such-driver.so";
  expectError([&] { compileOnly(gauss, gaussAliases); }, {"no CUDA driver", "libkeops-no-such-driver.so"});
  EXPECT_TRUE(cuda->calls().empty());
  // All else works.
  M found(67, 1);
  compileForHost(gauss, gaussAliases)({found}, {x, y, b});
}

TEST_F(CudaKernel, WithADriverThatIsTooOld) {
  cuda->settings().version = 10020;
  expectError([&] { compileOnly(gauss, gaussAliases); }, {"too old", "CUDA 11.4 or newer", "CUDA 10.2"});
}

TEST_F(CudaKernel, WithALibraryThatIsNoDriver) {
  options.cudaLibrary = "libm.so.6";
  expectError([&] { compileOnly(gauss, gaussAliases); }, {"too old", "without the function"});
}

TEST_F(CudaKernel, WithoutADevice) {
  cuda->settings().devices = 0;
  expectError([&] { compileOnly(gauss, gaussAliases); }, {"no CUDA device", "expected at least one"});
  expectError([&] { start().countGPUs(); }, {"no CUDA device"});
}

TEST_F(CudaKernel, WithoutThatDevice) {
  expectError([&] { compileOnly(gauss, gaussAliases, "cuda:5"); }, {"no CUDA device 5", "from 0 to 1"});
  expectError([&] { compileOnly(gauss, gaussAliases, "cuda:x"); }, {"'cuda:1' for the second", "'cuda:x'"});
  expectError([&] { compileOnly(gauss, gaussAliases, "cuda0"); }, {"got 'cuda0'"});
}

TEST_F(CudaKernel, WithADeviceThatIsTooOld) {
  cuda->settings().capability = 61;
  expectError([&] { compileOnly(gauss, gaussAliases); },
              {"device 0 (Double) is too old", "compute capability 7.0 or newer", "6.1"});
}

TEST_F(CudaKernel, WithCodeThatTheDriverRefuses) {
  cuda->failCall("cuLinkAddData_v2", 222);
  expectError([&] { compileOnly(gauss, gaussAliases); },
              {"kernel 'formula' on device 0 (Double)", "PTX for sm_90", "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
               "what the assembler says"});
}

TEST_F(CudaKernel, WithTooMuchSharedMemory) {
  M found(67, 1);
  Kernel kernel = compileOnly(gauss, gaussAliases);
  engine.reset();
  cuda->settings().sharedBytes = 1024;
  expectError([&] { compileOnly(gauss, gaussAliases)({found}, {x, y, b}); },
              {"kernel 'formula' on device 0", "4096 bytes of shared memory", "at most 1024"});
}

TEST_F(CudaKernel, WithTooFewRegisters) {
  M found(67, 1);
  cuda->settings().registersFor = 32;
  expectError([&] { compileOnly(gauss, gaussAliases)({found}, {x, y, b}); },
              {"kernel 'formula'", "128 threads", "at most 32"});
}

TEST_F(CudaKernel, WithALaunchThatFails) {
  M found(67, 1);
  Kernel kernel = compileOnly(gauss, gaussAliases);
  cuda->failCall("cuLaunchKernel", 719);
  expectError([&] { kernel({found}, {x, y, b}); },
              {"kernel 'formula' on device 0 (Double)", "the launch failed", "CUDA_ERROR_LAUNCH_FAILED"});
  kernel({found}, {x, y, b});
}

TEST_F(CudaKernel, WithArraysThatLieElsewhere) {
  Kernel kernel = compileOnly(gauss, gaussAliases);
  DeviceArray a(*cuda, x), c(*cuda, y, 1), w(*cuda, b), out(*cuda, M(67, 1)), far(*cuda, M(67, 1), 1);
  expectError([&] { kernel.enqueue({out}, {a, c, w}, nullptr); },
              {"argument 1 (y)", "expected memory of device 0 (Double)", "got memory of device 1"});
  expectError([&] { kernel.enqueue({out}, {x, c, w}, nullptr); }, {"argument 0 (x)", "got memory of the host"});
  DeviceArray near(*cuda, y);
  expectError([&] { kernel.enqueue({far}, {a, near, w}, nullptr); }, {"result 0", "got memory of device 1"});
  EXPECT_TRUE(cuda->launches().empty());
  expectError([&] { compileForHost(gauss, gaussAliases).enqueue({out}, {a, near, w}, nullptr); },
              {"expected a kernel for a GPU"});
}

TEST_F(CudaKernel, OfCodeThatIsOnlyRead) {
  M found(67, 1);
  Kernel kernel = compileOnly(gauss, gaussAliases, "sm_80");
  EXPECT_NE(kernel.explain().find("sm_80"), std::string::npos);
  expectError([&] { kernel({found}, {x, y, b}); }, {"'sm_80'"});
}

} // namespace
