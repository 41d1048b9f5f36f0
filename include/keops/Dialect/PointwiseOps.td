//===- PointwiseOps.td - Ops that act on each component alone -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Pointwise ops: component d of the result needs component d of the operands.
// An operand of dimension 1 serves all components; the result's index set is
// the union of the operands' (constraint P1: dimensions are equal or 1;
// P2: element types are equal).
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_POINTWISEOPS_TD
#define KEOPS_DIALECT_POINTWISEOPS_TD

include "keops/Dialect/KeopsDialect.td"
include "keops/Dialect/KeopsInterfaces.td"
include "keops/Dialect/KeopsTypes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/IR/EnumAttr.td"

// Component d of the result needs component d of each operand (component 0 of an operand of dimension 1), so the op
// applied to scalars computes one component.
def Keops_Pointwise : NativeOpTrait<"Pointwise"> { let cppNamespace = "::keops"; }

// The result jumps where an operand passes a threshold, so that a rounding of the operand may show in full.
def Keops_Jumps : NativeOpTrait<"Jumps"> { let cppNamespace = "::keops"; }

// The derivative is zero wherever it exists.
def Keops_ZeroDerivative : NativeOpTrait<"ZeroDerivative"> { let cppNamespace = "::keops"; }

// The derivative of a pointwise op, by its partial derivatives; with the words whether it may be linear.
def Keops_PartialDerivatives : DeclareOpInterfaceMethods<Keops_DifferentiableOpInterface, ["timesPartial"]>;
def Keops_LinearPartialDerivatives :
    DeclareOpInterfaceMethods<Keops_DifferentiableOpInterface, ["timesPartial", "isLinearIn"]>;

// A sum, and a product, of the operands.
def Keops_SumOfOperands : DeclareOpInterfaceMethods<Keops_ArithmeticOpInterface, ["signs"]>;
def Keops_ProductOfOperands : DeclareOpInterfaceMethods<Keops_ArithmeticOpInterface, ["exponents"]>;

// A constant to the power of the operand.
def Keops_PowerOfConstant : DeclareOpInterfaceMethods<Keops_ExponentialOpInterface>;

// Every op of the formula level: pure, result type inferred, knows its components.
class Keops_FormulaOp<string mnemonic, string text, list<Trait> traits = []> :
    Keops_Op<mnemonic, traits # [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>,
        DeclareOpInterfaceMethods<Keops_FormulaOpInterface, ["component", "cost"]>]> {
  let extraClassDefinition = [{
    ::llvm::StringRef $cppClass::spelling() { return "}] # text # [{"; }
  }];
}

// One number to one number. `kind` is the lane's name of the function.
class Keops_UnaryKindOp<string mnemonic, string kind, string text, list<Trait> traits = []> :
    Keops_FormulaOp<mnemonic, text, traits # [Keops_Pointwise]> {
  let arguments = (ins Keops_Number:$operand);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand)";
  let extraClassDeclaration = [{
    static constexpr ::keops::UnaryKind kind = ::keops::UnaryKind::}] # kind # [{;
  }];
  let hasFolder = 1;
}

class Keops_UnaryOp<string mnemonic, string kind, string text, list<Trait> traits = []> :
    Keops_UnaryKindOp<mnemonic, kind, text, traits # [Keops_PartialDerivatives]>;
class Keops_JumpOp<string mnemonic, string kind, string text> :
    Keops_UnaryKindOp<mnemonic, kind, text, [Keops_ZeroDerivative, Keops_Jumps]>;

def Keops_NegOp : Keops_UnaryKindOp<"neg", "Neg", "Minus", [Keops_LinearPartialDerivatives, Keops_SumOfOperands]> {
  let summary = "negate";
  let description = [{−x, of NaN too; the sign of a zero is not kept.}];
  let hasCanonicalizer = 1;
}
def Keops_AbsOp : Keops_UnaryOp<"abs", "Abs", "Abs"> {
  let summary = "absolute value; derivative 0 at 0";
  let description = [{|x|. The derivative is the sign of x, 0 at 0 and for NaN.}];
}
def Keops_FloorOp : Keops_JumpOp<"floor", "Floor", "Floor"> {
  let summary = "round towards −inf";
  let description = [{The largest integer that is not above x. The derivative is 0, at jumps too.}];
}
def Keops_RoundOp : Keops_JumpOp<"round", "Round", ""> {
  let summary = "round to the nearest integer, halves away from zero";
  let description = [{As C's `round`: 0.5 gives 1, −0.5 gives −1. The derivative is 0, at jumps too.}];
}
def Keops_ExpOp : Keops_UnaryOp<"exp", "Exp", "Exp", [Keops_PowerOfConstant]> {
  let summary = "exponential";
  let description = [{e^x: inf where that is too large for the type, 0 where it is too small. The derivative is the result.}];
}
def Keops_LogOp : Keops_UnaryOp<"log", "Log", "Log"> {
  let summary = "natural logarithm; −inf at 0, NaN below";
  let description = [{−inf at 0 of either sign. The derivative is 1/x, at 0 and below it too.}];
}
def Keops_SinOp : Keops_UnaryOp<"sin", "Sin", "Sin"> {
  let summary = "sine of radians";
  let description = [{Of any size of angle; NaN for an infinite one. The derivative is the cosine.}];
}
def Keops_CosOp : Keops_UnaryOp<"cos", "Cos", "Cos"> {
  let summary = "cosine of radians";
  let description = [{Of any size of angle; NaN for an infinite one. The derivative is −sin x.}];
}
def Keops_AsinOp : Keops_UnaryOp<"asin", "Asin", "Asin"> {
  let summary = "arc sine; NaN outside [−1, 1]";
  let description = [{In [−π/2, π/2]. The derivative 1/√(1 − x²) is taken as 0 at ±1, where `rsqrt` of 0 is.}];
}
def Keops_AcosOp : Keops_UnaryOp<"acos", "Acos", "Acos"> {
  let summary = "arc cosine; NaN outside [−1, 1]";
  let description = [{In [0, π]. The derivative −1/√(1 − x²) is taken as 0 at ±1, where `rsqrt` of 0 is.}];
}
def Keops_AtanOp : Keops_UnaryOp<"atan", "Atan", "Atan"> {
  let summary = "arc tangent";
  let description = [{In [−π/2, π/2], the bounds at ±inf. The derivative is 1/(1 + x²).}];
}
def Keops_TanhOp : Keops_UnaryOp<"tanh", "Tanh", "Tanh"> {
  let summary = "hyperbolic tangent";
  let description = [{In [−1, 1], the bounds at ±inf. The derivative is 1 − tanh² x.}];
}
def Keops_ErfOp : Keops_UnaryOp<"erf", "Erf", "Erf"> {
  let summary = "error function";
  let description = [{2/√π times the integral of exp(−t²) from 0 to x; ±1 at ±inf. The derivative is 2/√π exp(−x²).}];
}
def Keops_SqrtOp : Keops_UnaryOp<"sqrt", "Sqrt", "Sqrt"> {
  let summary = "square root; NaN below 0; derivative 0 at 0";
  let description = [{
    The derivative is half of `rsqrt`, which is 0 at 0: distances of coincident
    points do not make gradients infinite.
  }];
}
def Keops_Exp2Op : Keops_UnaryOp<"exp2", "Exp2", "Exp2", [Keops_PowerOfConstant]> {
  let summary = "power of 2";
  let description = [{2^x: inf where that is too large for the type. The derivative is log 2 times the result.}];
}
def Keops_Log2Op : Keops_UnaryOp<"log2", "Log2", "Log2"> {
  let summary = "logarithm to base 2; −inf at 0, NaN below";
  let description = [{Exact for powers of 2. The derivative is 1/(x log 2).}];
}
def Keops_Expm1Op : Keops_UnaryOp<"expm1", "Expm1", "Expm1"> {
  let summary = "exponential less 1, accurate near 0";
  let description = [{exp(x) − 1 without the cancellation; −1 at −inf. The derivative is exp(x).}];
}
def Keops_Log1pOp : Keops_UnaryOp<"log1p", "Log1p", "Log1p"> {
  let summary = "logarithm of 1 + x, accurate near 0; −inf at −1, NaN below";
  let description = [{log(1 + x) without rounding the sum. The derivative is 1/(1 + x).}];
}
def Keops_SinhOp : Keops_UnaryOp<"sinh", "Sinh", "Sinh"> {
  let summary = "hyperbolic sine";
  let description = [{(e^x − e^−x)/2, accurate near 0 too. The derivative is cosh x.}];
}
def Keops_CoshOp : Keops_UnaryOp<"cosh", "Cosh", "Cosh"> {
  let summary = "hyperbolic cosine";
  let description = [{(e^x + e^−x)/2. The derivative is sinh x.}];
}
def Keops_TanOp : Keops_UnaryOp<"tan", "Tan", "Tan"> {
  let summary = "tangent of radians";
  let description = [{Of any size of angle; NaN for an infinite one. The derivative is 1 + tan² x.}];
}
def Keops_LgammaOp : Keops_UnaryOp<"lgamma", "Lgamma", "Lgamma"> {
  let summary = "logarithm of the absolute value of the gamma function; inf at 0, −1, −2, …";
  let description = [{log |Γ(x)|; inf at ±inf too. The derivative is `polygamma` of order 0, NaN at the poles.}];
}

def Keops_RsqrtOp : Keops_FormulaOp<"rsqrt", "Rsqrt", [Keops_Pointwise, Keops_PartialDerivatives]> {
  let summary = "reciprocal square root, 0 at 0";
  let description = [{
    1/√x, but 0 where x = 0: norms of coincident points then have derivative 0
    and normalising the zero vector gives the zero vector.
  }];
  let arguments = (ins Keops_Number:$operand);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand)";
}

def Keops_IntegerPowOp : Keops_FormulaOp<"ipow", "", [Keops_Pointwise, Keops_PartialDerivatives]> {
  let summary = "raise to an integer power";
  let description = [{x^exponent by repeated squaring; 1 for exponent 0, also at 0 and NaN.}];
  let arguments = (ins Keops_Number:$operand, I64Attr:$exponent);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$operand `,` $exponent attr-dict `:` type($operand)";
  let hasFolder = 1;
}

// Functions made of several operations, where the derivative or an edge is not what those give.
class Keops_CompositeOp<string mnemonic, string text> :
    Keops_FormulaOp<mnemonic, text, [Keops_Pointwise, Keops_PartialDerivatives]> {
  let arguments = (ins Keops_Number:$operand);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand)";
}

def Keops_XLogXOp : Keops_CompositeOp<"xlogx", "XLogX"> {
  let summary = "x log x; 0 at 0, NaN below; derivative −inf at 0";
  let description = [{The derivative is log x + 1.}];
}
def Keops_SincOp : Keops_CompositeOp<"sinc", "SinXDivX"> {
  let summary = "sin x / x; 1 at 0, where the derivatives are taken as 0";
  let description = [{
    The derivative is (cos x − sin x / x)/x. At 0 it is 0, which is true of the first
    one, and all further ones are taken as 0 there.
  }];
}
def Keops_SigmoidOp : Keops_CompositeOp<"sigmoid", "Sigmoid"> {
  let summary = "1 / (1 + exp(−x)), also where exp(−x) is infinite";
  let description = [{Between 0 at −inf and 1 at inf. The derivative is σ(x) σ(−x).}];
}
def Keops_SoftplusOp : Keops_CompositeOp<"softplus", "Softplus"> {
  let summary = "log(1 + exp(x)), also where exp(x) is infinite or far below 1";
  let description = [{0 at −inf, x where exp(x) is large. The derivative is the sigmoid.}];
}

// Two numbers to one number.
class Keops_BinaryOp<string mnemonic, string kind, string text, list<Trait> traits = []> :
    Keops_FormulaOp<mnemonic, text, traits # [Keops_Pointwise]> {
  let arguments = (ins Keops_Number:$lhs, Keops_Number:$rhs);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs)";
  let extraClassDeclaration = [{
    static constexpr ::keops::BinaryKind kind = ::keops::BinaryKind::}] # kind # [{;
  }];
  let hasFolder = 1;
}

def Keops_AddOp : Keops_BinaryOp<"add", "Add", "Add", [Commutative, Keops_LinearPartialDerivatives,
    Keops_SumOfOperands]> {
  let summary = "add";
  let description = [{x + y. Of what is added to a product a kernel may make one fused operation.}];
}
def Keops_SubOp : Keops_BinaryOp<"sub", "Sub", "Subtract", [Keops_LinearPartialDerivatives, Keops_SumOfOperands]> {
  let summary = "subtract";
  let description = [{x − y. From a product, or of a product, a kernel may make one fused operation.}];
}
def Keops_MulOp : Keops_BinaryOp<"mul", "Mul", "Mult", [Commutative, Keops_LinearPartialDerivatives,
    Keops_ProductOfOperands]> {
  let summary = "multiply";
  let description = [{x · y; 0 · inf and 0 · NaN are NaN, and no product is left out for a factor that may be 0.}];
}
def Keops_DivOp : Keops_BinaryOp<"div", "Div", "Divide", [Keops_LinearPartialDerivatives, Keops_ProductOfOperands]> {
  let summary = "divide";
  let description = [{
    x / y: ±inf by ±0, NaN for 0/0. What depends on fewer indices as a denominator than
    the quotient may be inverted once, and multiplied with.
  }];
  let hasCanonicalizer = 1;
}
def Keops_PowfOp : Keops_BinaryOp<"powf", "Powf", "Powf", [Keops_PartialDerivatives]> {
  let summary = "raise to a power";
  let description = [{As C's `pow`: a negative base needs an integer-valued exponent, else NaN.}];
}
def Keops_Atan2Op : Keops_BinaryOp<"atan2", "Atan2", "Atan2", [Keops_PartialDerivatives]> {
  let summary = "angle of the point (rhs, lhs), in (−π, π]";
  let description = [{
    As C's `atan2`, the ordinate first, but 0 at the origin whatever the signs of
    the zeros. The derivatives are rhs/r² in the ordinate and −lhs/r² in the
    abscissa, r² = lhs² + rhs²: NaN at the origin.
  }];
}

def Keops_Comparison : I32EnumAttr<"Comparison", "IEEE comparison", [
    I32EnumAttrCase<"EQ", 0, "eq">, I32EnumAttrCase<"NE", 1, "ne">,
    I32EnumAttrCase<"LT", 2, "lt">, I32EnumAttrCase<"LE", 3, "le">]> {
  let cppNamespace = "::keops";
  let genSpecializedAttr = 0;
}
def Keops_ComparisonAttr : EnumAttr<Keops_Dialect, Keops_Comparison, "comparison">;

def Keops_CmpOp : Keops_FormulaOp<"cmp", "", [Keops_Pointwise, Keops_ZeroDerivative, Keops_Jumps]> {
  let summary = "compare";
  let description = [{True or false for each component; with a NaN only `ne` is true.}];
  let arguments = (ins Keops_ComparisonAttr:$predicate, Keops_Number:$lhs, Keops_Number:$rhs);
  let results = (outs Keops_Mask:$result);
  let assemblyFormat = "`` $predicate $lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs)";
  let hasFolder = 1;
}

def Keops_SelectOp : Keops_FormulaOp<"select", "", [Keops_Pointwise,
    DeclareOpInterfaceMethods<Keops_DifferentiableOpInterface, ["timesPartial", "buildTangent", "isLinearIn"]>]> {
  let summary = "choose one of two numbers";
  let description = [{
    `lhs` where the condition holds, else `rhs`; the other is not looked at,
    even if NaN. The cotangent goes to the chosen one, and 0 to the other.
  }];
  let arguments = (ins Keops_Mask:$condition, Keops_Number:$lhs, Keops_Number:$rhs);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$condition `,` $lhs `,` $rhs attr-dict `:` type($condition) `,` type($lhs) `,` type($rhs)";
}

def Keops_IndicatorOp : Keops_FormulaOp<"indicator", "", [Keops_Pointwise, Keops_ZeroDerivative]> {
  let summary = "1 where a condition holds, else 0";
  let description = [{
    A mask as numbers of the type that is named. The derivative is 0.

    Example:
    ```mlir
    %1 = keops.indicator %0 as f32 : !keops.vec<3xi1, ij>
    ```
  }];
  let arguments = (ins Keops_Mask:$operand, TypeAttr:$elementType);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$operand `as` $elementType attr-dict `:` type($operand)";
}

def Keops_IndexOp : Keops_Op<"index", [Pure, Keops_Pointwise, Keops_ZeroDerivative,
    DeclareOpInterfaceMethods<Keops_FormulaOpInterface, ["component", "cost"]>]> {
  let summary = "the number of the row or column at hand";
  let description = [{
    Counts from 0 in the arrays of the call, however the call is divided. The
    result's type says which index: i or j. A number that the element type
    cannot hold (above 2^24 in f32) is rounded to the nearest it can.

    Example:
    ```mlir
    %i = keops.index : !keops.vec<1xf32, i>
    ```
  }];
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
  let hasVerifier = 1;
  let extraClassDefinition = [{ ::llvm::StringRef $cppClass::spelling() { return ""; } }];
}

#endif // KEOPS_DIALECT_POINTWISEOPS_TD
