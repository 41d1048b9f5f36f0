//===- RowMover.h - A kernel that moves rows, being written -----*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Elements are read and written in the types of their arrays; where these
// differ, or where elements are added up, they are float64 in between.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_LOWERING_ROWMOVER_H
#define KEOPS_LIB_LOWERING_ROWMOVER_H

#include "GpuBuilder.h"

#include "keops/Lowering/MovedRows.h"

#include <string>

namespace keops {

class RowMover : GpuBuilder {
public:
  RowMover(const MovedRows &rows, llvm::StringRef name, mlir::gpu::GPUModuleOp module);
  /// Of a gather or a copy.
  void emit();
  /// All functions of a scatter.
  void emitScatter();

private:
  using Body = llvm::function_ref<void(mlir::Value)>;

  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value a, mlir::Value b) {
    return mlir::arith::CmpIOp::create(builder, loc, predicate, a, b);
  }
  mlir::Value subtract(mlir::Value a, mlir::Value b) { return mlir::arith::SubIOp::create(builder, loc, a, b); }
  mlir::Value divide(mlir::Value a, mlir::Value b) { return mlir::arith::DivUIOp::create(builder, loc, a, b); }
  mlir::Value remainder(mlir::Value a, mlir::Value b) { return mlir::arith::RemUIOp::create(builder, loc, a, b); }
  mlir::Value smaller(mlir::Value a, mlir::Value b) { return mlir::arith::MinUIOp::create(builder, loc, a, b); }
  mlir::Value larger(mlir::Value a, mlir::Value b) { return mlir::arith::MaxUIOp::create(builder, loc, a, b); }
  /// One of two values; what gives the other is not run.
  mlir::Value either(mlir::Value condition, llvm::function_ref<mlir::Value()> yes,
                     llvm::function_ref<mlir::Value()> no);
  /// `step` of `value` for each number of [from, to) in turn.
  mlir::Value fold(mlir::Value from, mlir::Value to, mlir::Value value,
                   llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> step);

  /// The address of an element of a batch of an array, for `load` and `store`.
  mlir::Value at(const ArgumentAccess &array, mlir::Value row, mlir::Value component);
  mlir::Value asDouble(mlir::Value loaded, mlir::Type type);
  mlir::Value fromDouble(mlir::Value value, mlir::Type type);
  /// Batch `y` of the arrays.
  void moveToBatch(mlir::Value offsets, mlir::Value numRows);

  void finish() { mlir::gpu::ReturnOp::create(builder, loc); }

  // Of a scatter.
  void beginFunction(llvm::StringRef suffix);
  void forEach(mlir::Value count, Body body);
  mlir::Value placeAt(mlir::Value n);
  mlir::Value keyOf(mlir::Value place);
  mlir::Value digitsOf(mlir::Value chunk, mlir::Value digit) { return add(mul(digit, chunks), chunk); }
  void forPlaces(mlir::Value chunk, llvm::function_ref<void(mlir::Value place, mlir::Value digit)> body);
  mlir::Value take(mlir::Value counters, mlir::Value digit);
  mlir::Value firstOf(mlir::Value key);
  mlir::Value addTerms(mlir::Value begin, mlir::Value end, mlir::Value component, mlir::Value sum);
  void emitCount();
  void emitScan();
  void emitPlace();
  void emitParts();
  void emitSum();

  const MovedRows &rows;
  const std::string name;
  mlir::gpu::GPUModuleOp module;
  mlir::Type size;

  // Values of the function that is being built.
  llvm::SmallVector<ArgumentAccess> arrays; ///< what is read: rows, and their numbers
  mlir::Value to, numRows, numColumns;
  mlir::Value places, chunks, chunkPlaces, shift, partPlaces; ///< of a scatter: see Runtime/GpuScatter.cpp
  mlir::Value source, target, counts, sums;
};

} // namespace keops

#endif // KEOPS_LIB_LOWERING_ROWMOVER_H
