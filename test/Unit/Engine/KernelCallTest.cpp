//===- KernelCallTest.cpp - What a call takes, touches and refuses -----------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A call reads the caller's arrays where they lie and nothing beside them,
// writes its results and nothing else, says what does not fit, and gives the
// same bits whoever calls it from however many threads.
//
//===----------------------------------------------------------------------===//

#include "EngineTesting.h"

#include <cmath>
#include <thread>

using namespace keops;
using namespace keops::test;

namespace {

class KernelCallTest : public testing::Test {
protected:
  /// Σ_j exp(−|x_i − y_j|² / g) b_j with arrays x: 3, y: 3, b: 1, g: parameter.
  Kernel gauss(DType type = DType::F32) {
    return engine.compile("Sum_Reduction(Exp(-SqDist(x,y)/g)*b, 0)",
                          {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)"}, type);
  }

  Engine engine{inMemory()};
};

using Floats = Matrix<float>;

/// `matrix` with `gap` numbers between rows, or column by column.
std::vector<float> spreadRows(const Floats &matrix, int64_t gap) {
  std::vector<float> numbers(matrix.rows * (matrix.dim + gap), NAN);
  for (int64_t r = 0; r < matrix.rows; ++r)
    std::copy(matrix[r], matrix[r] + matrix.dim, numbers.begin() + r * (matrix.dim + gap));
  return numbers;
}
std::vector<float> columnMajor(const Floats &matrix) {
  std::vector<float> numbers(matrix.numbers.size());
  for (int64_t r = 0; r < matrix.rows; ++r)
    for (int64_t d = 0; d < matrix.dim; ++d)
      numbers[d * matrix.rows + r] = matrix[r][d];
  return numbers;
}

} // namespace

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

TEST_F(KernelCallTest, StridesChangeNoBit) {
  Kernel kernel = gauss();
  // The second sizes take the kernel for few rows.
  for (auto [rows, columns] : {std::pair(45, 300), std::pair(2, 5000)}) {
    Floats x = Floats::random(rows, 3, 1), y = Floats::random(columns, 3, 2), b = Floats::random(columns, 1, 3),
           g(1, 1, 2);
    Floats expected(rows, 1, NAN), out(rows, 1, NAN);
    kernel({expected}, {x, y, b, g});
    std::vector<float> xGaps = spreadRows(x, 5), bGaps = spreadRows(b, 2), yColumns = columnMajor(y),
                       xColumns = columnMajor(x), yGaps = spreadRows(y, 1);
    kernel({out}, {{xGaps.data(), rows, 3, DType::F32, 8, 1},
                   {yColumns.data(), columns, 3, DType::F32, 1, columns},
                   {bGaps.data(), columns, 1, DType::F32, 3, 1},
                   g});
    EXPECT_EQ(out, expected);
    out = Floats(rows, 1, NAN);
    kernel({out}, {{xColumns.data(), rows, 3, DType::F32, 1, rows},
                   {yGaps.data(), columns, 3, DType::F32, 4, 1},
                   b,
                   {g.numbers.data(), 1, 1, DType::F32, 7, 9}});
    EXPECT_EQ(out, expected);
    // Rows from the last to the first.
    Floats reversed(rows, 1, NAN);
    kernel({reversed}, {{x[rows - 1], rows, 3, DType::F32, -3, 1}, y, b, g});
    for (int64_t i = 0; i < rows; ++i)
      EXPECT_EQ(reversed[i][0], expected[rows - 1 - i][0]);
  }
}

/// Arrays begin where memory begins or end where it ends; inputs cannot be written.
TEST_F(KernelCallTest, TouchesNothingBesideTheArrays) {
  const char *const texts[] = {"Sum_Reduction(Exp(-SqDist(x,y)/g)*b, 0)", "LogSumExp_Reduction(SqDist(x,y)*b/g, 1)",
                               "Max_ArgMax_Reduction(SqDist(x,y)*b/g, 0)", "KMin_ArgKMin_Reduction(x-y*b/g, 3, 1)"};
  for (const char *text : texts) {
    Kernel kernel = engine.compile(text, {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)"}, DType::F32);
    for (auto [rows, columns] : {std::pair(1, 1), std::pair(37, 261), std::pair(300, 7), std::pair(1, 4099)}) {
      Floats matrices[] = {Floats::random(rows, 3, 1), Floats::random(columns, 3, 2), Floats::random(columns, 1, 3),
                           Floats(1, 1, 2)};
      std::vector<ConstArray> plain(std::begin(matrices), std::end(matrices));
      int64_t kept = kernel.resultRows(plain);
      for (bool atEnd : {false, true}) {
        std::vector<std::unique_ptr<GuardedMemory>> memory;
        auto place = [&](size_t size) {
          memory.push_back(std::make_unique<GuardedMemory>(size));
          return atEnd ? memory.back()->atEnd() : memory.back()->atStart();
        };
        std::vector<ConstArray> inputs = plain;
        for (ConstArray &input : inputs) {
          size_t size = input.rows * input.dim * sizeof(float);
          input.data = std::memcpy(place(size), input.data, size);
          memory.back()->makeReadOnly();
        }
        std::vector<Array> outputs, plainOutputs;
        std::vector<std::vector<char>> plainMemory;
        for (const runtime::ResultInfo &info : kernel.results()) {
          size_t size = kept * info.dim * runtime::sizeOf(info.type);
          outputs.push_back({place(size), kept, info.dim, info.type});
          plainMemory.emplace_back(size);
          plainOutputs.push_back({plainMemory.back().data(), kept, info.dim, info.type});
        }
        kernel(plainOutputs, plain);
        kernel(outputs, inputs);
        for (size_t n = 0; n < outputs.size(); ++n) {
          EXPECT_EQ(std::memcmp(outputs[n].data, plainMemory[n].data(), plainMemory[n].size()), 0) << text;
          EXPECT_TRUE(memory[inputs.size() + n]->restUntouched(static_cast<char *>(outputs[n].data))) << text;
        }
      }
    }
  }
}

//===----------------------------------------------------------------------===//
// What is refused
//===----------------------------------------------------------------------===//

TEST_F(KernelCallTest, ArraysThatDoNotFitAreNamed) {
  Kernel kernel = gauss();
  Floats x = Floats::random(10, 3, 1), y = Floats::random(20, 3, 2), b = Floats::random(20, 1, 3), g(1, 1, 2);
  Floats out(10, 1, -77), untouched = out;
  auto call = [&](std::vector<Array> outputs, std::vector<ConstArray> inputs) {
    return [&kernel, outputs, inputs] { kernel(outputs, inputs); };
  };

  expectError(call({out}, {x, y, b}), {"4 arrays", "3"});
  expectError(call({out}, {}), {"4 arrays", "0"});
  expectError(call({out}, {x, y, b, g, g}), {"4 arrays", "5"});
  expectError(call({out}, {x, y, b, Matrix<double>(1, 1, 2)}), {"argument 3", "float32", "float64"});
  expectError(call({out}, {Matrix<int64_t>(10, 3), y, b, g}), {"argument 0", "float32", "int64"});
  expectError(call({out}, {x, Floats(20, 2), b, g}), {"argument 1", "3 columns", "2"});
  expectError(call({out}, {x, y, Floats(19, 1), g}), {"argument 2", "20 rows", "19"});
  expectError(call({out}, {x, y, b, Floats(2, 1)}), {"argument 3", "one row", "2"});
  expectError(call({out}, {x, y, b, Floats(0, 1)}), {"argument 3", "one row", "0"});
  expectError(call({out}, {x, ConstArray{y.numbers.data(), -1, 3, DType::F32}, b, g}), {"argument 1", "-1"});
  expectError(call({out}, {x, ConstArray{nullptr, 20, 3, DType::F32}, b, g}), {"argument 1", "null"});

  expectError(call({}, {x, y, b, g}), {"1 result", "0"});
  expectError(call({out, out}, {x, y, b, g}), {"1 result", "2"});
  expectError(call({Matrix<double>(10, 1)}, {x, y, b, g}), {"result 0", "float32", "float64"});
  expectError(call({Floats(9, 1)}, {x, y, b, g}), {"result 0", "10", "9"});
  expectError(call({Floats(10, 2)}, {x, y, b, g}), {"result 0", "1", "2"});
  expectError(call({Array{nullptr, 10, 1, DType::F32}}, {x, y, b, g}), {"result 0", "null"});
  EXPECT_EQ(out, untouched);
  expectError([&] { (void)kernel.resultRows({x, y, b}); }, {"4 arrays", "3"});
}

TEST_F(KernelCallTest, FormulasThatMakeNoSenseAreRefused) {
  std::vector<std::string> aliases = {"x = Vi(3)", "y = Vj(2)"};
  auto compile = [&](const std::string &text, DType type = DType::F32) {
    return [this, text, aliases, type] { (void)engine.compile(text, aliases, type); };
  };
  expectError(compile("Sum_Reduction(SqDist(x,y), 0)"), {"3", "2", "^"});
  expectError(compile("Sum_Reduction(SqDist(x,z), 0)"), {"z", "^"});
  expectError(compile("Sum_Reduction(x, 0"), {"^"});
  expectError(compile("SqDist(x,x)"), {"expected a reduction"});
  expectError(compile("KMin_Reduction(x, 0, 0)"), {"K", "0"});
  expectError(compile("Sum_Reduction(x, 0)", DType::I64), {"float32", "int64"});
  expectError([&] { Formula::call("Elem", {rowVariable(0, 3)}); }, {"Elem"});
  expectError([&] { Formula::call("NoSuch", {rowVariable(0, 3)}); }, {"NoSuch"});
  expectError([&] { rowVariable(-1, 3); }, {"-1"});
  expectError([&] { columnVariable(0, 0); }, {"0"});
  // Two variables at one place.
  expectError([&] { engine.compile(sum(rowVariable(0, 3) + rowVariable(0, 1), Over::Columns), DType::F32); },
              {"argument 0"});
  expectError([&] { engine.compile({"NoSuch", rowVariable(0, 1), Over::Columns, 0, nullptr, {}}, DType::F32); },
              {"NoSuch"});
  CompileOptions unknown;
  unknown.target = "no-such-processor";
  expectError([&] { engine.compile(sum(rowVariable(0, 1), Over::Columns), DType::F32, unknown); },
              {"no-such-processor"});
}

/// Code for another processor is made, and refused where it cannot run.
TEST_F(KernelCallTest, CodeForAnotherProcessor) {
  CompileOptions other;
#if defined(__aarch64__)
  other.target = "x86-64-v3";
#else
  other.target = "neoverse-v2";
#endif
  Kernel kernel = engine.compile(sum(rowVariable(0, 1), Over::Columns), DType::F32, other);
  EXPECT_NE(kernel.explain().find(other.target), std::string::npos);
  Floats x(4, 1, 1), out(4, 1, -77);
  expectError([&] { kernel({out}, {x}); }, {other.target.c_str()});
  EXPECT_EQ(out, Floats(4, 1, -77));
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

TEST_F(KernelCallTest, AnyNumberOfThreadsGivesTheSameBits) {
  for (const char *text : {"Sum_Reduction(Exp(-SqDist(x,y)/g)*b, 0)", "LogSumExp_Reduction(SqDist(x,y)*b/g, 1)",
                           "KMin_ArgKMin_Reduction(SqDist(x,y)*b, 4, 0)"}) {
    Kernel kernel = engine.compile(text, {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)"}, DType::F32);
    // Rows enough for all threads; and a few, so that columns are shared.
    for (auto [rows, columns] : {std::pair(3001, 1003), std::pair(3, 100003), std::pair(100003, 3)}) {
      Floats x = Floats::random(rows, 3, 1), y = Floats::random(columns, 3, 2), b = Floats::random(columns, 1, 3),
             g(1, 1, 2);
      int64_t kept = kernel.resultRows({x, y, b, g});
      std::vector<std::vector<char>> first;
      for (int threads : {1, 2, 7}) {
        std::vector<std::vector<char>> memory;
        std::vector<Array> outputs;
        for (const runtime::ResultInfo &info : kernel.results()) {
          memory.emplace_back(kept * info.dim * runtime::sizeOf(info.type), char(0x5a + threads));
          outputs.push_back({memory.back().data(), kept, info.dim, info.type});
        }
        kernel(outputs, {x, y, b, g}, threads);
        if (first.empty())
          first = memory;
        EXPECT_TRUE(memory == first) << text << " with " << threads << " threads, " << rows << " x " << columns;
      }
    }
  }
}

TEST_F(KernelCallTest, SeveralThreadsCompileAndCallAtOnce) {
  Floats x = Floats::random(700, 3, 1), y = Floats::random(900, 3, 2), b = Floats::random(900, 1, 3), g(1, 1, 2);
  Floats expected(700, 1, NAN);
  Engine alone(inMemory());
  alone.compile(
      sum(Formula::parse("Exp(-SqDist(x,y)/g)*b", {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)"}), Over::Columns),
      DType::F32)({expected}, {x, y, b, g});
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int caller = 0; caller < 4; ++caller)
    threads.emplace_back([&, caller] {
      // All ask for the same kernel; each also for one of its own.
      Kernel kernel = gauss();
      Kernel own = engine.compile("Sum_Reduction(x*" + std::to_string(caller + 2) + ", 0)", {"x = Vi(3)"}, DType::F32);
      for (int repetition = 0; repetition < 20; ++repetition) {
        Floats out(700, 1, NAN), scaled(700, 3, NAN);
        kernel({out}, {x, y, b, g}, 2);
        own({scaled}, {x});
        wrong[caller] += !(out == expected) + (scaled[699][2] != x[699][2] * (caller + 2));
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

/// A kernel keeps what it needs alive.
TEST_F(KernelCallTest, KernelsOutliveTheirEngine) {
  std::optional<Kernel> kernel;
  {
    Engine shortLived(inMemory());
    kernel = shortLived.compile(sum(rowVariable(0, 1) * 3, Over::Columns), DType::F64);
  }
  Matrix<double> x(2, 1, {1, 2}), out(2, 1, -77);
  (*kernel)({out}, {x}, 2);
  EXPECT_EQ(out, Matrix<double>(2, 1, {3, 6}));
}

//===----------------------------------------------------------------------===//
// Progress
//===----------------------------------------------------------------------===//

TEST_F(KernelCallTest, ProgressIsToldByTheCallerAndChangesNoBit) {
  // One pass, one whose columns are split, and the two of a gradient of a log-sum-exp by its columns.
  std::vector<std::string> aliases = {"x = Vi(3)", "y = Vj(3)", "e = Vi(1)"};
  std::string texts[] = {"Sum_Reduction(Exp(-SqDist(x,y)), 0)", "LogSumExp_Reduction(SqDist(x,y), 0)",
                         "Grad(LogSumExp_Reduction(SqDist(x,y), 0), y, e)"};
  for (const std::string &text : texts) {
    Kernel kernel = engine.compile(text, aliases, DType::F32);
    for (auto [rows, columns] : {std::pair(3000, 500), std::pair(2, 40000)}) {
      Floats x = Floats::random(rows, 3, 1), y = Floats::random(columns, 3, 2), e = Floats::random(rows, 1, 3);
      int64_t resultRows = kernel.resultRows({x, y, e}), dim = kernel.results()[0].dim;
      Floats expected(resultRows, dim, NAN), out(resultRows, dim, NAN);
      kernel({expected}, {x, y, e});
      std::thread::id caller = std::this_thread::get_id();
      for (int threads : {1, 3}) {
        std::vector<double> parts = {0};
        Progress progress = [&](double part) {
          EXPECT_EQ(std::this_thread::get_id(), caller);
          EXPECT_GE(part, parts.back());
          parts.push_back(part);
        };
        kernel({out}, {x, y, e}, threads, /*ranges=*/nullptr, &progress);
        EXPECT_EQ(out.numbers, expected.numbers);
        EXPECT_LE(parts.back(), 1);
        // Alone, the caller does all tasks; of few rows that may be one.
        if (threads == 1) {
          EXPECT_EQ(parts.back(), 1);
          EXPECT_GT(parts.size(), rows > 2 ? 2u : 1u) << text;
        }
      }
    }
  }
}
