//===- GpuScatter.cpp - Adding rows where they belong, on a GPU -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A *place* is a position of a row of numbers, counted through all rows. Its *key*
// is the row that it names, with the group of components that go there; places
// are sorted by key, and those of one key stay in their order. This is done digit
// by digit of the keys, from the last one on:
//
//   <name>_count   each thread counts the digits of a chunk of places
//   <name>_scan    from how many of a digit there are in each chunk to where the first one goes
//   <name>_place   each thread sends the places of its chunk there
//
// Then what belongs to a component of the result is a piece of the list, found by
// searching for its ends, and one thread adds it up. So that many places of one
// key are not the work of one thread,
//
//   <name>_parts   adds up parts of the list that have one key throughout,
//   <name>         and takes their sums where a piece has whole parts.
//
// Nothing is atomic, and the order of each sum depends on its places alone.
// Runtime/GpuScatter.cpp says how the functions are launched; all take the same
// parameters. Change both together.
//
//===----------------------------------------------------------------------===//

#include "RowMover.h"
#include "Storage.h"

using namespace mlir;
using namespace keops;

/// Of a digit, as in Runtime/GpuScatter.cpp.
static constexpr int64_t kDigits = 16;

//===----------------------------------------------------------------------===//
// Places and keys
//===----------------------------------------------------------------------===//

void RowMover::beginFunction(StringRef suffix) {
  Type pointer = pointerType();
  SmallVector<Type> types = {pointer, size,    size,    pointer, size, size, pointer, size, size, pointer,
                             pointer, pointer, pointer, pointer, size, size, size,    size, size};
  gpu::GPUFuncOp function = beginKernel(module, name + suffix.str(), types, MovedRows::threads);
  auto next = function.getArguments().begin();
  arrays.clear();
  for (int n = 0; n < 2; ++n, next += 3)
    arrays.push_back({next[0], next[1], next[2]});
  to = *next++;
  numRows = *next++;
  numColumns = *next++;
  moveToBatch(/*offsets=*/*next++, numRows);
  Value toBatch = mul(place<gpu::BlockIdOp>(gpu::Dimension::y), next[4]);
  for (Value *memory : {&source, &target, &counts, &sums})
    *memory = element(*next++, builder.getI8Type(), toBatch);
  ++next;
  chunks = *next++;
  chunkPlaces = *next++;
  shift = *next++;
  partPlaces = *next++;
  places = mul(numColumns, i64(rows.positions));
}

/// Of all threads of the launch together.
void RowMover::forEach(Value count, Body body) {
  Value threads = i64(MovedRows::threads);
  Value first = add(mul(place<gpu::BlockIdOp>(gpu::Dimension::x), threads), place<gpu::ThreadIdOp>(gpu::Dimension::x));
  auto op = scf::ForOp::create(builder, loc, first, count, mul(place<gpu::GridDimOp>(gpu::Dimension::x), threads));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  body(op.getInductionVar());
}

/// The last key of all is that of numbers of no row.
Value RowMover::keyOf(Value place) {
  Value position = remainder(place, i64(rows.positions));
  Value number =
      load(arrays[1].base, at(arrays[1], divide(place, i64(rows.positions)), position), builder.getI64Type());
  Value row = smaller(number, numRows);
  Value group = arith::SelectOp::create(builder, loc, compare(arith::CmpIPredicate::eq, row, numRows), i64(0),
                                        remainder(position, i64(rows.groups)));
  return add(mul(row, i64(rows.groups)), group);
}

/// Before the first digit the list is that of all places.
Value RowMover::placeAt(Value n) {
  return either(
      compare(arith::CmpIPredicate::eq, shift, i64(0)), [&] { return n; }, [&] { return load(source, n, size); });
}

//===----------------------------------------------------------------------===//
// Sorting
//===----------------------------------------------------------------------===//

void RowMover::forPlaces(Value chunk, function_ref<void(Value, Value)> body) {
  Value begin = mul(chunk, chunkPlaces);
  loop(begin, smaller(add(begin, chunkPlaces), places), 1, [&](Value n) {
    Value place = placeAt(n);
    Value digits = arith::ShRUIOp::create(builder, loc, keyOf(place), shift);
    body(place, arith::AndIOp::create(builder, loc, digits, i64(kDigits - 1)));
  });
}

/// Counts one more, and says how many there were.
Value RowMover::take(Value counters, Value digit) {
  Value before = load(counters, digit, size);
  store(counters, digit, add(before, i64(1)));
  return before;
}

void RowMover::emitCount() {
  beginFunction("_count");
  Value counters = allocateLocal(size, kDigits);
  forEach(chunks, [&](Value chunk) {
    loop(i64(0), i64(kDigits), 1, [&](Value digit) { store(counters, digit, i64(0)); });
    forPlaces(chunk, [&](Value, Value digit) { take(counters, digit); });
    loop(i64(0), i64(kDigits), 1,
         [&](Value digit) { store(counts, digitsOf(chunk, digit), load(counters, digit, size)); });
  });
  finish();
}

/// One block: each thread has a run of the numbers.
void RowMover::emitScan() {
  builder.setInsertionPointToEnd(module.getBody());
  LLVM::GlobalOp shared = createShared(name + "_totals", size, MovedRows::threads);
  beginFunction("_scan");
  Value totals = LLVM::AddressOfOp::create(builder, loc, shared);
  Value thread = place<gpu::ThreadIdOp>(gpu::Dimension::x), all = mul(chunks, i64(kDigits));
  Value run = divide(add(all, i64(MovedRows::threads - 1)), i64(MovedRows::threads));
  Value begin = smaller(mul(thread, run), all), end = smaller(add(begin, run), all);
  Value total = fold(begin, end, i64(0), [&](Value n, Value sum) { return add(sum, load(counts, n, size)); });
  store(totals, thread, total);
  gpu::BarrierOp::create(builder, loc);
  Value before = fold(i64(0), thread, i64(0), [&](Value n, Value sum) { return add(sum, load(totals, n, size)); });
  fold(begin, end, before, [&](Value n, Value sum) {
    Value count = load(counts, n, size);
    store(counts, n, sum);
    return add(sum, count);
  });
  finish();
}

void RowMover::emitPlace() {
  beginFunction("_place");
  Value counters = allocateLocal(size, kDigits);
  forEach(chunks, [&](Value chunk) {
    loop(i64(0), i64(kDigits), 1,
         [&](Value digit) { store(counters, digit, load(counts, digitsOf(chunk, digit), size)); });
    forPlaces(chunk, [&](Value place, Value digit) { store(target, take(counters, digit), place); });
  });
  finish();
}

//===----------------------------------------------------------------------===//
// Adding up
//===----------------------------------------------------------------------===//

/// Where the first place of this key or a later one is.
Value RowMover::firstOf(Value key) {
  auto search = scf::WhileOp::create(
      builder, loc, TypeRange{size, size}, ValueRange{i64(0), places},
      [&](OpBuilder &, Location, ValueRange ends) {
        scf::ConditionOp::create(builder, loc, compare(arith::CmpIPredicate::ult, ends[0], ends[1]), ends);
      },
      [&](OpBuilder &, Location, ValueRange ends) {
        Value middle = divide(add(ends[0], ends[1]), i64(2));
        Value isBefore = compare(arith::CmpIPredicate::ult, keyOf(load(source, middle, size)), key);
        Value low = arith::SelectOp::create(builder, loc, isBefore, add(middle, i64(1)), ends[0]);
        Value high = arith::SelectOp::create(builder, loc, isBefore, ends[1], middle);
        scf::YieldOp::create(builder, loc, ValueRange{low, high});
      });
  return search.getResult(0);
}

/// Adds this component of what stands at [begin, end) of the list; `component` counts within the group.
Value RowMover::addTerms(Value begin, Value end, Value component, Value sum) {
  Value width = i64(rows.dim / rows.groups);
  return fold(begin, end, sum, [&](Value n, Value sum) -> Value {
    Value place = load(source, n, size);
    Value row = divide(place, i64(rows.positions)), position = remainder(place, i64(rows.positions));
    Value loaded =
        load(arrays[0].base, at(arrays[0], row, add(mul(position, width), component)), memoryType(rows.from));
    return arith::AddFOp::create(builder, loc, sum, asDouble(loaded, rows.from));
  });
}

void RowMover::emitParts() {
  beginFunction("_parts");
  Value width = i64(rows.dim / rows.groups);
  forEach(mul(divide(places, partPlaces), width), [&](Value n) {
    Value begin = mul(divide(n, width), partPlaces), end = add(begin, partPlaces);
    auto keyAt = [&](Value n) { return keyOf(load(source, n, size)); };
    Value isOne = compare(arith::CmpIPredicate::eq, keyAt(begin), keyAt(subtract(end, i64(1))));
    auto branch = scf::IfOp::create(builder, loc, isOne, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.thenBlock());
    Value zero = arith::ConstantOp::create(builder, loc, builder.getF64FloatAttr(0));
    store(sums, n, addTerms(begin, end, remainder(n, width), zero));
  });
  finish();
}

void RowMover::emitSum() {
  beginFunction("");
  Value width = i64(rows.dim / rows.groups);
  forEach(mul(numRows, i64(rows.dim)), [&](Value n) {
    // Components of a group have one key.
    Value key = divide(n, width), component = remainder(n, width);
    Value begin = firstOf(key), end = firstOf(add(key, i64(1)));
    Value partsBegin = divide(add(begin, subtract(partPlaces, i64(1))), partPlaces);
    Value partsEnd = larger(divide(end, partPlaces), partsBegin);
    Value sum = arith::ConstantOp::create(builder, loc, builder.getF64FloatAttr(0));
    sum = addTerms(begin, smaller(mul(partsBegin, partPlaces), end), component, sum);
    sum = fold(partsBegin, partsEnd, sum, [&](Value part, Value sum) -> Value {
      return arith::AddFOp::create(builder, loc, sum,
                                   load(sums, add(mul(part, width), component), builder.getF64Type()));
    });
    sum = addTerms(mul(partsEnd, partPlaces), end, component, sum);
    store(to, n, fromDouble(sum, rows.to));
  });
  finish();
}

void RowMover::emitScatter() {
  emitCount();
  emitScan();
  emitPlace();
  emitParts();
  emitSum();
}
