//===- Keops.h - The door of the dialect -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Types, attributes, interfaces and ops of the dialect, as generated.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_KEOPS_H
#define KEOPS_DIALECT_KEOPS_H

#include "keops/Dialect/DerivativeBuilder.h"
#include "keops/Dialect/Lane.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "keops/Dialect/KeopsAttrInterfaces.h.inc"
#include "keops/Dialect/KeopsDialect.h.inc"
#include "keops/Dialect/KeopsEnums.h.inc"
#include "keops/Dialect/KeopsOpInterfaces.h.inc"

namespace keops {
/// Marks ops that act on each component alone; see PointwiseOps.td.
template <typename ConcreteOp>
class Pointwise : public mlir::OpTrait::TraitBase<ConcreteOp, Pointwise> {};

/// Marks ops that are not continuous; see PointwiseOps.td.
template <typename ConcreteOp>
class Jumps : public mlir::OpTrait::TraitBase<ConcreteOp, Jumps> {};

/// Marks ops whose derivative is zero wherever it exists.
template <typename ConcreteOp>
class ZeroDerivative : public mlir::OpTrait::TraitBase<ConcreteOp, ZeroDerivative> {};

/// Marks ops that take rows from one index to another; see ProgramOps.td.
template <typename ConcreteOp>
class MovesRows : public mlir::OpTrait::TraitBase<ConcreteOp, MovesRows> {};

/// Marks ops that a program is made of; see ProgramOps.td.
template <typename ConcreteOp>
class ProgramStep : public mlir::OpTrait::TraitBase<ConcreteOp, ProgramStep> {};
} // namespace keops

namespace keops {
/// The type of the numbers that are computed with where arrays hold `storage`: f32 for f16 and bf16, else `storage`.
mlir::Type arithmeticType(mlir::Type storage);
/// The element type of the array that holds value `number`, of type `value`, given the attribute `argument_storage` or
/// `result_storage` of a formula or kernel.
mlir::Type storageOf(std::optional<mlir::ArrayAttr> storage, unsigned number, mlir::Type value);
} // namespace keops

#define GET_TYPEDEF_CLASSES
#include "keops/Dialect/KeopsTypes.h.inc"
#define GET_ATTRDEF_CLASSES
#include "keops/Dialect/KeopsAttributes.h.inc"
#define GET_OP_CLASSES
#include "keops/Dialect/KeopsOps.h.inc"

#endif // KEOPS_DIALECT_KEOPS_H
