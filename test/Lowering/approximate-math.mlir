// RUN: keops-opt %s --keops-approximate-math | FileCheck %s
// RUN: keops-opt %s --keops-approximate-math=has-scalef=true | FileCheck %s --check-prefix=SCALEF
// RUN: keops-opt %s --keops-approximate-math=plain-nans=true | FileCheck %s --check-prefix=PLAIN

//===----------------------------------------------------------------------===//
// Exponentials
//===----------------------------------------------------------------------===//

// Clamp, round by a magic number, reduce in two parts, a polynomial, and two
// exact factors of the power of two so that denormal results round once.
// CHECK-LABEL: func @exp_is_straight_line_code
// CHECK-SAME:    %[[X:.*]]: vector<8xf32>
// CHECK:       %[[LOW:.*]] = arith.constant dense<-1.045000e+02> : vector<8xf32>
// CHECK:       %[[BELOW:.*]] = arith.cmpf ogt, %[[LOW]], %[[X]]
// CHECK:       %[[ATLEAST:.*]] = arith.select %[[BELOW]], %[[LOW]], %[[X]]
// CHECK:       %[[HIGH:.*]] = arith.constant dense<8.900000e+01> : vector<8xf32>
// CHECK:       %[[ABOVE:.*]] = arith.cmpf olt, %[[HIGH]], %[[ATLEAST]]
// CHECK:       %[[BOUNDED:.*]] = arith.select %[[ABOVE]], %[[HIGH]], %[[ATLEAST]]
// CHECK:       %[[MAGIC:.*]] = arith.constant dense<0x4B40007F> : vector<8xf32>
// CHECK:       %[[ROUNDED:.*]] = math.fma %[[BOUNDED]], {{.*}}, %[[MAGIC]]
// CHECK:       %[[K:.*]] = arith.subf %[[ROUNDED]], %[[MAGIC]]
// CHECK:       %[[BITS:.*]] = arith.bitcast %[[ROUNDED]]
// CHECK:       %[[SHIFTED:.*]] = arith.shli %[[BITS]]
// CHECK-COUNT-8: math.fma
// CHECK:       %[[P:.*]] = math.fma
// CHECK-NOT:   math.fma
// CHECK:       %[[POWER:.*]] = arith.bitcast %[[SHIFTED]]
// CHECK:       %[[HALF:.*]] = arith.mulf %[[P]], %[[POWER]]
// CHECK:       %[[RESULT:.*]] = arith.mulf %[[HALF]], %[[POWER]]
// CHECK:       return %[[RESULT]]

// SCALEF-LABEL: func @exp_is_straight_line_code
// SCALEF-NOT:   arith.cmpf
// SCALEF:       llvm.call_intrinsic "llvm.x86.avx512.mask.range.ps.256"
// SCALEF-COUNT-5: math.fma
// SCALEF:       %[[RESULT:.*]] = llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.ps.256"
// SCALEF-NEXT:  return %[[RESULT]]
func.func @exp_is_straight_line_code(%x: vector<8xf32>) -> vector<8xf32> {
  %0 = math.exp %x : vector<8xf32>
  return %0 : vector<8xf32>
}

// 2 terms fewer, no upper bound, and an addition to the exponent. That may turn
// a NaN with a payload into a number, so r - r is added unless there are none.
// CHECK-LABEL: func @exp_of_minus_square_needs_no_upper_bound
// CHECK:       arith.cmpf ogt
// CHECK-NOT:   arith.cmpf
// CHECK-COUNT-8: math.fma
// CHECK-NOT:   math.fma
// CHECK:       arith.addi
// CHECK:       %[[ZERO:.*]] = arith.subf %[[R:.*]], %[[R]]
// CHECK:       %[[RESULT:.*]] = math.fma {{.*}}, %[[ZERO]]
// CHECK-NEXT:  return %[[RESULT]]
// PLAIN-LABEL: func @exp_of_minus_square_needs_no_upper_bound
// PLAIN:       arith.addi
// PLAIN-NOT:   arith.subf
// PLAIN:       %[[RESULT:.*]] = arith.mulf
// PLAIN-NEXT:  return %[[RESULT]]
func.func @exp_of_minus_square_needs_no_upper_bound(%a: vector<8xf32>, %b: vector<8xf32>) -> vector<8xf32> {
  %d = arith.subf %a, %b : vector<8xf32>
  %s = arith.mulf %d, %d : vector<8xf32>
  %n = arith.negf %s : vector<8xf32>
  %0 = math.exp %n : vector<8xf32>
  return %0 : vector<8xf32>
}

// CHECK-LABEL: func @exp_of_scaled_sum_of_squares_needs_no_upper_bound
// CHECK-NOT:   arith.cmpf olt
// CHECK:       return
func.func @exp_of_scaled_sum_of_squares_needs_no_upper_bound(%a: vector<8xf32>, %b: vector<8xf32>) -> vector<8xf32> {
  %c = arith.constant dense<-0.5> : vector<8xf32>
  %s = arith.mulf %a, %a : vector<8xf32>
  %t = math.fma %b, %b, %s : vector<8xf32>
  %n = arith.mulf %t, %c : vector<8xf32>
  %0 = math.exp2 %n : vector<8xf32>
  return %0 : vector<8xf32>
}

// CHECK-LABEL: func @exp_of_difference_to_maximum_needs_no_upper_bound
// CHECK-NOT:   arith.cmpf olt
// CHECK:       return
func.func @exp_of_difference_to_maximum_needs_no_upper_bound(%a: f64, %m: f64) -> f64 {
  %max = arith.maximumf %m, %a : f64
  %n = arith.subf %a, %max : f64
  %0 = math.exp %n : f64
  return %0 : f64
}

// CHECK-LABEL: func @exp_is_told_its_argument_is_never_positive
// CHECK-NOT:   arith.cmpf olt
// CHECK:       return
func.func @exp_is_told_its_argument_is_never_positive(%x: vector<4xf64>) -> vector<4xf64> {
  %0 = math.exp %x {keops.never_positive} : vector<4xf64>
  return %0 : vector<4xf64>
}

// A distance in many dimensions is a long chain of squares.
// CHECK-LABEL: func @exp_of_many_squares_needs_no_upper_bound
// CHECK-NOT:   arith.cmpf olt
// CHECK:       return
func.func @exp_of_many_squares_needs_no_upper_bound(%a: vector<8xf32>) -> vector<8xf32> {
  %s0 = arith.mulf %a, %a : vector<8xf32>
  %s1 = math.fma %a, %a, %s0 : vector<8xf32>
  %s2 = math.fma %a, %a, %s1 : vector<8xf32>
  %s3 = math.fma %a, %a, %s2 : vector<8xf32>
  %s4 = math.fma %a, %a, %s3 : vector<8xf32>
  %s5 = math.fma %a, %a, %s4 : vector<8xf32>
  %s6 = math.fma %a, %a, %s5 : vector<8xf32>
  %s7 = math.fma %a, %a, %s6 : vector<8xf32>
  %s8 = math.fma %a, %a, %s7 : vector<8xf32>
  %s9 = math.fma %a, %a, %s8 : vector<8xf32>
  %s10 = math.fma %a, %a, %s9 : vector<8xf32>
  %s11 = math.fma %a, %a, %s10 : vector<8xf32>
  %s12 = math.fma %a, %a, %s11 : vector<8xf32>
  %s13 = math.fma %a, %a, %s12 : vector<8xf32>
  %0 = arith.negf %s13 : vector<8xf32>
  %1 = math.exp %0 : vector<8xf32>
  return %1 : vector<8xf32>
}

// A product of two values has no sign that could be known.
// CHECK-LABEL: func @exp_of_minus_product_keeps_both_bounds
// CHECK:       arith.cmpf ogt
// CHECK:       arith.cmpf olt
func.func @exp_of_minus_product_keeps_both_bounds(%a: vector<8xf32>, %b: vector<8xf32>) -> vector<8xf32> {
  %s = arith.mulf %a, %b : vector<8xf32>
  %n = arith.negf %s : vector<8xf32>
  %0 = math.exp %n : vector<8xf32>
  return %0 : vector<8xf32>
}

// SCALEF-LABEL: func @exp2_is_scaled_in_register_sizes
// SCALEF:       %[[FIRST:.*]] = vector.extract_strided_slice {{.*}}{offsets = [0]
// SCALEF:       llvm.call_intrinsic "llvm.x86.avx512.mask.reduce.pd.512"(%[[FIRST]]
// SCALEF:       vector.extract_strided_slice {{.*}}{offsets = [8]
// SCALEF:       llvm.call_intrinsic "llvm.x86.avx512.mask.reduce.pd.512"
// SCALEF-COUNT-11: math.fma
// SCALEF-COUNT-2: llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.pd.512"
func.func @exp2_is_scaled_in_register_sizes(%x: vector<16xf64>) -> vector<16xf64> {
  %0 = math.exp2 %x : vector<16xf64>
  return %0 : vector<16xf64>
}

// SCALEF-LABEL: func @scalars_and_odd_vectors_do_without_scalef
// SCALEF-NOT:   llvm.call_intrinsic
// SCALEF-NOT:   math.exp
// SCALEF:       return
func.func @scalars_and_odd_vectors_do_without_scalef(%x: f32, %y: vector<3xf32>) -> (f32, vector<3xf32>) {
  %0 = math.exp %x : f32
  %1 = math.exp %y : vector<3xf32>
  return %0, %1 : f32, vector<3xf32>
}

//===----------------------------------------------------------------------===//
// The other kernels
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @log_has_no_branch
// CHECK-NOT:   {{math.log|scf.if|call}}
// CHECK:       return
func.func @log_has_no_branch(%x: vector<8xf32>, %y: f64) -> (vector<8xf32>, f64) {
  %0 = math.log %x : vector<8xf32>
  %1 = math.log2 %y : f64
  return %0, %1 : vector<8xf32>, f64
}

// CHECK-LABEL: func @rsqrt_is_a_root_and_a_quotient
// CHECK:       %[[ROOT:.*]] = math.sqrt %{{.*}} : vector<4xf64>
// CHECK:       arith.divf %{{.*}}, %[[ROOT]]
func.func @rsqrt_is_a_root_and_a_quotient(%x: vector<4xf64>) -> vector<4xf64> {
  %0 = math.rsqrt %x : vector<4xf64>
  return %0 : vector<4xf64>
}

// Halves go away from zero: truncate x + copysign(the number below 1/2, x).
// CHECK-LABEL: func @round_truncates
// CHECK-NOT:   math.round
// CHECK:       %[[SUM:.*]] = arith.addf
// CHECK:       math.trunc %[[SUM]]
func.func @round_truncates(%x: vector<8xf32>) -> vector<8xf32> {
  %0 = math.round %x : vector<8xf32>
  return %0 : vector<8xf32>
}

// The library computes what lies beyond the range, and only those lanes take it.
// CHECK-LABEL: func @sin_calls_the_library_for_large_arguments_only
// CHECK-SAME:    %[[X:.*]]: vector<8xf32>
// CHECK:       %[[FAST:.*]] = arith.bitcast {{.*}} : vector<8xi32> to vector<8xf32>
// CHECK:       %[[ABS:.*]] = math.absf %[[X]]
// CHECK:       %[[FAR:.*]] = arith.cmpf olt, %{{.*}}, %[[ABS]]
// CHECK:       %[[ANY:.*]] = vector.reduction <or>, %[[FAR]]
// CHECK:       scf.if %[[ANY]]
// CHECK-NEXT:    %[[SLOW:.*]] = func.call @keops_each_sinf_8(%[[X]])
// CHECK-NEXT:    arith.select %[[FAR]], %[[SLOW]], %[[FAST]]
// CHECK:       else
// CHECK-NEXT:    scf.yield %[[FAST]]
func.func @sin_calls_the_library_for_large_arguments_only(%x: vector<8xf32>) -> vector<8xf32> {
  %0 = math.sin %x : vector<8xf32>
  return %0 : vector<8xf32>
}

// CHECK-LABEL: func @sincos_is_sin_and_cos
// CHECK-NOT:   math.sincos
// CHECK:       func.call @sin(
// CHECK:       func.call @cos(
func.func @sincos_is_sin_and_cos(%x: f64) -> (f64, f64) {
  %0, %1 = math.sincos %x : f64
  return %0, %1 : f64, f64
}

//===----------------------------------------------------------------------===//
// Library calls
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @others_are_calls
// CHECK:       call @tanh(%{{.*}}) : (f64) -> f64
// CHECK:       call @keops_each_powf_4(%{{.*}}, %{{.*}}) : (vector<4xf32>, vector<4xf32>) -> vector<4xf32>
// CHECK:       call @keops_each_powf_4
func.func @others_are_calls(%x: f64, %a: vector<4xf32>, %b: vector<4xf32>) -> (f64, vector<4xf32>) {
  %0 = math.tanh %x : f64
  %1 = math.powf %a, %b : vector<4xf32>
  %2 = math.powf %1, %b : vector<4xf32>
  return %0, %2 : f64, vector<4xf32>
}

// CHECK-LABEL: func @integer_powers_are_computed_in_double
// CHECK:       arith.extf
// CHECK:       arith.sitofp
// CHECK:       call @pow
// CHECK:       arith.truncf
func.func @integer_powers_are_computed_in_double(%x: f32, %n: i32) -> f32 {
  %0 = math.fpowi %x, %n : f32, i32
  return %0 : f32
}

//===----------------------------------------------------------------------===//
// What stays
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @single_instructions_stay
// CHECK-NEXT:  math.fma
// CHECK-NEXT:  math.sqrt
// CHECK-NEXT:  math.floor
// CHECK-NEXT:  math.copysign
// CHECK-NEXT:  return
func.func @single_instructions_stay(%x: vector<8xf32>) -> vector<8xf32> {
  %0 = math.fma %x, %x, %x : vector<8xf32>
  %1 = math.sqrt %0 : vector<8xf32>
  %2 = math.floor %1 : vector<8xf32>
  %3 = math.copysign %2, %x : vector<8xf32>
  return %3 : vector<8xf32>
}

// CHECK-LABEL: func @other_types_stay
// CHECK-NEXT:  math.exp %{{.*}} : vector<2x4xf32>
// CHECK-NEXT:  math.exp %{{.*}} : f16
func.func @other_types_stay(%x: vector<2x4xf32>, %y: f16) -> (vector<2x4xf32>, f16) {
  %0 = math.exp %x : vector<2x4xf32>
  %1 = math.exp %y : f16
  return %0, %1 : vector<2x4xf32>, f16
}

// Each helper is made once, after the functions, and kept out of hot code.
// CHECK:       func.func private @sinf(f32) -> f32 attributes {llvm.readnone}
// CHECK:       func.func private @keops_each_sinf_8(%[[V:.*]]: vector<8xf32>) -> vector<8xf32>
// CHECK-SAME:    no_inline
// CHECK:         llvm.store %[[V]], %[[MEMORY:.*]] : vector<8xf32>
// CHECK:         scf.for
// CHECK:           %[[LANE:.*]] = llvm.getelementptr %[[MEMORY]]
// CHECK:           func.call @sinf
// CHECK:           llvm.store %{{.*}}, %[[LANE]] : f32
// CHECK:         llvm.load %[[MEMORY]] : !llvm.ptr -> vector<8xf32>
// CHECK-COUNT-1: func.func private @keops_each_powf_4
// CHECK-NOT:   func.func private @keops_each_powf_4
