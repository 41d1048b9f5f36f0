//===- KeopsInterfaces.td - What ops and reductions know of themselves -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The questions passes ask. An op knows how one component of its result is
// computed; a reduction knows its monoid. Both are written once, over a `Lane`
// (Lane.h), and serve the interpreter, the CPU and the GPU.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_KEOPSINTERFACES_TD
#define KEOPS_DIALECT_KEOPSINTERFACES_TD

include "mlir/IR/OpBase.td"

def Keops_FormulaOpInterface : OpInterface<"FormulaOpInterface"> {
  let cppNamespace = "::keops";
  let description = [{
    An op of the formula level with one result. To be usable everywhere it
    implements `component`; what it does not decide is how often, on how many
    lanes, or in which loop that component is computed.
  }];
  let methods = [
    StaticInterfaceMethod<[{
      The name in formula text of the op itself, or empty when only spellings
      made of several ops reach it.
    }], "::llvm::StringRef", "spelling", (ins)>,
    InterfaceMethod<[{
      Computes component `d` of the result on `lane`. `operand(n, k)` gives
      component `k` of operand `n`; operands of dimension 1 have only
      component 0.
    }], "::keops::LaneValue", "component",
      (ins "::keops::Lane &":$lane, "::keops::OperandComponent":$operand, "::keops::LaneIndex":$d)>,
    InterfaceMethod<[{
      Cost of one component of the result, for the schedule.
    }], "::keops::OpCost", "cost", (ins), [{}], [{ return {1, 0}; }]>,
    InterfaceMethod<[{
      True when a component costs many operand components, so that a vector
      result is stored and not recomputed wherever a component is needed.
    }], "bool", "isStored", (ins), [{}], [{ return false; }]>,
    InterfaceMethod<[{
      True when a component is computed from earlier components of the result,
      which `component` asks for as one operand more than there are. A vector
      of such components is stored.
    }], "bool", "isRecurrence", (ins), [{}], [{ return false; }]>,
  ];
}

def Keops_DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::keops";
  let description = [{
    An op with derivatives, given as formula ops and written with a
    `DerivativeBuilder`, in which a null value is zero. Used by differentiation
    only.

    A pointwise op says in `timesPartial` what it has to say; tangent and
    adjoint follow, sums over the components of a broadcast operand included.
    Every other op says both, and whether it is linear. An op whose derivative
    is zero wherever it exists implements nothing and has the trait
    `ZeroDerivative`.
  }];
  let methods = [
    InterfaceMethod<[{
      For pointwise ops: `value` times the derivative of the result with respect
      to operand `operand`, component by component.
    }], "::mlir::Value", "timesPartial",
      (ins "::keops::DerivativeBuilder &":$b, "unsigned":$operand, "::mlir::Value":$value), [{}], [{
        llvm_unreachable("an op that is not pointwise builds its tangent and adjoint itself");
      }]>,
    InterfaceMethod<[{
      Builds the tangent of the result; `tangents` holds one value per operand,
      of the operand's dimension, or null.
    }], "::mlir::Value", "buildTangent",
      (ins "::keops::DerivativeBuilder &":$b, "::llvm::ArrayRef<::mlir::Value>":$tangents), [{}], [{
        return ::keops::detail::pointwiseTangent($_op.getOperation(), b, tangents);
      }]>,
    InterfaceMethod<[{
      Builds the cotangent of operand `operand`, of its dimension, for the
      cotangent of the result.
    }], "::mlir::Value", "buildAdjoint",
      (ins "::keops::DerivativeBuilder &":$b, "unsigned":$operand, "::mlir::Value":$cotangent), [{}], [{
        return ::keops::detail::pointwiseAdjoint($_op.getOperation(), b, operand, cotangent);
      }]>,
    InterfaceMethod<[{
      True if the result is linear, not only affine, in the operands that
      `variable` marks, taken together.
    }], "bool", "isLinearIn", (ins "const ::llvm::SmallBitVector &":$variable), [{}], [{ return false; }]>,
    InterfaceMethod<[{
      Why there is no derivative in operand `operand`, as the end of a sentence
      that begins with the op's name and "which"; empty if there is one.
    }], "::llvm::StringRef", "refusalIn", (ins "unsigned":$operand), [{}], [{ return ""; }]>,
  ];
}

def Keops_ArithmeticOpInterface : OpInterface<"ArithmeticOpInterface"> {
  let cppNamespace = "::keops";
  let description = [{
    A pointwise op that is a sum or a product of its operands. What may be
    regrouped, factored out or joined into a multiply-add is known by this and
    not by the op's name.
  }];
  let methods = [
    StaticInterfaceMethod<[{
      Of a sum, the sign of each operand, 1 or −1; empty for a product.
    }], "::llvm::ArrayRef<int>", "signs", (ins), [{}], [{ return {}; }]>,
    StaticInterfaceMethod<[{
      Of a product, the exponent of each operand, 1 or −1; empty for a sum.
    }], "::llvm::ArrayRef<int>", "exponents", (ins), [{}], [{ return {}; }]>,
  ];
}

def Keops_ExponentialOpInterface : OpInterface<"ExponentialOpInterface"> {
  let cppNamespace = "::keops";
  let description = [{
    A pointwise op that raises a constant to the power of its operand: what the
    operand is off by, the result is off by as a share of itself.
  }];
  let methods = [
    StaticInterfaceMethod<"The natural logarithm of the constant.", "double", "logOfBase", (ins)>,
  ];
}

def Keops_ReductionInterface : AttrInterface<"ReductionInterface"> {
  let cppNamespace = "::keops";
  let description = [{
    A monoid with state. Every level of parallelism (a chunk of columns, a tile,
    a lane, a thread, a device) is `init`, `accumulate`, `merge`, `finalize` at
    another scale. A state is a list of slots; `terms` are the operands of the
    reduction for one column (the formula, and weights if the reduction has
    them).
  }];
  let methods = [
    InterfaceMethod<"The reduction's name in formula text, for example `ArgKMin`.",
      "::std::string", "spelling", (ins)>,
    InterfaceMethod<[{
      Checks the dimensions of the operands; on failure emits through
      `emitError` what was expected and what came.
    }], "::mlir::LogicalResult", "verifyTerms",
      (ins "::llvm::ArrayRef<int64_t>":$dims, "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError)>,
    InterfaceMethod<"The state for operands of these dimensions.",
      "::llvm::SmallVector<::keops::StateSlot>", "slots", (ins "::llvm::ArrayRef<int64_t>":$dims)>,
    InterfaceMethod<"The results for operands of these dimensions.",
      "::llvm::SmallVector<::keops::ReductionResult>", "results", (ins "::llvm::ArrayRef<int64_t>":$dims)>,
    InterfaceMethod<"Columns handled together by `accumulate` at best.",
      "int64_t", "preferredChunk", (ins), [{}], [{ return 1; }]>,
    InterfaceMethod<[{
      True if `accumulate` leaves work to `ifAny` that few columns need. What it
      does then to a state in registers besides may be dropped, and the columns
      added again.
    }], "bool", "hasRareWork", (ins), [{}], [{ return false; }]>,
    InterfaceMethod<[{
      True if term `number` is an exponent of e: what it is off by, what it adds
      is off by as a share of itself.
    }], "bool", "isExponent", (ins "unsigned":$number), [{}], [{ return false; }]>,
    InterfaceMethod<"How it adds; sums of its derivatives then add so, too. The first scheme if it adds nothing.",
      "::keops::SumScheme", "getScheme", (ins), [{}], [{ return ::keops::SumScheme(); }]>,
    InterfaceMethod<"Sets the neutral element.",
      "void", "init", (ins "::keops::Lane &":$lane, "::keops::ReductionState &":$state)>,
    InterfaceMethod<[{
      Sets the state of the columns that come after those of `earlier`, before
      any of them is added: neutral, but it may keep what bounds `earlier`.
    }], "void", "resume", (ins "::keops::Lane &":$lane, "::keops::ReductionState &":$state,
                           "::keops::ReductionState &":$earlier), [{}],
      [{ $_attr.init(lane, state); }]>,
    InterfaceMethod<"Adds the terms of a chunk of columns, in increasing order.",
      "void", "accumulate", (ins "::keops::Lane &":$lane, "::keops::ReductionState &":$state,
                                 "::llvm::ArrayRef<::keops::ReductionTerm *>":$chunk)>,
    InterfaceMethod<"Adds the state `from`, which stands for other columns.",
      "void", "merge", (ins "::keops::Lane &":$lane, "::keops::ReductionState &":$into,
                            "::keops::ReductionState &":$from)>,
    InterfaceMethod<"Component `d` of result `number`.",
      "::keops::LaneValue", "finalize", (ins "::keops::Lane &":$lane, "::keops::ReductionState &":$state,
                                             "unsigned":$number, "::keops::LaneIndex":$d)>,
    InterfaceMethod<[{
      True if the results are linear, not only affine, in the terms that
      `variable` marks, taken together.
    }], "bool", "isLinearIn", (ins "const ::llvm::SmallBitVector &":$variable), [{}], [{ return false; }]>,
    InterfaceMethod<[{
      Builds the tangents of the results of `reduce` for those of its terms, null
      where zero; fails when the reduction has no derivative.
    }], "::mlir::LogicalResult", "buildTangent",
      (ins "::keops::DerivativeBuilder &":$b, "::mlir::Operation *":$reduce, "::llvm::ArrayRef<::mlir::Value>":$tangents,
           "::llvm::SmallVectorImpl<::mlir::Value> &":$results), [{}], [{ return ::mlir::failure(); }]>,
    InterfaceMethod<[{
      Builds the cotangents of the terms of `reduce` for those of its results,
      null where zero, each divided by the reduction's density (see
      `buildDensity`); fails when the reduction has no derivative.
    }], "::mlir::LogicalResult", "buildAdjoint",
      (ins "::keops::DerivativeBuilder &":$b, "::mlir::Operation *":$reduce, "::llvm::ArrayRef<::mlir::Value>":$cotangents,
           "::llvm::SmallVectorImpl<::keops::TermCotangent> &":$terms), [{}], [{ return ::mlir::failure(); }]>,
    InterfaceMethod<[{
      Builds the density, a number for each pair with which the cotangents of
      the terms are multiplied; null if it is 1.
    }], "::mlir::Value", "buildDensity", (ins "::keops::DerivativeBuilder &":$b, "::mlir::Operation *":$reduce),
      [{}], [{ return {}; }]>,
    InterfaceMethod<[{
      Builds the sum over the reduced index of the density times `value`,
      without the density, which may need a pass of its own.
    }], "::mlir::Value", "buildWeightedSum",
      (ins "::keops::DerivativeBuilder &":$b, "::mlir::Operation *":$reduce, "::mlir::Value":$value), [{}], [{
        return ::keops::detail::sumOverReduced(b, reduce, value);
      }]>,
    // Over components.
    InterfaceMethod<[{
      For `keops.fold`: the gradient of the one result with respect to the
      components of `operand`; null where there is none.
    }], "::mlir::FailureOr<::mlir::Value>", "buildFoldGradient",
      (ins "::keops::DerivativeBuilder &":$b, "::mlir::Value":$operand, "::mlir::Value":$result),
      [{}], [{ return ::mlir::failure(); }]>,
  ];
}

#endif // KEOPS_DIALECT_KEOPSINTERFACES_TD
