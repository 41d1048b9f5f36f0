//===- GpuMovedRows.cpp - Kernels that move rows on a GPU -------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A gather or a copy is launched as any kernel is: a block has some rows of the
// result, whose components its threads share, so that neighbours write to
// neighbouring addresses.
//
//===----------------------------------------------------------------------===//

#include "RowMover.h"
#include "Storage.h"

#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace keops;

/// Components that a thread of a gather handles, if there are so many rows.
static constexpr int64_t kComponentsOfThread = 8;

int64_t MovedRows::rowsPerBlock() const { return std::max<int64_t>(1, threads * kComponentsOfThread / dim); }

RowMover::RowMover(const MovedRows &rows, StringRef name, gpu::GPUModuleOp module)
    : GpuBuilder(OpBuilder(module.getContext()), module.getLoc()), rows(rows), name(name.str()), module(module),
      size(builder.getI64Type()) {}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

Value RowMover::either(Value condition, function_ref<Value()> yes, function_ref<Value()> no) {
  auto yield = [this](function_ref<Value()> value) {
    return [this, value](OpBuilder &, Location) { scf::YieldOp::create(builder, loc, value()); };
  };
  return scf::IfOp::create(builder, loc, condition, yield(yes), yield(no)).getResult(0);
}

Value RowMover::fold(Value from, Value to, Value value, function_ref<Value(Value, Value)> step) {
  auto op = scf::ForOp::create(builder, loc, from, to, i64(1), value);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  scf::YieldOp::create(builder, loc, step(op.getInductionVar(), op.getRegionIterArg(0)));
  return op.getResult(0);
}

Value RowMover::at(const ArgumentAccess &array, Value row, Value component) {
  return add(mul(row, array.rowStride), mul(component, array.componentStride));
}

Value RowMover::asDouble(Value loaded, Type type) {
  Value number = widen(builder, loc, loaded, type);
  if (number.getType().isF64())
    return number;
  if (number.getType().isInteger())
    return arith::SIToFPOp::create(builder, loc, builder.getF64Type(), number);
  return arith::ExtFOp::create(builder, loc, builder.getF64Type(), number);
}

Value RowMover::fromDouble(Value value, Type type) {
  if (type.isF64())
    return value;
  if (type.isInteger())
    return arith::FPToSIOp::create(builder, loc, type, value);
  return narrow(builder, loc, arith::TruncFOp::create(builder, loc, builder.getF32Type(), value), type);
}

void RowMover::moveToBatch(Value offsets, Value numRows) {
  Value batch = place<gpu::BlockIdOp>(gpu::Dimension::y);
  Value first = mul(batch, i64(static_cast<int64_t>(arrays.size())));
  for (auto [n, array] : llvm::enumerate(arrays)) {
    Value offset = load(offsets, add(first, i64(static_cast<int64_t>(n))), size);
    array.base = element(array.base, n == 0 ? memoryType(rows.from) : size, offset);
  }
  to = element(to, memoryType(rows.to), mul(mul(batch, numRows), i64(rows.dim)));
}

//===----------------------------------------------------------------------===//
// Gathers and copies
//===----------------------------------------------------------------------===//

void RowMover::emit() {
  bool gathers = rows.kind == MovedRows::Kind::Gather;
  LaunchParameters parameters;
  beginKernelOfRows(module, name, /*numArguments=*/gathers ? 2 : 1, /*numOutputs=*/1, MovedRows::threads, parameters);
  arrays = parameters.arguments;
  to = parameters.outputs[0];
  moveToBatch(parameters.offsets, parameters.rows);

  Value entry = mul(place<gpu::BlockIdOp>(gpu::Dimension::x), i64(5));
  auto wordOfBlock = [&](int64_t word) { return load(parameters.blocks, add(entry, i64(word)), size); };
  Value firstRow = wordOfBlock(0), endRow = wordOfBlock(1), first = wordOfBlock(2), end = wordOfBlock(3);
  // The one interval of columns ends where they do; without columns there is none.
  Value columns = either(
      compare(arith::CmpIPredicate::slt, first, end),
      [&] { return load(parameters.intervals, add(mul(first, i64(2)), i64(1)), size); }, [&] { return i64(0); });
  Type fromType = memoryType(rows.from), toType = memoryType(rows.to);
  auto read = [&](Value row, Value component) -> Value {
    Value loaded = load(arrays[0].base, at(arrays[0], row, component), fromType);
    return rows.from == rows.to ? loaded : fromDouble(asDouble(loaded, rows.from), rows.to);
  };

  Value elements = mul(subtract(endRow, firstRow), i64(rows.dim));
  loop(place<gpu::ThreadIdOp>(gpu::Dimension::x), elements, MovedRows::threads, [&](Value n) {
    Value row = add(firstRow, divide(n, i64(rows.dim))), component = remainder(n, i64(rows.dim));
    Value value;
    if (gathers) {
      Value width = i64(rows.dim / rows.positions);
      Value position = divide(component, width);
      Value number = load(arrays[1].base, at(arrays[1], row, position), size);
      value = either(
          compare(arith::CmpIPredicate::ult, number, columns),
          [&] {
            Value group = remainder(position, i64(rows.groups));
            return read(number, add(mul(group, width), remainder(component, width)));
          },
          [&] { return arith::ConstantOp::create(builder, loc, builder.getZeroAttr(toType)).getResult(); });
    } else {
      value = read(row, component);
    }
    store(to, add(mul(row, i64(rows.dim)), component), value);
  });
  finish();
}

void keops::emitMovedRows(const MovedRows &rows, StringRef name, gpu::GPUModuleOp module) {
  RowMover mover(rows, name, module);
  if (rows.kind == MovedRows::Kind::Scatter)
    mover.emitScatter();
  else
    mover.emit();
}
