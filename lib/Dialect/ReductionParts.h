//===- ReductionParts.h - What several reductions share -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The parts of which monoids are made: checks, schemes of summation,
// and pieces of derivatives.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_DIALECT_REDUCTIONPARTS_H
#define KEOPS_LIB_DIALECT_REDUCTIONPARTS_H

#include "keops/Dialect/Keops.h"

namespace keops {

/// Fails with a message unless there are between `least` and `most` formulas.
mlir::LogicalResult expectTerms(llvm::ArrayRef<int64_t> dims, size_t least, size_t most, llvm::StringRef name,
                                llvm::function_ref<mlir::InFlightDiagnostic()> emitError);

//===----------------------------------------------------------------------===//
// Schemes of summation
//===----------------------------------------------------------------------===//

/// `count` sums, and what they have lost if the scheme keeps it.
void addSumSlots(llvm::SmallVectorImpl<StateSlot> &slots, SumScheme scheme, int64_t count);

/// Sets element d of the sums in slot `slot` to zero.
void initSum(Lane &lane, ReductionState &state, SumScheme scheme, unsigned slot, LaneIndex d);

/// Element d of the sums in slot `slot`, and of their compensations in the next one.
class RunningSum {
public:
  RunningSum(Lane &lane, ReductionState &state, SumScheme scheme, unsigned slot, LaneIndex d)
      : lane(lane), state(state), compensated(scheme == SumScheme::Kahan), slot(slot), d(d), sum(state.get(slot, d)) {
    if (compensated)
      compensation = state.get(slot + 1, d);
  }
  void add(LaneValue term) {
    if (compensated)
      lane.addCompensated(sum, compensation, term);
    else
      sum = lane.add(sum, term);
  }
  void add(const RunningSum &other) {
    add(other.sum);
    // Apart: their difference would be rounded to the other's narrower type.
    if (compensated)
      add(lane.unary(UnaryKind::Neg, other.compensation));
  }
  void scale(LaneValue factor) {
    sum = lane.mul(sum, factor);
    if (compensated)
      compensation = lane.mul(compensation, factor);
  }
  void store() const {
    state.set(slot, d, sum);
    if (compensated)
      state.set(slot + 1, d, compensation);
  }
  LaneValue value() const { return compensated ? lane.sub(sum, compensation) : sum; }

private:
  Lane &lane;
  ReductionState &state;
  bool compensated;
  unsigned slot;
  LaneIndex d;
  LaneValue sum, compensation;
};

//===----------------------------------------------------------------------===//
// Extrema
//===----------------------------------------------------------------------===//

/// The state of what keeps a value and where it was found.
enum ExtremumSlot : unsigned { kValue, kRow };

//===----------------------------------------------------------------------===//
// Derivatives
//===----------------------------------------------------------------------===//

/// The cotangent of a term. That of one number leaves the sum as a factor.
TermCotangent cotangentOfTerm(DerivativeBuilder &b, unsigned term, mlir::Value cotangent);

/// Where the reduction `op` finds its values: `kind` is the one that gives values and places, `isMax` whether they are
/// the largest.
class Places {
public:
  Places(DerivativeBuilder &b, mlir::Operation *op, mlir::Attribute kind, bool isMax);
  /// The tangents of the values for that of the term, and the cotangent of the term for those of the values.
  mlir::Value tangent(mlir::Value ofTerm);
  mlir::Value adjoint(mlir::Value ofValues);

private:
  DerivativeBuilder &b;
  ReducedIndex over;
  int64_t dim; ///< of the term
  mlir::Value values, rows, isFound;
};

/// Derivatives of a reduction that gives values found at `places`, the places, or both in this order. A place has none,
/// so those who want no values need not look for them.
mlir::LogicalResult tangentsAt(llvm::function_ref<Places()> places, bool givesValue, bool givesIndex,
                               llvm::ArrayRef<mlir::Value> tangents, llvm::SmallVectorImpl<mlir::Value> &results);
mlir::LogicalResult adjointsAt(llvm::function_ref<Places()> places, bool givesValue,
                               llvm::ArrayRef<mlir::Value> cotangents, llvm::SmallVectorImpl<TermCotangent> &terms);

/// 1 at the first place of an extremum, as the reduction of this kind finds it.
mlir::Value oneHotAt(DerivativeBuilder &b, mlir::Attribute argument, mlir::Value operand);

} // namespace keops

#endif // KEOPS_LIB_DIALECT_REDUCTIONPARTS_H
