// RUN: keops-opt %s --keops-tile --cse | FileCheck %s

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

// What depends on a parameter alone is computed once per call, on i alone once
// per row, on j alone once per column; what follows the reduction once per row.
// CHECK-LABEL: keops.kernel @each_value_in_the_stage_of_its_indices(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>, %[[P:.*]]: !keops.vec<1xf32>) -> !keops.vec<1xf32, i> {
// CHECK-NEXT:    %[[CALL:.*]] = keops.stage call -> !keops.vec<1xf32> {
// CHECK-NEXT:      %[[Q:.*]] = keops.exp %[[P]]
// CHECK-NEXT:      keops.yield %[[Q]]
// CHECK:         %[[ROWS:.*]] = keops.stage rows -> !keops.vec<1xf32, i> {
// CHECK-NEXT:      %[[XS:.*]] = keops.mul %[[X]], %[[CALL]]
// CHECK-NEXT:      keops.yield %[[XS]]
// CHECK:         %[[COLS:.*]] = keops.stage cols -> !keops.vec<1xf32, j> {
// CHECK-NEXT:      %[[YS:.*]] = keops.log %[[Y]]
// CHECK-NEXT:      keops.yield %[[YS]]
// CHECK:         %[[PAIRS:.*]] = keops.stage pairs -> !keops.vec<1xf32, i> {
// CHECK-NEXT:      %[[S:.*]] = keops.add %[[ROWS]], %[[COLS]] : <1xf32, i>, <1xf32, j>
// CHECK-NEXT:      %[[A:.*]] = keops.accumulate #keops.sum over [1] {
// CHECK-NEXT:      ^bb0(%{{.*}}: index):
// CHECK-NEXT:        keops.yield %[[S]] : !keops.vec<1xf32, ij>
// CHECK-NEXT:      } : !keops.vec<1xf32, i>
// CHECK-NEXT:      keops.yield %[[A]]
// CHECK:         %[[FINISH:.*]] = keops.stage finish -> !keops.vec<1xf32, i> {
// CHECK-NEXT:      %[[F:.*]] = keops.mul %[[PAIRS]], %[[CALL]]
// CHECK-NEXT:      keops.yield %[[F]]
// CHECK:         keops.return %[[FINISH]]
keops.formula @each_value_in_the_stage_of_its_indices(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %p: !keops.vec<1xf32>) -> !keops.vec<1xf32, i> {
  %q = keops.exp %p : !keops.vec<1xf32>
  %xs = keops.mul %x, %q : !keops.vec<1xf32, i>, !keops.vec<1xf32>
  %ys = keops.log %y : !keops.vec<1xf32, j>
  %0 = keops.add %xs, %ys : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.mul %1, %q : !keops.vec<1xf32, i>, !keops.vec<1xf32>
  keops.return %2 : !keops.vec<1xf32, i>
}

// Vectors that another stage reads are stored component by component.
// CHECK-LABEL: keops.kernel @vectors_between_stages_are_stored(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<2xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>)
// CHECK-NEXT:    %[[ROWS:.*]] = keops.stage rows -> !keops.vec<2xf32, i> {
// CHECK-NEXT:      %[[MAP:.*]] = keops.map {
// CHECK-NEXT:      ^bb0(%[[D:.*]]: index):
// CHECK-NEXT:        %[[XD:.*]] = keops.component %[[X]][%[[D]]]
// CHECK-NEXT:        %[[ED:.*]] = keops.exp %[[XD]] : <1xf32, i>
// CHECK-NEXT:        keops.yield %[[ED]]
// CHECK-NEXT:      } : <2xf32, i>
// CHECK-NEXT:      keops.yield %[[MAP]]
// CHECK:         keops.stage pairs
// CHECK:           keops.accumulate #keops.sum over [2] {
// CHECK-NEXT:      ^bb0(%[[K:.*]]: index):
// CHECK-NEXT:        %[[EK:.*]] = keops.component %[[ROWS]][%[[K]]]
// CHECK-NEXT:        keops.mul %[[EK]], %[[Y]]
keops.formula @vectors_between_stages_are_stored(%x: !keops.vec<2xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<2xf32, i> {
  %0 = keops.exp %x : !keops.vec<2xf32, i>
  %1 = keops.mul %0, %y : !keops.vec<2xf32, i>, !keops.vec<1xf32, j>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<2xf32, ij>) -> !keops.vec<2xf32, i>
  keops.return %2 : !keops.vec<2xf32, i>
}

// The kernel keeps i: a formula that keeps j has its indices renamed.
// CHECK-LABEL: keops.kernel @reduction_over_i_renames(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, j>, %[[Y:.*]]: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
// CHECK-NEXT:    %[[ROWS:.*]] = keops.stage rows -> !keops.vec<1xf32, i> {
// CHECK-NEXT:      keops.exp %[[Y]] : <1xf32, i>
// CHECK:         keops.stage pairs -> !keops.vec<1xf32, i> {
// CHECK-NEXT:      keops.add %[[X]], %[[ROWS]] : <1xf32, j>, <1xf32, i>
keops.formula @reduction_over_i_renames(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, j> {
  %0 = keops.exp %y : !keops.vec<1xf32, j>
  %1 = keops.add %x, %0 : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %2 = keops.reduce #keops.sum over i (%1) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, j>
  keops.return %2 : !keops.vec<1xf32, j>
}

// A constant costs nothing: each stage has its own, and none is stored.
// CHECK-LABEL: keops.kernel @constants_stay_where_they_are_used(
// CHECK-NOT:     keops.stage call
// CHECK:         keops.stage pairs
// CHECK:           %[[TWO:.*]] = keops.constant 2.0
// CHECK-NEXT:      keops.mul %{{.*}}, %[[TWO]]
keops.formula @constants_stay_where_they_are_used(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %two = keops.constant 2.0 : !keops.vec<1xf32>
  %0 = keops.add %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.mul %0, %two : !keops.vec<1xf32, ij>, !keops.vec<1xf32>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

// CHECK-LABEL: keops.kernel @what_nobody_needs_is_left_out(
// CHECK-NOT:     keops.exp
// CHECK-NOT:     keops.stage rows
// CHECK-COUNT-1: keops.accumulate
// CHECK-NOT:     keops.accumulate
// CHECK:         keops.return
keops.formula @what_nobody_needs_is_left_out(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.exp %x : !keops.vec<1xf32, i>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32, i>
  %2 = keops.reduce #keops.sum over j (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

// CHECK-LABEL: keops.kernel @without_a_reduction_no_pairs(
// CHECK-NOT:     keops.stage pairs
// CHECK:         keops.neg
// CHECK-NOT:     keops.stage pairs
// CHECK:         keops.return
keops.formula @without_a_reduction_no_pairs(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.neg %x : !keops.vec<1xf32, i>
  keops.return %0 : !keops.vec<1xf32, i>
}

// CHECK-LABEL: keops.kernel @schedule_moves_to_the_kernel(
// CHECK-SAME:    schedule <lane_axis = rows, lanes = 8, rows = 64, columns = 32, chunk = 1, unroll = 16> {
keops.formula @schedule_moves_to_the_kernel(%y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.reduce #keops.sum over j (%y) {keops.schedule = #keops.schedule<lane_axis = rows, lanes = 8, rows = 64, columns = 32, chunk = 1, unroll = 16>} : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  keops.return %0 : !keops.vec<1xf32, i>
}

//===----------------------------------------------------------------------===//
// Levels
//===----------------------------------------------------------------------===//

// The second level needs what the first gave, and computes the differences
// again: no pair stores a vector.
// CHECK-LABEL: keops.kernel @chained_levels_recompute_components(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>)
// CHECK:         keops.stage pairs
// CHECK-NOT:       keops.map
// CHECK-NEXT:      %[[SQUARES:.*]] = keops.contract #keops.sum over 3 {
// CHECK-NEXT:      ^bb0(%[[D:.*]]: index):
// CHECK-DAG:         %[[XD:.*]] = keops.component %[[X]][%[[D]]]
// CHECK-DAG:         %[[YD:.*]] = keops.component %[[Y]][%[[D]]]
// CHECK:             %[[T:.*]] = keops.sub %[[XD]], %[[YD]] : <1xf32, i>, <1xf32, j>
// CHECK-NEXT:        %[[T2:.*]] = keops.mul %[[T]], %[[T]]
// CHECK-NEXT:        keops.yield %[[T2]]
// CHECK-NEXT:      } : <1xf32, ij>
// CHECK-NEXT:      %[[NORM:.*]] = keops.sqrt %[[SQUARES]]
// CHECK-NEXT:      %[[SUM:.*]] = keops.contract #keops.sum over 3 {
// CHECK-NEXT:      ^bb0(%[[K:.*]]: index):
// CHECK-DAG:         %[[XK:.*]] = keops.component %[[X]][%[[K]]]
// CHECK-DAG:         %[[YK:.*]] = keops.component %[[Y]][%[[K]]]
// CHECK:             %[[U:.*]] = keops.sub %[[XK]], %[[YK]]
// CHECK-NEXT:        %[[V:.*]] = keops.div %[[U]], %[[NORM]]
// CHECK-NEXT:        %[[E:.*]] = keops.exp %[[V]]
// CHECK-NEXT:        keops.yield %[[E]]
// CHECK-NEXT:      } : <1xf32, ij>
// CHECK-NEXT:      keops.accumulate #keops.sum over [1] {
// CHECK-NEXT:      ^bb0(
// CHECK-NEXT:        keops.yield %[[SUM]]
keops.formula @chained_levels_recompute_components(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  %1 = keops.mul %0, %0 : !keops.vec<3xf32, ij>, !keops.vec<3xf32, ij>
  %2 = keops.fold #keops.sum %1 : !keops.vec<3xf32, ij>
  %3 = keops.sqrt %2 : !keops.vec<1xf32, ij>
  %4 = keops.div %0, %3 : !keops.vec<3xf32, ij>, !keops.vec<1xf32, ij>
  %5 = keops.exp %4 : !keops.vec<3xf32, ij>
  %6 = keops.fold #keops.sum %5 : !keops.vec<3xf32, ij>
  %7 = keops.reduce #keops.sum over j (%6) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %7 : !keops.vec<1xf32, i>
}

// A component of the product costs three others: it is computed once and kept.
// CHECK-LABEL: keops.kernel @product_of_matrix_and_pair_vector_is_stored(
// CHECK-SAME:    %[[A:.*]]: !keops.vec<6xf32>, %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<3xf32, j>)
// CHECK:           %[[AX:.*]] = keops.map {
// CHECK-NEXT:      ^bb0(%[[R:.*]]: index):
// CHECK-NEXT:        %[[ROW:.*]] = keops.contract #keops.sum over 3 {
// CHECK-NEXT:        ^bb0(%[[C:.*]]: index):
// CHECK:               %[[START:.*]] = arith.muli %[[R]], %{{.*}} : index
// CHECK-NEXT:          %[[AT:.*]] = arith.addi %[[START]], %[[C]]
// CHECK-DAG:           keops.component %[[A]][%[[AT]]]
// CHECK-DAG:           keops.component %[[X]][%[[C]]]
// CHECK-DAG:           keops.component %[[Y]][%[[C]]]
// CHECK:             } : <1xf32, ij>
// CHECK-NEXT:        keops.yield %[[ROW]]
// CHECK-NEXT:      } : <2xf32, ij>
// CHECK-NEXT:      keops.contract #keops.sum over 2 {
// CHECK-NEXT:      ^bb0(%[[D:.*]]: index):
// CHECK-NEXT:        %[[AXD:.*]] = keops.component %[[AX]][%[[D]]] : <2xf32, ij>
// CHECK-NEXT:        keops.mul %[[AXD]], %[[AXD]]
keops.formula @product_of_matrix_and_pair_vector_is_stored(%a: !keops.vec<6xf32>, %x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  %1 = keops.tensordot %a [2, 3] by [1], %0 [3] by [0] permute [0] : !keops.vec<6xf32>, !keops.vec<3xf32, ij>
  %2 = keops.mul %1, %1 : !keops.vec<2xf32, ij>, !keops.vec<2xf32, ij>
  %3 = keops.fold #keops.sum %2 : !keops.vec<2xf32, ij>
  %4 = keops.reduce #keops.sum over j (%3) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %4 : !keops.vec<1xf32, i>
}

// An outer product sums nothing: its components are recomputed like any other.
// CHECK-LABEL: keops.kernel @outer_product_is_not_stored(
// CHECK-NOT:     keops.map
// CHECK:         keops.accumulate #keops.sum over [6] {
// CHECK-NEXT:    ^bb0(%[[D:.*]]: index):
// CHECK-DAG:       arith.divui %[[D]]
// CHECK-DAG:       arith.remui %[[D]]
// CHECK-NOT:     keops.map
// CHECK:         keops.return
keops.formula @outer_product_is_not_stored(%x: !keops.vec<2xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<6xf32, i> {
  %0 = keops.tensordot %x [2] by [], %y [3] by [] permute [0, 1] : !keops.vec<2xf32, i>, !keops.vec<3xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<6xf32, ij>) -> !keops.vec<6xf32, i>
  keops.return %1 : !keops.vec<6xf32, i>
}

// The part of the concatenation that a component comes from is decided by its
// position; the branches depend on different indices.
// CHECK-LABEL: keops.kernel @concatenation_branches_on_the_position(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<3xf32, i>, %[[Y:.*]]: !keops.vec<2xf32, j>)
// CHECK:           keops.accumulate #keops.sum over [5] {
// CHECK-NEXT:      ^bb0(%[[D:.*]]: index):
// CHECK:             %[[LEFT:.*]] = arith.cmpi ult, %[[D]], %{{.*}} : index
// CHECK-NEXT:        %[[IF:.*]] = scf.if %[[LEFT]] -> (!keops.vec<1xf32, ij>) {
// CHECK-NEXT:          %[[XD:.*]] = keops.component %[[X]][%[[D]]]
// CHECK-NEXT:          %[[XIJ:.*]] = keops.extend %[[XD]] : <1xf32, i> to <1xf32, ij>
// CHECK-NEXT:          scf.yield %[[XIJ]]
// CHECK-NEXT:        } else {
// CHECK:               %[[BELOW:.*]] = arith.addi %[[D]], %{{.*}} : index
// CHECK-NEXT:          %[[YD:.*]] = keops.component %[[Y]][%[[BELOW]]]
// CHECK-NEXT:          keops.extend %[[YD]] : <1xf32, j> to <1xf32, ij>
// CHECK:             keops.yield %[[IF]]
keops.formula @concatenation_branches_on_the_position(%x: !keops.vec<3xf32, i>, %y: !keops.vec<2xf32, j>) -> !keops.vec<5xf32, i> {
  %0 = keops.concat %x, %y : !keops.vec<3xf32, i>, !keops.vec<2xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<5xf32, ij>) -> !keops.vec<5xf32, i>
  keops.return %1 : !keops.vec<5xf32, i>
}

// Zeros before and after the operand, which is read only where it is.
// CHECK-LABEL: keops.kernel @padding_branches_on_the_position(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<2xf32, i>)
// CHECK:         keops.contract #keops.extremum<max> over 6 {
// CHECK-NEXT:    ^bb0(%[[D:.*]]: index):
// CHECK:           arith.cmpi ult, %[[D]]
// CHECK-NEXT:      scf.if
// CHECK-NEXT:        keops.constant 0.0
// CHECK:           } else {
// CHECK:             arith.cmpi ult, %[[D]]
// CHECK-NEXT:        scf.if
// CHECK:               keops.component %[[X]]
// CHECK:             } else {
// CHECK-NEXT:          keops.constant 0.0
keops.formula @padding_branches_on_the_position(%x: !keops.vec<2xf32, i>) -> !keops.vec<1xf32, i> {
  %0 = keops.pad %x at 3 in 6 : !keops.vec<2xf32, i>
  %1 = keops.fold #keops.extremum<max> %0 : !keops.vec<6xf32, i>
  keops.return %1 : !keops.vec<1xf32, i>
}

// CHECK-LABEL: keops.kernel @one_hot_compares_positions(
// CHECK:         keops.accumulate #keops.sum over [4] {
// CHECK-NEXT:    ^bb0(%[[D:.*]]: index):
// CHECK:           %[[POSITION:.*]] = keops.floor
// CHECK:           %[[NUMBER:.*]] = keops.position %[[D]] : <1xf32>
// CHECK-NEXT:      %[[HERE:.*]] = keops.cmp eq %[[POSITION]], %[[NUMBER]]
// CHECK:           keops.select %[[HERE]]
keops.formula @one_hot_compares_positions(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<4xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.one_hot %0 in 4 : !keops.vec<1xf32, ij>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<4xf32, ij>) -> !keops.vec<4xf32, i>
  keops.return %2 : !keops.vec<4xf32, i>
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

// One pass over the pairs serves all, and they share what they have in common.
// CHECK-LABEL: keops.kernel @several_reductions_share_one_pass(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>) -> (!keops.vec<1xf32, i>, !keops.vec<2xi64, i>) {
// CHECK-NEXT:    %[[PAIRS:.*]]:2 = keops.stage pairs -> !keops.vec<1xf32, i>, !keops.vec<2xi64, i> {
// CHECK-NEXT:      %[[D:.*]] = keops.sub %[[X]], %[[Y]]
// CHECK-NEXT:      %[[LSE:.*]] = keops.accumulate #keops.logsumexp over [1, 1] {
// CHECK-NEXT:      ^bb0(
// CHECK-NEXT:        keops.yield %[[D]]
// CHECK-NEXT:      }, {
// CHECK-NEXT:      ^bb0(
// CHECK-NEXT:        keops.yield %[[Y]]
// CHECK-NEXT:      } : !keops.vec<1xf32, i>
// CHECK-NEXT:      %[[LEAST:.*]] = keops.accumulate #keops.k_smallest<2, argkmin> over [1] {
// CHECK-NEXT:      ^bb0(
// CHECK-NEXT:        keops.yield %[[D]]
// CHECK-NEXT:      } : !keops.vec<2xi64, i>
// CHECK-NEXT:      keops.yield %[[LSE]], %[[LEAST]]
// CHECK:         keops.return %[[PAIRS]]#0, %[[PAIRS]]#1
keops.formula @several_reductions_share_one_pass(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> (!keops.vec<1xf32, i>, !keops.vec<2xi64, i>) {
  %0 = keops.sub %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.logsumexp over j (%0, %y) : (!keops.vec<1xf32, ij>, !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  %2 = keops.reduce #keops.k_smallest<2, argkmin> over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<2xi64, i>
  keops.return %1, %2 : !keops.vec<1xf32, i>, !keops.vec<2xi64, i>
}

// What two results depend on is computed once, at the end.
// CHECK-LABEL: keops.kernel @results_of_reductions_meet_in_the_finish(
// CHECK:         %[[PAIRS:.*]]:2 = keops.stage pairs
// CHECK:         keops.stage finish
// CHECK-NEXT:      keops.div %[[PAIRS]]#0, %[[PAIRS]]#1
keops.formula @results_of_reductions_meet_in_the_finish(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  %2 = keops.reduce #keops.sum over j (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  %3 = keops.div %1, %2 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
  keops.return %3 : !keops.vec<1xf32, i>
}

// Half of a position says the pair, the rest which of its components.
// CHECK-LABEL: keops.kernel @pairs_of_components_are_found_by_arithmetic(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<2xf32, i>, %[[Y:.*]]: !keops.vec<2xf32, j>)
// CHECK:           keops.accumulate #keops.sum over [4] {
// CHECK-NEXT:      ^bb0(%[[D:.*]]: index):
// CHECK-DAG:         %[[PAIR:.*]] = arith.divui %[[D]]
// CHECK-DAG:         %[[REST:.*]] = arith.remui %[[D]]
// CHECK:             arith.cmpi ult, %[[REST]]
// CHECK-NEXT:        scf.if
// CHECK:               keops.component %[[X]][%[[PAIR]]]
// CHECK:             } else {
// CHECK:               keops.component %[[Y]][%[[PAIR]]]
keops.formula @pairs_of_components_are_found_by_arithmetic(%x: !keops.vec<2xf32, i>, %y: !keops.vec<2xf32, j>) -> !keops.vec<4xf32, i> {
  %0 = keops.interleave %x, %y : !keops.vec<2xf32, i>, !keops.vec<2xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<4xf32, ij>) -> !keops.vec<4xf32, i>
  keops.return %1 : !keops.vec<4xf32, i>
}

// CHECK-LABEL: keops.kernel @a_part_is_found_at_twice_the_position(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<4xf32, i>, %[[Y:.*]]: !keops.vec<4xf32, j>)
// CHECK:           keops.accumulate #keops.sum over [2] {
// CHECK-NEXT:      ^bb0(%[[D:.*]]: index):
// CHECK:             %[[TWICE:.*]] = arith.muli %[[D]]
// CHECK:             %[[ODD:.*]] = arith.addi %[[TWICE]]
// CHECK-DAG:         keops.component %[[X]][%[[ODD]]]
// CHECK-DAG:         keops.component %[[Y]][%[[ODD]]]
keops.formula @a_part_is_found_at_twice_the_position(%x: !keops.vec<4xf32, i>, %y: !keops.vec<4xf32, j>) -> !keops.vec<2xf32, i> {
  %0 = keops.mul %x, %y : !keops.vec<4xf32, i>, !keops.vec<4xf32, j>
  %1 = keops.deinterleave %0[1] : !keops.vec<4xf32, ij>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<2xf32, ij>) -> !keops.vec<2xf32, i>
  keops.return %2 : !keops.vec<2xf32, i>
}

// Numbers of rows and columns are made where rows and columns are, under the kernel's names for them.
// CHECK-LABEL: keops.kernel @indices_belong_to_their_stages(
// CHECK:         %[[ROWS:.*]] = keops.stage rows -> !keops.vec<1xf32, i> {
// CHECK-NEXT:      %[[I:.*]] = keops.index : <1xf32, i>
// CHECK-NEXT:      keops.yield %[[I]]
// CHECK:         %[[COLS:.*]] = keops.stage cols -> !keops.vec<1xf32, j> {
// CHECK-NEXT:      %[[J:.*]] = keops.index : <1xf32, j>
// CHECK-NEXT:      keops.yield %[[J]]
// CHECK:         keops.stage pairs
// CHECK-NEXT:      keops.sub %[[COLS]], %[[ROWS]] : <1xf32, j>, <1xf32, i>
keops.formula @indices_belong_to_their_stages(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, j> {
  %0 = keops.index : !keops.vec<1xf32, i>
  %1 = keops.index : !keops.vec<1xf32, j>
  %2 = keops.sub %0, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %3 = keops.reduce #keops.sum over i (%2) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, j>
  keops.return %3 : !keops.vec<1xf32, j>
}

// A recurrence is a map that reads itself: its code does not grow with the series.
// CHECK-LABEL: keops.kernel @recurrences_read_themselves(
// CHECK-SAME:    %[[X:.*]]: !keops.vec<30xf32, i>, %[[Y:.*]]: !keops.vec<40xf32, j>, %[[G:.*]]: !keops.vec<1xf32>)
// CHECK:           %[[COSTS:.*]] = keops.map {
// CHECK-NEXT:      ^bb0(%[[D:.*]]: index, %[[SELF:.*]]: !keops.vec<1200xf32, ij>):
// CHECK:             keops.component %[[SELF]]
// CHECK-COUNT-3:     keops.exp
// CHECK-NOT:         keops.exp
// CHECK:           } : <1200xf32, ij>
// CHECK:           keops.component %[[COSTS]][%{{.*}}] : <1200xf32, ij>
keops.formula @recurrences_read_themselves(%x: !keops.vec<30xf32, i>, %y: !keops.vec<40xf32, j>, %g: !keops.vec<1xf32>) -> !keops.vec<1xf32, i> {
  %0 = keops.soft_dtw %x, %y smooth %g : !keops.vec<30xf32, i>, !keops.vec<40xf32, j>, !keops.vec<1xf32>
  %1 = keops.slice %0[1199, 1] : !keops.vec<1200xf32, ij>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

// Component 0 depends on no index, its vector on i.
// CHECK-LABEL: keops.kernel @components_may_depend_on_less(
// CHECK-SAME:    %[[P:.*]]: !keops.vec<1xf32>, %[[X:.*]]: !keops.vec<1xf32, i>, %[[Y:.*]]: !keops.vec<1xf32, j>)
// CHECK:         keops.stage rows -> !keops.vec<1xf32> {
// CHECK-NEXT:      keops.exp %[[P]] : <1xf32>
keops.formula @components_may_depend_on_less(%p: !keops.vec<1xf32>, %x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.concat %p, %x : !keops.vec<1xf32>, !keops.vec<1xf32, i>
  %1 = keops.slice %0[0, 1] : !keops.vec<2xf32, i>
  %2 = keops.exp %1 : !keops.vec<1xf32, i>
  %3 = keops.mul %2, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %4 = keops.reduce #keops.sum over j (%3) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %4 : !keops.vec<1xf32, i>
}
