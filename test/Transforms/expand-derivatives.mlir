// RUN: keops-opt %s --keops-expand-derivatives | FileCheck %s

// Formulas without derivatives stay as they are, unused values included.
// CHECK-LABEL: keops.formula @nothing_to_do(
// CHECK-NEXT:    keops.exp
// CHECK-NEXT:    keops.return
keops.formula @nothing_to_do(%x: !keops.vec<3xf32, i>) {
  %0 = keops.exp %x : !keops.vec<3xf32, i>
  keops.return
}

// CHECK-LABEL: keops.formula @reuses_the_value(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[E:.*]]: !keops.vec<3xf32, i>)
// CHECK-NEXT:    %[[EXP:.*]] = keops.exp %[[X]]
// CHECK-NEXT:    %[[G:.*]] = keops.mul %[[E]], %[[EXP]]
// CHECK-NEXT:    keops.return %[[G]]
keops.formula @reuses_the_value(%x: !keops.vec<3xf32, i>, %e: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  %0 = keops.exp %x : !keops.vec<3xf32, i>
  %1 = keops.grad %0 wrt %x cotangent %e : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return %1 : !keops.vec<3xf32, i>
}

// What the derivative does not need is gone, and the type says what is left of the indices.
// CHECK-LABEL: keops.formula @follows_fewer_indices(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<2xf32, i>, %[[P:.*]]: !keops.vec<2xf32>) -> !keops.vec<1xf32> {
// CHECK-NEXT:    %[[SUM:.*]] = keops.fold #keops.sum %[[P]] : <2xf32>
// CHECK-NEXT:    keops.return %[[SUM]] : !keops.vec<1xf32>
keops.formula @follows_fewer_indices(%x: !keops.vec<2xf32, i>, %p: !keops.vec<2xf32>) -> !keops.vec<1xf32, i> {
  %0 = keops.add %x, %p : !keops.vec<2xf32, i>, !keops.vec<2xf32>
  %1 = keops.diff %0 wrt %x tangent %p : !keops.vec<2xf32, i>, !keops.vec<2xf32, i>, !keops.vec<2xf32>
  %2 = keops.fold #keops.sum %1 : !keops.vec<2xf32, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

// The cotangent of an operand that was broadcast is a sum of components.
// CHECK-LABEL: keops.formula @broadcast_operands_sum(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[S:.*]]: !keops.vec<1xf32, i>, %[[E:.*]]: !keops.vec<3xf32, i>)
// CHECK-NEXT:    %[[MUL:.*]] = keops.mul %[[E]], %[[X]]
// CHECK-NEXT:    %[[SUM:.*]] = keops.fold #keops.sum %[[MUL]]
// CHECK-NEXT:    keops.return %[[SUM]]
keops.formula @broadcast_operands_sum(%x: !keops.vec<3xf32, i>, %s: !keops.vec<1xf32, i>, %e: !keops.vec<3xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %s : !keops.vec<3xf32, i>, !keops.vec<1xf32, i>
  %1 = keops.grad %0 wrt %s cotangent %e : !keops.vec<3xf32, i>, !keops.vec<1xf32, i>, !keops.vec<3xf32, i>
  keops.return %1 : !keops.vec<1xf32, i>
}

// A choice masks the cotangent before anything else happens to it.
// CHECK-LABEL: keops.formula @choice_masks_first(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[E:.*]]: !keops.vec<3xf32, i>)
// CHECK:         %[[MASK:.*]] = keops.cmp lt
// CHECK-NEXT:    %[[ZERO:.*]] = keops.constant 0.0
// CHECK-NEXT:    %[[PART:.*]] = keops.select %[[MASK]], %[[E]], %[[ZERO]]
// CHECK-NEXT:    %[[SUM:.*]] = keops.fold #keops.sum %[[PART]]
// CHECK-NEXT:    %[[ALL:.*]] = keops.broadcast %[[SUM]] to 3
// CHECK-NEXT:    keops.return %[[ALL]]
keops.formula @choice_masks_first(%x: !keops.vec<3xf32, i>, %e: !keops.vec<3xf32, i>) -> !keops.vec<3xf32, i> {
  %0 = keops.cmp lt %x, %e : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  %1 = keops.fold #keops.sum %x : !keops.vec<3xf32, i>
  %2 = keops.select %0, %1, %e : !keops.vec<3xi1, i>, !keops.vec<1xf32, i>, !keops.vec<3xf32, i>
  %3 = keops.grad %2 wrt %x cotangent %e : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
  keops.return %3 : !keops.vec<3xf32, i>
}

// The inner derivative is written out first; (x³)'' = 6x.
// CHECK-LABEL: keops.formula @inner_first(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>)
// CHECK-DAG:     %[[TWO:.*]] = keops.constant 2.0
// CHECK-DAG:     %[[THREE:.*]] = keops.constant 3.0
// CHECK-DAG:     %[[TWICE:.*]] = keops.mul %{{.*}}, %[[TWO]]
// CHECK-DAG:     keops.mul %[[TWICE]], %[[X]]
// CHECK-NOT:     keops.grad
// CHECK-NOT:     keops.diff
keops.formula @inner_first(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  %one = keops.constant 1.0 : !keops.vec<1xf32>
  %0 = keops.ipow %x, 3 : !keops.vec<1xf32, i>
  %1 = keops.grad %0 wrt %x cotangent %one : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32>
  %2 = keops.grad %1 wrt %x cotangent %one : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32>
  keops.return %2 : !keops.vec<1xf32, i>
}

// A value that is the result of an op can be the variable; what made it is constant then.
// CHECK-LABEL: keops.formula @value_as_variable(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[E:.*]]: !keops.vec<1xf32, i>)
// CHECK-NEXT:    %[[MUL:.*]] = keops.mul %[[E]], %[[X]]
// CHECK-NEXT:    keops.return %[[MUL]]
keops.formula @value_as_variable(%x: !keops.vec<1xf32, i>, %e: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.sin %x : !keops.vec<1xf32, i>
  %1 = keops.mul %0, %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  %2 = keops.grad %1 wrt %0 cotangent %e : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

// The derivative in one component costs one component.
// CHECK-LABEL: keops.formula @unit_tangents_stay_small(
// CHECK-NOT:     keops.exp {{.*}} : <100xf32
// CHECK:         %[[PART:.*]] = keops.slice %{{.*}}[7, 1]
// CHECK-NEXT:    %[[PAD:.*]] = keops.pad %[[PART]] at 7 in 100
// CHECK-NEXT:    keops.return %[[PAD]]
keops.formula @unit_tangents_stay_small(%x: !keops.vec<100xf32, i>, %y: !keops.vec<100xf32, i>) -> !keops.vec<100xf32, i> {
  %one = keops.constant 1.0 : !keops.vec<1xf32>
  %unit = keops.pad %one at 7 in 100 : !keops.vec<1xf32>
  %0 = keops.mul %x, %y : !keops.vec<100xf32, i>, !keops.vec<100xf32, i>
  %1 = keops.diff %0 wrt %x tangent %unit : !keops.vec<100xf32, i>, !keops.vec<100xf32, i>, !keops.vec<100xf32>
  keops.return %1 : !keops.vec<100xf32, i>
}

// Where nothing varies, nothing is computed.
// CHECK-LABEL: keops.formula @no_way_between(
// CHECK-NEXT:    %[[ZERO:.*]] = keops.constant 0.0{{.*}} : <2xf32>
// CHECK-NEXT:    keops.return %[[ZERO]]
keops.formula @no_way_between(%x: !keops.vec<2xf32, i>) -> !keops.vec<2xf32, i> {
  %0 = keops.floor %x : !keops.vec<2xf32, i>
  %1 = keops.grad %0 wrt %x cotangent %x : !keops.vec<2xf32, i>, !keops.vec<2xf32, i>, !keops.vec<2xf32, i>
  keops.return %1 : !keops.vec<2xf32, i>
}

// A trace takes one sweep for each scalar that components share, here the sum of squares, whatever the dimension:
// Σ_k ∂(x_k |x|²)/∂x_k = n |x|² + ⟨x, 2x⟩.
// CHECK-LABEL: keops.formula @trace_by_scalars(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1000xf32, i>)
// CHECK-NEXT:    %[[XX:.*]] = keops.mul %[[X]], %[[X]]
// CHECK-NEXT:    %[[S:.*]] = keops.fold #keops.sum %[[XX]]
// CHECK-NEXT:    %[[N:.*]] = keops.constant 1.000000e+03
// CHECK-NEXT:    %[[DIRECT:.*]] = keops.mul %[[S]], %[[N]]
// CHECK-NEXT:    %[[TWO:.*]] = keops.constant 2.0
// CHECK-NEXT:    %[[TWICE:.*]] = keops.mul %[[X]], %[[TWO]]
// CHECK-NEXT:    %[[C:.*]] = keops.mul %[[TWICE]], %[[X]]
// CHECK-NEXT:    %[[SHARED:.*]] = keops.fold #keops.sum %[[C]]
// CHECK-NEXT:    %[[T:.*]] = keops.add %[[DIRECT]], %[[SHARED]]
// CHECK-NEXT:    keops.return %[[T]]
keops.formula @trace_by_scalars(%x: !keops.vec<1000xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %x : !keops.vec<1000xf32, i>, !keops.vec<1000xf32, i>
  %1 = keops.fold #keops.sum %0 : !keops.vec<1000xf32, i>
  %2 = keops.mul %x, %1 : !keops.vec<1000xf32, i>, !keops.vec<1xf32, i>
  %one = keops.constant 1.0 : !keops.vec<1xf32>
  %3 = keops.trace %2 wrt %x weights %one : !keops.vec<1000xf32, i>, !keops.vec<1000xf32, i>, !keops.vec<1xf32>
  keops.return %3 : !keops.vec<1xf32, i>
}

// Weights are the cotangent that starts.
// CHECK-LABEL: keops.formula @trace_with_weights(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[W:.*]]: !keops.vec<3xf32>)
// CHECK-NEXT:    %[[E:.*]] = keops.exp %[[X]]
// CHECK-NEXT:    %[[P:.*]] = keops.mul %[[W]], %[[E]]
// CHECK-NEXT:    %[[T:.*]] = keops.fold #keops.sum %[[P]]
// CHECK-NEXT:    keops.return %[[T]]
keops.formula @trace_with_weights(%x: !keops.vec<3xf32, i>, %w: !keops.vec<3xf32>) -> !keops.vec<1xf32, i> {
  %0 = keops.exp %x : !keops.vec<3xf32, i>
  %1 = keops.trace %0 wrt %x weights %w : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>, !keops.vec<3xf32>
  keops.return %1 : !keops.vec<1xf32, i>
}

// Where components are made of each other otherwise, there is a tangent for each.
// CHECK-LABEL: keops.formula @trace_by_components(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<2xf32, i>)
// CHECK-DAG:     %[[X0:.*]] = keops.slice %{{.*}}[0, 1]
// CHECK-DAG:     keops.return
keops.formula @trace_by_components(%x: !keops.vec<2xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %x : !keops.vec<2xf32, i>, !keops.vec<2xf32, i>
  %1 = keops.reverse %0 : !keops.vec<2xf32, i>
  %2 = keops.trace %1 wrt %x weights %x : !keops.vec<2xf32, i>, !keops.vec<2xf32, i>, !keops.vec<2xf32, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

//===----------------------------------------------------------------------===//
// Totals
//===----------------------------------------------------------------------===//

// The gradient of Σ_j exp(−‖x − y‖²) b in x is a sum over j again; the cotangent leaves it.
// CHECK-LABEL: keops.formula @gauss_in_x(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>, %[[B:.*]]: !keops.vec<1xf32, j>, %[[E:.*]]: !keops.vec<1xf32, i>)
// CHECK:         %[[D:.*]] = keops.sub %[[X]], %[[Y]]
// CHECK:         %[[K:.*]] = keops.exp
// CHECK-NEXT:    %[[KB:.*]] = keops.mul %[[B]], %[[K]] : <1xf32, j>, <1xf32, ij>
// CHECK-NEXT:    %[[NEG:.*]] = keops.neg %[[KB]]
// CHECK-NEXT:    %[[TWO:.*]] = keops.constant 2.0
// CHECK-NEXT:    %[[SCALE:.*]] = keops.mul %[[NEG]], %[[TWO]] : <1xf32, ij>, <1xf32>
// CHECK-NEXT:    %[[TERM:.*]] = keops.mul %[[SCALE]], %[[D]] : <1xf32, ij>, <3xf32, ij>
// CHECK-NEXT:    %[[SUM:.*]] = keops.reduce #keops.sum over j (%[[TERM]])
// CHECK-NEXT:    %[[G:.*]] = keops.mul %[[SUM]], %[[E]] : <3xf32, i>, <1xf32, i>
// CHECK-NEXT:    keops.return %[[G]] : !keops.vec<3xf32, i>
keops.formula @gauss_in_x(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>, %b: !keops.vec<1xf32, j>, %e: !keops.vec<1xf32, i>) -> !keops.vec<3xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  %1 = keops.mul %0, %0 : !keops.vec<3xf32, ij>, !keops.vec<3xf32, ij>
  %2 = keops.fold #keops.sum %1 : !keops.vec<3xf32, ij>
  %3 = keops.neg %2 : !keops.vec<1xf32, ij>
  %4 = keops.exp %3 : !keops.vec<1xf32, ij>
  %5 = keops.mul %4, %b : !keops.vec<1xf32, ij>, !keops.vec<1xf32, j>
  %6 = keops.reduce #keops.sum over j (%5) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %7 = keops.grad total %6 wrt %x cotangent %e : !keops.vec<1xf32, i>, !keops.vec<3xf32, i>, !keops.vec<1xf32, i>
  keops.return %7 : !keops.vec<3xf32, i>
}

// In a variable of the reduced index the sum is over the other one, and the cotangent is inside.
// CHECK-LABEL: keops.formula @product_in_y(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<2xf32, i>, %[[Y:.*]]: !keops.vec<2xf32, j>, %[[E:.*]]: !keops.vec<2xf32, i>) -> !keops.vec<2xf32, j> {
// CHECK-NEXT:    %[[TERM:.*]] = keops.mul %[[E]], %[[X]] : <2xf32, i>, <2xf32, i>
// CHECK-NEXT:    %[[SUM:.*]] = keops.reduce #keops.sum over i (%[[TERM]])
// CHECK-NEXT:    keops.return %[[SUM]] : !keops.vec<2xf32, j>
keops.formula @product_in_y(%x: !keops.vec<2xf32, i>, %y: !keops.vec<2xf32, j>, %e: !keops.vec<2xf32, i>) -> !keops.vec<2xf32, j> {
  %0 = keops.mul %x, %y : !keops.vec<2xf32, i>, !keops.vec<2xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<2xf32, ij>) -> !keops.vec<2xf32, i>
  %2 = keops.grad total %1 wrt %y cotangent %e : !keops.vec<2xf32, i>, !keops.vec<2xf32, j>, !keops.vec<2xf32, i>
  keops.return %2 : !keops.vec<2xf32, j>
}

// In a parameter both indices are summed over, the reduced one first.
// CHECK-LABEL: keops.formula @product_in_p(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[P:.*]]: !keops.vec<1xf32>, %[[E:.*]]: !keops.vec<1xf32, i>) -> !keops.vec<1xf32> {
// CHECK-NEXT:    %[[TERM:.*]] = keops.mul %[[X]], %[[Y]]
// CHECK-NEXT:    %[[ROWS:.*]] = keops.reduce #keops.sum over j (%[[TERM]])
// CHECK-NEXT:    %[[PART:.*]] = keops.mul %[[ROWS]], %[[E]] : <1xf32, i>, <1xf32, i>
// CHECK-NEXT:    %[[ALL:.*]] = keops.reduce #keops.sum over i once (%[[PART]]) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
// CHECK-NEXT:    keops.return %[[ALL]] : !keops.vec<1xf32>
keops.formula @product_in_p(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %p: !keops.vec<1xf32>, %e: !keops.vec<1xf32, i>) -> !keops.vec<1xf32> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.mul %0, %p : !keops.vec<1xf32, ij>, !keops.vec<1xf32>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %3 = keops.grad total %2 wrt %p cotangent %e : !keops.vec<1xf32, i>, !keops.vec<1xf32>, !keops.vec<1xf32, i>
  keops.return %3 : !keops.vec<1xf32>
}

// The sum stands where j ends: at the dot product's other factor of dimension 1, not at x.
// CHECK-LABEL: keops.formula @sums_where_the_index_ends(
// CHECK:         keops.reduce #keops.sum over j (%{{.*}}) : (!keops.vec<1xf32, {{.*}}>) -> !keops.vec<1xf32, i>
// CHECK-NOT:     keops.reduce
keops.formula @sums_where_the_index_ends(%x: !keops.vec<50xf32, i>, %y: !keops.vec<1xf32, j>, %e: !keops.vec<1xf32, i>) -> !keops.vec<50xf32, i> {
  %0 = keops.mul %x, %x : !keops.vec<50xf32, i>, !keops.vec<50xf32, i>
  %1 = keops.fold #keops.sum %0 : !keops.vec<50xf32, i>
  %2 = keops.mul %1, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %3 = keops.reduce #keops.sum over j (%2) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %4 = keops.grad total %3 wrt %x cotangent %e : !keops.vec<1xf32, i>, !keops.vec<50xf32, i>, !keops.vec<1xf32, i>
  keops.return %4 : !keops.vec<50xf32, i>
}

// The gradient of a log-sum-exp is a mean, in one pass and without the log-sum-exp itself.
// CHECK-LABEL: keops.formula @logsumexp_in_x(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[E:.*]]: !keops.vec<1xf32, i>)
// CHECK-NEXT:    %[[F:.*]] = keops.mul %[[X]], %[[Y]]
// CHECK-NEXT:    %[[MEAN:.*]] = keops.reduce #keops.softmax over j (%[[F]], %[[Y]])
// CHECK-NEXT:    %[[G:.*]] = keops.mul %[[MEAN]], %[[E]]
// CHECK-NEXT:    keops.return %[[G]]
keops.formula @logsumexp_in_x(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %e: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.logsumexp over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.grad total %1 wrt %x cotangent %e : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

// All sums of a derivative are added as the formula's are.
// CHECK-LABEL: keops.formula @sums_of_one_kind(
// CHECK:         keops.reduce #keops.logsumexp<kahan> over j
// CHECK:         keops.reduce #keops.sum<kahan> over i
// CHECK:         keops.reduce #keops.softmax<kahan> over j
keops.formula @sums_of_one_kind(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %e: !keops.vec<1xf32, i>) -> (!keops.vec<1xf32, j>, !keops.vec<1xf32, i>) {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.logsumexp<kahan> over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.grad total %1 wrt %y cotangent %e : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>, !keops.vec<1xf32, i>
  %3 = keops.grad total %1 wrt %x cotangent %e : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %2, %3 : !keops.vec<1xf32, j>, !keops.vec<1xf32, i>
}

// Over the other index the weights exp(F − L) are written out.
// CHECK-LABEL: keops.formula @logsumexp_in_y(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[E:.*]]: !keops.vec<1xf32, i>)
// CHECK-NEXT:    %[[F:.*]] = keops.mul %[[X]], %[[Y]]
// CHECK-NEXT:    %[[L:.*]] = keops.reduce #keops.logsumexp over j (%[[F]])
// CHECK-NEXT:    %[[SHIFTED:.*]] = keops.sub %[[F]], %[[L]]
// CHECK-NEXT:    %[[P:.*]] = keops.exp %[[SHIFTED]]
// CHECK-NEXT:    %[[WEIGHTED:.*]] = keops.mul %[[X]], %[[P]]
// CHECK-NEXT:    %[[TERM:.*]] = keops.mul %[[WEIGHTED]], %[[E]]
// CHECK-NEXT:    %[[SUM:.*]] = keops.reduce #keops.sum over i (%[[TERM]])
// CHECK-NEXT:    keops.return %[[SUM]]
keops.formula @logsumexp_in_y(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %e: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, j> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.logsumexp over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.grad total %1 wrt %y cotangent %e : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>, !keops.vec<1xf32, i>
  keops.return %2 : !keops.vec<1xf32, j>
}

// Without any way there is still a row of zeros for each row of the variable.
// CHECK-LABEL: keops.formula @rows_of_zeros(
// CHECK:         %[[ZERO:.*]] = keops.constant 0.0{{.*}} : <2xf32>
// CHECK-NEXT:    %[[ROWS:.*]] = keops.reduce #keops.sum over j (%[[ZERO]]) : (!keops.vec<2xf32>) -> !keops.vec<2xf32, i>
// CHECK-NEXT:    keops.return %[[ROWS]]
keops.formula @rows_of_zeros(%x: !keops.vec<2xf32, i>, %y: !keops.vec<1xf32, j>, %e: !keops.vec<1xf32, i>) -> !keops.vec<2xf32, i> {
  %0 = keops.reduce #keops.sum over j (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  %1 = keops.grad total %0 wrt %x cotangent %e : !keops.vec<1xf32, i>, !keops.vec<2xf32, i>, !keops.vec<1xf32, i>
  keops.return %1 : !keops.vec<2xf32, i>
}

// The tangent of an extremum is that of its term where it was found, its adjoint a value at that pair; where nothing was
// found both are zero.
// CHECK-LABEL: keops.formula @minimum(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[E:.*]]: !keops.vec<1xf32, i>)
// CHECK-NEXT:    %[[F:.*]] = keops.mul %[[X]], %[[Y]]
// CHECK-NEXT:    %[[M:.*]]:2 = keops.reduce #keops.extremum<min_argmin> over j (%[[F]])
// CHECK-NEXT:    %[[INF:.*]] = keops.constant 0x7FF0000000000000
// CHECK-NEXT:    %[[FOUND:.*]] = keops.cmp lt %[[M]]#0, %[[INF]]
// CHECK-NEXT:    %[[ZERO:.*]] = keops.constant 0.0
// CHECK-NEXT:    %[[MASKED:.*]] = keops.select %[[FOUND]], %[[E]], %[[ZERO]]
// CHECK-NEXT:    %[[AT:.*]] = keops.scatter %[[MASKED]] over j [%[[M]]#1] : <1xf32, i>, <1xi64, i>
// CHECK-NEXT:    %[[TERM:.*]] = keops.mul %[[AT]], %[[X]]
// CHECK-NEXT:    %[[GY:.*]] = keops.reduce #keops.sum over i (%[[TERM]])
// CHECK-NEXT:    %[[T:.*]] = keops.mul %[[E]], %[[Y]]
// CHECK-NEXT:    %[[AGAIN:.*]]:2 = keops.reduce #keops.extremum<min_argmin> over j (%[[F]])
// CHECK:         %[[NEAR:.*]] = keops.gather %[[T]] over j [%[[AGAIN]]#1] : <1xf32, ij>, <1xi64, i>
keops.formula @minimum(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %e: !keops.vec<1xf32, i>) -> (!keops.vec<1xf32, j>, !keops.vec<1xf32, i>) {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.extremum<min> over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.grad total %1 wrt %y cotangent %e : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>, !keops.vec<1xf32, i>
  %3 = keops.diff %1 wrt %x tangent %e : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %2, %3 : !keops.vec<1xf32, j>, !keops.vec<1xf32, i>
}
