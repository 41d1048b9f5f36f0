//===- MovingKernelsTest.cpp - Kernels that move rows on a GPU -------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A program of one step, whose kernel runs on the simulator, against the same step
// without a kernel, which this machine does: arrays of all types and layouts.
//
//===----------------------------------------------------------------------===//

#include "Compiler/MovingKernels.h"
#include "Engine/SimulatedKernel.h"
#include "keops/Compiler/Compiler.h"
#include "keops/Runtime/Element.h"
#include "keops/Runtime/GpuLaunch.h"
#include "keops/Runtime/Program.h"
#include "keops/Runtime/ThreadPool.h"

#include "gtest/gtest.h"

#include <random>

using namespace keops;
using namespace keops::runtime;
using Operation = Step::Operation;

namespace {

/// A move, with arrays whose components, rows and batches have gaps between them.
struct Move {
  Operation operation = Operation::Gather;
  DType from = DType::F32, to = DType::F32;
  int64_t rows = 50, columns = 70; ///< of the result, and of what is gathered or scattered
  int64_t groups = 1, ranks = 1, width = 3;
  std::vector<int64_t> batches = {};
  bool sharesNumbers = false; ///< among batches
  /// What numbers are drawn from; of more rows than there are, some name none.
  int64_t lowest = -2, highest = 80;

  bool hasNumbers() const { return operation != Operation::Copy; }
  int64_t positions() const { return ranks * groups; }
};

class MovingKernels : public testing::Test {
protected:
  MovingKernels() : context(makeContext()) {}

  Artifact describe(const Move &move) const {
    bool gathers = move.operation == Operation::Gather, scatters = move.operation == Operation::Scatter;
    int64_t wide = move.width * move.positions(), narrow = move.width * move.groups;
    Artifact artifact;
    artifact.entry = "moves";
    artifact.arguments = {{gathers || scatters ? Axis::Column : Axis::Row, move.from, scatters ? wide : narrow}};
    if (move.hasNumbers())
      artifact.arguments.push_back({scatters ? Axis::Column : Axis::Row, DType::I64, move.positions()});
    artifact.results = {{move.to, gathers ? wide : narrow, {}, Axis::Row}};
    Step step;
    step.operation = move.operation;
    step.groups = move.groups;
    for (int64_t n = 0; n < static_cast<int64_t>(artifact.arguments.size()); ++n)
      step.inputs.push_back({StepArray::Kind::Argument, n});
    step.outputs = {{StepArray::Kind::Result, 0}};
    artifact.steps = {step};
    return artifact;
  }

  /// The bytes of the result, by kernels if there are any.
  std::vector<char> run(const Artifact &artifact, const Move &move, const compiler::Simulation *simulation) {
    std::mt19937_64 random(1);
    int64_t count = 1;
    for (int64_t size : move.batches)
      count *= size;
    std::vector<std::vector<char>> arrays;
    std::vector<const void *> inputs;
    std::vector<int64_t> rowStrides, componentStrides, batchStrides;
    for (const ArgumentInfo &argument : artifact.arguments) {
      bool isNumbers = !arrays.empty();
      int64_t rows = argument.axis == Axis::Row ? move.rows : move.columns, componentStride = isNumbers ? 1 : 2;
      int64_t rowStride = argument.dim * componentStride + 1, batchStride = rows * rowStride + 3;
      int64_t elements = count * batchStride;
      std::vector<char> array(elements * sizeOf(argument.type) + 1);
      for (int64_t n = 0; n < elements; ++n)
        writeElement(argument.type, array.data(), n,
                     isNumbers ? static_cast<double>(
                                     move.lowest +
                                     static_cast<int64_t>(random() % static_cast<uint64_t>(move.highest - move.lowest)))
                               : std::normal_distribution<>(0, 100)(random));
      arrays.push_back(std::move(array));
      inputs.push_back(arrays.back().data());
      // Rows of what is moved come last row first.
      bool isReversed = !isNumbers && rows > 0;
      if (isReversed)
        inputs.back() = arrays.back().data() + (rows - 1) * rowStride * sizeOf(argument.type);
      rowStrides.push_back(isReversed ? -rowStride : rowStride);
      componentStrides.push_back(componentStride);
      size_t first = batchStrides.size();
      batchStrides.resize(first + move.batches.size());
      for (size_t axis = move.batches.size(); axis-- > 0; batchStride *= move.batches[axis])
        batchStrides[first + axis] = isNumbers && move.sharesNumbers ? 0 : batchStride;
    }
    std::vector<char> result(count * move.rows * artifact.results[0].dim * sizeOf(move.to), '\x55');
    void *output = result.data();
    CpuCall call;
    call.inputs = inputs.data();
    call.rowStrides = rowStrides.data();
    call.componentStrides = componentStrides.data();
    call.outputs = &output;
    call.rows = move.rows;
    call.columns = move.columns;
    call.batchAxes = static_cast<int64_t>(move.batches.size());
    call.batchSizes = move.batches.data();
    call.batchStrides = batchStrides.data();
    auto launch = [&](const Step &step, const CpuCall &own) {
      simulate(artifact.kernel(step.kernel), *simulation, own, /*multiprocessors=*/0);
    };
    runProgram(artifact, call, launch, pool);
    return result;
  }

  void check(const Move &move) {
    Artifact onHost = describe(move);
    compiler::Simulation simulation = compile(onHost);
    EXPECT_EQ(simulation.functions.size(), move.operation == Operation::Scatter ? 5u : 1u);
    std::vector<char> found = run(simulation.artifact, move, &simulation), expected = run(onHost, move, nullptr);
    ASSERT_EQ(found.size(), expected.size());
    for (int64_t n = 0; n < static_cast<int64_t>(found.size()) / sizeOf(move.to); ++n)
      ASSERT_EQ(readElement(move.to, found.data(), n), readElement(move.to, expected.data(), n)) << "element " << n;
    EXPECT_EQ(found, expected);
  }

  compiler::Simulation compile(const Artifact &artifact) {
    mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
    compiler::Simulation simulation;
    simulation.artifact = artifact;
    addMovingKernels(*module, simulation.artifact);
    for (auto gpuModule : module->getOps<mlir::gpu::GPUModuleOp>())
      for (auto function : gpuModule.getOps<mlir::gpu::GPUFuncOp>()) {
        auto made = compiler::compileForSimulator(gpuModule, function.getName());
        if (!made) {
          ADD_FAILURE() << llvm::toString(made.takeError());
          continue;
        }
        simulation.functions[function.getName().str()] = std::move(*made);
      }
    return simulation;
  }

  std::unique_ptr<mlir::MLIRContext> context;
  ThreadPool pool;
};

/// Types that programs move rows between.
const std::pair<DType, DType> types[] = {
    {DType::F32, DType::F32},  {DType::F64, DType::F64},   {DType::F16, DType::F16},
    {DType::BF16, DType::F32}, {DType::F32, DType::F16},   {DType::F32, DType::BF16},
    {DType::F16, DType::F32},  {DType::BF16, DType::BF16}, {DType::I64, DType::I64}};

TEST_F(MovingKernels, ArraysOfAllTypes) {
  for (Operation operation : {Operation::Gather, Operation::Scatter, Operation::Copy})
    for (auto [from, to] : types) {
      SCOPED_TRACE(std::to_string(static_cast<int>(operation)) + ": " + nameOf(from) + " to " + nameOf(to));
      Move move;
      move.operation = operation;
      move.from = from;
      move.to = to;
      check(move);
    }
}

TEST_F(MovingKernels, RanksAndGroups) {
  for (Operation operation : {Operation::Gather, Operation::Scatter})
    for (int64_t groups : {1, 3})
      for (int64_t ranks : {1, 2}) {
        Move move;
        move.operation = operation;
        move.groups = groups;
        move.ranks = ranks;
        move.width = 2;
        check(move);
      }
}

TEST_F(MovingKernels, BatchesThatShareNumbersOrNot) {
  for (Operation operation : {Operation::Gather, Operation::Scatter, Operation::Copy})
    for (bool shares : {false, true}) {
      Move move;
      move.operation = operation;
      move.batches = {2, 3};
      move.sharesNumbers = shares;
      check(move);
    }
}

TEST_F(MovingKernels, FewRowsOrNone) {
  for (Operation operation : {Operation::Gather, Operation::Scatter})
    for (auto [rows, columns] : {std::pair<int64_t, int64_t>{1, 1}, {5, 0}, {1, 300}, {300, 1}, {0, 5}}) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
      Move move;
      move.operation = operation;
      move.rows = rows;
      move.columns = columns;
      move.highest = 3;
      check(move);
    }
}

// Keys of several digits, in many chunks.
TEST_F(MovingKernels, ScattersToManyRows) {
  Move move;
  move.operation = Operation::Scatter;
  move.rows = 5000;
  move.columns = 3000;
  move.highest = 5001;
  move.ranks = 2;
  move.width = 1;
  check(move);
}

// One row gets everything, or two nearly everything: their terms are added up in parts, which are the same each time.
TEST_F(MovingKernels, ScattersAllToOneRow) {
  for (int64_t named : {1, 2}) {
    Move move;
    move.operation = Operation::Scatter;
    move.columns = 3000;
    move.lowest = 7;
    move.highest = 7 + named;
    check(move); // rounded to float32, the order is not seen
    move.from = move.to = DType::F64;
    Artifact onHost = describe(move);
    compiler::Simulation simulation = compile(onHost);
    std::vector<char> found = run(simulation.artifact, move, &simulation), expected = run(onHost, move, nullptr);
    for (int64_t n = 0; n < move.rows * move.width; ++n)
      EXPECT_NEAR(readElement(move.to, found.data(), n), readElement(move.to, expected.data(), n), 1e-9);
    EXPECT_EQ(found, run(simulation.artifact, move, &simulation));
  }
}

// Steps that differ in nothing that code depends on share it.
TEST_F(MovingKernels, SharesCode) {
  Artifact artifact = describe(Move());
  artifact.steps.push_back(artifact.steps[0]);
  compiler::Simulation simulation = compile(artifact);
  EXPECT_EQ(simulation.functions.size(), 1u);
  EXPECT_EQ(simulation.artifact.kernels.size(), 2u);
  EXPECT_EQ(simulation.artifact.steps[1].kernel, 1);
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

/// A plan to scatter `columns` rows of `positions` numbers to `rows` rows of 3 components.
GpuPlan planScatter(int64_t rows, int64_t columns, int64_t batches, const GpuFacts &facts = {}) {
  LaunchRule rule;
  rule.entry = "scatter";
  rule.arguments = {{Axis::Column, DType::F32, 3}, {Axis::Column, DType::I64, 1}};
  rule.results = {{DType::F32, 3, {3}}};
  rule.threads = 128;
  rule.scatterGroups = 1;
  const int64_t strides[] = {3, 1}, ones[] = {1, 1}, batchStrides[] = {3 * columns, columns};
  CpuCall call;
  call.rowStrides = strides;
  call.componentStrides = ones;
  call.rows = rows;
  call.columns = columns;
  call.batchAxes = 1;
  call.batchSizes = &batches;
  call.batchStrides = batchStrides;
  return planGpuLaunch(rule, call, facts);
}

TEST(GpuScatter, WorkGrowsWithPlacesAndNotWithPairs) {
  // Digits of 15, 16 and 4096 rows, and the sums.
  EXPECT_EQ(planScatter(15, 100, 1).launches.size(), 1u * 3 + 1);
  EXPECT_EQ(planScatter(16, 100, 1).launches.size(), 2u * 3 + 1);
  EXPECT_EQ(planScatter(4096, 100, 1).launches.size(), 4u * 3 + 1);
  EXPECT_EQ(planScatter(4096, 0, 1).launches.size(), 1u);
  EXPECT_EQ(planScatter(4096, 256, 1).launches.size(), 4u * 3 + 2);
  for (int64_t places : {int64_t(1000), int64_t(1000000), int64_t(3) << 31}) {
    GpuPlan plan = planScatter(1000000, places, 1);
    EXPECT_LE(plan.scratchBytes, 18 * places + 16 * 8 * 20000) << places;
    for (const GpuLaunch &launch : plan.launches)
      EXPECT_LE(launch.grid[0], int64_t(1) << 20);
  }
}

TEST(GpuScatter, BatchesThatDoNotFitFollowEachOther) {
  GpuFacts facts;
  facts.stateBytes = 3 * planScatter(15, 100, 1).scratchBytes;
  GpuPlan plan = planScatter(15, 100, 7, facts);
  EXPECT_EQ(plan.scratchBytes, facts.stateBytes);
  ASSERT_EQ(plan.launches.size(), 3u * 4);
  EXPECT_EQ(plan.launches[0].grid[1], 3);
  EXPECT_EQ(plan.launches[11].grid[1], 1);
  // The sum of batch 6: its result, and its offsets.
  EXPECT_EQ(plan.launches[11].parameters[6].value, 6 * 15 * 3 * 4);
  EXPECT_EQ(plan.launches[11].parameters[9].value, 6 * 2 * 8);
}

} // namespace
