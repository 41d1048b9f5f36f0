//===- Spellings.h - Names that stand for several ops -------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Users know about a hundred operations, the dialect about forty. Most of the
// difference are spellings: names that are written out in core ops here, once,
// so that no pass ever meets them.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_FRONTEND_SPELLINGS_H
#define KEOPS_LIB_FRONTEND_SPELLINGS_H

#include "keops/Dialect/Keops.h"
#include "keops/Frontend/FormulaParser.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"

namespace keops::frontend {

/// Makes ops for one call. A null value means that an error was reported; ops of
/// null operands are null, so that spellings need not test every step.
class Emitter {
public:
  virtual ~Emitter() = default;

  /// Number of arguments, and argument `index` as what it is meant to be.
  virtual size_t size() const = 0;
  virtual mlir::Value operand(size_t index) = 0;
  virtual int64_t integer(size_t index) const = 0;
  virtual llvm::ArrayRef<int64_t> list(size_t index) const = 0;
  /// The argument if it is a number in the formula.
  virtual std::optional<double> number(size_t index) const = 0;
  /// True if there is a reduction in the argument.
  virtual bool holdsReduction(size_t index) const = 0;

  /// Reports what is wrong with the call; null.
  virtual mlir::Value fail(const llvm::Twine &message) = 0;
  /// The result of an op, checked; `attributes` are its own attributes.
  virtual mlir::Value emit(llvm::StringRef op, mlir::ValueRange operands,
                           llvm::ArrayRef<mlir::NamedAttribute> attributes) = 0;
  /// `value` in each of `dim` components.
  virtual mlir::Value constant(double value, int64_t dim = 1) = 0;
  /// The number of the row (I) or column (J) at hand.
  virtual mlir::Value indexNumber(IndexSet index) = 0;
  virtual mlir::Builder &builder() = 0;
  virtual mlir::Type elementType() const = 0;

  template <typename Op>
  mlir::Value emit(mlir::ValueRange operands, llvm::ArrayRef<mlir::NamedAttribute> attributes = {}) {
    return emit(Op::getOperationName(), operands, attributes);
  }
  mlir::NamedAttribute named(llvm::StringRef name, int64_t value) {
    return builder().getNamedAttr(name, builder().getI64IntegerAttr(value));
  }
};

/// Components of a value.
inline int64_t dimOf(mlir::Value value) { return llvm::cast<VecType>(value.getType()).getDim(); }

struct Spelling {
  llvm::StringRef name;
  llvm::StringRef kinds; ///< as in Signature
  unsigned optional;
  mlir::Value (*expand)(Emitter &);
};

llvm::ArrayRef<Spelling> spellings();
/// Those of complex numbers, and of logic, indices and special functions.
llvm::ArrayRef<Spelling> complexSpellings();
llvm::ArrayRef<Spelling> specialSpellings();
/// Null if `name` is no spelling.
const Spelling *findSpelling(llvm::StringRef name);

/// Ops of the dialect that formula text calls by their own name: operands only,
/// one result.
llvm::StringMap<mlir::RegisteredOperationName> spelledOps(mlir::MLIRContext &context);
/// The arguments of such an op.
Signature signatureOf(mlir::RegisteredOperationName op);

} // namespace keops::frontend

#endif // KEOPS_LIB_FRONTEND_SPELLINGS_H
