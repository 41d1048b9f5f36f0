// A compensated sum reaches the processor as it was written: no flag lets the compiler cancel what was lost.
// RUN: keops-translate %s --to=llvmir --target=x86-64-v3 | FileCheck %s

// CHECK-NOT: reassoc
// CHECK-NOT: {{ }}fast{{ }}
// CHECK:     %[[EXACT:.*]] = fsub nsz contract <[[N:.*]] x float> %[[TERM:.*]], %[[LOST:.*]]
// CHECK:     %[[NEXT:.*]] = fadd nsz contract <[[N]] x float> {{.*}}%[[EXACT]]
// CHECK:     %[[GAIN:.*]] = fsub nsz contract <[[N]] x float> %[[NEXT]], %
// CHECK:     fsub nsz contract <[[N]] x float> %[[GAIN]], %[[EXACT]]
// CHECK-NOT: reassoc
keops.formula @sums(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.add %x, %y : <1xf32, i>, <1xf32, j>
  %1 = keops.reduce #keops.sum<kahan> over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %1 : !keops.vec<1xf32, i>
}
