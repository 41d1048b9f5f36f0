// RUN: keops-opt %s --split-input-file --keops-lower-stages --canonicalize | FileCheck %s

// Numbers are widened where arrays are read and rounded where they are written; between, all is f32. Row numbers have no
// other form.
keops.kernel @halves(%x: !keops.vec<3xf32, i>, %y: !keops.vec<1xf32, j>) -> (!keops.vec<1xf32, i>, !keops.vec<1xi64, i>)
    schedule <lane_axis = rows, lanes = 8, rows = 64, columns = 32, chunk = 1, unroll = 16>
    attributes {argument_storage = [f16, f32], result_storage = [f16, i64]} {
  %a, %b = keops.stage pairs -> !keops.vec<1xf32, i>, !keops.vec<1xi64, i> {
    %c0 = arith.constant 0 : index
    %x0 = keops.component %x[%c0] : <3xf32, i>
    %p = keops.mul %x0, %y : <1xf32, i>, <1xf32, j>
    %m:2 = keops.accumulate #keops.extremum<min_argmin> over [1] {
    ^bb0(%d: index):
      keops.yield %p : !keops.vec<1xf32, ij>
    } : !keops.vec<1xf32, i>, !keops.vec<1xi64, i>
    keops.yield %m#0, %m#1 : !keops.vec<1xf32, i>, !keops.vec<1xi64, i>
  }
  keops.return %a, %b : !keops.vec<1xf32, i>, !keops.vec<1xi64, i>
}
// CHECK-LABEL: func.func @halves_accumulate
// CHECK-SAME:    arguments = [array<i64: 0, 3, 3>, array<i64: 1, 1, 0>]
// CHECK-SAME:    results = [array<i64: 0, 1, 3>, array<i64: 0, 1, 2>]
// The argument's rows, two bytes an element, into the buffer of f32.
// CHECK:         %[[BITS:.*]] = llvm.load %{{.*}} {alignment = 2 : i64} : !llvm.ptr -> i16
// CHECK-NEXT:    %[[HALF:.*]] = arith.bitcast %[[BITS]] : i16 to f16
// CHECK-NEXT:    %[[WIDE:.*]] = arith.extf %[[HALF]] : f16 to f32
// CHECK:         llvm.store %{{.*}} : f32, !llvm.ptr
// The other argument is read as it is.
// CHECK:         llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> i32
// CHECK-NOT:     f16
// CHECK-LABEL: func.func @halves_finalize
// CHECK:         %[[RESULT:.*]] = llvm.load %{{.*}} : !llvm.ptr -> f32
// CHECK-NEXT:    %[[NARROW:.*]] = arith.truncf %[[RESULT]] : f32 to f16
// CHECK-NEXT:    %[[STORED:.*]] = arith.bitcast %[[NARROW]] : f16 to i16
// CHECK:         llvm.store %[[STORED]], %{{.*}} {alignment = 2 : i64} : i16
// CHECK:         %[[ROW:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK:         llvm.store %[[ROW]], %{{.*}} : i64

// -----

// A bfloat16 is the upper half of an f32: integer arithmetic rounds it, to nearest and ties to even.
keops.kernel @bfloats(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i>
    schedule <lane_axis = rows, lanes = 8, rows = 64, columns = 32, chunk = 1, unroll = 16>
    attributes {argument_storage = [bf16], result_storage = [bf16]} {
  %a = keops.stage pairs -> !keops.vec<1xf32, i> {
    %m = keops.accumulate #keops.sum over [1] {
    ^bb0(%d: index):
      keops.yield %x : !keops.vec<1xf32, i>
    } : !keops.vec<1xf32, i>
    keops.yield %m : !keops.vec<1xf32, i>
  }
  keops.return %a : !keops.vec<1xf32, i>
}
// CHECK-LABEL: func.func @bfloats_accumulate
// CHECK-SAME:    arguments = [array<i64: 0, 1, 4>]
// CHECK-SAME:    results = [array<i64: 0, 1, 4>]
// CHECK-NOT:     bf16
// CHECK:         %[[BITS:.*]] = llvm.load %{{.*}} {alignment = 2 : i64} : !llvm.ptr -> i16
// CHECK-NEXT:    %[[LONG:.*]] = arith.extui %[[BITS]] : i16 to i32
// CHECK-NEXT:    arith.shli %[[LONG]], %c16_i32
// CHECK-NOT:     bf16
// CHECK-LABEL: func.func @bfloats_finalize
// CHECK:         %[[RESULT:.*]] = llvm.load %{{.*}} : !llvm.ptr -> f32
// CHECK-NEXT:    %[[ALL:.*]] = arith.bitcast %[[RESULT]] : f32 to i32
// CHECK-NEXT:    %[[UPPER:.*]] = arith.shrui %[[ALL]], %c16_i32
// CHECK-NEXT:    %[[ODD:.*]] = arith.andi %[[UPPER]], %c1_i32
// CHECK-NEXT:    %[[HALF:.*]] = arith.addi %[[ODD]], %c32767_i32
// CHECK-NEXT:    %[[SUM:.*]] = arith.addi %[[ALL]], %[[HALF]]
// CHECK-NEXT:    %[[ROUNDED:.*]] = arith.shrui %[[SUM]], %c16_i32
// CHECK:         %[[NAN:.*]] = arith.cmpi ugt
// CHECK-NEXT:    %[[QUIET:.*]] = arith.ori %[[UPPER]], %c64_i32
// CHECK-NEXT:    %[[CHOSEN:.*]] = arith.select %[[NAN]], %[[QUIET]], %[[ROUNDED]]
// CHECK-NEXT:    %[[STORED:.*]] = arith.trunci %[[CHOSEN]] : i32 to i16
// CHECK:         llvm.store %[[STORED]], %{{.*}} {alignment = 2 : i64} : i16
