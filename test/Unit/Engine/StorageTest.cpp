//===- StorageTest.cpp - Arrays of shorter and of complex numbers -----------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Numbers of 16 bits are read exactly, computed with in float32, and rounded
// once. Complex numbers are pairs of real ones, wherever they lie.
//
//===----------------------------------------------------------------------===//

#include "EngineTesting.h"

#include "keops/Runtime/Element.h"

#include <cmath>
#include <complex>

using namespace keops;
using namespace keops::test;
using runtime::readElement;
using runtime::writeElement;

namespace {

/// Numbers of 16 bits in a type that is not known before the test runs.
struct Shorts {
  DType type;
  int64_t rows, dim;
  std::vector<uint16_t> bits;

  Shorts(DType type, int64_t rows, int64_t dim) : type(type), rows(rows), dim(dim), bits(rows * dim, 0x7fff) {}
  static Shorts random(DType type, int64_t rows, int64_t dim, unsigned seed, double low = -1, double high = 1) {
    Shorts shorts(type, rows, dim);
    auto numbers = Matrix<double>::random(rows, dim, seed, low, high).numbers;
    for (size_t n = 0; n < numbers.size(); ++n)
      writeElement(type, shorts.bits.data(), static_cast<int64_t>(n), numbers[n]);
    return shorts;
  }
  double at(int64_t n) const { return readElement(type, bits.data(), n); }
  operator ConstArray() const { return {bits.data(), rows, dim, type}; }
  operator Array() { return {bits.data(), rows, dim, type}; }
};

class StorageTest : public testing::TestWithParam<DType> {
protected:
  Engine engine{inMemory()};
};

/// Compares result `number` of a call with the reference.
void expectReference(const Kernel &kernel, const std::vector<ConstArray> &inputs, const Shorts &out,
                     const std::string &what, size_t number = 0) {
  std::vector<int64_t> rows(out.rows);
  for (int64_t row = 0; row < out.rows; ++row)
    rows[row] = row;
  std::vector<std::vector<double>> values, bounds;
  kernel.interpret(inputs, rows, values, bounds);
  values[0] = values[number], bounds[0] = bounds[number];
  double largest = 0;
  for (size_t n = 0; n < out.bits.size(); ++n) {
    double found = out.at(static_cast<int64_t>(n));
    double error = found == values[0][n] ? 0 : std::fabs(found - values[0][n]); // of infinities, too
    ASSERT_LE(error, 1.01 * bounds[0][n]) << what << ", number " << n << ": " << found << " for " << values[0][n];
    largest = std::max(largest, bounds[0][n] / (std::fabs(values[0][n]) + 1e-30));
  }
  EXPECT_GT(largest, 0) << what << ": no result was rounded, so nothing was tested";
}

} // namespace

INSTANTIATE_TEST_SUITE_P(Types, StorageTest, testing::Values(DType::F16, DType::BF16),
                         [](const auto &info) { return std::string(runtime::nameOf(info.param)); });

/// The sum over a single column is the number itself, so a kernel shows how it reads and writes each.
TEST_P(StorageTest, EveryNumberPassesThrough) {
  for (const char *target : {"host", "sim"}) {
    CompileOptions options;
    options.target = target;
    Kernel copy = engine.compile("Sum_Reduction(x, 0)", {"x = Vi(1)"}, GetParam(), options);
    Shorts in(GetParam(), 0x10000, 1), out(GetParam(), 0x10000, 1);
    for (int64_t n = 0; n < in.rows; ++n)
      in.bits[n] = static_cast<uint16_t>(n);
    copy({out}, {in});
    for (int64_t n = 0; n < in.rows; ++n) {
      double value = in.at(n);
      if (std::isnan(value)) {
        ASSERT_TRUE(std::isnan(out.at(n))) << target << " " << n;
        continue;
      }
      // The sign of a zero is not kept, and a GPU takes denormal float32 numbers for zero.
      bool flushed = options.target == "sim" && std::fabs(value) < 0x1p-126 && out.at(n) == 0;
      ASSERT_TRUE(out.at(n) == value || flushed) << target << " " << n << ": " << out.at(n) << " for " << value;
    }
  }
}

/// What is computed has the precision of float32; what is stored is rounded to nearest, ties to even.
TEST_P(StorageTest, RoundsResultsOnce) {
  Kernel product = engine.compile("Sum_Reduction(x*y, 0)", {"x = Vi(1)", "y = Vi(1)"}, GetParam());
  Shorts x = Shorts::random(GetParam(), 5003, 1, 1, -300, 300), y = Shorts::random(GetParam(), 5003, 1, 2, -300, 300);
  // Products that overflow, become denormal or vanish, infinities and NaN.
  const double special[] = {65504, 0x1.fep127, 0x1p-14, 0x1p-24, 0x1p-126, 0x1p-133, 3, 1.5, 0.5, -1, INFINITY, NAN};
  int64_t row = 0;
  for (double a : special)
    for (double b : special) {
      writeElement(x.type, x.bits.data(), row, a);
      writeElement(y.type, y.bits.data(), row++, b);
    }
  Shorts out(GetParam(), x.rows, 1), expected(GetParam(), x.rows, 1);
  product({out}, {x, y});
  for (int64_t n = 0; n < x.rows; ++n) {
    // A product of two such numbers is exact in float32, but for its range.
    float number = static_cast<float>(x.at(n)) * static_cast<float>(y.at(n));
    writeElement(GetParam(), expected.bits.data(), n, number);
    bool same = std::isnan(number) ? std::isnan(out.at(n)) : out.at(n) == expected.at(n);
    ASSERT_TRUE(same) << x.at(n) << " * " << y.at(n) << " is " << out.at(n) << ", expected " << expected.at(n);
  }
}

/// 4096 terms of one half and a bit would stop to grow at 1024 or 256 if they were added in 16 bits.
TEST_P(StorageTest, AddsInMoreThanItStores) {
  for (Sums sums : {Sums::Blocks, Sums::Float64, Sums::Kahan}) {
    CompileOptions options;
    options.sums = sums;
    Kernel kernel = engine.compile("Sum_Reduction(y, 0)", {"y = Vj(1)"}, GetParam(), options);
    Shorts y(GetParam(), 4096, 1), out(GetParam(), 1, 1), expected(GetParam(), 1, 1);
    for (int64_t n = 0; n < y.rows; ++n)
      writeElement(y.type, y.bits.data(), n, 0.5 + 0x1p-6);
    kernel({out}, {y});
    writeElement(GetParam(), expected.bits.data(), 0, 4096 * (0.5 + 0x1p-6));
    EXPECT_EQ(out.at(0), expected.at(0));
  }
}

TEST_P(StorageTest, AgreesWithTheReference) {
  const char *const texts[] = {"Sum_Reduction(Exp(-SqDist(x,y)/g)*b, 0)", "Sum_Reduction(Exp(-SqDist(x,y)/g)*x, 1)",
                               "LogSumExp_Reduction(SqDist(x,y)*b/g, 1)", "LogSumExp_Reduction(-Norm2(x-y), 0, b)",
                               "SumSoftMaxWeight_Reduction(x|y, 0, b*y)", "Max_Reduction(SqDist(x,y)*b/g, 0)",
                               "KMin_Reduction(x-y*b/g, 3, 1)",           "Sum_Reduction(Sin(x)*Log(g+SqNorm2(y)), 0)"};
  for (const char *text : texts) {
    Kernel kernel = engine.compile(text, {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)"}, GetParam());
    // The last sizes take the kernel for few rows.
    for (auto [rows, columns] : {std::pair(1, 1), std::pair(67, 131), std::pair(2, 3001)}) {
      Shorts x = Shorts::random(GetParam(), rows, 3, 1), y = Shorts::random(GetParam(), columns, 3, 2),
             b = Shorts::random(GetParam(), columns, 1, 3, 0.25, 1), g = Shorts::random(GetParam(), 1, 1, 4, 1, 2);
      std::vector<ConstArray> inputs = {x, y, b, g};
      Shorts out(GetParam(), kernel.resultRows(inputs), kernel.results()[0].dim);
      EXPECT_EQ(kernel.results()[0].type, GetParam());
      kernel({out}, inputs);
      expectReference(kernel, inputs, out, text + (" " + std::to_string(rows)));
    }
  }
}

/// What passes leave for each other is held in float32, and so are sums of rows that were moved until they are results.
TEST_P(StorageTest, ProgramsRoundOnlyTheirResults) {
  const std::vector<std::string> programs[] = {
      {"Grad(LogSumExp_Reduction(-SqDist(x,y)*b,0),y,e)"},
      {"Grad(Sum_Reduction(Exp(-SqDist(x,y)*g),0),g,e)"},
      {"Grad(KMin_Reduction(SqDist(x,y),2,0),y,f)"},
      {"Grad(KMin_Reduction(SqDist(x,y),2,0),x,f)"},
      {"Diff(Min_Reduction(SqDist(x,y),0),y,y)"},
      // The first result is read by another pass, and an argument is a result.
      {"LogSumExp_Reduction(x|y,0)", "Sum_Reduction(Exp((x|y)-LogSumExp_Reduction(x|y,0))*x,1)",
       "Grad(x*Sum_Reduction(x*y,0),x,x)"},
      // Rows that are moved are read again, or are the result.
      {"Diff(Min_Reduction(x-Exp(y),0),y,y)", "Grad(Min_Reduction(x-y,0),y,x)"}};
  for (const std::vector<std::string> &texts : programs) {
    Kernel kernel = engine.compile(
        texts, {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)", "e = Vi(1)", "f = Vi(2)"}, GetParam());
    // As many rows as columns: the reference takes a row of all results.
    Shorts x = Shorts::random(GetParam(), 61, 3, 1), y = Shorts::random(GetParam(), 61, 3, 2),
           b = Shorts::random(GetParam(), 61, 1, 3, 0.25, 1), g = Shorts::random(GetParam(), 1, 1, 4, 1, 2),
           e = Shorts::random(GetParam(), 61, 1, 5), f = Shorts::random(GetParam(), 61, 2, 6);
    std::vector<ConstArray> inputs = {x, y, b, g, e, f};
    std::vector<Shorts> outs;
    for (size_t n = 0; n < texts.size(); ++n)
      outs.emplace_back(GetParam(), kernel.resultRows(inputs, n), kernel.results()[n].dim);
    kernel(std::vector<Array>(outs.begin(), outs.end()), inputs);
    for (size_t n = 0; n < texts.size(); ++n)
      expectReference(kernel, inputs, outs[n], texts[n], n);
  }
}

TEST_P(StorageTest, TouchesNothingBesideTheArrays) {
  Kernel kernel = engine.compile("Sum_Reduction(Exp(-SqDist(x,y)/g)*b, 0)",
                                 {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)"}, GetParam());
  for (auto [rows, columns] : {std::pair(1, 1), std::pair(37, 261), std::pair(1, 4099)})
    for (bool atEnd : {false, true}) {
      Shorts arrays[] = {Shorts::random(GetParam(), rows, 3, 1), Shorts::random(GetParam(), columns, 3, 2),
                         Shorts::random(GetParam(), columns, 1, 3), Shorts::random(GetParam(), 1, 1, 4, 1, 2)};
      Shorts expected(GetParam(), rows, 1);
      kernel({expected}, {arrays[0], arrays[1], arrays[2], arrays[3]});
      std::vector<std::unique_ptr<GuardedMemory>> memory;
      auto place = [&](size_t size) {
        memory.push_back(std::make_unique<GuardedMemory>(size));
        return atEnd ? memory.back()->atEnd() : memory.back()->atStart();
      };
      std::vector<ConstArray> inputs;
      for (const Shorts &array : arrays) {
        size_t size = array.bits.size() * sizeof(uint16_t);
        inputs.push_back(array);
        inputs.back().data = std::memcpy(place(size), array.bits.data(), size);
        memory.back()->makeReadOnly();
      }
      char *out = place(rows * sizeof(uint16_t));
      kernel({{out, rows, 1, GetParam()}}, inputs);
      EXPECT_EQ(std::memcmp(out, expected.bits.data(), rows * sizeof(uint16_t)), 0);
      EXPECT_TRUE(memory.back()->restUntouched(out));
    }
}

/// Strides and batches count elements of 16 bits.
TEST_P(StorageTest, StridesAndBatchesChangeNoBit) {
  Kernel kernel = engine.compile("Sum_Reduction(Exp(-SqDist(x,y)), 0)", {"x = Vi(3)", "y = Vj(3)"}, GetParam());
  constexpr int64_t batches = 3, rows = 5, columns = 70;
  Shorts x = Shorts::random(GetParam(), batches * rows, 3, 1), y = Shorts::random(GetParam(), columns, 3, 2);
  Shorts expected(GetParam(), batches * rows, 1), out(GetParam(), batches * rows, 1);
  for (int64_t batch = 0; batch < batches; ++batch)
    kernel({{expected.bits.data() + batch * rows, rows, 1, GetParam()}},
           {{x.bits.data() + batch * rows * 3, rows, 3, GetParam()}, y});
  // Component by component, batch after batch within each; y from the last row to the first and back.
  std::vector<uint16_t> byComponent(x.bits.size()), reversed(y.bits.size());
  for (int64_t row = 0; row < batches * rows; ++row)
    for (int64_t d = 0; d < 3; ++d)
      byComponent[d * batches * rows + row] = x.bits[row * 3 + d];
  std::reverse_copy(y.bits.begin(), y.bits.end(), reversed.begin());
  ConstArray strided{byComponent.data(), rows, 3, GetParam(), 1, batches * rows, {{batches, rows}}};
  kernel({{out.bits.data(), rows, 1, GetParam(), {batches}}},
         {strided, {reversed.data() + reversed.size() - 1, columns, 3, GetParam(), -3, -1}});
  EXPECT_EQ(out.bits, expected.bits);
}

TEST_P(StorageTest, RunsOnTheSimulator) {
  CompileOptions options;
  options.target = "sim";
  for (const char *text : {"Sum_Reduction(Exp(-SqDist(x,y)/g)*b, 0)", "LogSumExp_Reduction(SqDist(x,y)*b/g, 1)"}) {
    Kernel kernel = engine.compile(text, {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)"}, GetParam(), options);
    Shorts x = Shorts::random(GetParam(), 67, 3, 1), y = Shorts::random(GetParam(), 131, 3, 2),
           b = Shorts::random(GetParam(), 131, 1, 3, 0.25, 1), g = Shorts::random(GetParam(), 1, 1, 4, 1, 2);
    std::vector<ConstArray> inputs = {x, y, b, g};
    Shorts out(GetParam(), kernel.resultRows(inputs), kernel.results()[0].dim);
    kernel({out}, inputs);
    expectReference(kernel, inputs, out, text);
  }
}

TEST_P(StorageTest, RefusesOtherTypes) {
  Kernel kernel = engine.compile("Sum_Reduction(x*y, 0)", {"x = Vi(2)", "y = Vj(2)"}, GetParam());
  Shorts x(GetParam(), 3, 2), out(GetParam(), 3, 2);
  Shorts other(GetParam() == DType::F16 ? DType::BF16 : DType::F16, 4, 2);
  std::string name = runtime::nameOf(GetParam()), otherName = runtime::nameOf(other.type);
  expectError([&] { kernel({out}, {x, other}); },
              {"argument 1 (y)", ("expected elements of type " + name).c_str(), ("got " + otherName).c_str()});
  Shorts wrong(other.type, 3, 2);
  expectError([&] { kernel({wrong}, {x, Shorts(GetParam(), 4, 2)}); }, {"result 0", name.c_str(), otherName.c_str()});
  expectError([&] { kernel({out}, {x, Matrix<float>(4, 2)}); }, {"argument 1 (y)", name.c_str(), "got float32"});
}

//===----------------------------------------------------------------------===//
// Complex numbers
//===----------------------------------------------------------------------===//

class ComplexStorageTest : public testing::Test {
protected:
  Engine engine{inMemory()};
};

using Complex = std::complex<double>;

/// The same memory as real numbers.
static ConstArray parts(const std::vector<Complex> &numbers, int64_t rows) {
  return {numbers.data(), rows, 2 * static_cast<int64_t>(numbers.size()) / rows, DType::F64};
}

static std::vector<Complex> randomComplex(int64_t count, unsigned seed) {
  auto numbers = Matrix<double>::random(count, 2, seed);
  std::vector<Complex> result;
  for (int64_t n = 0; n < count; ++n)
    result.emplace_back(numbers[n][0], numbers[n][1]);
  return result;
}

TEST_F(ComplexStorageTest, ArraysAreReadWhereTheyLie) {
  Kernel kernel = engine.compile("Sum_Reduction(ComplexMult(z,ComplexExp(w))*s, 0)",
                                 {"z = Vi(4)", "w = Vj(4)", "s = Pm(1)"}, DType::F64);
  constexpr int64_t rows = 5, columns = 70;
  std::vector<Complex> z = randomComplex(rows * 2, 1), w = randomComplex(columns * 2, 2), out(rows * 2),
                       expected(rows * 2);
  double s = 0.5;
  ConstArray factor{&s, 1, 1, DType::F64};
  kernel({{expected.data(), rows, 4, DType::F64}}, {parts(z, rows), parts(w, columns), factor});
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t d = 0; d < 2; ++d) {
      Complex sum = 0;
      for (int64_t j = 0; j < columns; ++j)
        sum += z[i * 2 + d] * std::exp(w[j * 2 + d]) * s;
      EXPECT_LT(std::abs(sum - expected[i * 2 + d]), 1e-12 * columns);
    }
  // Complex beside real arguments, in one order of rows and in the other; real results and complex ones.
  kernel({{out.data(), rows, 2, DType::C128}},
         {{z.data(), rows, 2, DType::C128}, {w.data() + 2 * (columns - 1), columns, 2, DType::C128, -2}, factor});
  for (int64_t n = 0; n < rows * 2; ++n)
    EXPECT_LT(std::abs(out[n] - expected[n]), 1e-12);
  std::vector<Complex> wide(rows * 3, Complex(NAN, NAN)), again(rows * 2);
  for (int64_t i = 0; i < rows; ++i)
    std::copy_n(z.begin() + i * 2, 2, wide.begin() + i * 3);
  kernel({{again.data(), rows, 4, DType::F64}},
         {{wide.data(), rows, 2, DType::C128, 3, 1}, {w.data(), columns, 2, DType::C128}, factor});
  EXPECT_EQ(std::memcmp(again.data(), expected.data(), sizeof(Complex) * again.size()), 0);
  // Batches are counted in complex elements, too.
  std::vector<Complex> batched(2 * rows * 2);
  std::vector<Complex> twice = z;
  twice.insert(twice.end(), z.rbegin(), z.rend());
  kernel({{batched.data(), rows, 2, DType::C128, {2}}},
         {{twice.data(), rows, 2, DType::C128, 2, 1, {{2, rows * 2}}}, {w.data(), columns, 2, DType::C128}, factor});
  EXPECT_EQ(std::memcmp(batched.data(), expected.data(), sizeof(Complex) * rows * 2), 0);
}

TEST_F(ComplexStorageTest, TheReferenceReadsThemToo) {
  Kernel kernel = engine.compile("Sum_Reduction(ComplexMult(z,w), 0)", {"z = Vi(2)", "w = Vj(2)"}, DType::F64);
  std::vector<Complex> z = randomComplex(3, 1), w = randomComplex(7, 2);
  std::vector<std::vector<double>> values[2], bounds;
  kernel.interpret({{z.data(), 3, 1, DType::C128}, {w.data(), 7, 1, DType::C128}}, {2}, values[0], bounds);
  kernel.interpret({parts(z, 3), parts(w, 7)}, {2}, values[1], bounds);
  EXPECT_EQ(values[0], values[1]);
}

TEST_F(ComplexStorageTest, RefusesWhatIsNoPair) {
  std::vector<std::complex<float>> z(12), out(12);
  Kernel kernel = engine.compile("Sum_Reduction(z*s, 0)", {"z = Vi(4)", "s = Vj(1)"}, DType::F32);
  Matrix<float> s(3, 1);
  expectError([&] { kernel({{out.data(), 3, 2, DType::C64}}, {{z.data(), 3, 2, DType::C128}, s}); },
              {"argument 0 (z)", "expected elements of type float32", "got complex128"});
  expectError([&] { kernel({{out.data(), 3, 2, DType::C64}}, {{z.data(), 3, 4, DType::C64}, s}); },
              {"argument 0 (z)", "expected 4 columns", "got 4 columns of complex64"});
  expectError(
      [&] { kernel({{out.data(), 3, 2, DType::C64}}, {{z.data(), 3, 2, DType::C64}, {z.data(), 3, 1, DType::C64}}); },
      {"argument 1 (s)", "expected 1 columns", "got 1 column of complex64"});
  expectError([&] { kernel({{out.data(), 3, 2, DType::C64}}, {{z.data(), 3, 2, DType::C64, 1, 3}, s}); },
              {"argument 0 (z)", "next to each other", "stride of 3"});
  expectError([&] { kernel({{out.data(), 3, 4, DType::C64}}, {{z.data(), 3, 2, DType::C64}, s}); },
              {"result 0", "expected 3 × 4", "got 3 × 4 of complex64"});
  expectError(
      [&] { engine.compile("Sum_Reduction(z, 0)", {"z = Vi(2)"}, DType::C64); },
      {"expected arrays of float16, bfloat16, float32 or float64", "got complex64", "takes complex arrays too"});
}
