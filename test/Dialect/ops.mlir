// RUN: keops-opt %s | keops-opt | FileCheck %s
// RUN: keops-opt %s --mlir-print-op-generic | keops-opt | FileCheck %s

//===----------------------------------------------------------------------===//
// Types and attributes
//===----------------------------------------------------------------------===//

// Each element type and each set of indices that a value can have.
// CHECK-LABEL: func.func private @types
// CHECK-SAME:    !keops.vec<1xf32>, !keops.vec<2xf64>, !keops.vec<3xf32, i>, !keops.vec<4xf64, j>,
// CHECK-SAME:    !keops.vec<5xf32, ij>, !keops.vec<1xi1, ij>, !keops.vec<10xi64, i>
func.func private @types(!keops.vec<1xf32>, !keops.vec<2xf64>, !keops.vec<3xf32, i>, !keops.vec<4xf64, j>,
                         !keops.vec<5xf32, ij>, !keops.vec<1xi1, ij>, !keops.vec<10xi64, i>)

// CHECK-LABEL: func.func private @reduction_attributes
// CHECK-SAME:  {compensated = #keops.logsumexp<kahan>, default = #keops.sum, sum = #keops.sum, wide = #keops.sum<f64>}
func.func private @reduction_attributes() attributes {
  sum = #keops.sum, default = #keops.sum<blocks>, wide = #keops.sum<f64>, compensated = #keops.logsumexp<kahan>}
// CHECK: {logsumexp = #keops.logsumexp}
func.func private @logsumexp() attributes {logsumexp = #keops.logsumexp}
// CHECK: {softmax = #keops.softmax}
func.func private @softmax() attributes {softmax = #keops.softmax}
// CHECK: [#keops.extremum<min>, #keops.extremum<max>, #keops.extremum<argmin>, #keops.extremum<argmax>,
// CHECK-SAME: #keops.extremum<min_argmin>, #keops.extremum<max_argmax>]
func.func private @extrema() attributes {
  all = [#keops.extremum<min>, #keops.extremum<max>, #keops.extremum<argmin>, #keops.extremum<argmax>,
         #keops.extremum<min_argmin>, #keops.extremum<max_argmax>]}
// CHECK: [#keops.k_smallest<1, kmin>, #keops.k_smallest<10, argkmin>, #keops.k_smallest<3, kmin_argkmin>]
func.func private @k_smallest() attributes {
  all = [#keops.k_smallest<1, kmin>, #keops.k_smallest<10, argkmin>, #keops.k_smallest<3, kmin_argkmin>]}

// CHECK: #keops.schedule<lane_axis = rows, lanes = 32, rows = 512, columns = 256, chunk = 1, unroll = 16>
// CHECK: #keops.schedule<lane_axis = columns, lanes = 16, rows = 3, columns = 7, chunk = 1, unroll = 0>
func.func private @schedules() attributes {
  rows = #keops.schedule<lane_axis = rows, lanes = 32, rows = 512, columns = 256, chunk = 1, unroll = 16>,
  // Rows need not be a multiple of lanes where columns are the lanes.
  rows_free = #keops.schedule<lane_axis = columns, lanes = 16, rows = 3, columns = 7, chunk = 1, unroll = 0>}

// CHECK: #keops.target<"znver5", vector_bits = 512, registers = 32, l1 = 49152, l2 = 1048576, scalef = true, gpu = false>
func.func private @target() attributes {
  target = #keops.target<"znver5", vector_bits = 512, registers = 32, l1 = 49152, l2 = 1048576, scalef = true, gpu = false>}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

// CHECK-LABEL: keops.formula @no_result() {
// CHECK-NEXT:    keops.return{{$}}
keops.formula @no_result() {
  keops.return
}

// The terminator of nothing may be left out.
// CHECK-LABEL: keops.formula @implicit_return(
// CHECK-NEXT:    keops.return{{$}}
keops.formula @implicit_return(%x: !keops.vec<1xf32, i>) {
}

// CHECK-LABEL: keops.kernel @implicit_return_of_a_kernel(
// CHECK-NEXT:    keops.return{{$}}
keops.kernel @implicit_return_of_a_kernel() {
}

// CHECK-LABEL: keops.formula @two_results(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[P:.*]]: !keops.vec<2xf32>) -> (!keops.vec<3xf32, i>, !keops.vec<2xf32>) {
// CHECK-NEXT:    keops.return %[[X]], %[[P]] : !keops.vec<3xf32, i>, !keops.vec<2xf32>
keops.formula @two_results(%x: !keops.vec<3xf32, i>, %p: !keops.vec<2xf32>) -> (!keops.vec<3xf32, i>, !keops.vec<2xf32>) {
  keops.return %x, %p : !keops.vec<3xf32, i>, !keops.vec<2xf32>
}

// CHECK-LABEL: keops.formula @attributes() attributes {note = "kept"} {
keops.formula @attributes() attributes {note = "kept"} {
  keops.return
}

// CHECK-LABEL: keops.formula @unary(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>)
keops.formula @unary(%x: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  // CHECK-NEXT: %[[NEG:.*]] = keops.neg %[[X]] : <3xf32, i>
  %0 = keops.neg %x : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[ABS:.*]] = keops.abs %[[NEG]] : <3xf32, i>
  %1 = keops.abs %0 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[FLOOR:.*]] = keops.floor %[[ABS]] : <3xf32, i>
  %2 = keops.floor %1 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[ROUND:.*]] = keops.round %[[FLOOR]] : <3xf32, i>
  %3 = keops.round %2 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[EXP:.*]] = keops.exp %[[ROUND]] : <3xf32, i>
  %4 = keops.exp %3 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[LOG:.*]] = keops.log %[[EXP]] : <3xf32, i>
  %5 = keops.log %4 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[SIN:.*]] = keops.sin %[[LOG]] : <3xf32, i>
  %6 = keops.sin %5 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[COS:.*]] = keops.cos %[[SIN]] : <3xf32, i>
  %7 = keops.cos %6 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[ASIN:.*]] = keops.asin %[[COS]] : <3xf32, i>
  %8 = keops.asin %7 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[ACOS:.*]] = keops.acos %[[ASIN]] : <3xf32, i>
  %9 = keops.acos %8 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[ATAN:.*]] = keops.atan %[[ACOS]] : <3xf32, i>
  %10 = keops.atan %9 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[TANH:.*]] = keops.tanh %[[ATAN]] : <3xf32, i>
  %11 = keops.tanh %10 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[ERF:.*]] = keops.erf %[[TANH]] : <3xf32, i>
  %12 = keops.erf %11 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[SQRT:.*]] = keops.sqrt %[[ERF]] : <3xf32, i>
  %13 = keops.sqrt %12 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[RSQRT:.*]] = keops.rsqrt %[[SQRT]] : <3xf32, i>
  %14 = keops.rsqrt %13 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[IPOW:.*]] = keops.ipow %[[RSQRT]], -3 : <3xf32, i>
  %15 = keops.ipow %14, -3 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[XLOGX:.*]] = keops.xlogx %[[IPOW]] : <3xf32, i>
  %16 = keops.xlogx %15 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[SINC:.*]] = keops.sinc %[[XLOGX]] : <3xf32, i>
  %17 = keops.sinc %16 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[SIGMOID:.*]] = keops.sigmoid %[[SINC]] : <3xf32, i>
  %18 = keops.sigmoid %17 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[SOFTPLUS:.*]] = keops.softplus %[[SIGMOID]] : <3xf32, i>
  %19 = keops.softplus %18 : !keops.vec<3xf32, i>
  // CHECK-NEXT: keops.return %[[SOFTPLUS]]
  keops.return %19 : !keops.vec<3xf32, i>
}

// CHECK-LABEL: keops.formula @binary(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf64>, %[[S:.*]]: !keops.vec<1xf64>)
keops.formula @binary(%x: !keops.vec<3xf64>, %s: !keops.vec<1xf64>) -> !keops.vec<3xf64> {
  // CHECK-NEXT: %[[ADD:.*]] = keops.add %[[X]], %[[S]] : <3xf64>, <1xf64>
  %0 = keops.add %x, %s : !keops.vec<3xf64>, !keops.vec<1xf64>
  // CHECK-NEXT: %[[SUB:.*]] = keops.sub %[[S]], %[[ADD]] : <1xf64>, <3xf64>
  %1 = keops.sub %s, %0 : !keops.vec<1xf64>, !keops.vec<3xf64>
  // CHECK-NEXT: %[[MUL:.*]] = keops.mul %[[SUB]], %[[X]] : <3xf64>, <3xf64>
  %2 = keops.mul %1, %x : !keops.vec<3xf64>, !keops.vec<3xf64>
  // CHECK-NEXT: %[[DIV:.*]] = keops.div %[[MUL]], %[[X]] : <3xf64>, <3xf64>
  %3 = keops.div %2, %x : !keops.vec<3xf64>, !keops.vec<3xf64>
  // CHECK-NEXT: %[[POWF:.*]] = keops.powf %[[DIV]], %[[X]] : <3xf64>, <3xf64>
  %4 = keops.powf %3, %x : !keops.vec<3xf64>, !keops.vec<3xf64>
  // CHECK-NEXT: %[[ATAN2:.*]] = keops.atan2 %[[POWF]], %[[X]] : <3xf64>, <3xf64>
  %5 = keops.atan2 %4, %x : !keops.vec<3xf64>, !keops.vec<3xf64>
  // CHECK-NEXT: keops.return %[[ATAN2]]
  keops.return %5 : !keops.vec<3xf64>
}

// CHECK-LABEL: keops.formula @comparisons(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<2xf32>, %[[Y:.*]]: !keops.vec<1xf32>)
keops.formula @comparisons(%x: !keops.vec<2xf32>, %y: !keops.vec<1xf32>) -> (!keops.vec<2xf32>, !keops.vec<2xf64>) {
  // CHECK-NEXT: %[[EQ:.*]] = keops.cmp eq %[[X]], %[[Y]] : <2xf32>, <1xf32>
  %0 = keops.cmp eq %x, %y : !keops.vec<2xf32>, !keops.vec<1xf32>
  // CHECK-NEXT: keops.cmp ne %[[X]], %[[Y]]
  %1 = keops.cmp ne %x, %y : !keops.vec<2xf32>, !keops.vec<1xf32>
  // CHECK-NEXT: keops.cmp lt %[[X]], %[[Y]]
  %2 = keops.cmp lt %x, %y : !keops.vec<2xf32>, !keops.vec<1xf32>
  // CHECK-NEXT: keops.cmp le %[[X]], %[[Y]]
  %3 = keops.cmp le %x, %y : !keops.vec<2xf32>, !keops.vec<1xf32>
  // CHECK-NEXT: %[[SELECT:.*]] = keops.select %[[EQ]], %[[X]], %[[Y]] : <2xi1>, <2xf32>, <1xf32>
  %4 = keops.select %0, %x, %y : !keops.vec<2xi1>, !keops.vec<2xf32>, !keops.vec<1xf32>
  // CHECK-NEXT: %[[INDICATOR:.*]] = keops.indicator %[[EQ]] as f64 : <2xi1>
  %5 = keops.indicator %0 as f64 : !keops.vec<2xi1>
  // CHECK-NEXT: keops.return %[[SELECT]], %[[INDICATOR]]
  keops.return %4, %5 : !keops.vec<2xf32>, !keops.vec<2xf64>
}

// CHECK-LABEL: keops.formula @further_functions(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>)
keops.formula @further_functions(%x: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  // CHECK-NEXT: %[[EXP2:.*]] = keops.exp2 %[[X]] : <3xf32, i>
  %0 = keops.exp2 %x : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[LOG2:.*]] = keops.log2 %[[EXP2]] : <3xf32, i>
  %1 = keops.log2 %0 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[EXPM1:.*]] = keops.expm1 %[[LOG2]] : <3xf32, i>
  %2 = keops.expm1 %1 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[LOG1P:.*]] = keops.log1p %[[EXPM1]] : <3xf32, i>
  %3 = keops.log1p %2 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[SINH:.*]] = keops.sinh %[[LOG1P]] : <3xf32, i>
  %4 = keops.sinh %3 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[COSH:.*]] = keops.cosh %[[SINH]] : <3xf32, i>
  %5 = keops.cosh %4 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[TAN:.*]] = keops.tan %[[COSH]] : <3xf32, i>
  %6 = keops.tan %5 : !keops.vec<3xf32, i>
  // CHECK-NEXT: %[[LGAMMA:.*]] = keops.lgamma %[[TAN]] : <3xf32, i>
  %7 = keops.lgamma %6 : !keops.vec<3xf32, i>
  // CHECK-NEXT: keops.return %[[LGAMMA]]
  keops.return %7 : !keops.vec<3xf32, i>
}

// CHECK-LABEL: keops.formula @index(
keops.formula @index() -> (!keops.vec<1xf32, i>, !keops.vec<1xf64, j>) {
  // CHECK-NEXT: %[[I:.*]] = keops.index : <1xf32, i>
  %0 = keops.index : !keops.vec<1xf32, i>
  // CHECK-NEXT: %[[J:.*]] = keops.index : <1xf64, j>
  %1 = keops.index : !keops.vec<1xf64, j>
  // CHECK-NEXT: keops.return %[[I]], %[[J]]
  keops.return %0, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf64, j>
}

// CHECK-LABEL: keops.formula @pairs_of_components(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[P:.*]]: !keops.vec<3xf32>)
keops.formula @pairs_of_components(%x: !keops.vec<3xf32, i>, %p: !keops.vec<3xf32>) -> !keops.vec<3xf32, i> {
  // CHECK-NEXT: %[[Z:.*]] = keops.interleave %[[X]], %[[P]] : <3xf32, i>, <3xf32>
  %0 = keops.interleave %x, %p : !keops.vec<3xf32, i>, !keops.vec<3xf32>
  // CHECK-NEXT: %[[IM:.*]] = keops.deinterleave %[[Z]][1] : <6xf32, i>
  %1 = keops.deinterleave %0[1] : !keops.vec<6xf32, i>
  // CHECK-NEXT: keops.return %[[IM]] : !keops.vec<3xf32, i>
  keops.return %1 : !keops.vec<3xf32, i>
}

// CHECK-LABEL: keops.formula @special(
// CHECK-SAME:    %[[T:.*]]: !keops.vec<8xf64>, %[[X:.*]]: !keops.vec<1xf64, i>)
keops.formula @special(%t: !keops.vec<8xf64>, %x: !keops.vec<1xf64, i>) -> (!keops.vec<4xf64, i>, !keops.vec<64xf64, i>, !keops.vec<64xf64, i>) {
  // CHECK-NEXT: %[[B:.*]] = keops.bspline %[[T]] at %[[X]] degree 3 : <8xf64>, <1xf64, i>
  %0 = keops.bspline %t at %x degree 3 : !keops.vec<8xf64>, !keops.vec<1xf64, i>
  // CHECK-NEXT: %[[R:.*]] = keops.soft_dtw %[[T]], %[[T]] smooth %[[X]] : <8xf64>, <8xf64>, <1xf64, i>
  %1 = keops.soft_dtw %t, %t smooth %x : !keops.vec<8xf64>, !keops.vec<8xf64>, !keops.vec<1xf64, i>
  // CHECK-NEXT: %[[S:.*]] = keops.soft_step down %[[R]] in 8 smooth %[[X]] : <64xf64, i>, <1xf64, i>
  %2 = keops.soft_step down %1 in 8 smooth %x : !keops.vec<64xf64, i>, !keops.vec<1xf64, i>
  // CHECK-NEXT: %[[V:.*]] = keops.reverse %[[S]] : <64xf64, i>
  %3 = keops.reverse %2 : !keops.vec<64xf64, i>
  // CHECK-NEXT: %[[C:.*]] = keops.recur %[[R]] by %[[S]], %[[V]] lags [8, 1] : <64xf64, i>, !keops.vec<64xf64, i>, !keops.vec<64xf64, i>
  %4 = keops.recur %1 by %2, %3 lags [8, 1] : !keops.vec<64xf64, i>, !keops.vec<64xf64, i>, !keops.vec<64xf64, i>
  // CHECK-NEXT: %[[P:.*]] = keops.polygamma 1 %[[B]] : <4xf64, i>
  %5 = keops.polygamma 1 %0 : !keops.vec<4xf64, i>
  // CHECK-NEXT: keops.return %[[P]], %[[R]], %[[C]]
  keops.return %5, %1, %4 : !keops.vec<4xf64, i>, !keops.vec<64xf64, i>, !keops.vec<64xf64, i>
}

// Results have the union of the operands' indices.
// CHECK-LABEL: keops.formula @indices_are_joined(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<2xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[P:.*]]: !keops.vec<1xf32>)
keops.formula @indices_are_joined(%x: !keops.vec<2xf32, i>, %y: !keops.vec<1xf32, j>, %p: !keops.vec<1xf32>) {
  // CHECK-NEXT: %[[IJ:.*]] = keops.add %[[X]], %[[Y]] : <2xf32, i>, <1xf32, j>
  %0 = keops.add %x, %y : !keops.vec<2xf32, i>, !keops.vec<1xf32, j>
  // CHECK-NEXT: %[[MASK:.*]] = keops.cmp lt %[[Y]], %[[P]] : <1xf32, j>, <1xf32>
  %1 = keops.cmp lt %y, %p : !keops.vec<1xf32, j>, !keops.vec<1xf32>
  // CHECK-NEXT: %[[SELECT:.*]] = keops.select %[[MASK]], %[[X]], %[[P]] : <1xi1, j>, <2xf32, i>, <1xf32>
  %2 = keops.select %1, %x, %p : !keops.vec<1xi1, j>, !keops.vec<2xf32, i>, !keops.vec<1xf32>
  // CHECK-NEXT: keops.concat %[[SELECT]], %[[IJ]] : <2xf32, ij>, <2xf32, ij>
  %3 = keops.concat %2, %0 : !keops.vec<2xf32, ij>, !keops.vec<2xf32, ij>
  keops.return
}

// CHECK-LABEL: keops.formula @structure(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32>, %[[S:.*]]: !keops.vec<1xf32>)
keops.formula @structure(%x: !keops.vec<3xf32>, %s: !keops.vec<1xf32>) {
  // CHECK-NEXT: keops.constant 2.500000e+00 : <1xf32>
  %0 = keops.constant 2.5 : !keops.vec<1xf32>
  // CHECK-NEXT: keops.constant 0x7FF0000000000000 : <4xf64>
  %1 = keops.constant 0x7FF0000000000000 : !keops.vec<4xf64>
  // CHECK-NEXT: keops.broadcast %[[S]] to 5 : <1xf32>
  %2 = keops.broadcast %s to 5 : !keops.vec<1xf32>
  // CHECK-NEXT: %[[CONCAT:.*]] = keops.concat %[[X]], %[[S]] : <3xf32>, <1xf32>
  %3 = keops.concat %x, %s : !keops.vec<3xf32>, !keops.vec<1xf32>
  // CHECK-NEXT: keops.slice %[[CONCAT]][1, 2] : <4xf32>
  %4 = keops.slice %3[1, 2] : !keops.vec<4xf32>
  // CHECK-NEXT: keops.pad %[[X]] at 2 in 6 : <3xf32>
  %5 = keops.pad %x at 2 in 6 : !keops.vec<3xf32>
  // CHECK-NEXT: keops.one_hot %[[S]] in 4 : <1xf32>
  %6 = keops.one_hot %s in 4 : !keops.vec<1xf32>
  keops.return
}

// CHECK-LABEL: keops.formula @contractions(
// CHECK-SAME:    %[[A:.*]]: !keops.vec<6xf32, i>, %[[X:.*]]: !keops.vec<3xf32, j>)
keops.formula @contractions(%a: !keops.vec<6xf32, i>, %x: !keops.vec<3xf32, j>) {
  // CHECK-NEXT: keops.fold #keops.sum %[[A]] : <6xf32, i>
  %0 = keops.fold #keops.sum %a : !keops.vec<6xf32, i>
  // CHECK-NEXT: keops.fold #keops.logsumexp %[[A]] : <6xf32, i>
  %1 = keops.fold #keops.logsumexp %a : !keops.vec<6xf32, i>
  // CHECK-NEXT: keops.fold #keops.extremum<argmax> %[[A]] : <6xf32, i>
  %2 = keops.fold #keops.extremum<argmax> %a : !keops.vec<6xf32, i>
  // A matrix by a vector, and an outer product: nothing is summed.
  // CHECK-NEXT: keops.tensordot %[[A]] [2, 3] by [1], %[[X]] [3] by [0] permute [0] : <6xf32, i>, <3xf32, j>
  %3 = keops.tensordot %a [2, 3] by [1], %x [3] by [0] permute [0] : !keops.vec<6xf32, i>, !keops.vec<3xf32, j>
  // CHECK-NEXT: keops.tensordot %[[A]] [6] by [], %[[X]] [3] by [] permute [1, 0] : <6xf32, i>, <3xf32, j>
  %4 = keops.tensordot %a [6] by [], %x [3] by [] permute [1, 0] : !keops.vec<6xf32, i>, !keops.vec<3xf32, j>
  keops.return
}

// CHECK-LABEL: keops.formula @reductions(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<2xf32, j>)
keops.formula @reductions(%x: !keops.vec<1xf32, i>, %y: !keops.vec<2xf32, j>) {
  // CHECK: keops.reduce #keops.sum over j (%[[Y]]) : (!keops.vec<2xf32, j>) -> !keops.vec<2xf32, i>
  %0 = keops.reduce #keops.sum over j (%y) : (!keops.vec<2xf32, j>) -> !keops.vec<2xf32, i>
  // What does not depend on the reduced index is counted once for each of its values.
  // CHECK-NEXT: keops.reduce #keops.sum over i (%[[Y]]) : (!keops.vec<2xf32, j>) -> !keops.vec<2xf32, j>
  %1 = keops.reduce #keops.sum over i (%y) : (!keops.vec<2xf32, j>) -> !keops.vec<2xf32, j>
  // CHECK-NEXT: keops.reduce #keops.logsumexp over j (%[[X]]) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32, i>
  %2 = keops.reduce #keops.logsumexp over j (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32, i>
  // CHECK-NEXT: keops.reduce #keops.logsumexp over j (%[[X]], %[[Y]]) : (!keops.vec<1xf32, i>, !keops.vec<2xf32, j>) -> !keops.vec<2xf32, i>
  %3 = keops.reduce #keops.logsumexp over j (%x, %y) : (!keops.vec<1xf32, i>, !keops.vec<2xf32, j>) -> !keops.vec<2xf32, i>
  // CHECK-NEXT: keops.reduce #keops.extremum<max> {{.*}} -> !keops.vec<2xf32, i>
  %4 = keops.reduce #keops.extremum<max> over j (%y) : (!keops.vec<2xf32, j>) -> !keops.vec<2xf32, i>
  // CHECK-NEXT: keops.reduce #keops.extremum<argmin> {{.*}} -> !keops.vec<2xi64, i>
  %5 = keops.reduce #keops.extremum<argmin> over j (%y) : (!keops.vec<2xf32, j>) -> !keops.vec<2xi64, i>
  // CHECK-NEXT: %{{.*}}:2 = keops.reduce #keops.extremum<min_argmin> {{.*}} -> (!keops.vec<2xf32, i>, !keops.vec<2xi64, i>)
  %6:2 = keops.reduce #keops.extremum<min_argmin> over j (%y) : (!keops.vec<2xf32, j>) -> (!keops.vec<2xf32, i>, !keops.vec<2xi64, i>)
  // CHECK-NEXT: %{{.*}}:2 = keops.reduce #keops.k_smallest<3, kmin_argkmin> {{.*}} -> (!keops.vec<6xf32, i>, !keops.vec<6xi64, i>)
  %7:2 = keops.reduce #keops.k_smallest<3, kmin_argkmin> over j (%y) : (!keops.vec<2xf32, j>) -> (!keops.vec<6xf32, i>, !keops.vec<6xi64, i>)
  // CHECK-NEXT: keops.reduce #keops.sum over j (%[[Y]]) {keops.schedule = #keops.schedule<lane_axis = rows,
  %8 = keops.reduce #keops.sum over j (%y) {keops.schedule = #keops.schedule<lane_axis = rows, lanes = 8, rows = 8, columns = 8, chunk = 1, unroll = 16>} : (!keops.vec<2xf32, j>) -> !keops.vec<2xf32, i>
  keops.return
}

// CHECK-LABEL: keops.formula @means_and_single_rows(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<2xf32, j>)
keops.formula @means_and_single_rows(%x: !keops.vec<1xf32, i>, %y: !keops.vec<2xf32, j>) {
  // CHECK: keops.reduce #keops.softmax over j (%[[X]], %[[Y]]) : (!keops.vec<1xf32, i>, !keops.vec<2xf32, j>) -> !keops.vec<2xf32, i>
  %0 = keops.reduce #keops.softmax over j (%x, %y) : (!keops.vec<1xf32, i>, !keops.vec<2xf32, j>) -> !keops.vec<2xf32, i>
  // One row for the call, not one for each i.
  // CHECK-NEXT: keops.reduce #keops.sum over j once (%[[Y]]) : (!keops.vec<2xf32, j>) -> !keops.vec<2xf32>
  %1 = keops.reduce #keops.sum over j once (%y) : (!keops.vec<2xf32, j>) -> !keops.vec<2xf32>
  keops.return
}

// CHECK-LABEL: keops.formula @derivatives(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>, %[[E:.*]]: !keops.vec<1xf32, i>)
keops.formula @derivatives(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>, %e: !keops.vec<1xf32, i>) {
  // CHECK-NEXT: %[[MUL:.*]] = keops.mul
  %0 = keops.mul %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  // CHECK-NEXT: %[[DOT:.*]] = keops.fold
  %1 = keops.fold #keops.sum %0 : !keops.vec<3xf32, ij>
  // For each pair the gradient depends on whatever an operand depends on.
  // CHECK-NEXT: %[[G:.*]] = keops.grad %[[DOT]] wrt %[[X]] cotangent %[[E]] : <1xf32, ij>, <3xf32, i>, <1xf32, i>
  %2 = keops.grad %1 wrt %x cotangent %e : !keops.vec<1xf32, ij>, !keops.vec<3xf32, i>, !keops.vec<1xf32, i>
  // CHECK-NEXT: keops.neg %[[G]] : <3xf32, ij>
  %3 = keops.neg %2 : !keops.vec<3xf32, ij>
  // In total it depends on what the variable depends on.
  // CHECK-NEXT: %[[T:.*]] = keops.grad total linear %[[DOT]] wrt %[[X]] cotangent %[[E]] : <1xf32, ij>, <3xf32, i>, <1xf32, i>
  %4 = keops.grad total linear %1 wrt %x cotangent %e : !keops.vec<1xf32, ij>, !keops.vec<3xf32, i>, !keops.vec<1xf32, i>
  // CHECK-NEXT: keops.neg %[[T]] : <3xf32, i>
  %5 = keops.neg %4 : !keops.vec<3xf32, i>
  // A tangent brings the indices that the variable does not have.
  // CHECK-NEXT: %[[D:.*]] = keops.diff linear %[[X]] wrt %[[X]] tangent %[[Y]] : <3xf32, i>, <3xf32, i>, <3xf32, j>
  %6 = keops.diff linear %x wrt %x tangent %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  // CHECK-NEXT: keops.neg %[[D]] : <3xf32, ij>
  %7 = keops.neg %6 : !keops.vec<3xf32, ij>
  // CHECK-NEXT: %[[S:.*]] = keops.trace %[[MUL]] wrt %[[X]] weights %[[E]] : <3xf32, ij>, <3xf32, i>, <1xf32, i>
  %8 = keops.trace %0 wrt %x weights %e : !keops.vec<3xf32, ij>, !keops.vec<3xf32, i>, !keops.vec<1xf32, i>
  // CHECK-NEXT: keops.neg %[[S]] : <1xf32, ij>
  %9 = keops.neg %8 : !keops.vec<1xf32, ij>
  // CHECK-NEXT: keops.trace linear %[[MUL]] wrt %[[X]] weights %[[X]] : <3xf32, ij>, <3xf32, i>, <3xf32, i>
  %10 = keops.trace linear %0 wrt %x weights %x : !keops.vec<3xf32, ij>, !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

// CHECK-LABEL: keops.kernel @every_stage(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[P:.*]]: !keops.vec<1xf32>) -> !keops.vec<1xf32, i>
// CHECK-SAME:    schedule <lane_axis = rows, lanes = 32, rows = 512, columns = 256, chunk = 1, unroll = 16> {
keops.kernel @every_stage(%x: !keops.vec<3xf32, i>, %y: !keops.vec<1xf32, j>, %p: !keops.vec<1xf32>) -> !keops.vec<1xf32, i>
    schedule <lane_axis = rows, lanes = 32, rows = 512, columns = 256, chunk = 1, unroll = 16> {
  // CHECK-NEXT: %[[CALL:.*]] = keops.stage call -> !keops.vec<1xf32> {
  %call = keops.stage call -> !keops.vec<1xf32> {
    %0 = keops.neg %p : !keops.vec<1xf32>
    // CHECK: keops.yield %{{.*}} : !keops.vec<1xf32>
    keops.yield %0 : !keops.vec<1xf32>
  }
  // CHECK: %[[ROWS:.*]]:2 = keops.stage rows -> !keops.vec<1xf32, i>, !keops.vec<3xf32, i> {
  %rows:2 = keops.stage rows -> !keops.vec<1xf32, i>, !keops.vec<3xf32, i> {
    // CHECK-NEXT: %[[D:.*]] = arith.constant 2 : index
    %c2 = arith.constant 2 : index
    // CHECK-NEXT: %[[LAST:.*]] = keops.component %[[X]][%[[D]]] : <3xf32, i>
    %last = keops.component %x[%c2] : !keops.vec<3xf32, i>
    // CHECK-NEXT: %[[MAP:.*]] = keops.map {
    // CHECK-NEXT: ^bb0(%[[K:.*]]: index):
    %map = keops.map {
    ^bb0(%d: index):
      %xd = keops.component %x[%d] : !keops.vec<3xf32, i>
      // CHECK: keops.position %[[K]] : <1xf32>
      %number = keops.position %d : !keops.vec<1xf32>
      %1 = keops.mul %xd, %number : !keops.vec<1xf32, i>, !keops.vec<1xf32>
      keops.yield %1 : !keops.vec<1xf32, i>
    // CHECK: } : <3xf32, i>
    } : !keops.vec<3xf32, i>
    keops.yield %last, %map : !keops.vec<1xf32, i>, !keops.vec<3xf32, i>
  }
  // CHECK: keops.stage cols {
  // CHECK-NEXT: }
  keops.stage cols {
  }
  // CHECK: keops.stage pairs -> !keops.vec<1xf32, i>, !keops.vec<2xf32, i>, !keops.vec<2xi64, i> {
  %pairs:3 = keops.stage pairs -> !keops.vec<1xf32, i>, !keops.vec<2xf32, i>, !keops.vec<2xi64, i> {
    // CHECK-NEXT: %[[S:.*]] = keops.contract #keops.sum over 3 {
    %s = keops.contract #keops.sum over 3 {
    ^bb0(%d: index):
      %c1 = arith.constant 1 : index
      %first = arith.cmpi ult, %d, %c1 : index
      %t = scf.if %first -> !keops.vec<1xf32, ij> {
        // CHECK: keops.extend %{{.*}} : <1xf32, i> to <1xf32, ij>
        %2 = keops.extend %rows#0 : !keops.vec<1xf32, i> to !keops.vec<1xf32, ij>
        scf.yield %2 : !keops.vec<1xf32, ij>
      } else {
        %2 = keops.mul %y, %rows#0 : !keops.vec<1xf32, j>, !keops.vec<1xf32, i>
        scf.yield %2 : !keops.vec<1xf32, ij>
      }
      keops.yield %t : !keops.vec<1xf32, ij>
    // CHECK: } : <1xf32, ij>
    } : !keops.vec<1xf32, ij>
    // CHECK: keops.accumulate #keops.sum over [1] {
    // CHECK: } : !keops.vec<1xf32, i>
    %sum = keops.accumulate #keops.sum over [1] {
    ^bb0(%d: index):
      keops.yield %s : !keops.vec<1xf32, ij>
    } : !keops.vec<1xf32, i>
    // Results that are row numbers, and attributes beside the op's own.
    // CHECK: %{{.*}}:2 = keops.accumulate #keops.k_smallest<2, kmin_argkmin> over [1] {
    // CHECK: } {note = "kept"} : !keops.vec<2xf32, i>, !keops.vec<2xi64, i>
    %least:2 = keops.accumulate #keops.k_smallest<2, kmin_argkmin> over [1] {
    ^bb0(%d: index):
      keops.yield %s : !keops.vec<1xf32, ij>
    } {note = "kept"} : !keops.vec<2xf32, i>, !keops.vec<2xi64, i>
    keops.yield %sum, %least#0, %least#1 : !keops.vec<1xf32, i>, !keops.vec<2xf32, i>, !keops.vec<2xi64, i>
  }
  // CHECK: %[[FINISH:.*]] = keops.stage finish -> !keops.vec<1xf32, i> {
  %finish = keops.stage finish -> !keops.vec<1xf32, i> {
    %3 = keops.mul %pairs#0, %call : !keops.vec<1xf32, i>, !keops.vec<1xf32>
    keops.yield %3 : !keops.vec<1xf32, i>
  }
  // CHECK: keops.return %[[FINISH]] : !keops.vec<1xf32, i>
  keops.return %finish : !keops.vec<1xf32, i>
}

// One region for each operand of the reduction.
// CHECK-LABEL: keops.kernel @weighted(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[W:.*]]: !keops.vec<2xf32, j>) -> !keops.vec<2xf32, i> {
keops.kernel @weighted(%x: !keops.vec<1xf32, i>, %w: !keops.vec<2xf32, j>) -> !keops.vec<2xf32, i> {
  %a = keops.stage pairs -> !keops.vec<2xf32, i> {
    // CHECK: keops.accumulate #keops.logsumexp over [1, 2] {
    // CHECK-NEXT: ^bb0(%{{.*}}: index):
    // CHECK-NEXT:   keops.yield %[[X]] : !keops.vec<1xf32, i>
    // CHECK-NEXT: }, {
    // CHECK-NEXT: ^bb0(%[[D:.*]]: index):
    // CHECK-NEXT:   keops.component %[[W]][%[[D]]] : <2xf32, j>
    // CHECK:      } : !keops.vec<2xf32, i>
    %0 = keops.accumulate #keops.logsumexp over [1, 2] {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    }, {
    ^bb0(%d: index):
      %wd = keops.component %w[%d] : !keops.vec<2xf32, j>
      keops.yield %wd : !keops.vec<1xf32, j>
    } : !keops.vec<2xf32, i>
    keops.yield %0 : !keops.vec<2xf32, i>
  }
  keops.return %a : !keops.vec<2xf32, i>
}

// A map may read what it has stored.
// CHECK-LABEL: keops.kernel @recurrence(
keops.kernel @recurrence(%x: !keops.vec<1xf32, i>) -> !keops.vec<4xf32, i> {
  %0 = keops.stage rows -> !keops.vec<4xf32, i> {
    // CHECK: keops.map {
    // CHECK-NEXT: ^bb0(%[[D:.*]]: index, %[[SELF:.*]]: !keops.vec<4xf32, i>):
    %1 = keops.map {
    ^bb0(%d: index, %self: !keops.vec<4xf32, i>):
      // CHECK: keops.component %[[SELF]][%{{.*}}] : <4xf32, i>
      %c0 = arith.constant 0 : index
      %2 = keops.component %self[%c0] : !keops.vec<4xf32, i>
      keops.yield %2 : !keops.vec<1xf32, i>
    } : !keops.vec<4xf32, i>
    keops.yield %1 : !keops.vec<4xf32, i>
  }
  keops.return %0 : !keops.vec<4xf32, i>
}

// CHECK-LABEL: keops.kernel @empty() attributes {note = "kept"} {
// CHECK-NEXT:    keops.return{{$}}
keops.kernel @empty() attributes {note = "kept"} {
  keops.return
}

//===----------------------------------------------------------------------===//
// Rows by number, and programs
//===----------------------------------------------------------------------===//

// CHECK-LABEL: keops.formula @rows(
keops.formula @rows(%y: !keops.vec<4xf32, j>, %e: !keops.vec<6xf32, i>, %r: !keops.vec<2xi64, i>) {
  // CHECK: keops.gather %{{.*}} over j [%{{.*}}] : <4xf32, j>, <2xi64, i>
  %0 = keops.gather %y over j [%r] : !keops.vec<4xf32, j>, !keops.vec<2xi64, i>
  // CHECK: keops.gather %{{.*}} over j [%{{.*}}] groups 2 {note = "kept"} : <4xf32, j>, <2xi64, i>
  %1 = keops.gather %y over j [%r] groups 2 {note = "kept"} : !keops.vec<4xf32, j>, !keops.vec<2xi64, i>
  // CHECK: keops.scatter %{{.*}} over j [%{{.*}}] : <6xf32, i>, <2xi64, i>
  %2 = keops.scatter %e over j [%r] : !keops.vec<6xf32, i>, !keops.vec<2xi64, i>
  // CHECK: keops.scatter total %{{.*}} over j [%{{.*}}] groups 2 : <6xf32, i>, <2xi64, i>
  %3 = keops.scatter total %e over j [%r] groups 2 : !keops.vec<6xf32, i>, !keops.vec<2xi64, i>
  // The types that follow: two rows of four, one row in two halves, three components for each pair, six for each j.
  // CHECK: keops.exp %{{.*}} : <8xf32, i>
  %4 = keops.exp %0 : !keops.vec<8xf32, i>
  // CHECK: keops.exp %{{.*}} : <4xf32, i>
  %5 = keops.exp %1 : !keops.vec<4xf32, i>
  // CHECK: keops.exp %{{.*}} : <3xf32, ij>
  %6 = keops.exp %2 : !keops.vec<3xf32, ij>
  // CHECK: keops.exp %{{.*}} : <6xf32, j>
  %7 = keops.exp %3 : !keops.vec<6xf32, j>
  keops.return
}

keops.formula @part(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %1 : !keops.vec<1xf32, i>
}
keops.formula @rest(%s: !keops.vec<1xf32, i>) -> (!keops.vec<1xf32, i>, !keops.vec<2xf32, i>) {
  %0 = keops.concat %s, %s : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %s, %0 : !keops.vec<1xf32, i>, !keops.vec<2xf32, i>
}
// CHECK-LABEL: keops.program @whole(%{{.*}}: !keops.vec<1xf32, i>, %{{.*}}: !keops.vec<1xf32, j>, %{{.*}}: !keops.vec<1xi64, j>) -> !keops.vec<2xf32, j> attributes {note = "kept"} {
keops.program @whole(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %r: !keops.vec<1xi64, j>) -> !keops.vec<2xf32, j> attributes {note = "kept"} {
  // CHECK-NEXT: %[[S:.*]] = keops.call @part over j (%{{.*}}, %{{.*}}) : (!keops.vec<1xf32, i>, !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  %0 = keops.call @part over j (%x, %y) : (!keops.vec<1xf32, i>, !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  // CHECK-NEXT: %[[R:.*]]:2 = keops.call @rest (%[[S]]) {note = "kept"} : (!keops.vec<1xf32, i>) -> (!keops.vec<1xf32, i>, !keops.vec<2xf32, i>)
  %1:2 = keops.call @rest (%0) {note = "kept"} : (!keops.vec<1xf32, i>) -> (!keops.vec<1xf32, i>, !keops.vec<2xf32, i>)
  // CHECK-NEXT: keops.gather %[[R]]#1 over i [%{{.*}}] : <2xf32, i>, <1xi64, j>
  %2 = keops.gather %1#1 over i [%r] : !keops.vec<2xf32, i>, !keops.vec<1xi64, j>
  keops.return %2 : !keops.vec<2xf32, j>
}
// CHECK-LABEL: keops.formula @halves(
keops.formula @halves(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> attributes {argument_storage = [f16], result_storage = [f32]} {
  keops.return %x : !keops.vec<1xf32, i>
}

// CHECK-LABEL: keops.program @of_halves(%{{.*}}: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> attributes {argument_storage = [f16], result_storage = [f16]} {
keops.program @of_halves(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> attributes {argument_storage = [f16], result_storage = [f16]} {
  %0 = keops.call @halves(%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32, i>
  keops.return %0 : !keops.vec<1xf32, i>
}

// CHECK-LABEL: keops.program @nothing() {
// CHECK-NEXT:    keops.return{{$}}
keops.program @nothing() {
}

//===----------------------------------------------------------------------===//
// How arrays hold numbers
//===----------------------------------------------------------------------===//

// CHECK-LABEL: keops.formula @storage(
// CHECK-SAME: attributes {argument_storage = [f16, bf16, f32], result_storage = [bf16, i64]} {
keops.formula @storage(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %p: !keops.vec<2xf32>)
    -> (!keops.vec<1xf32, i>, !keops.vec<1xi64, i>)
    attributes {argument_storage = [f16, bf16, f32], result_storage = [bf16, i64]} {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1, %2 = keops.reduce #keops.extremum<min_argmin> over j (%0) : (!keops.vec<1xf32, ij>) -> (!keops.vec<1xf32, i>, !keops.vec<1xi64, i>)
  keops.return %1, %2 : !keops.vec<1xf32, i>, !keops.vec<1xi64, i>
}

// CHECK-LABEL: keops.kernel @kernel_storage(
// CHECK-SAME: schedule <{{.*}}> attributes {argument_storage = [bf16], result_storage = [f16]} {
keops.kernel @kernel_storage(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i>
    schedule <lane_axis = rows, lanes = 8, rows = 64, columns = 32, chunk = 1, unroll = 16>
    attributes {argument_storage = [bf16], result_storage = [f16]} {
  %0 = keops.stage pairs -> !keops.vec<1xf32, i> {
    %1 = keops.accumulate #keops.sum over [1] {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
    keops.yield %1 : !keops.vec<1xf32, i>
  }
  keops.return %0 : !keops.vec<1xf32, i>
}
