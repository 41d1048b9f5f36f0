// RUN: keops-opt %s --keops-fold-scales --cse | FileCheck %s

// An exponential of pairs becomes a power of two whose factor, 1.44269504, is taken by rows and columns alone; of a
// square, its root.

// CHECK-LABEL: keops.formula @squares
// CHECK-SAME: (%[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>)
// CHECK: %[[C:.*]] = keops.constant 1.2011224{{.*}}
// CHECK-DAG: %[[XC:.*]] = keops.mul %[[X]], %[[C]]
// CHECK-DAG: %[[YC:.*]] = keops.mul %[[Y]], %
// CHECK: %[[D:.*]] = keops.sub %[[XC]], %[[YC]]
// CHECK: %[[SQUARE:.*]] = keops.mul %[[D]], %[[D]]
// CHECK: %[[SUM:.*]] = keops.fold #keops.sum %[[SQUARE]]
// CHECK: %[[POWER:.*]] = keops.neg %[[SUM]]
// CHECK: keops.exp2 %[[POWER]]
keops.formula @squares(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
  %1 = keops.mul %0, %0 : <3xf32, ij>, <3xf32, ij>
  %2 = keops.fold #keops.sum %1 : <3xf32, ij>
  %3 = keops.neg %2 : <1xf32, ij>
  %4 = keops.exp %3 : <1xf32, ij>
  %5 = keops.reduce #keops.sum over j (%4) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %5 : !keops.vec<1xf32, i>
}

// One factor of a product takes it all, and each term of a sum its own.
// CHECK-LABEL: keops.formula @products
// CHECK-SAME: (%[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>, %[[B:.*]]: !keops.vec<1xf32, j>)
// CHECK-DAG: %[[BC:.*]] = keops.mul %[[B]], %
// CHECK-DAG: %[[XC:.*]] = keops.mul %[[X]], %
// CHECK: %[[XY:.*]] = keops.mul %[[XC]], %[[Y]]
// CHECK: %[[DOT:.*]] = keops.fold #keops.sum %[[XY]]
// CHECK: %[[POWER:.*]] = keops.add %[[DOT]], %[[BC]]
// CHECK: keops.exp2 %[[POWER]]
keops.formula @products(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>, %b: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %y : <3xf32, i>, <3xf32, j>
  %1 = keops.fold #keops.sum %0 : <3xf32, ij>
  %2 = keops.add %1, %b : <1xf32, ij>, <1xf32, j>
  %3 = keops.exp %2 : <1xf32, ij>
  %4 = keops.reduce #keops.sum over j (%3) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %4 : !keops.vec<1xf32, i>
}

// What sums need of the same values loses the factor after the sum: the difference in a gradient, or the exponent.
// CHECK-LABEL: keops.formula @gradient
// CHECK-SAME: (%[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>)
// CHECK-DAG: %[[XC:.*]] = keops.mul %[[X]], %
// CHECK-DAG: %[[YC:.*]] = keops.mul %[[Y]], %
// CHECK: %[[D:.*]] = keops.sub %[[XC]], %[[YC]]
// CHECK: %[[EXP:.*]] = keops.exp2
// CHECK: %[[TERM:.*]] = keops.mul %[[EXP]], %[[D]]
// CHECK: %[[SUM:.*]] = keops.reduce #keops.sum over j (%[[TERM]])
// CHECK: %[[INVERSE:.*]] = keops.constant 0.832554{{.*}}
// CHECK: %[[GRADIENT:.*]] = keops.mul %[[SUM]], %[[INVERSE]]
// CHECK: keops.return %[[GRADIENT]]
keops.formula @gradient(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<3xf32, i> {
  %0 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
  %1 = keops.mul %0, %0 : <3xf32, ij>, <3xf32, ij>
  %2 = keops.fold #keops.sum %1 : <3xf32, ij>
  %3 = keops.neg %2 : <1xf32, ij>
  %4 = keops.exp %3 : <1xf32, ij>
  %5 = keops.mul %4, %0 : <1xf32, ij>, <3xf32, ij>
  %6 = keops.reduce #keops.sum over j (%5) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, i>
  keops.return %6 : !keops.vec<3xf32, i>
}

// Two sums of one scaled value, each of which loses the factor.
// CHECK-LABEL: keops.formula @moments
// CHECK: %[[EXP:.*]] = keops.exp2
// CHECK: %[[TERM:.*]] = keops.mul %[[EXP]], %
// CHECK-DAG: %[[B:.*]] = keops.mul %[[TERM]], %arg2
// CHECK-DAG: %[[C:.*]] = keops.mul %[[TERM]], %arg3
// CHECK-DAG: %[[SUM_B:.*]] = keops.reduce #keops.sum over j (%[[B]])
// CHECK-DAG: %[[SUM_C:.*]] = keops.reduce #keops.sum over j (%[[C]])
// CHECK-DAG: %[[RESULT_B:.*]] = keops.mul %[[SUM_B]], %
// CHECK-DAG: %[[RESULT_C:.*]] = keops.mul %[[SUM_C]], %
// CHECK: keops.return %[[RESULT_B]], %[[RESULT_C]]
keops.formula @moments(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>, %b: !keops.vec<1xf32, j>, %c: !keops.vec<1xf32, j>) -> (!keops.vec<3xf32, i>, !keops.vec<3xf32, i>) {
  %0 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
  %1 = keops.mul %0, %0 : <3xf32, ij>, <3xf32, ij>
  %2 = keops.fold #keops.sum %1 : <3xf32, ij>
  %3 = keops.neg %2 : <1xf32, ij>
  %4 = keops.exp %3 : <1xf32, ij>
  %5 = keops.mul %4, %0 : <1xf32, ij>, <3xf32, ij>
  %6 = keops.mul %5, %b : <3xf32, ij>, <1xf32, j>
  %7 = keops.mul %5, %c : <3xf32, ij>, <1xf32, j>
  %8 = keops.reduce #keops.sum over j (%6) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, i>
  %9 = keops.reduce #keops.sum over j (%7) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, i>
  keops.return %8, %9 : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
}

// A distance that more than a product needs would be computed twice, a root takes no factor for nothing, and a long vector
// that is read for itself would be stored twice.
// CHECK-LABEL: keops.formula @costly
// CHECK-NOT: keops.exp2
keops.formula @costly(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>, %u: !keops.vec<9xf32, i>, %v: !keops.vec<9xf32, j>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<9xf32, i>) {
  %0 = keops.mul %x, %y : <3xf32, i>, <3xf32, j>
  %1 = keops.fold #keops.sum %0 : <3xf32, ij>
  %2 = keops.exp %1 : <1xf32, ij>
  %root = keops.sqrt %1 : <1xf32, ij>
  %3 = keops.mul %root, %2 : <1xf32, ij>, <1xf32, ij>
  %4 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
  %5 = keops.mul %4, %4 : <3xf32, ij>, <3xf32, ij>
  %6 = keops.fold #keops.sum %5 : <3xf32, ij>
  %7 = keops.sqrt %6 : <1xf32, ij>
  %8 = keops.exp %7 : <1xf32, ij>
  %9 = keops.sub %u, %v : <9xf32, i>, <9xf32, j>
  %10 = keops.mul %9, %9 : <9xf32, ij>, <9xf32, ij>
  %11 = keops.fold #keops.sum %10 : <9xf32, ij>
  %12 = keops.exp %11 : <1xf32, ij>
  %13 = keops.mul %12, %v : <1xf32, ij>, <9xf32, j>
  %14 = keops.reduce #keops.sum over j (%3) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %15 = keops.reduce #keops.sum over j (%8) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %16 = keops.reduce #keops.sum over j (%13) : (!keops.vec<9xf32, ij>) -> !keops.vec<9xf32, i>
  keops.return %14, %15, %16 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<9xf32, i>
}


// In f64 a power of two is no less work.

// CHECK-LABEL: keops.formula @f64
// CHECK-NOT: keops.exp2
keops.formula @f64(%x: !keops.vec<1xf64, i>, %y: !keops.vec<1xf64, j>) -> !keops.vec<1xf64, i> {
  %0 = keops.mul %x, %y : <1xf64, i>, <1xf64, j>
  %1 = keops.exp %0 : <1xf64, ij>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<1xf64, ij>) -> !keops.vec<1xf64, i>
  keops.return %2 : !keops.vec<1xf64, i>
}
