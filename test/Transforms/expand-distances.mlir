// RUN: keops-opt %s --keops-expand-distances | FileCheck %s

// Norms and product around the middle, and the distance where the largest norms say so: 104.86 is 10⁻⁴ divided by 16
// roundings. Both read the same vectors, which then are x and y to the last bit.

// CHECK-LABEL: keops.formula @gaussian
// CHECK-SAME: (%[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>, %[[G:.*]]: !keops.vec<1xf32>)
// CHECK-DAG: keops.reduce #keops.extremum<min> over i once (%[[X]])
// CHECK-DAG: keops.reduce #keops.extremum<max> over i once (%[[X]])
// CHECK: %[[MIDDLE:.*]] = keops.add
// CHECK: %[[CENTRE:.*]] = keops.select %{{.*}}, %[[MIDDLE]], %
// CHECK: keops.reduce #keops.extremum<max> over i once
// CHECK: keops.reduce #keops.extremum<max> over j once
// CHECK: keops.constant 104.857
// CHECK: %[[ACCURATE:.*]] = keops.cmp le
// CHECK: %[[SHIFT:.*]] = keops.select %[[ACCURATE]], %[[CENTRE]], %
// CHECK-DAG: %[[XS:.*]] = keops.sub %[[X]], %[[SHIFT]]
// CHECK-DAG: %[[YS:.*]] = keops.sub %[[Y]], %[[SHIFT]]
// CHECK: %[[SCALE:.*]] = keops.select %[[ACCURATE]], %
// CHECK: %[[U:.*]] = keops.mul %[[XS]], %[[SCALE]]
// CHECK: keops.mul %[[YS]], %[[U]] : <3xf32, j>, <3xf32, i>
// CHECK: %[[EXPANDED:.*]] = keops.add %{{.*}} : <1xf32, ij>, <1xf32, i>
// CHECK: %[[D:.*]] = keops.sub %[[U]], %[[YS]]
// CHECK: keops.mul %[[D]], %[[D]]
// CHECK: %[[EXACT:.*]] = keops.fold
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

// Differences that a gradient needs, and roots, are left.
// CHECK-LABEL: keops.formula @others
// CHECK-NOT: keops.either
keops.formula @others(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> (!keops.vec<3xf32, i>, !keops.vec<1xf32, i>) {
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
  keops.return %5, %11 : !keops.vec<3xf32, i>, !keops.vec<1xf32, i>
}

// Powers of two, of which as much may be lost as makes a share of 10⁻⁴, and the factors behind several products.
// CHECK-LABEL: keops.formula @powers
// CHECK: %[[FACTOR:.*]] = keops.div %{{.*}} : <1xf32>, <1xf32>
// CHECK: keops.abs %[[FACTOR]]
// CHECK: keops.constant 151.2
// CHECK: keops.select {{.*}} {keops.either}
keops.formula @powers(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>, %g: !keops.vec<1xf32>, %h: !keops.vec<1xf32>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %y, %x : <3xf32, j>, <3xf32, i>
  %1 = keops.mul %0, %0 : <3xf32, ij>, <3xf32, ij>
  %2 = keops.fold #keops.sum %1 : <3xf32, ij>
  %3 = keops.mul %2, %g : <1xf32, ij>, <1xf32>
  %4 = keops.div %3, %h : <1xf32, ij>, <1xf32>
  %5 = keops.exp2 %4 : <1xf32, ij>
  %6 = keops.reduce #keops.sum over j (%5) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %6 : !keops.vec<1xf32, i>
}

// The exponent of a log-sum-exp, and no term that is summed as it is.
// CHECK-LABEL: keops.formula @logsumexp
// CHECK: %[[CHOICE:.*]] = keops.select {{.*}} {keops.either}
// CHECK: %[[POWER:.*]] = keops.neg %[[CHOICE]]
// CHECK: keops.reduce #keops.logsumexp over j (%[[POWER]])
// CHECK-NOT: keops.either
keops.formula @logsumexp(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>) {
  %0 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
  %1 = keops.mul %0, %0 : <3xf32, ij>, <3xf32, ij>
  %2 = keops.fold #keops.sum %1 : <3xf32, ij>
  %3 = keops.neg %2 : <1xf32, ij>
  %4 = keops.reduce #keops.logsumexp over j (%3) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %5 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
  %6 = keops.mul %5, %5 : <3xf32, ij>, <3xf32, ij>
  %7 = keops.fold #keops.sum %6 : <3xf32, ij>
  %8 = keops.reduce #keops.sum over j (%7) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %4, %8 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
}
