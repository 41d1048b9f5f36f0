// RUN: keops-opt %s --keops-select-schedule=target=sm_90 --keops-tile --cse --keops-lower-stages --canonicalize --cse | FileCheck %s

// Where blocks share columns, a second function adds up the states that they left, in the order of their numbers, and
// either leaves one again or finishes. It has the kernel's parameters, and no loop over pairs. Stages of rows and the end
// are there as in the kernel.

keops.formula @gauss(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
  %1 = keops.mul %0, %0 : <3xf32, ij>, <3xf32, ij>
  %2 = keops.fold #keops.sum %1 : <3xf32, ij>
  %3 = keops.reduce #keops.sum over j (%2) {keops.schedule = #keops.schedule<lane_axis = rows, lanes = 1, rows = 128, columns = 256, chunk = 1, unroll = 16>} : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %4 = keops.fold #keops.sum %x : <3xf32, i>
  %5 = keops.exp %4 : <1xf32, i>
  %6 = keops.mul %3, %5 : <1xf32, i>, <1xf32, i>
  keops.return %6 : !keops.vec<1xf32, i>
}

// CHECK: gpu.func @gauss(
// CHECK: gpu.func @gauss_merge({{.*}}, %[[BLOCKS:[^:]*]]: !llvm.ptr<1>, %{{[^:]*}}: !llvm.ptr<1>, %{{[^:]*}}: !llvm.ptr<1>, %[[STATES:[^:]*]]: !llvm.ptr<1>, %[[BYTES:[^:]*]]: i64) kernel
// CHECK-NOT: keops.launch
// CHECK: arith.muli %{{.*}}, %[[BYTES]]
// CHECK: %[[LEFT:.*]] = llvm.getelementptr %[[STATES]]
// CHECK: llvm.getelementptr %[[BLOCKS]]
// CHECK: %[[SUM:.*]] = scf.for %[[STATE:.*]] = %{{.*}} to %{{.*}} step %c1_i64 iter_args(%[[SO_FAR:.*]] = %{{.*}}) -> (f64)
// CHECK: %[[PLACE:.*]] = arith.muli %[[STATE]], %c1024_i64
// CHECK: %[[FROM:.*]] = llvm.getelementptr %[[LEFT]][%[[PLACE]]]
// CHECK: llvm.getelementptr %[[FROM]]
// CHECK: %[[MORE:.*]] = llvm.load %{{.*}} -> f64
// CHECK: %[[ADDED:.*]] = arith.addf %[[SO_FAR]], %[[MORE]]
// CHECK: scf.yield %[[ADDED]] : f64
// CHECK: scf.if
// CHECK: llvm.store %[[SUM]]
// CHECK: } else {
// CHECK: math.exp
// CHECK: arith.truncf %[[SUM]]
// CHECK: arith.mulf
// CHECK: llvm.store {{.*}} : f32, !llvm.ptr<1>
// CHECK-NOT: scf.for

// What reduces nothing has nothing to merge.

keops.formula @row(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> attributes {keops.schedule = #keops.schedule<lane_axis = rows, lanes = 1, rows = 128, columns = 256, chunk = 1, unroll = 16>} {
  %0 = keops.exp %x : <1xf32, i>
  keops.return %0 : !keops.vec<1xf32, i>
}

// CHECK-LABEL: gpu.module @row
// CHECK: state_bytes = 0 : i64
// CHECK-NOT: gpu.func @row_merge
