//===- Signature.h - What formulas and kernels have in common -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Both are symbols written `@name(args) -> types [schedule …] { body }`, whose
// arguments are block arguments.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_SIGNATURE_H
#define KEOPS_DIALECT_SIGNATURE_H

#include "keops/Dialect/Keops.h"

namespace keops {

/// Parses all that follows the op's name. A body without a terminator is left as it is.
mlir::ParseResult parseSignature(mlir::OpAsmParser &parser, mlir::OperationState &state,
                                 llvm::StringRef scheduleName = {});
void printSignature(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::StringAttr name, mlir::ArrayAttr types,
                    mlir::Attribute schedule);

/// Checks the arguments' types, and that the body returns `types`.
mlir::LogicalResult verifySignature(mlir::Operation *op, mlir::Region &body, mlir::ArrayAttr types);
/// Checks that arrays can hold values of `types` as `storage`, which messages call `name`, says.
mlir::LogicalResult verifyStorage(mlir::Operation *op, llvm::StringRef name, std::optional<mlir::ArrayAttr> storage,
                                  mlir::TypeRange types);

} // namespace keops

#endif // KEOPS_DIALECT_SIGNATURE_H
