//===- EngineTest.cpp - Results through the C++ door -------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a C++ user sees is compared with plain loops in float64: every kind of
// reduction over both indices, whatever the sizes and the layout of the arrays.
//
//===----------------------------------------------------------------------===//

#include "EngineTesting.h"

#include <cmath>
#include <limits>
#include <map>

using namespace keops;
using namespace keops::test;

namespace {

const double infinity = std::numeric_limits<double>::infinity();
const double notANumber = std::numeric_limits<double>::quiet_NaN();

template <typename T>
class EngineTest : public testing::Test {
protected:
  static constexpr DType type = typeOf<T>();
  /// Of a result with about a hundred roundings.
  static constexpr double tolerance = type == DType::F32 ? 1e-5 : 1e-13;

  void expectNear(double value, double expected, const std::string &place) {
    EXPECT_LE(std::fabs(value - expected), tolerance * (1 + std::fabs(expected)))
        << place << " is " << value << ", expected " << expected;
  }

  Engine engine{inMemory()};
};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(EngineTest, Types);

/// The aliases of most tests here.
const std::vector<std::string> pointAliases = {"x = Vi(3)", "y = Vj(3)", "b = Vj(2)", "g = Pm(1)"};

} // namespace

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

TYPED_TEST(EngineTest, SumsOverEitherIndex) {
  using M = Matrix<TypeParam>;
  // Sizes that fill no tile, one row, one column.
  for (auto [rows, columns] : {std::pair(53, 131), std::pair(1, 67), std::pair(67, 1), std::pair(600, 700)}) {
    M x = M::random(rows, 3, 1), y = M::random(columns, 3, 2), b = M::random(columns, 2, 3), g(1, 1, {2});
    for (Over over : {Over::Columns, Over::Rows}) {
      Formula formula = Formula::parse("Exp(-SqDist(x,y)/g)*b", pointAliases);
      Kernel kernel = this->engine.compile(sum(formula, over), this->type);
      ASSERT_EQ(kernel.results().size(), 1u);
      EXPECT_EQ(kernel.results()[0].dim, 2);
      int64_t kept = over == Over::Columns ? rows : columns, reduced = over == Over::Columns ? columns : rows;
      EXPECT_EQ(kernel.resultRows({x, y, b, g}), kept);
      M out(kept, 2, notANumber);
      kernel({out}, {x, y, b, g});
      for (int64_t r = 0; r < kept; ++r)
        for (int64_t d = 0; d < 2; ++d) {
          double expected = 0;
          for (int64_t s = 0; s < reduced; ++s) {
            int64_t i = over == Over::Columns ? r : s, j = over == Over::Columns ? s : r;
            expected += std::exp(-squaredDistance(x[i], y[j], 3) / g[0][0]) * b[j][d];
          }
          this->expectNear(out[r][d], expected, "row " + std::to_string(r));
        }
    }
  }
}

TYPED_TEST(EngineTest, LogSumExpWithAndWithoutWeights) {
  using M = Matrix<TypeParam>;
  M x = M::random(37, 3, 1, -20, 20), y = M::random(70, 3, 2, -20, 20), b = M::random(70, 2, 3, 0.5, 2), g(1, 1, {2});
  Formula exponent = Formula::parse("-SqDist(x,y)/g", pointAliases), weight = Formula::parse("b", pointAliases);
  for (bool weighted : {false, true}) {
    Reduction reduction = logsumexp(exponent, Over::Columns);
    reduction.aliases = pointAliases;
    if (weighted)
      reduction.weight = std::make_shared<Formula>(weight);
    int64_t dim = weighted ? 2 : 1;
    M out(x.rows, dim, notANumber);
    this->engine.compile(reduction, this->type)({out}, {x, y, b, g});
    for (int64_t i = 0; i < x.rows; ++i)
      for (int64_t d = 0; d < dim; ++d) {
        double largest = -infinity, total = 0;
        for (int64_t j = 0; j < y.rows; ++j)
          largest = std::max(largest, -squaredDistance(x[i], y[j], 3) / 2);
        for (int64_t j = 0; j < y.rows; ++j)
          total += std::exp(-squaredDistance(x[i], y[j], 3) / 2 - largest) * (weighted ? b[j][d] : 1);
        this->expectNear(out[i][d], largest + std::log(total), "row " + std::to_string(i));
      }
  }
}

/// Small integers: no rounding, so values and indices are exact, with many ties.
TYPED_TEST(EngineTest, ExtremaWithTies) {
  using M = Matrix<TypeParam>;
  using Indices = Matrix<int64_t>;
  M x = M::random(41, 2, 1, -3, 3), y = M::random(77, 2, 2, -3, 3);
  for (M *matrix : {&x, &y})
    for (TypeParam &number : matrix->numbers)
      number = std::floor(number);
  for (Over over : {Over::Columns, Over::Rows}) {
    int64_t kept = over == Over::Columns ? x.rows : y.rows, reduced = over == Over::Columns ? y.rows : x.rows;
    Formula formula = sqdist(rowVariable(0, 2), columnVariable(1, 2));
    for (bool maximum : {false, true}) {
      std::string name = maximum ? "Max" : "Min";
      M values(kept, 1, notANumber), bothValues(kept, 1, notANumber);
      Indices indices(kept, 1, -1), bothIndices(kept, 1, -1);
      this->engine.compile({name, formula, over, 0, nullptr, {}}, this->type)({values}, {x, y});
      this->engine.compile({"Arg" + name, formula, over, 0, nullptr, {}}, this->type)({indices}, {x, y});
      this->engine.compile({name + "_Arg" + name, formula, over, 0, nullptr, {}}, this->type)({bothValues, bothIndices},
                                                                                              {x, y});
      for (int64_t r = 0; r < kept; ++r) {
        double best = maximum ? -infinity : infinity;
        int64_t index = 0;
        for (int64_t s = 0; s < reduced; ++s) {
          int64_t i = over == Over::Columns ? r : s, j = over == Over::Columns ? s : r;
          double value = squaredDistance(x[i], y[j], 2);
          if (maximum ? value > best : value < best) {
            best = value;
            index = s;
          }
        }
        EXPECT_EQ(values[r][0], best) << name << " row " << r;
        EXPECT_EQ(indices[r][0], index) << name << " row " << r;
        EXPECT_EQ(bothValues[r][0], best) << name << " row " << r;
        EXPECT_EQ(bothIndices[r][0], index) << name << " row " << r;
      }
    }
  }
}

TYPED_TEST(EngineTest, KSmallestWithTiesAndFewerColumnsThanK) {
  using M = Matrix<TypeParam>;
  using Indices = Matrix<int64_t>;
  for (auto [columns, k] : {std::pair(90, 1), std::pair(90, 5), std::pair(90, 20), std::pair(3, 5)}) {
    M x = M::random(43, 2, 1, -3, 3), y = M::random(columns, 2, 2, -3, 3);
    for (M *matrix : {&x, &y})
      for (TypeParam &number : matrix->numbers)
        number = std::floor(number);
    Formula formula = sqdist(rowVariable(0, 2), columnVariable(1, 2));
    M values(x.rows, k, notANumber), bothValues(x.rows, k, notANumber);
    Indices indices(x.rows, k, -1), bothIndices(x.rows, k, -1);
    this->engine.compile({"KMin", formula, Over::Columns, k, nullptr, {}}, this->type)({values}, {x, y});
    this->engine.compile(argkmin(formula, k, Over::Columns), this->type)({indices}, {x, y});
    this->engine.compile({"KMin_ArgKMin", formula, Over::Columns, k, nullptr, {}},
                         this->type)({bothValues, bothIndices}, {x, y});
    for (int64_t i = 0; i < x.rows; ++i) {
      std::multimap<double, int64_t> sorted; // equal keys stay in the order of insertion
      for (int64_t j = 0; j < columns; ++j)
        sorted.emplace(squaredDistance(x[i], y[j], 2), j);
      auto next = sorted.begin();
      for (int64_t rank = 0; rank < k; ++rank) {
        double value = next == sorted.end() ? infinity : next->first;
        int64_t index = next == sorted.end() ? 0 : next->second;
        if (next != sorted.end())
          ++next;
        EXPECT_EQ(values[i][rank], value) << "K " << k << " row " << i << " rank " << rank;
        EXPECT_EQ(indices[i][rank], index) << "K " << k << " row " << i << " rank " << rank;
        EXPECT_EQ(bothValues[i][rank], value) << "K " << k << " row " << i << " rank " << rank;
        EXPECT_EQ(bothIndices[i][rank], index) << "K " << k << " row " << i << " rank " << rank;
      }
    }
  }
}

/// K-smallest of a vector keeps K values for each component, rank by rank.
TYPED_TEST(EngineTest, KSmallestOfVectors) {
  using M = Matrix<TypeParam>;
  M x(2, 2, {0, 10, 5, 0}), y(3, 2, {1, 1, 2, 9, 7, 4}), values(2, 4, notANumber);
  Matrix<int64_t> indices(2, 4, -1);
  Kernel kernel =
      this->engine.compile("KMin_ArgKMin_Reduction(Abs(x-y), 2, 0)", {"x = Vi(2)", "y = Vj(2)"}, this->type);
  EXPECT_EQ(kernel.results()[0].shape, (std::vector<int64_t>{2, 2}));
  kernel({values, indices}, {x, y});
  EXPECT_EQ(values.numbers, (std::vector<TypeParam>{1, 1, 2, 6, 2, 1, 3, 4}));
  EXPECT_EQ(indices.numbers, (std::vector<int64_t>{0, 1, 1, 2, 2, 0, 1, 2}));
}

//===----------------------------------------------------------------------===//
// Sizes and values at the border
//===----------------------------------------------------------------------===//

TYPED_TEST(EngineTest, NoColumnsGiveTheNeutralElement) {
  using M = Matrix<TypeParam>;
  M x = M::random(19, 1, 1), y(0, 1);
  std::vector<std::string> aliases = {"x = Vi(1)", "y = Vj(1)"};
  auto expectAll = [&](const std::string &text, double expected) {
    M out(19, 1, notANumber);
    this->engine.compile(text, aliases, this->type)({out}, {x, y});
    for (TypeParam value : out.numbers)
      EXPECT_EQ(value, expected) << text;
  };
  expectAll("Sum_Reduction(x*y, 0)", 0);
  expectAll("Min_Reduction(x*y, 0)", infinity);
  expectAll("Max_Reduction(x*y, 0)", -infinity);
  expectAll("LogSumExp_Reduction(x*y, 0)", -infinity);
  M values(19, 3, notANumber);
  Matrix<int64_t> indices(19, 3, -1);
  this->engine.compile("KMin_ArgKMin_Reduction(x*y, 3, 0)", aliases, this->type)({values, indices}, {x, y});
  for (TypeParam value : values.numbers)
    EXPECT_EQ(value, infinity);
  for (int64_t index : indices.numbers)
    EXPECT_EQ(index, 0);
  // No memory at all stands behind an empty array.
  M out(19, 1, notANumber);
  this->engine.compile("Sum_Reduction(x*y, 0)", aliases, this->type)({out}, {x, ConstArray{nullptr, 0, 1, this->type}});
  EXPECT_EQ(out[18][0], 0);
}

TYPED_TEST(EngineTest, NoRowsGiveAnEmptyResult) {
  using M = Matrix<TypeParam>;
  M x(0, 1), y = M::random(5, 1, 1);
  TypeParam guard = 77;
  Kernel kernel = this->engine.compile("Sum_Reduction(x*y, 0)", {"x = Vi(1)", "y = Vj(1)"}, this->type);
  EXPECT_EQ(kernel.resultRows({x, y}), 0);
  kernel({Array{&guard, 0, 1, this->type}}, {x, y});
  EXPECT_EQ(guard, 77);
  kernel({Array{nullptr, 0, 1, this->type}}, {x, y});
}

/// A formula without row (column) arguments has one row (column); arguments
/// that the formula does not use count.
TYPED_TEST(EngineTest, SizesComeFromAllArguments) {
  using M = Matrix<TypeParam>;
  M x(2, 1, {4, 5}), u(3, 5), one(1, 1, notANumber), two(2, 1, notANumber);
  this->engine.compile("Sum_Reduction(x, 0)", {"x = Vi(1)"}, this->type)({two}, {x});
  EXPECT_EQ(two, M(2, 1, {4, 5}));
  this->engine.compile("Sum_Reduction(x, 1)", {"x = Vi(1)"}, this->type)({one}, {x});
  EXPECT_EQ(one[0][0], 9);
  two = M(2, 1, notANumber);
  this->engine.compile("Sum_Reduction(x, 0)", {"x = Vi(1)", "u = Vj(5)"}, this->type)({two}, {x, u});
  EXPECT_EQ(two, M(2, 1, {12, 15}));
  // A parameter alone: one pair.
  M p(1, 1, {3});
  this->engine.compile("Sum_Reduction(p*p, 0)", {"p = Pm(1)"}, this->type)({one}, {p});
  EXPECT_EQ(one[0][0], 9);
}

TYPED_TEST(EngineTest, FewRowsOverManyColumns) {
  using M = Matrix<TypeParam>;
  M x = M::random(2, 3, 1), y = M::random(9001, 3, 2), out(2, 1, notANumber);
  Formula formula = exp(-sqdist(rowVariable(0, 3), columnVariable(1, 3)));
  this->engine.compile(sum(formula, Over::Columns), this->type)({out}, {x, y});
  for (int64_t i = 0; i < 2; ++i) {
    double expected = 0;
    for (int64_t j = 0; j < y.rows; ++j)
      expected += std::exp(-squaredDistance(x[i], y[j], 3));
    this->expectNear(out[i][0], expected, "row " + std::to_string(i));
  }
  M values(2, 2, notANumber);
  Matrix<int64_t> indices(2, 2, -1);
  Formula distance = sqdist(rowVariable(0, 3), columnVariable(1, 3));
  this->engine.compile(argkmin(distance, 2, Over::Columns), this->type)({indices}, {x, y});
  for (int64_t i = 0; i < 2; ++i) {
    double nearest = infinity;
    for (int64_t j = 0; j < y.rows; ++j)
      nearest = std::min(nearest, squaredDistance(x[i], y[j], 3));
    this->expectNear(squaredDistance(x[i], y[indices[i][0]], 3), nearest, "nearest of row " + std::to_string(i));
    EXPECT_NE(indices[i][0], indices[i][1]);
  }
}

TYPED_TEST(EngineTest, NotANumberAndInfinityInTheData) {
  using M = Matrix<TypeParam>;
  M x(2, 1, {0, static_cast<TypeParam>(notANumber)}),
      y(4, 1, {static_cast<TypeParam>(notANumber), 3, static_cast<TypeParam>(infinity), 1});
  std::vector<std::string> aliases = {"x = Vi(1)", "y = Vj(1)"};
  auto compute = [&](const std::string &text) {
    M out(2, 1, -77);
    this->engine.compile(text, aliases, this->type)({out}, {x, y});
    return out;
  };
  // Comparisons with a NaN are false, so extrema pass over it; sums do not.
  EXPECT_TRUE(std::isnan(compute("Sum_Reduction(x+y, 0)")[0][0]));
  EXPECT_TRUE(std::isnan(compute("LogSumExp_Reduction(x+y, 0)")[0][0]));
  EXPECT_EQ(compute("Min_Reduction(x+y, 0)")[0][0], 1);
  EXPECT_EQ(compute("Max_Reduction(x+y, 0)")[0][0], infinity);
  EXPECT_EQ(compute("Min_Reduction(x+y, 0)")[1][0], infinity);
  EXPECT_EQ(compute("Max_Reduction(x+y, 0)")[1][0], -infinity);
  M values(2, 4, notANumber);
  Matrix<int64_t> indices(2, 4, -1);
  this->engine.compile("KMin_ArgKMin_Reduction(x+y, 4, 0)", aliases, this->type)({values, indices}, {x, y});
  EXPECT_EQ(values[0][0], 1);
  EXPECT_EQ(values[0][1], 3);
  EXPECT_EQ(values[0][2], infinity);
  EXPECT_EQ(indices[0][0], 3);
  EXPECT_EQ(indices[0][1], 1);
  EXPECT_EQ(indices[1][0], 0);
  // A log-sum-exp of infinities alone.
  M low(3, 1,
        {static_cast<TypeParam>(-infinity), static_cast<TypeParam>(-infinity), static_cast<TypeParam>(-infinity)});
  M out(1, 1, notANumber);
  Kernel kernel = this->engine.compile("LogSumExp_Reduction(y, 0)", {"y = Vj(1)"}, this->type);
  kernel({out}, {low});
  EXPECT_EQ(out[0][0], -infinity);
  low[1][0] = static_cast<TypeParam>(infinity);
  kernel({out}, {low});
  EXPECT_EQ(out[0][0], infinity);
}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

/// Operators and text make the same formula.
TYPED_TEST(EngineTest, OperatorsAndTextAgree) {
  using M = Matrix<TypeParam>;
  M x = M::random(31, 3, 1), y = M::random(45, 3, 2), p(1, 1, {0.5});
  Formula vx = rowVariable(0, 3), vy = columnVariable(1, 3), vp = parameter(2, 1);
  Formula formula = log(2 + sqdist(vx, vy)) - sqrt(1 + dot(vx, vx)) / vp + Formula::call("Elem", {vy}, {2});
  M byOperators(31, 1, notANumber), byText(31, 1, notANumber);
  this->engine.compile(sum(formula, Over::Columns), this->type)({byOperators}, {x, y, p});
  this->engine.compile("Sum_Reduction(Log(2+SqDist(x,y))-Sqrt(1+(x|x))/p+Elem(y,2), 0)",
                       {"x = Vi(3)", "y = Vj(3)", "p = Pm(1)"}, this->type)({byText}, {x, y, p});
  EXPECT_EQ(byOperators, byText);
  double expected = 0, square = 0;
  for (int64_t d = 0; d < 3; ++d)
    square += static_cast<double>(x[30][d]) * x[30][d];
  for (int64_t j = 0; j < y.rows; ++j)
    expected += std::log(2 + squaredDistance(x[30], y[j], 3)) - std::sqrt(1 + square) / 0.5 + y[j][2];
  this->expectNear(byText[30][0], expected, "the last row");
  EXPECT_EQ(Formula::parse(formula.str(), {}).str(), formula.str());
}

/// The reference of chosen rows, and a bound that the kernel keeps.
TYPED_TEST(EngineTest, InterpretsChosenRows) {
  using M = Matrix<TypeParam>;
  M x = M::random(50, 3, 1), y = M::random(60, 3, 2), out(50, 1, notANumber);
  Kernel kernel =
      this->engine.compile(sum(exp(-sqdist(rowVariable(0, 3), columnVariable(1, 3))), Over::Columns), this->type);
  kernel({out}, {x, y});
  std::vector<std::vector<double>> values, bounds;
  kernel.interpret({x, y}, {49, 0, 7}, values, bounds);
  ASSERT_EQ(values.size(), 1u);
  ASSERT_EQ(values[0].size(), 3u);
  ASSERT_EQ(bounds[0].size(), 3u);
  int64_t n = 0;
  for (int64_t row : {49, 0, 7}) {
    double expected = 0;
    for (int64_t j = 0; j < y.rows; ++j)
      expected += std::exp(-squaredDistance(x[row], y[j], 3));
    EXPECT_NEAR(values[0][n], expected, 1e-12);
    EXPECT_GT(bounds[0][n], 0);
    EXPECT_LT(bounds[0][n], this->tolerance * 100);
    EXPECT_LE(std::fabs(out[row][0] - values[0][n]), bounds[0][n]);
    ++n;
  }
  expectError([&] { kernel.interpret({x, y}, {50}, values, bounds); }, {"50"});
  expectError([&] { kernel.interpret({x, y}, {-1}, values, bounds); }, {"-1"});
}
