// Code grows with the number of ops and not with the dimension: at D = 1000 the kernels are those of D = 3 but for the
// number itself.
// RUN: keops-opt %s --keops-tile --cse | sed s/1000/3/g > %t.1000
// RUN: sed s/1000/3/g %s | keops-opt --keops-tile --cse > %t.3
// RUN: diff %t.1000 %t.3
// RUN: FileCheck %s < %t.3

// CHECK-LABEL: keops.kernel @distance
// CHECK-COUNT-1: keops.contract #keops.sum over 3
// CHECK-NOT:     keops.contract
// CHECK-LABEL: keops.kernel @gradient
keops.formula @distance(%x: !keops.vec<1000xf32, i>, %y: !keops.vec<1000xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<1000xf32, i>, !keops.vec<1000xf32, j>
  %1 = keops.mul %0, %0 : !keops.vec<1000xf32, ij>, !keops.vec<1000xf32, ij>
  %2 = keops.fold #keops.sum %1 : !keops.vec<1000xf32, ij>
  %3 = keops.reduce #keops.sum over j (%2) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %3 : !keops.vec<1xf32, i>
}

keops.formula @gradient(%x: !keops.vec<1000xf32, i>, %y: !keops.vec<1000xf32, j>) -> !keops.vec<1000xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<1000xf32, i>, !keops.vec<1000xf32, j>
  %1 = keops.mul %0, %0 : !keops.vec<1000xf32, ij>, !keops.vec<1000xf32, ij>
  %2 = keops.fold #keops.sum %1 : !keops.vec<1000xf32, ij>
  %3 = keops.mul %2, %0 : !keops.vec<1xf32, ij>, !keops.vec<1000xf32, ij>
  %4 = keops.reduce #keops.sum over j (%3) : (!keops.vec<1000xf32, ij>) -> !keops.vec<1000xf32, i>
  keops.return %4 : !keops.vec<1000xf32, i>
}
