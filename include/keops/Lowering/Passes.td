//===- Passes.td - From formulas to loops -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Obeying schedules: formula → stages → loops on lanes → code without
// transcendental ops.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LOWERING_PASSES_TD
#define KEOPS_LOWERING_PASSES_TD

include "mlir/Pass/PassBase.td"

def KeopsTile : Pass<"keops-tile", "::mlir::ModuleOp"> {
  let summary = "Turn a formula into a kernel of stages";
  let description = [{
    Each value goes to the stage that its index set names: parameters once per
    call, i once per row, j once per column and tile, ij once per pair. Scalars
    become values of their stage; vectors are recomputed component by component
    inside the level that needs them, unless a component costs many others, in
    which case the vector is stored by `keops.map`. Sums over components become
    levels (`keops.contract`). The index that the reduction removes is called j
    from here on.

    ```mlir
    keops.formula @f(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
      %0 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
      %1 = keops.mul %0, %0 : <3xf32, ij>, <3xf32, ij>
      %2 = keops.fold #keops.sum %1 : <3xf32, ij>
      %3 = keops.reduce #keops.sum over j (%2) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
      keops.return %3 : !keops.vec<1xf32, i>
    }
    // becomes
    keops.kernel @f(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
      %a = keops.stage pairs -> !keops.vec<1xf32, i> {
        %s = keops.contract #keops.sum over 3 {
        ^bb0(%d: index):
          %xd = keops.component %x[%d] : <3xf32, i>
          …
        } : <1xf32, ij>
        %r = keops.accumulate #keops.sum over [1] {…} : !keops.vec<1xf32, i>
        keops.yield %r : !keops.vec<1xf32, i>
      }
      keops.return %a : !keops.vec<1xf32, i>
    }
    ```

    All reductions must run over the same index, and none may need another's
    result.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def KeopsLowerStages : Pass<"keops-lower-stages", "::mlir::ModuleOp"> {
  let summary = "Turn kernels into loops over tiles and lanes";
  let description = [{
    Obeys the kernel's schedule. On a CPU every kernel becomes two functions of
    one pointer to a `KernelFrame`: `<name>_accumulate` reduces a block of rows
    over a list of column intervals into a state, `<name>_finalize` merges states
    and writes results; the launch rule is left as the attribute `keops.launch`.
    On a GPU it becomes a `gpu.module`. Bodies are `arith`, `math`, `vector` and
    `scf` on vectors of `lanes` elements; memory is reached through pointers.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::math::MathDialect",
                           "::mlir::vector::VectorDialect", "::mlir::LLVM::LLVMDialect", "::mlir::func::FuncDialect",
                           "::mlir::gpu::GPUDialect", "::mlir::NVVM::NVVMDialect"];
}

def KeopsApproximateMath : Pass<"keops-approximate-math", "::mlir::ModuleOp"> {
  let summary = "Turn elementary functions into inline arithmetic";
  let description = [{
    Rewrites `math` ops on f32 and f64 scalars and vectors into polynomials that
    are within 2 ulp over the whole range and right at zeros, infinities, NaN and
    denormals. Rare functions become calls of the C library, lane by lane.

    ```mlir
    %e = math.exp %x : vector<16xf32>
    // becomes: argument reduction by two fused multiply-adds, a polynomial, and
    // an addition to the exponent, all on vector<16xf32>
    ```

    What is left of `math` are single instructions (fma, sqrt, floor, …).
  }];
  let options = [
    Option<"hasScalef", "has-scalef", "bool", "false",
           "The target scales by powers of two in one instruction (AVX-512)">,
    Option<"plainNaNs", "plain-nans", "bool", "false",
           "No number read from memory is a NaN with a payload, as in kernels for CPUs">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::math::MathDialect",
                           "::mlir::vector::VectorDialect", "::mlir::LLVM::LLVMDialect", "::mlir::func::FuncDialect",
                           "::mlir::ub::UBDialect"];
}

#endif // KEOPS_LOWERING_PASSES_TD
