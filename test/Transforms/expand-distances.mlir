// RUN: keops-opt %s --keops-expand-distances | FileCheck %s

// Norms and product around the middle, and the distance as it was where the largest norms say so: 104.86 is 10⁻⁴ divided by
// 16 roundings.

// CHECK-LABEL: keops.formula @gaussian
// CHECK-SAME: (%[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>, %[[G:.*]]: !keops.vec<1xf32>)
// CHECK: %[[D:.*]] = keops.sub %[[X]], %[[Y]]
// CHECK: %[[EXACT:.*]] = keops.fold
// CHECK-DAG: keops.reduce #keops.extremum<min> over i once (%[[X]])
// CHECK-DAG: keops.reduce #keops.extremum<max> over i once (%[[X]])
// CHECK: %[[MIDDLE:.*]] = keops.add
// CHECK: %[[CENTRE:.*]] = keops.select %{{.*}}, %[[MIDDLE]], %
// CHECK: %[[XC:.*]] = keops.sub %[[X]], %[[CENTRE]]
// CHECK: %[[YC:.*]] = keops.sub %[[Y]], %[[CENTRE]]
// CHECK: %[[EXPANDED:.*]] = keops.add %{{.*}} : <1xf32, ij>, <1xf32, i>
// CHECK: keops.reduce #keops.extremum<max> over i once
// CHECK: keops.reduce #keops.extremum<max> over j once
// CHECK: keops.constant 104.857
// CHECK: %[[ACCURATE:.*]] = keops.cmp le
// CHECK: %[[DISTANCE:.*]] = keops.select %[[ACCURATE]], %[[EXPANDED]], %[[EXACT]] {keops.either}
// CHECK: %[[POWER:.*]] = keops.mul %[[DISTANCE]], %[[G]]
// CHECK: keops.exp %[[POWER]]
keops.formula @gaussian(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>, %g: !keops.vec<1xf32>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
  %1 = keops.mul %0, %0 : <3xf32, ij>, <3xf32, ij>
  %2 = keops.fold #keops.sum %1 : <3xf32, ij>
  %3 = keops.mul %2, %g : <1xf32, ij>, <1xf32>
  %4 = keops.exp %3 : <1xf32, ij>
  %5 = keops.reduce #keops.sum over j (%4) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %5 : !keops.vec<1xf32, i>
}

// Differences that a gradient needs, roots, and vectors that are long are left.
// CHECK-LABEL: keops.formula @others
// CHECK-NOT: keops.either
keops.formula @others(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>, %u: !keops.vec<5xf32, i>, %v: !keops.vec<5xf32, j>) -> (!keops.vec<3xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>) {
  %0 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
  %1 = keops.mul %0, %0 : <3xf32, ij>, <3xf32, ij>
  %2 = keops.fold #keops.sum %1 : <3xf32, ij>
  %3 = keops.exp %2 : <1xf32, ij>
  %4 = keops.mul %3, %0 : <1xf32, ij>, <3xf32, ij>
  %5 = keops.reduce #keops.sum over j (%4) : (!keops.vec<3xf32, ij>) -> !keops.vec<3xf32, i>
  %6 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
  %7 = keops.mul %6, %6 : <3xf32, ij>, <3xf32, ij>
  %8 = keops.fold #keops.sum %7 : <3xf32, ij>
  %9 = keops.sqrt %8 : <1xf32, ij>
  %10 = keops.exp %9 : <1xf32, ij>
  %11 = keops.reduce #keops.sum over j (%10) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %12 = keops.sub %u, %v : <5xf32, i>, <5xf32, j>
  %13 = keops.mul %12, %12 : <5xf32, ij>, <5xf32, ij>
  %14 = keops.fold #keops.sum %13 : <5xf32, ij>
  %15 = keops.exp %14 : <1xf32, ij>
  %16 = keops.reduce #keops.sum over j (%15) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %5, %11, %16 : !keops.vec<3xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
}
