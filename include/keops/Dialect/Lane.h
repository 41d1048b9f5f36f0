//===- Lane.h - The arithmetic in which ops and reductions are written -----===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An op says once how a component of its result is computed, a reduction says
// once what its monoid is. Both speak to a `Lane`, which hides what a number
// is: a double with an error bound in the interpreter, a value of the tile
// level while tiling, a scalar or a SIMD vector in generated code. So there is
// no second definition to keep in step.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_LANE_H
#define KEOPS_DIALECT_LANE_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"

namespace keops {

class ReductionInterface;

/// The indices that a value depends on, as bits.
enum class IndexSet : uint32_t { None = 0, I = 1, J = 2, IJ = 3 };
inline IndexSet operator|(IndexSet a, IndexSet b) {
  return static_cast<IndexSet>(static_cast<uint32_t>(a) | static_cast<uint32_t>(b));
}
/// True when everything in `part` is in `whole`.
inline bool contains(IndexSet whole, IndexSet part) { return (whole | part) == whole; }
/// "", "i", "j" or "ij".
llvm::StringRef toString(IndexSet set);

/// A number, a comparison's result or a row number on a lane. A generated
/// program uses `ssa`; the interpreter uses `value` and `error`.
struct LaneValue {
  mlir::Value ssa = {};
  double value = 0;
  double error = 0;
};

/// A component's position: a constant, or a loop's induction variable.
struct LaneIndex {
  mlir::Value ssa = {};
  int64_t constant = 0;

  LaneIndex() = default;
  LaneIndex(int64_t constant) : constant(constant) {}
  explicit LaneIndex(mlir::Value ssa) : ssa(ssa) {}
  bool isConstant() const { return !ssa; }
};

/// Component `d` of operand `n`. For an op that is a recurrence, the number
/// after the last operand's is the result itself, of which the components before
/// the one at hand are known.
using OperandComponent = llvm::function_ref<LaneValue(unsigned n, LaneIndex d)>;

/// Cost of one component: plain operations and special functions.
struct OpCost {
  int64_t plain = 0;
  int64_t special = 0;
};

enum class UnaryKind {
  Neg,
  Abs,
  Floor,
  Round,
  Exp,
  Log,
  Sin,
  Cos,
  Asin,
  Acos,
  Atan,
  Tanh,
  Erf,
  Sqrt,
  Exp2,
  Log2,
  Expm1,
  Log1p,
  Sinh,
  Cosh,
  Tan,
  Lgamma
};
enum class BinaryKind { Add, Sub, Mul, Div, Powf, Atan2 };
enum class CompareKind { EQ, NE, LT, LE };

/// Arithmetic on lanes. Numbers have the arithmetic type of the lane; row
/// numbers are integers, made by `rowNumber`, and may only be selected and
/// compared.
class Lane {
public:
  virtual ~Lane();

  virtual LaneValue constant(double value) = 0;
  /// An integer of the type of row numbers.
  virtual LaneValue rowNumber(int64_t value) = 0;
  virtual LaneValue unary(UnaryKind kind, LaneValue x) = 0;
  virtual LaneValue binary(BinaryKind kind, LaneValue a, LaneValue b) = 0;
  /// IEEE comparison: false when an operand is NaN, but for NE.
  virtual LaneValue compare(CompareKind kind, LaneValue a, LaneValue b) = 0;
  virtual LaneValue select(LaneValue mask, LaneValue a, LaneValue b) = 0;
  virtual LaneValue maskAnd(LaneValue a, LaneValue b) = 0;
  virtual LaneValue maskOr(LaneValue a, LaneValue b) = 0;
  /// x to an integer power, exact for small powers; 1 for power 0.
  virtual LaneValue integerPower(LaneValue x, int64_t power);
  /// A component's position as a number.
  virtual LaneValue number(LaneIndex d) = 0;
  /// The number of the row (I) or column (J) for which the lane computes.
  virtual LaneValue indexNumber(IndexSet index) = 0;

  // Positions. The base class folds constants; a lane overrides the rest.
  LaneIndex add(LaneIndex a, LaneIndex b);
  LaneIndex mul(LaneIndex a, int64_t factor);
  LaneIndex div(LaneIndex a, int64_t divisor);
  LaneIndex rem(LaneIndex a, int64_t divisor);
  /// `below()` where d < bound, else `otherwise()`; only the taken one is
  /// computed, so each may use positions that are valid only there.
  LaneValue branchBelow(LaneIndex d, int64_t bound, llvm::function_ref<LaneValue()> below,
                        llvm::function_ref<LaneValue()> otherwise);

  /// Reduces `count` components with a reduction over components; its first
  /// result. `component(d)` is called in increasing order of d.
  virtual LaneValue fold(ReductionInterface reduction, int64_t count,
                         llvm::function_ref<LaneValue(LaneIndex)> component) = 0;

  /// Adds `term` to `sum` − `compensation`, a sum and the rounding errors that
  /// it has collected. A lane without rounding may add plainly.
  virtual void addCompensated(LaneValue &sum, LaneValue &compensation, LaneValue term);

  // Control flow of reductions.
  /// Runs `body` if `mask` holds on any lane. Slots of a state that is kept in
  /// registers may be set in `body`, and so may `values`, which keep their type.
  virtual void ifAny(LaneValue mask, llvm::function_ref<void()> body, llvm::MutableArrayRef<LaneValue> values = {}) = 0;
  /// Runs `body` for 0 … count−1.
  virtual void forEach(int64_t count, llvm::function_ref<void(LaneIndex)> body) = 0;
  /// The same with values that are carried from one turn to the next.
  virtual llvm::SmallVector<LaneValue>
  loop(int64_t count, llvm::ArrayRef<LaneValue> carried,
       llvm::function_ref<llvm::SmallVector<LaneValue>(LaneIndex, llvm::ArrayRef<LaneValue>)> body) = 0;

  LaneValue add(LaneValue a, LaneValue b) { return binary(BinaryKind::Add, a, b); }
  LaneValue sub(LaneValue a, LaneValue b) { return binary(BinaryKind::Sub, a, b); }
  LaneValue mul(LaneValue a, LaneValue b) { return binary(BinaryKind::Mul, a, b); }
  LaneValue div(LaneValue a, LaneValue b) { return binary(BinaryKind::Div, a, b); }
  LaneValue exp(LaneValue x) { return unary(UnaryKind::Exp, x); }
  /// e^x where x ≤ 32 is known, which may cost less.
  virtual LaneValue boundedExp(LaneValue x) { return exp(x); }
  /// True if e^(x − shift) costs less when asked for as a whole. It is right for
  /// every x then, where |shift| is at most half of the largest number.
  virtual bool hasExpOfDifference() const { return false; }
  virtual LaneValue expOfDifference(LaneValue x, LaneValue shift) { return exp(sub(x, shift)); }
  LaneValue log(LaneValue x) { return unary(UnaryKind::Log, x); }
  LaneValue less(LaneValue a, LaneValue b) { return compare(CompareKind::LT, a, b); }
  /// The largest finite number of the lane's type.
  virtual LaneValue largest() = 0;
  LaneValue infinity();
  /// a where a < b, else b: NaN in a is passed over.
  virtual LaneValue smaller(LaneValue a, LaneValue b) { return select(less(a, b), a, b); }
  /// a where b < a, else b.
  virtual LaneValue larger(LaneValue a, LaneValue b) { return select(less(b, a), a, b); }

protected:
  enum class IndexKind { Add, Mul, Div, Rem };
  virtual LaneIndex indexOp(IndexKind kind, LaneIndex a, LaneIndex b) = 0;
  virtual LaneValue indexBranch(LaneIndex d, int64_t bound, llvm::function_ref<LaneValue()> below,
                                llvm::function_ref<LaneValue()> otherwise) = 0;
};

/// A part of a reduction's state: `count` elements of one kind.
struct StateSlot {
  /// `Term` has the terms' type; `Sum` has it within a tile and is float64
  /// across tiles; `WideSum` is float64 throughout; `Row` is a row number.
  enum class Kind { Term, Sum, WideSum, Row };
  Kind kind = Kind::Term;
  int64_t count = 1;
  /// True when elements are addressed by positions that are not constant, or
  /// are too many for registers: such a slot lives in memory.
  bool inMemory = false;
};

/// One result of a reduction; `shape` is how a user sees its `dim` components.
struct ReductionResult {
  int64_t dim = 1;
  bool isRow = false;
  llvm::SmallVector<int64_t, 2> shape;
};

/// Access to the state of a reduction.
class ReductionState {
public:
  virtual ~ReductionState();
  virtual LaneValue get(unsigned slot, LaneIndex element) = 0;
  virtual void set(unsigned slot, LaneIndex element, LaneValue value) = 0;
  /// Dimensions of the reduction's operands.
  llvm::SmallVector<int64_t, 2> dims;
};

/// The operands of a reduction for one column.
class ReductionTerm {
public:
  virtual ~ReductionTerm();
  virtual LaneValue get(unsigned operand, LaneIndex d) = 0;
  /// The column's number.
  virtual LaneValue row() = 0;
};

} // namespace keops

#endif // KEOPS_DIALECT_LANE_H
