//===- Storage.cpp - How arrays hold numbers ----------------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Conversions of single numbers; they run once per element and block of rows.
//
//===----------------------------------------------------------------------===//

#include "Storage.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace keops;

Type keops::memoryType(Type storage) {
  return storage.isF16() || storage.isBF16() ? IntegerType::get(storage.getContext(), 16) : storage;
}

Value keops::widen(OpBuilder &builder, Location loc, Value loaded, Type storage) {
  if (storage.isF16()) {
    Value half = arith::BitcastOp::create(builder, loc, storage, loaded);
    return arith::ExtFOp::create(builder, loc, builder.getF32Type(), half);
  }
  if (!storage.isBF16())
    return loaded;
  Value bits = arith::ExtUIOp::create(builder, loc, builder.getI32Type(), loaded);
  Value upper = arith::ShLIOp::create(builder, loc, bits, arith::ConstantIntOp::create(builder, loc, 16, 32));
  return arith::BitcastOp::create(builder, loc, builder.getF32Type(), upper);
}

Value keops::narrow(OpBuilder &builder, Location loc, Value number, Type storage) {
  if (storage.isF16())
    return arith::BitcastOp::create(builder, loc, builder.getI16Type(),
                                    arith::TruncFOp::create(builder, loc, storage, number));
  if (!storage.isBF16())
    return number;
  auto constant = [&](int64_t value) -> Value { return arith::ConstantIntOp::create(builder, loc, value, 32); };
  Value bits = arith::BitcastOp::create(builder, loc, builder.getI32Type(), number);
  Value upper = arith::ShRUIOp::create(builder, loc, bits, constant(16));
  // To nearest: half of the last bit is added, and a tie goes up only from an odd number. An overflow gives infinity.
  Value odd = arith::AndIOp::create(builder, loc, upper, constant(1));
  Value half = arith::AddIOp::create(builder, loc, odd, constant(0x7fff));
  Value rounded = arith::ShRUIOp::create(builder, loc, arith::AddIOp::create(builder, loc, bits, half), constant(16));
  // The bits of a NaN that are left might be those of infinity.
  Value magnitude = arith::AndIOp::create(builder, loc, bits, constant(0x7fffffff));
  Value isNaN = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ugt, magnitude, constant(0x7f800000));
  Value quiet = arith::OrIOp::create(builder, loc, upper, constant(0x40));
  Value result = arith::SelectOp::create(builder, loc, isNaN, quiet, rounded);
  return arith::TruncIOp::create(builder, loc, builder.getI16Type(), result);
}

int64_t keops::launchType(Type storage) {
  if (storage.isF64())
    return 1;
  if (storage.isInteger(64))
    return 2;
  return storage.isF16() ? 3 : storage.isBF16() ? 4 : 0;
}
