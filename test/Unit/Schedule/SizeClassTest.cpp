//===- SizeClassTest.cpp - Which sizes want other code -----------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Few rows want columns on lanes if columns can fill lanes, and if there is
// enough of them in all, over all batches, for a second variant.
//
//===----------------------------------------------------------------------===//

#include "keops/Schedule/SizeClass.h"

#include "gtest/gtest.h"

using namespace keops;

TEST(SizeClass, ManyRowsRunOnLanes) {
  EXPECT_EQ(sizeClassOf({9, 1000000}), SizeClass::ManyRows);
  EXPECT_EQ(sizeClassOf({1000000, 1, 1000}), SizeClass::ManyRows);
  EXPECT_EQ(sizeClassOf({0, 0, 0}), SizeClass::ManyRows);
}

TEST(SizeClass, FewRowsOfManyColumns) {
  EXPECT_EQ(sizeClassOf({1, 4096}), SizeClass::FewRows);
  EXPECT_EQ(sizeClassOf({8, 4096}), SizeClass::FewRows);
  EXPECT_EQ(sizeClassOf({1, 4095}), SizeClass::ManyRows);
}

TEST(SizeClass, BatchesCountTogether) {
  EXPECT_EQ(sizeClassOf({1, 512, 7}), SizeClass::ManyRows);
  EXPECT_EQ(sizeClassOf({1, 512, 8}), SizeClass::FewRows);
  // However many batches, columns that leave lanes empty stay off them, …
  EXPECT_EQ(sizeClassOf({1, 31, 1000000}), SizeClass::ManyRows);
  EXPECT_EQ(sizeClassOf({1, 32, 1000000}), SizeClass::FewRows);
  // … and more so if there are some rows.
  EXPECT_EQ(sizeClassOf({8, 255, 1000000}), SizeClass::ManyRows);
  EXPECT_EQ(sizeClassOf({8, 256, 1000000}), SizeClass::FewRows);
  // Sizes whose product does not fit 64 bits.
  EXPECT_EQ(sizeClassOf({1, INT64_MAX, INT64_MAX}), SizeClass::FewRows);
}

TEST(SizeClass, ClassesAreDifferentToTheCompiler) {
  EXPECT_NE(typicalRows(SizeClass::ManyRows), typicalRows(SizeClass::FewRows));
}
