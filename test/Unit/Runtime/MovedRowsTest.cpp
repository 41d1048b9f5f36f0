//===- MovedRowsTest.cpp - Rows by number, and pairs from the other side ---===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/MovedRows.h"
#include "Runtime/TransposedRanges.h"
#include "keops/Runtime/Element.h"
#include "keops/Runtime/ThreadPool.h"

#include "gtest/gtest.h"

#include <cstring>
#include <random>

using namespace keops::runtime;

namespace {

/// A contiguous array of `dim` components a row.
template <typename T>
StridedArray view(std::vector<T> &numbers, int64_t dim, const int64_t *batchStrides = nullptr) {
  DType type = std::is_same_v<T, float> ? DType::F32 : std::is_same_v<T, double> ? DType::F64 : DType::I64;
  auto rows = static_cast<int64_t>(numbers.size()) / dim;
  return {reinterpret_cast<char *>(numbers.data()), type, rows, dim, dim, 1, batchStrides};
}

MoveSizes sizesOf(int64_t rows, int64_t columns, int64_t groups = 1, int threads = 1) {
  MoveSizes sizes;
  sizes.rows = rows;
  sizes.columns = columns;
  sizes.groups = groups;
  sizes.threads = threads;
  return sizes;
}

struct MovedRows : testing::Test {
  ThreadPool pool;
};

TEST_F(MovedRows, GathersRanks) {
  std::vector<float> from = {0, 1, 10, 11, 20, 21}, to(8, -1);
  std::vector<int64_t> numbers = {2, 0, 1, 1};
  gatherRows(view(from, 2), view(numbers, 2), view(to, 4), sizesOf(2, 3), pool);
  EXPECT_EQ(to, (std::vector<float>{20, 21, 0, 1, 10, 11, 10, 11}));
}

TEST_F(MovedRows, GathersGroups) {
  // Two ranks of two groups of one component: each group from a row of its own.
  std::vector<double> from = {0, 1, 10, 11, 20, 21}, to(4, -1);
  std::vector<int64_t> numbers = {2, 0, 1, 2};
  gatherRows(view(from, 2), view(numbers, 4), view(to, 4), sizesOf(1, 3, 2), pool);
  EXPECT_EQ(to, (std::vector<double>{20, 1, 10, 21}));
}

TEST_F(MovedRows, NumbersOfNoRow) {
  std::vector<double> from = {5, 6}, to(3, -1), sum = {7, 7};
  std::vector<int64_t> numbers = {1, -1, 2};
  gatherRows(view(from, 1), view(numbers, 1), view(to, 1), sizesOf(3, 2), pool);
  EXPECT_EQ(to, (std::vector<double>{6, 0, 0}));
  std::vector<double> values = {1, 2, 4};
  scatterRows(view(values, 1), view(numbers, 1), view(sum, 1), sizesOf(2, 3), pool);
  EXPECT_EQ(sum, (std::vector<double>{0, 1}));
}

TEST_F(MovedRows, ScattersToGroups) {
  std::vector<float> values = {1, 2, 4, 8}, to(4, -1);
  std::vector<int64_t> numbers = {1, 0, 1, 1};
  scatterRows(view(values, 2), view(numbers, 2), view(to, 2), sizesOf(2, 2, 2), pool);
  EXPECT_EQ(to, (std::vector<float>{0, 2, 5, 8}));
}

/// Rows go from arrays of one type to arrays of another, rounded once, after they are added.
TEST_F(MovedRows, ArraysOfOtherTypes) {
  std::vector<float> from = {1 + 0x1p-9f, 0x1p-9f, 3}, widened(3, -1);
  std::vector<int64_t> numbers = {1, 1, 0};
  std::vector<uint16_t> shorts(3, 0x7fff);
  StridedArray narrow = {reinterpret_cast<char *>(shorts.data()), DType::BF16, 3, 1, 1, 1, nullptr};
  auto at = [&](int64_t n) { return readElement(DType::BF16, shorts.data(), n); };
  gatherRows(view(from, 1), view(numbers, 1), narrow, sizesOf(3, 3), pool);
  EXPECT_EQ(at(0), 0x1p-9);
  EXPECT_EQ(at(2), 1);
  // 1 + 2⁻⁸ lies between two numbers of 8 bits, and goes to the even one.
  narrow.rows = 2;
  scatterRows(view(from, 1), view(numbers, 1), narrow, sizesOf(2, 3), pool);
  EXPECT_EQ(at(0), 3);
  EXPECT_EQ(at(1), 1);
  // Twice as much above 1 is a number; terms that were rounded first would add up to 1.
  from = {1 + 0x1p-8f, 0x1p-8f, 3};
  scatterRows(view(from, 1), view(numbers, 1), narrow, sizesOf(2, 3), pool);
  EXPECT_EQ(at(1), 1 + 0x1p-7);
  copyRows(narrow, view(widened, 1), sizesOf(2, 2), pool);
  EXPECT_EQ(widened, (std::vector<float>{3, 1 + 0x1p-7f, -1}));
}

TEST_F(MovedRows, StridesAndBatches) {
  // Two batches of two rows, components one row apart, and row numbers that both batches share.
  std::vector<double> from = {0, 1, 10, 11, 20, 21, 30, 31}, to(8, -1);
  std::vector<int64_t> numbers = {1, 0};
  const int64_t fromStrides[] = {1}, shared[] = {0}, toStrides[] = {4}, batches[] = {2};
  StridedArray columns = view(from, 2, fromStrides);
  columns.rowStride = 4;
  columns.componentStride = 2;
  StridedArray rows = view(numbers, 1, shared), target = view(to, 2, toStrides);
  MoveSizes sizes = sizesOf(2, 2);
  sizes.batchAxes = 1;
  sizes.batchSizes = batches;
  gatherRows(columns, rows, target, sizes, pool);
  EXPECT_EQ(to, (std::vector<double>{20, 30, 0, 10, 21, 31, 1, 11}));
  copyRows(columns, target, sizes, pool);
  EXPECT_EQ(to, (std::vector<double>{0, 10, 20, 30, 1, 11, 21, 31}));
}

TEST_F(MovedRows, TransposesAndSameBitsForAnyNumberOfThreads) {
  constexpr int64_t rows = 5000, columns = 3000, ranks = 3, groups = 2, dim = 4;
  std::mt19937_64 random(1);
  std::vector<int64_t> numbers(rows * ranks * groups);
  for (int64_t &number : numbers)
    number = static_cast<int64_t>(random() % columns);
  std::vector<float> x(columns * dim), c(rows * ranks * dim), gathered(c.size()), one(x.size()), many(x.size());
  std::normal_distribution<float> normal;
  for (float &number : x)
    number = normal(random);
  for (float &number : c)
    number = normal(random);
  gatherRows(view(x, dim), view(numbers, ranks * groups), view(gathered, ranks * dim),
             sizesOf(rows, columns, groups, 3), pool);
  scatterRows(view(c, ranks * dim), view(numbers, ranks * groups), view(one, dim), sizesOf(columns, rows, groups),
              pool);
  double left = 0, right = 0;
  for (size_t n = 0; n < c.size(); ++n)
    left += static_cast<double>(gathered[n]) * c[n];
  for (size_t n = 0; n < x.size(); ++n)
    right += static_cast<double>(x[n]) * one[n];
  EXPECT_NEAR(left, right, 1e-3);
  for (int threads : {2, 5}) {
    scatterRows(view(c, ranks * dim), view(numbers, ranks * groups), view(many, dim),
                sizesOf(columns, rows, groups, threads), pool);
    EXPECT_EQ(std::memcmp(one.data(), many.data(), one.size() * sizeof(float)), 0) << threads << " threads";
  }
}

/// How often each pair counts.
std::vector<int> countPairs(const Ranges &ranges, int64_t rows, int64_t columns, bool transpose) {
  std::vector<int> counts(rows * columns, 0);
  for (int64_t k = 0; k < ranges.clusters; ++k)
    for (int64_t n = k == 0 ? 0 : ranges.slices[k - 1]; n < ranges.slices[k]; ++n)
      for (int64_t a = ranges.rows[2 * k]; a < ranges.rows[2 * k + 1]; ++a)
        for (int64_t b = ranges.columns[2 * n]; b < ranges.columns[2 * n + 1]; ++b)
          ++counts[transpose ? b * columns + a : a * columns + b];
  return counts;
}

TEST(TransposedRanges, CountEachPairAsOften) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    constexpr int64_t rows = 17, columns = 23;
    std::vector<int64_t> clusters, slices, intervals;
    int64_t begin = 0;
    while (begin < rows && random() % 8 != 0) {
      int64_t first = std::min<int64_t>(rows, begin + random() % 3),
              end = std::min<int64_t>(rows, first + random() % 6);
      clusters.insert(clusters.end(), {first, end});
      begin = end;
      for (unsigned n = random() % 4; n > 0; --n) {
        auto a = static_cast<int64_t>(random() % (columns + 1)), b = static_cast<int64_t>(random() % (columns + 1));
        intervals.insert(intervals.end(), {std::min(a, b), std::max(a, b)});
      }
      slices.push_back(static_cast<int64_t>(intervals.size()) / 2);
    }
    Ranges ranges{clusters.data(), slices.data(), static_cast<int64_t>(slices.size()), intervals.data(),
                  static_cast<int64_t>(intervals.size()) / 2};
    TransposedRanges transposed(ranges);
    const Ranges &other = *transposed.get();
    EXPECT_EQ(countPairs(ranges, rows, columns, false), countPairs(other, rows, columns, true)) << "round " << round;
    for (int64_t k = 1; k < other.clusters; ++k)
      EXPECT_LE(other.rows[2 * k - 1], other.rows[2 * k]) << "clusters share rows";
  }
}

} // namespace
