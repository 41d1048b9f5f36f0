//===- GpuGaussTest.cpp - GPU kernels on the simulator ---------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From a formula to the gpu module that PTX is made of, run on the simulator
// and compared with the interpreter, for sizes that fill neither a block of
// rows nor a tile of columns, for all pairs and some, for batches, and for
// columns that several blocks share.
//
//===----------------------------------------------------------------------===//

#include "SimulatorTesting.h"

#include "keops/Compiler/Compiler.h"
#include "keops/Dialect/Interpreter.h"
#include "keops/Runtime/GpuLaunch.h"
#include "keops/Runtime/LaunchPlan.h"

#include <cmath>
#include <cstring>
#include <random>

using namespace keops;

namespace {

/// An argument's values: `transposed` has a stride between components, else rows have a gap after them.
struct TestArray {
  VecType type;
  int64_t rows = 1, rowStride = 0, componentStride = 1, batchStride = 0;
  std::vector<double> doubles;
  std::vector<float> floats;

  TestArray(VecType type, int64_t rows, bool transposed, int64_t batches, std::mt19937 &random)
      : type(type), rows(rows) {
    int64_t dim = type.getDim();
    rowStride = transposed ? 1 : dim + 1;
    componentStride = transposed ? rows : 1;
    std::uniform_real_distribution<float> uniform(-1, 1);
    // No more than the last value needs: what is read beyond is a fault.
    int64_t count = rows > 0 ? (rows - 1) * rowStride + (dim - 1) * componentStride + 1 : 0;
    batchStride = batches > 1 ? count : 0;
    doubles.resize(batches * count);
    for (double &value : doubles)
      value = uniform(random);
    floats.assign(doubles.begin(), doubles.end());
  }
  bool isF64() const { return type.getElementType().isF64(); }
  runtime::SimBuffer buffer() {
    if (isF64())
      return {doubles.data(), static_cast<int64_t>(doubles.size() * sizeof(double)), false};
    return {floats.data(), static_cast<int64_t>(floats.size() * sizeof(float)), false};
  }
};

/// A result: bytes of row-major values.
struct TestResult {
  VecType type;
  std::vector<char> bytes;

  TestResult(VecType type, int64_t rows)
      : type(type), bytes(rows * type.getDim() * type.getElementType().getIntOrFloatBitWidth() / 8, '\xff') {}
  double get(int64_t n) const {
    auto read = [&](auto zero) {
      std::memcpy(&zero, bytes.data() + n * sizeof(zero), sizeof(zero));
      return static_cast<double>(zero);
    };
    if (type.getElementType().isInteger(64))
      return read(int64_t());
    return type.getElementType().isF64() ? read(double()) : read(float());
  }
};

/// A formula of points x and y, numbers b and a parameter p; `finish` computes %f from the reduction %r.
struct Case {
  std::string name, element, result, body, reduction, terms, termTypes;
  std::string finish = {};

  std::string text() const {
    auto vec = [&](const char *dim, const char *index) {
      return std::string("!keops.vec<") + dim + "x" + element + ", " + index + ">";
    };
    std::string scalar = "<1x" + element + ", ij>", vector = "<3x" + element + ", ij>";
    return "keops.formula @f(%x: " + vec("3", "i") + ", %y: " + vec("3", "j") + ", %b: " + vec("1", "j") +
           ", %p: !keops.vec<1x" + element + ">) -> " + result + " {\n" + "%d = keops.sub %x, %y : <3x" + element +
           ", i>, <3x" + element + ", j>\n" + "%q = keops.mul %d, %d : " + vector + ", " + vector + "\n" +
           "%s = keops.fold #keops.sum %q : " + vector + "\n" + "%n = keops.neg %s : " + scalar + "\n" + body +
           "%r = keops.reduce #keops." + reduction + " over j (" + terms + ") : (" + termTypes + ") -> " + result +
           "\n" + finish + "keops.return " + (finish.empty() ? "%r" : "%f") + " : " + result + "\n}\n";
  }
};

std::vector<Case> cases() {
  std::string gauss = "%e = keops.exp %n : <1xf32, ij>\n%k = keops.mul %e, %b : <1xf32, ij>, <1xf32, j>\n";
  std::string gauss64 = "%e = keops.exp %n : <1xf64, ij>\n%k = keops.mul %e, %b : <1xf64, ij>, <1xf64, j>\n";
  std::string one = "!keops.vec<1xf32, i>", pair = "!keops.vec<1xf32, ij>";
  return {
      {"Sum", "f32", one, gauss, "sum", "%k", pair},
      {"SumOfVectors", "f32", "!keops.vec<3xf32, i>", gauss + "%g = keops.mul %d, %k : <3xf32, ij>, <1xf32, ij>\n",
       "sum", "%g", "!keops.vec<3xf32, ij>"},
      {"SumInF64", "f64", "!keops.vec<1xf64, i>", gauss64, "sum", "%k", "!keops.vec<1xf64, ij>"},
      {"LogSumExp", "f32", one, "", "logsumexp", "%n", pair},
      {"SumOfF64", "f32", one, gauss, "sum<f64>", "%k", pair},
      {"KahanSum", "f32", one, gauss, "sum<kahan>", "%k", pair},
      {"KahanLogSumExp", "f32", one, "", "logsumexp<kahan>", "%n", pair},
      {"WeightedLogSumExp", "f32", one, "%w = keops.exp %b : <1xf32, j>\n", "logsumexp", "%n, %w",
       pair + ", !keops.vec<1xf32, j>"},
      {"Max", "f32", one, "", "extremum<max>", "%n", pair},
      {"AllStages", "f32", one,
       "%c = keops.exp %p : <1xf32>\n%w = keops.exp %b : <1xf32, j>\n%v = keops.mul %w, %c : <1xf32, j>, <1xf32>\n"
       "%e = keops.exp %n : <1xf32, ij>\n%k = keops.mul %e, %v : <1xf32, ij>, <1xf32, j>\n",
       "sum", "%k", pair,
       "%h = keops.fold #keops.sum %x : <3xf32, i>\n%g = keops.exp %h : <1xf32, i>\n"
       "%f = keops.mul %r, %g : <1xf32, i>, <1xf32, i>\n"},
      {"Indices", "f32", one,
       "%i = keops.index : <1xf32, i>\n%j = keops.index : <1xf32, j>\n"
       "%t = keops.sub %i, %j : <1xf32, i>, <1xf32, j>\n%k = keops.mul %t, %b : <1xf32, ij>, <1xf32, j>\n",
       "sum", "%k", pair},
      {"PairsOfComponents", "f32", "!keops.vec<6xf32, i>",
       "%z = keops.interleave %d, %y : <3xf32, ij>, <3xf32, j>\n%w = keops.deinterleave %z[0] : <6xf32, ij>\n"
       "%g = keops.interleave %w, %q : <3xf32, ij>, <3xf32, ij>\n",
       "sum", "%g", "!keops.vec<6xf32, ij>"},
      {"Recurrence", "f32", one,
       "%h = keops.exp %p : <1xf32>\n%c = keops.soft_dtw %x, %y smooth %h : <3xf32, i>, <3xf32, j>, <1xf32>\n"
       "%k = keops.slice %c[8, 1] : <9xf32, ij>\n",
       "sum", "%k", pair},
      {"SoftMax", "f32", "!keops.vec<3xf32, i>", "", "softmax", "%n, %y", pair + ", !keops.vec<3xf32, j>"},
      {"SumOfManyNumbers", "f32", "!keops.vec<24xf32, i>",
       "%z = keops.interleave %d, %y : <3xf32, ij>, <3xf32, j>\n%w = keops.interleave %z, %z : <6xf32, ij>, <6xf32, "
       "ij>\n"
       "%g = keops.interleave %w, %w : <12xf32, ij>, <12xf32, ij>\n",
       "sum", "%g", "!keops.vec<24xf32, ij>"},
      {"KMin", "f32", "!keops.vec<4xf32, i>", "", "k_smallest<4, kmin>", "%s", pair},
      {"ArgKMin", "f32", "!keops.vec<4xi64, i>", "", "k_smallest<4, argkmin>", "%s", pair},
      {"ArgMin", "f32", "!keops.vec<1xi64, i>", "", "extremum<argmin>", "%s", pair},
  };
}

class GpuGauss : public testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    context = makeContext();
    formulas = mlir::parseSourceString<mlir::ModuleOp>(GetParam().text(), context.get());
    ASSERT_TRUE(formulas) << GetParam().text();
    lowered = formulas->clone();
    CompilerOptions options;
    options.target = "sm_90";
    llvm::Error error = runPhases(*lowered, options, Phase::Approximated);
    ASSERT_FALSE(error) << llvm::toString(std::move(error));
    for (const char *name : {"f", "f_merge"}) {
      auto compiled = compiler::compileForSimulator(*lowered->getOps<mlir::gpu::GPUModuleOp>().begin(), name);
      ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
      kernels[name] = std::move(*compiled);
    }
  }

  /// Runs the kernel and compares some rows, the first and the last among them. Blocks share columns if `columnsOfPart`
  /// is positive.
  void check(int64_t rows, int64_t columns, uint64_t seed, bool transposed, int64_t batches = 1,
             const runtime::Ranges *ranges = nullptr, int64_t columnsOfPart = 0);

  int64_t launchInteger(llvm::StringRef name) {
    auto gpuModule = *lowered->getOps<mlir::gpu::GPUModuleOp>().begin();
    auto function = *gpuModule.getOps<mlir::gpu::GPUFuncOp>().begin();
    return function->getAttrOfType<mlir::DictionaryAttr>("keops.launch").getAs<mlir::IntegerAttr>(name).getInt();
  }

  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> formulas, lowered;
  std::map<std::string, std::unique_ptr<compiler::SimKernel>> kernels;
  size_t launches = 0; ///< of the last check
};

void GpuGauss::check(int64_t rows, int64_t columns, uint64_t seed, bool transposed, int64_t batches,
                     const runtime::Ranges *ranges, int64_t columnsOfPart) {
  SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns) + ", seed " + std::to_string(seed));
  FormulaFuncOp formula = *formulas->getOps<FormulaFuncOp>().begin();
  std::mt19937 random(static_cast<unsigned>(rows * 1000 + columns));
  std::vector<TestArray> arrays;
  for (mlir::BlockArgument argument : formula.getBody().getArguments()) {
    auto type = llvm::cast<VecType>(argument.getType());
    IndexSet set = type.getIndices();
    // Columns and parameters of the batches differ; all share their rows.
    arrays.emplace_back(type,
                        set == IndexSet::I   ? rows
                        : set == IndexSet::J ? columns
                                             : 1,
                        transposed, set == IndexSet::I ? 1 : batches, random);
  }
  std::vector<TestResult> results;
  for (mlir::Type type : formula.getBody().front().getTerminator()->getOperandTypes())
    results.emplace_back(llvm::cast<VecType>(type), batches * rows);

  runtime::LaunchRule rule;
  rule.entry = "f";
  rule.rowsPerBlock = rule.rowGranularity = launchInteger("rows_per_block");
  rule.threads = launchInteger("threads");
  rule.stateBytes = launchInteger("state_bytes");
  std::vector<int64_t> rowStrides, componentStrides, batchStrides;
  std::vector<runtime::SimBuffer> arguments, outputs;
  for (TestArray &array : arrays) {
    rule.arguments.push_back(
        {runtime::Axis::Row, array.isF64() ? runtime::DType::F64 : runtime::DType::F32, array.type.getDim()});
    rowStrides.push_back(array.rowStride);
    componentStrides.push_back(array.componentStride);
    batchStrides.push_back(array.batchStride);
    arguments.push_back(array.buffer());
  }
  for (TestResult &result : results) {
    int64_t dim = result.type.getDim(), bytes = static_cast<int64_t>(result.bytes.size());
    rule.results.push_back({bytes == 8 * batches * rows * dim ? runtime::DType::F64 : runtime::DType::F32, dim, {}});
    outputs.push_back({result.bytes.data(), bytes, true});
  }
  runtime::CpuCall call;
  call.rowStrides = rowStrides.data();
  call.componentStrides = componentStrides.data();
  call.rows = rows;
  call.columns = columns;
  call.ranges = ranges;
  call.batchAxes = 1;
  call.batchSizes = &batches;
  call.batchStrides = batchStrides.data();
  runtime::GpuFacts facts;
  facts.columnsOfPart = columnsOfPart;
  runtime::GpuPlan plan = runtime::planGpuLaunch(rule, call, facts);
  std::vector<char> scratch(plan.scratchBytes, '\x7f');
  launches = plan.launches.size();
  for (const runtime::GpuLaunch &part : plan.launches) {
    runtime::SimLaunch launch;
    launch.grid = {part.grid[0], part.grid[1], 1};
    launch.block = {part.threads, 1, 1};
    launch.seed = seed;
    launch.buffers = arguments;
    launch.buffers.insert(launch.buffers.end(), outputs.begin(), outputs.end());
    launch.buffers.push_back({scratch.data(), plan.scratchBytes, true});
    for (std::vector<int64_t> &table : plan.tables)
      launch.buffers.push_back({table.data(), static_cast<int64_t>(table.size() * sizeof(int64_t)), false});
    for (const runtime::GpuParameter &parameter : part.parameters) {
      using Kind = runtime::GpuParameter::Kind;
      void *base = scratch.data();
      if (parameter.kind == Kind::Input)
        base = arguments[parameter.number].data;
      else if (parameter.kind == Kind::Output)
        base = outputs[parameter.number].data;
      else if (parameter.kind == Kind::Table)
        base = plan.tables[parameter.number].data();
      if (parameter.kind == Kind::Integer)
        launch.arguments.push_back(parameter.value);
      else
        launch.arguments.push_back(static_cast<void *>(static_cast<char *>(base) + parameter.value));
    }
    auto fault = kernels.at(part.entry)->launch(launch);
    ASSERT_FALSE(fault) << part.entry << ": " << *fault;
  }

  // The pairs of each row, from a plan of its own.
  runtime::LaunchPlan whole(rule, rows, columns, /*batches=*/1, ranges);
  std::vector<runtime::PlannedBlock> blocks = whole.taskTable();
  std::vector<int64_t> intervals = whole.allPairs();
  for (int64_t batch = 0; batch < batches; ++batch)
    for (const runtime::PlannedBlock &block : blocks) {
      std::vector<int64_t> kept;
      for (int64_t n = block.firstInterval; n < block.endInterval; ++n)
        for (int64_t column = intervals[2 * n]; column < intervals[2 * n + 1]; ++column)
          kept.push_back(column);
      InterpreterInputs inputs;
      inputs.rowsI = rows;
      inputs.rowsJ = static_cast<int64_t>(kept.size());
      inputs.numberJ = [&](int64_t row) { return kept.empty() ? row : kept[row]; };
      inputs.read = [&](unsigned argument, int64_t row, int64_t d) {
        const TestArray &array = arrays[argument];
        int64_t number = array.type.getIndices() == IndexSet::J ? kept[row] : row;
        int64_t at = batch * array.batchStride + number * array.rowStride + d * array.componentStride;
        return array.isF64() ? array.doubles[at] : static_cast<double>(array.floats[at]);
      };
      for (int64_t row = block.rowBegin; row < block.rowEnd;
           row = row + 1 == block.rowEnd ? block.rowEnd : std::min(row + 61, block.rowEnd - 1)) {
        std::vector<InterpreterRow> expected = interpret(formula, inputs, row);
        for (auto [n, result] : llvm::enumerate(results))
          for (int64_t d = 0; d < result.type.getDim(); ++d) {
            double value = result.get((batch * rows + row) * result.type.getDim() + d), wanted = expected[n].values[d];
            // The reference numbers the columns that it sees.
            if (result.type.getElementType().isInteger(64) && !kept.empty())
              wanted = static_cast<double>(kept[static_cast<size_t>(wanted)]);
            if (value != wanted && !(std::isnan(value) && std::isnan(wanted))) // which may be infinite
              EXPECT_NEAR(value, wanted, expected[n].bounds[d])
                  << "batch " << batch << ", row " << row << ", component " << d;
          }
      }
    }
}

TEST_P(GpuGauss, OnePair) { check(1, 1, 1, false); }
TEST_P(GpuGauss, NoColumn) { check(3, 0, 1, false); }
TEST_P(GpuGauss, FewRowsAndColumns) { check(5, 7, 2, true); }
TEST_P(GpuGauss, SecondBlockOfFewRows) { check(1029, 300, 3, false); }
TEST_P(GpuGauss, ThreeTilesOfColumns) { check(130, 513, 4, true); }
TEST_P(GpuGauss, Batches) { check(5, 270, 5, true, /*batches=*/3); }
TEST_P(GpuGauss, Ranges) {
  // Rows of no cluster, one without columns, intervals of several tiles, and more rows than a block has.
  const int64_t rows[] = {2, 30, 30, 31, 40, 1100}, slices[] = {2, 2, 5},
                columns[] = {0, 3, 10, 500, 1, 2, 7, 7, 400, 513};
  runtime::Ranges ranges{rows, slices, 3, columns, 5};
  check(1103, 513, 6, false, /*batches=*/1, &ranges);
  check(1103, 513, 7, true, /*batches=*/2, &ranges);
}

// Blocks that share columns: parts of less than a tile and of more, the last ones shorter; a single column each, whose
// states are merged in rounds; and no columns at all.
TEST_P(GpuGauss, PartsOfColumns) {
  check(5, 70, 8, true, /*batches=*/1, nullptr, /*columnsOfPart=*/32);
  EXPECT_EQ(launches, 2u);
  check(1029, 600, 9, false, /*batches=*/1, nullptr, /*columnsOfPart=*/272);
  EXPECT_EQ(launches, 2u);
  check(3, 70, 10, false, /*batches=*/1, nullptr, /*columnsOfPart=*/1);
  EXPECT_EQ(launches, 3u); // 70 states become 3, and those one
  check(3, 0, 11, false, /*batches=*/1, nullptr, /*columnsOfPart=*/16);
  EXPECT_EQ(launches, 1u);
}
TEST_P(GpuGauss, PartsOfBatchesAndRanges) {
  check(5, 270, 12, true, /*batches=*/3, nullptr, /*columnsOfPart=*/64);
  const int64_t rows[] = {2, 30, 30, 31, 40, 1100}, slices[] = {2, 2, 5},
                columns[] = {0, 3, 10, 500, 1, 2, 7, 7, 400, 513};
  runtime::Ranges ranges{rows, slices, 3, columns, 5};
  check(1103, 513, 13, true, /*batches=*/2, &ranges, /*columnsOfPart=*/50);
}

std::string nameOf(const testing::TestParamInfo<Case> &info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(, GpuGauss, testing::ValuesIn(cases()), nameOf);

} // namespace
