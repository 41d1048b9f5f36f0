//===- BatchAndRangesTest.cpp - Strides, batches and block-sparse calls ------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One kernel serves arrays with any strides, stacked along any axes, and any
// set of pairs. Results are compared with plain loops in float64, over the
// numbers that the strides say. Inputs end where the next byte may not be read.
//
//===----------------------------------------------------------------------===//

#include "EngineTesting.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

using namespace keops;
using namespace keops::test;

namespace {

/// An array in memory between pages that may not be touched: from the first to
/// the last of its elements, wherever strides put them, and not one more.
template <typename T>
class StridedArray {
public:
  StridedArray(ConstArray shape, unsigned seed) : array(shape) {
    array.type = typeOf<T>();
    int64_t low = 0, high = 0;
    auto reach = [&](int64_t size, int64_t stride) {
      if (size > 0)
        (stride < 0 ? low : high) += (size - 1) * stride;
    };
    reach(array.rows, rowStride());
    reach(array.dim, componentStride());
    for (const BatchAxis &axis : array.batch)
      reach(axis.size, axis.stride);
    count = high - low + 1;
    memory = std::make_unique<GuardedMemory>(count * sizeof(T));
    T *numbers = reinterpret_cast<T *>(seed % 2 ? memory->atStart() : memory->atEnd());
    Matrix<T> values = Matrix<T>::random(count, 1, seed);
    std::copy(values.numbers.begin(), values.numbers.end(), numbers);
    memory->makeReadOnly();
    first = numbers - low;
    array.data = first;
  }
  int64_t rowStride() const { return array.rowStride.value_or(array.dim); }
  int64_t componentStride() const { return array.componentStride.value_or(1); }
  /// An element of batch `indices`, which are those of all axes of the call.
  double at(const std::vector<int64_t> &indices, int64_t row, int64_t d) const {
    int64_t offset = row * rowStride() + d * componentStride();
    size_t missing = indices.size() - array.batch.size();
    for (size_t axis = 0; axis < array.batch.size(); ++axis)
      if (array.batch[axis].size != 1)
        offset += indices[axis + missing] * array.batch[axis].stride;
    return first[offset];
  }
  operator ConstArray() const { return array; }

private:
  ConstArray array;
  std::unique_ptr<GuardedMemory> memory;
  int64_t count = 0;
  const T *first = nullptr;
};

/// Owned ranges.
struct Clusters {
  std::vector<int64_t> rows, slices, columns;
  Ranges view() const {
    return {rows.data(), slices.data(), static_cast<int64_t>(slices.size()), columns.data(),
            static_cast<int64_t>(columns.size() / 2)};
  }
  std::vector<int64_t> columnsOf(int64_t row) const {
    std::vector<int64_t> found;
    for (size_t k = 0; k < slices.size(); ++k)
      if (rows[2 * k] <= row && row < rows[2 * k + 1])
        for (int64_t l = k == 0 ? 0 : slices[k - 1]; l < slices[k]; ++l)
          for (int64_t column = columns[2 * l]; column < columns[2 * l + 1]; ++column)
            found.push_back(column);
    std::sort(found.begin(), found.end());
    return found;
  }
};

/// The k smallest values and where they are; then a sum and a log-sum-exp.
struct Expected {
  double sum = 0, logSumExp = 0;
  std::vector<double> smallest;
  std::vector<int64_t> places;
};
Expected reduceTerms(const std::vector<double> &terms, const std::vector<int64_t> &places, int64_t k) {
  Expected expected;
  std::vector<size_t> order(terms.size());
  double exponentials = 0;
  for (size_t n = 0; n < terms.size(); ++n) {
    order[n] = n;
    expected.sum += terms[n];
    exponentials += std::exp(terms[n]);
  }
  expected.logSumExp = std::log(exponentials);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return terms[a] < terms[b]; });
  expected.smallest.assign(k, std::numeric_limits<double>::infinity());
  expected.places.assign(k, 0);
  for (size_t n = 0; n < std::min<size_t>(k, order.size()); ++n) {
    expected.smallest[n] = terms[order[n]];
    expected.places[n] = places[order[n]];
  }
  return expected;
}

template <typename T>
class BatchAndRangesTest : public testing::Test {
protected:
  static constexpr DType type = typeOf<T>();
  static constexpr double tolerance = type == DType::F32 ? 2e-5 : 1e-13;
  static constexpr int64_t k = 3;

  /// Computes −|x_i − y_j|²·g + b_j in all ways and compares each with loops.
  void check(const std::vector<ConstArray> &shapes, const std::vector<int64_t> &batch, const Clusters *clusters = {},
             Over over = Over::Columns);
  /// The same for arrays without gaps.
  void check(int64_t rows, int64_t columns, const Clusters *clusters = {}, Over over = Over::Columns) {
    check({{nullptr, rows, 3}, {nullptr, columns, 3}, {nullptr, columns, 1}, {nullptr, 1, 1}}, {}, clusters, over);
  }

  Kernel compile(const std::string &name, Over over) {
    std::vector<std::string> aliases = {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)"};
    Reduction reduction = {name,   Formula::parse("b - SqDist(x,y)*g", aliases), over, name[0] == 'K' ? k : 0, nullptr,
                           aliases};
    return engine.compile(reduction, type);
  }

  Engine engine{inMemory()};
};

using Numbers = testing::Types<float, double>;
TYPED_TEST_SUITE(BatchAndRangesTest, Numbers);

template <typename T>
void BatchAndRangesTest<T>::check(const std::vector<ConstArray> &shapes, const std::vector<int64_t> &batch,
                                  const Clusters *clusters, Over over) {
  std::vector<StridedArray<T>> arrays;
  std::vector<ConstArray> inputs;
  for (size_t n = 0; n < shapes.size(); ++n)
    inputs.push_back(arrays.emplace_back(shapes[n], static_cast<unsigned>(n + 1)));
  int64_t kept = shapes[over == Over::Columns ? 0 : 1].rows, reduced = shapes[over == Over::Columns ? 1 : 0].rows;
  int64_t batches = 1;
  for (int64_t size : batch)
    batches *= size;
  Ranges ranges = clusters ? clusters->view() : Ranges();

  Kernel kernels[] = {compile("Sum", over), compile("LogSumExp", over), compile("KMin_ArgKMin", over)};
  std::vector<std::vector<char>> found;
  for (const Kernel &kernel : kernels) {
    EXPECT_EQ(kernel.resultBatch(inputs), batch);
    EXPECT_EQ(kernel.resultRows(inputs), kept);
    std::vector<std::vector<char>> first;
    for (int threads : {1, 2, 7}) {
      std::vector<std::vector<char>> memory;
      std::vector<std::unique_ptr<GuardedMemory>> guarded;
      std::vector<Array> outputs;
      for (const runtime::ResultInfo &info : kernel.results()) {
        size_t bytes = batches * kept * info.dim * runtime::sizeOf(info.type);
        guarded.push_back(std::make_unique<GuardedMemory>(bytes));
        outputs.push_back({guarded.back()->atEnd(), kept, info.dim, info.type, batch});
      }
      kernel(outputs, inputs, threads, clusters ? &ranges : nullptr);
      for (size_t n = 0; n < outputs.size(); ++n) {
        auto *begin = static_cast<char *>(outputs[n].data);
        EXPECT_TRUE(guarded[n]->restUntouched(begin));
        memory.emplace_back(begin, begin + batches * kept * outputs[n].dim * runtime::sizeOf(outputs[n].type));
      }
      if (first.empty())
        first = memory;
      EXPECT_TRUE(first == memory) << threads << " threads";
    }
    found.insert(found.end(), first.begin(), first.end());
  }

  for (int64_t number = 0; number < batches; ++number) {
    std::vector<int64_t> indices(batch.size());
    for (int64_t rest = number, axis = static_cast<int64_t>(batch.size()) - 1; axis >= 0; --axis) {
      indices[axis] = rest % batch[axis];
      rest /= batch[axis];
    }
    for (int64_t row = 0; row < kept; row += std::max<int64_t>(1, kept / 40)) {
      std::vector<int64_t> places;
      if (clusters)
        places = clusters->columnsOf(row);
      else
        for (int64_t column = 0; column < reduced; ++column)
          places.push_back(column);
      std::vector<double> terms;
      for (int64_t place : places) {
        int64_t i = over == Over::Columns ? row : place, j = over == Over::Columns ? place : row;
        double distance = 0;
        for (int64_t d = 0; d < 3; ++d)
          distance += std::pow(arrays[0].at(indices, i, d) - arrays[1].at(indices, j, d), 2);
        terms.push_back(arrays[2].at(indices, j, 0) - distance * arrays[3].at(indices, 0, 0));
      }
      Expected expected = reduceTerms(terms, places, k);
      int64_t at = number * kept + row;
      std::string place = "batch " + std::to_string(number) + ", row " + std::to_string(row);
      auto near = [&](double value, double reference, double scale) {
        if (value != reference) // which may be infinite
          EXPECT_NEAR(value, reference, tolerance * scale) << place;
      };
      near(reinterpret_cast<const T *>(found[0].data())[at], expected.sum, 10.0 + static_cast<double>(terms.size()));
      near(reinterpret_cast<const T *>(found[1].data())[at], expected.logSumExp, 10);
      for (int64_t rank = 0; rank < k; ++rank) {
        near(reinterpret_cast<const T *>(found[2].data())[at * k + rank], expected.smallest[rank], 10);
        int64_t index = reinterpret_cast<const int64_t *>(found[3].data())[at * k + rank];
        // Where two terms are as near as rounding, either may come first.
        auto term = std::lower_bound(places.begin(), places.end(), index);
        if (index != expected.places[rank]) {
          ASSERT_TRUE(term != places.end() && *term == index) << place << ": column " << index;
          near(terms[term - places.begin()], expected.smallest[rank], 10);
        }
      }
    }
  }
}

} // namespace

//===----------------------------------------------------------------------===//
// Strides
//===----------------------------------------------------------------------===//

TYPED_TEST(BatchAndRangesTest, StridesMayBeAnything) {
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>(1, 1), {45, 300}, {2, 5000}, {0, 7}, {7, 0}}) {
    // Backwards, transposed, and with gaps.
    this->check({{nullptr, rows, 3, DType::F32, -4, 1},
                 {nullptr, columns, 3, DType::F32, 1, -(columns + 1)},
                 {nullptr, columns, 1, DType::F32, 3, 9},
                 {nullptr, 1, 1, DType::F32, -5, -7}},
                {});
    // One row, or one component, for all.
    this->check({{nullptr, rows, 3, DType::F32, 0, 1},
                 {nullptr, columns, 3, DType::F32, -1, 0},
                 {nullptr, columns, 1, DType::F32, 0, 0},
                 {nullptr, 1, 1, DType::F32, 0, 0}},
                {});
    this->check({{nullptr, rows, 3, DType::F32, 2, 0},
                 {nullptr, columns, 3, DType::F32, 0, -2},
                 {nullptr, columns, 1},
                 {nullptr, 1, 1}},
                {}, nullptr, Over::Rows);
  }
}

//===----------------------------------------------------------------------===//
// Batches
//===----------------------------------------------------------------------===//

TYPED_TEST(BatchAndRangesTest, BatchAxesBroadcast) {
  for (Over over : {Over::Columns, Over::Rows})
    for (auto [rows, columns] : {std::pair<int64_t, int64_t>(1, 1), {5, 4}, {40, 70}, {2, 3000}, {0, 3}, {3, 0}}) {
      // Axes (2, 3): each argument has its own part of them, one of them backwards.
      this->check({{nullptr, rows, 3, DType::F32, 3, 1, {{2, 9 * rows}, {3, 3 * rows}}},
                   {nullptr, columns, 3, DType::F32, {}, {}, {{3, -3 * columns}}},
                   {nullptr, columns, 1, DType::F32, {}, {}, {{2, columns + 1}, {1, 99}}},
                   {nullptr, 1, 1, DType::F32, {}, {}, {{2, 0}, {3, 1}}}},
                  {2, 3}, nullptr, over);
      // One parameter for each batch alone.
      this->check(
          {{nullptr, rows, 3}, {nullptr, columns, 3}, {nullptr, columns, 1}, {nullptr, 1, 1, {}, {}, {}, {{5, -2}}}},
          {5}, nullptr, over);
    }
}

TYPED_TEST(BatchAndRangesTest, ManyAxesOfAnySize) {
  auto parameter = [](std::vector<BatchAxis> batch) {
    return ConstArray{nullptr, 1, 1, DType::F32, {}, {}, std::move(batch)};
  };
  this->check({{nullptr, 4, 3}, {nullptr, 6, 3}, {nullptr, 6, 1}, parameter({{2, 1}, {1, 0}, {3, 2}, {1, 0}, {2, 6}})},
              {2, 1, 3, 1, 2});
  this->check({{nullptr, 4, 3}, {nullptr, 6, 3}, {nullptr, 6, 1}, parameter({{1, 0}})}, {1});
  this->check({{nullptr, 4, 3}, {nullptr, 6, 3}, {nullptr, 6, 1}, parameter({{3, 1}, {0, 3}})}, {3, 0});
}

TYPED_TEST(BatchAndRangesTest, ManyBatchesOfFewRows) {
  this->check({{nullptr, 2, 3, DType::F32, {}, {}, {{300, 6}}},
               {nullptr, 9, 3, DType::F32, {}, {}, {{300, 27}}},
               {nullptr, 9, 1, DType::F32, {}, {}, {{300, 9}}},
               {nullptr, 1, 1}},
              {300});
  // Enough columns for the kernel whose lanes are columns.
  this->check({{nullptr, 2, 3, DType::F32, {}, {}, {{20, 6}}},
               {nullptr, 301, 3},
               {nullptr, 301, 1, DType::F32, {}, {}, {{20, 0}}},
               {nullptr, 1, 1}},
              {20});
}

//===----------------------------------------------------------------------===//
// Ranges
//===----------------------------------------------------------------------===//

TYPED_TEST(BatchAndRangesTest, OnlyThePairsOfRangesCount) {
  // Clusters out of order, rows of none, empty rows and columns, intervals that meet and that come backwards.
  Clusters mixed = {{50, 60, 3, 10, 10, 10, 10, 20, 60, 100},
                    {1, 4, 5, 5, 9},
                    {5, 200, 10, 20, 20, 30, 40, 41, 0, 200, 7, 7, 150, 160, 100, 120, 160, 170}};
  Clusters whole = {{0, 110}, {1}, {0, 200}}, none = {{}, {}, {}}, noColumns = {{0, 110}, {0}, {}},
           onePair = {{109, 110}, {1}, {199, 200}};
  for (Over over : {Over::Columns, Over::Rows})
    for (const Clusters *clusters : {&mixed, &whole, &none, &noColumns, &onePair})
      over == Over::Columns ? this->check(110, 200, clusters, over) : this->check(200, 110, clusters, over);
}

TYPED_TEST(BatchAndRangesTest, RangesOfEmptyAndSingleRows) {
  Clusters none = {{}, {}, {}}, empty = {{0, 0}, {1}, {0, 0}}, one = {{0, 1}, {1}, {0, 1}},
           ones = {{0, 1}, {1}, {3, 9}};
  this->check(0, 0, &none);
  this->check(0, 0, &empty);
  this->check(0, 5, &empty);
  this->check(5, 0, &empty);
  this->check(1, 1, &one);
  this->check(1, 1, &empty);
  this->check(1, 10, &ones);
}

TYPED_TEST(BatchAndRangesTest, ManyClusters) {
  // Cluster k: rows 7k … 7k+6 and columns 5(k−1) … 5(k+2)−1; then one with all columns, which is split.
  Clusters band;
  for (int64_t cluster = 1; cluster < 150; ++cluster) {
    band.rows.insert(band.rows.end(), {7 * cluster, 7 * cluster + 7});
    for (int64_t part = cluster - 1; part < cluster + 2; ++part)
      band.columns.insert(band.columns.end(), {5 * part, 5 * part + 5});
    band.slices.push_back(static_cast<int64_t>(band.columns.size() / 2));
  }
  this->check(1060, 800, &band);
  Clusters heavy = {{0, 3, 5, 6}, {2, 3}, {0, 30000, 40000, 100000, 17, 19}};
  this->check(7, 100000, &heavy);
}

/// Tiles are filled from many intervals that do not meet, and end within one.
TYPED_TEST(BatchAndRangesTest, ManySmallIntervals) {
  for (int64_t rows : {9, 1}) {
    Clusters scattered;
    for (int64_t cluster = 0; cluster < 5; ++cluster) {
      scattered.rows.insert(scattered.rows.end(), {rows * cluster, rows * (cluster + 1)});
      for (int64_t n = 0; n < 90 + cluster; ++n)
        scattered.columns.insert(scattered.columns.end(), {7 * n + cluster, 7 * n + cluster + 1 + (n + cluster) % 3});
      scattered.slices.push_back(static_cast<int64_t>(scattered.columns.size() / 2));
    }
    this->check(5 * rows, 700, &scattered);
  }
}

TYPED_TEST(BatchAndRangesTest, RangesOfEachBatch) {
  Clusters clusters = {{2, 9, 20, 40}, {2, 3}, {0, 5, 30, 70, 69, 70}};
  for (Over over : {Over::Columns, Over::Rows}) {
    int64_t rows = over == Over::Columns ? 40 : 70, columns = over == Over::Columns ? 70 : 40;
    this->check({{nullptr, rows, 3, DType::F32, 1, rows, {{3, 3 * rows}}},
                 {nullptr, columns, 3, DType::F32, {}, {}, {{2, 3 * columns}, {1, 0}}},
                 {nullptr, columns, 1},
                 {nullptr, 1, 1, DType::F32, {}, {}, {{2, 3}, {3, 1}}}},
                {2, 3}, &clusters, over);
  }
}

//===----------------------------------------------------------------------===//
// What is refused
//===----------------------------------------------------------------------===//

TEST(BatchAndRangesErrors, BatchesThatDoNotFitAreNamed) {
  Engine engine(inMemory());
  Kernel kernel = engine.compile("Sum_Reduction(x*y*p, 0)", {"x = Vi(1)", "y = Vj(1)", "p = Pm(1)"}, DType::F32);
  std::vector<float> numbers(100, 1), out(100, -77);
  auto array = [&](int64_t rows, std::vector<BatchAxis> batch) {
    return ConstArray{numbers.data(), rows, 1, DType::F32, {}, {}, std::move(batch)};
  };
  auto result = [&](std::vector<int64_t> batch) { return Array{out.data(), 4, 1, DType::F32, std::move(batch)}; };
  auto call = [&](Array output, std::vector<ConstArray> inputs) {
    return [&kernel, output, inputs] { kernel({output}, inputs); };
  };
  expectError(call(result({2}), {array(4, {{2, 4}}), array(5, {{3, 5}}), array(1, {})}),
              {"argument 1 (y)", "1 or 2 batches", "batch axis 0", "argument 0 (x)", "got 3"});
  expectError(call(result({2}), {array(4, {}), array(5, {{3, 0}, {2, 5}}), array(1, {{2, 0}, {1, 0}})}),
              {"argument 2 (p)", "1 or 3 batches", "batch axis 0", "argument 1 (y)", "got 2"});
  expectError(call(result({2}), {array(4, {{-2, 4}}), array(5, {}), array(1, {})}),
              {"argument 0", "batch axis 0", "-2"});
  expectError(call(result({}), {array(4, {{2, 4}}), array(5, {}), array(1, {})}), {"result 0", "(2)", "()"});
  expectError(call(result({2}), {array(4, {}), array(5, {}), array(1, {})}), {"result 0", "()", "(2)"});
  int64_t huge = int64_t(1) << 40;
  expectError(call(result({huge, huge}), {array(4, {{huge, 0}, {huge, 0}}), array(5, {}), array(1, {})}),
              {"2^63", std::to_string(huge).c_str()});
  std::vector<std::vector<double>> values, bounds;
  expectError([&] { kernel.interpret({array(4, {{2, 4}}), array(5, {}), array(1, {})}, {0}, values, bounds); },
              {"one batch", "(2)"});
  EXPECT_EQ(out, std::vector<float>(100, -77));
}

TEST(BatchAndRangesErrors, RangesThatNameNoPairsAreNamed) {
  Engine engine(inMemory());
  Matrix<float> x(10, 1, 1), y(20, 1, 1);
  auto refuse = [&](Clusters clusters, std::initializer_list<const char *> words, int category = 0) {
    Kernel kernel =
        engine.compile("Sum_Reduction(x*y, " + std::to_string(category) + ")", {"x = Vi(1)", "y = Vj(1)"}, DType::F32);
    Matrix<float> out(category == 0 ? 10 : 20, 1, -77), untouched = out;
    Ranges ranges = clusters.view();
    expectError([&] { kernel({out}, {x, y}, 0, &ranges); }, words);
    EXPECT_EQ(out, untouched);
  };
  refuse({{0, 11}, {1}, {0, 20}}, {"ranges_i[0]", "≤ 10", "[0, 11)"});
  refuse({{0, 5, -1, 3}, {1, 1}, {0, 20}}, {"ranges_i[1]", "0 ≤", "[-1, 3)"});
  refuse({{5, 4}, {1}, {0, 20}}, {"ranges_i[0]", "begin ≤ end", "[5, 4)"});
  refuse({{0, 5}, {1}, {0, 21}}, {"redranges_j[0]", "≤ 20", "[0, 21)"});
  refuse({{0, 5}, {2}, {0, 20, 7, 3}}, {"redranges_j[1]", "[7, 3)"});
  refuse({{0, 5}, {2}, {0, 20}}, {"slices_i[0]", "from 0 to 1", "redranges_j", "got 2"});
  refuse({{0, 5, 5, 6}, {1, 0}, {0, 20}}, {"slices_i[1]", "from 1 to 1", "got 0"});
  refuse({{0, 5}, {-1}, {0, 20}}, {"slices_i[0]", "got -1"});
  refuse({{0, 5, 4, 6}, {1, 1}, {0, 20}}, {"ranges_i", "share no row", "[0, 5) at 0", "[4, 6) at 1"});
  refuse({{7, 9, 0, 5, 8, 9}, {1, 1, 1}, {0, 20}}, {"ranges_i", "[7, 9) at 0", "[8, 9) at 2"});
  // Of a reduction over i, the names are the others.
  refuse({{0, 21}, {1}, {0, 10}}, {"ranges_j[0]", "≤ 20", "[0, 21)"}, 1);
  refuse({{0, 5}, {1}, {0, 11}}, {"redranges_i[0]", "≤ 10", "[0, 11)"}, 1);
  refuse({{0, 5}, {3}, {0, 1}}, {"slices_j[0]", "redranges_i", "got 3"}, 1);
}

//===----------------------------------------------------------------------===//
// Variants
//===----------------------------------------------------------------------===//

TEST(KernelVariants, CallsThatArePreparedCompileNothing) {
  Engine engine(inMemory());
  Kernel kernel = engine.compile("Sum_Reduction(x*y, 0)", {"x = Vi(1)", "y = Vj(1)"}, DType::F32);
  Matrix<float> one(1, 1, 2), many(10, 1, 2), columns(5000, 1, 3), out(1, 1, -77);
  EXPECT_TRUE(kernel.isPrepared({many, columns}));
  EXPECT_FALSE(kernel.isPrepared({one, columns}));
  double before = kernel.compileMilliseconds();
  kernel.prepare({many, columns});
  EXPECT_EQ(kernel.compileMilliseconds(), before);
  kernel.prepare({one, columns});
  EXPECT_TRUE(kernel.isPrepared({one, columns}));
  double after = kernel.compileMilliseconds();
  EXPECT_GT(after, before);
  kernel({out}, {one, columns});
  EXPECT_EQ(out[0][0], 30000);
  EXPECT_EQ(kernel.compileMilliseconds(), after);
}

/// Clusters and batches of few rows count together.
TEST(KernelVariants, FewRowsOfManyClustersOrBatches) {
  Engine engine(inMemory());
  Kernel kernel = engine.compile("Sum_Reduction(x*y, 0)", {"x = Vi(1)", "y = Vj(1)"}, DType::F32);
  Matrix<float> x(40, 1, 2), y(1000, 1, 3);
  ConstArray few = {x.numbers.data(), 2, 1, DType::F32, {}, {}, {{20, 2}}};
  EXPECT_FALSE(kernel.isPrepared({few, y}));
  few.batch[0].size = 2;
  EXPECT_TRUE(kernel.isPrepared({few, y}));
  Clusters clusters;
  for (int64_t cluster = 0; cluster < 20; ++cluster) {
    clusters.rows.insert(clusters.rows.end(), {2 * cluster, 2 * cluster + 2});
    clusters.columns.insert(clusters.columns.end(), {40 * cluster, 40 * cluster + 40});
    clusters.slices.push_back(cluster + 1);
  }
  Ranges ranges = clusters.view();
  EXPECT_TRUE(kernel.isPrepared({x, y}));
  EXPECT_TRUE(kernel.isPrepared({x, y}, &ranges));
  for (size_t n = 0; n < clusters.columns.size(); n += 2) {
    clusters.columns[n] = 0;
    clusters.columns[n + 1] = 400;
  }
  EXPECT_FALSE(kernel.isPrepared({x, y}, &ranges));
}
