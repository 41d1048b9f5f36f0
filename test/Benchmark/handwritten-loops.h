//===- handwritten-loops.h - The loops, for any instruction set ------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One loop nest for all reductions: rows are SIMD lanes, a few vectors of them
// per step so that independent chains hide latency; columns are broadcast from
// a packed tile that stays in the first-level cache; sums live in registers for
// one tile and are then added to the row's total, which is block summation. A
// file that includes this header is compiled for one instruction set and brings
// a struct of intrinsics in an unnamed namespace, so that instantiations of
// different instruction sets never meet in the linker.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_BENCHMARK_HANDWRITTEN_LOOPS_H
#define KEOPS_TEST_BENCHMARK_HANDWRITTEN_LOOPS_H

#include "handwritten.h"

#define KEOPS_HW_MEMBER inline __attribute__((always_inline))
#define KEOPS_HW_INLINE static KEOPS_HW_MEMBER
/// For the vectors of rows v = 0 … n - 1, unrolled.
#ifdef __clang__
#define KEOPS_HW_UNROLL _Pragma("clang loop unroll(full)")
#else
#define KEOPS_HW_UNROLL _Pragma("GCC unroll 32")
#endif
#define KEOPS_HW_EACH(v, n) KEOPS_HW_UNROLL for (int v = 0; v < (n); ++v)

namespace keops::handwritten {

constexpr int tileColumns = 256;
constexpr int blockRows = 1024;
/// Vectors of rows per step. Four hide the latency of the arithmetic, and each
/// broadcast and each constant that is loaded serves all of them.
constexpr int vectors = 4;
/// Columns of zeros after a tile, for kernels that start a column before they end
/// the one before it.
constexpr int paddingColumns = 1;

/// Polynomials of exp on [-ln 2 / 2, ln 2 / 2], highest power first, with the least
/// largest error: 1.07 units in the last place in single precision, where a last
/// coefficient 1 follows, and a relative 3.7e-18 in double precision.
constexpr float expCoefficientsF32[] = {0x1.0ebffcp-7f, 0x1.573b94p-5f, 0x1.555d3cp-3f, 0x1.fffdc2p-2f,
                                        0x1.ffffeep-1f};
constexpr double expCoefficientsF64[] = {
    0x1.ad7f3b22740dcp-26, 0x1.28ad9b7868661p-22, 0x1.71df25b516d4cp-19, 0x1.a01999e274b14p-16,
    0x1.a01a012a0e7e8p-13, 0x1.6c16c18438a89p-10, 0x1.1111111127d10p-7,  0x1.555555555083fp-5,
    0x1.55555555554f9p-3,  0x1.000000000000ap-1,  1,                     1};
constexpr int numExpCoefficientsF64 = sizeof(expCoefficientsF64) / sizeof(double);

/// NaN with an empty payload for any NaN: the exponential shifts bits of its
/// rounded argument into an exponent, and a payload would reach it.
template <typename T> KEOPS_HW_INLINE T canonical(T value) { return value == value ? value : T(__builtin_nanf("")); }

/// Runs one kernel over blocks of rows and tiles of columns. A kernel says how
/// many components there are and whether there is a b, and provides `start`,
/// `accumulate` (one tile) and `finish`.
template <typename Kernel, typename R> static void runKernel(const Call<typename Kernel::Real, R> &call) {
  using Real = typename Kernel::Real;
  constexpr int dim = Kernel::dim, stride = Kernel::stride, groupRows = Kernel::groupRows;
  constexpr int numGroups = (blockRows + groupRows - 1) / groupRows;
  alignas(64) Real rows[numGroups][dim * groupRows];
  alignas(64) Real columns[(tileColumns + paddingColumns) * stride];
  alignas(64) typename Kernel::State states[numGroups];

  for (int64_t block = call.rowBegin; block < call.rowEnd; block += numGroups * groupRows) {
    int64_t count = call.rowEnd - block < numGroups * groupRows ? call.rowEnd - block : numGroups * groupRows;
    int groups = static_cast<int>((count + groupRows - 1) / groupRows);
    for (int r = 0; r < groups * groupRows; ++r) {
      // Lanes beyond the last row repeat it; their results are not stored.
      const Real *row = call.x + (block + (r < count ? r : count - 1)) * dim;
      for (int d = 0; d < dim; ++d)
        rows[r / groupRows][d * groupRows + r % groupRows] = canonical(row[d]);
    }
    for (int g = 0; g < groups; ++g)
      Kernel::start(states[g]);
    for (int64_t tile = 0; tile < call.columns; tile += tileColumns) {
      int size = static_cast<int>(call.columns - tile < tileColumns ? call.columns - tile : tileColumns);
      for (int j = 0; j < size; ++j) {
        for (int d = 0; d < dim; ++d)
          columns[j * stride + d] = canonical(call.y[(tile + j) * dim + d]);
        if (Kernel::hasWeight)
          columns[j * stride + dim] = call.b[tile + j];
      }
      for (int k = 0; k < paddingColumns * stride; ++k)
        columns[size * stride + k] = 0;
      for (int g = 0; g < groups; ++g)
        Kernel::accumulate(states[g], rows[g], columns, size, static_cast<int32_t>(tile));
    }
    for (int g = 0; g < groups; ++g) {
      int64_t first = block + int64_t(g) * groupRows;
      int valid = static_cast<int>(call.rowEnd - first < groupRows ? call.rowEnd - first : groupRows);
      Kernel::finish(states[g], call.out + first * Kernel::resultDim, valid);
    }
  }
}

/// Sizes that all kernels share.
template <typename S, int Dim, bool HasWeight> struct KernelBase {
  using Real = typename S::Real;
  using V = typename S::V;
  static constexpr int dim = Dim, groupRows = vectors * S::lanes, resultDim = 1;
  static constexpr bool hasWeight = HasWeight;
  static constexpr int stride = Dim + HasWeight;

  /// s[v] = squared distances of one column to all rows of the group.
  KEOPS_HW_INLINE void distances(V (&s)[vectors], const Real *rows, const Real *column) {
    KEOPS_HW_EACH(d, Dim) {
      V y = S::broadcast(column + d);
      KEOPS_HW_EACH(v, vectors) {
        V t = S::sub(y, S::load(rows + d * groupRows + v * S::lanes));
        s[v] = d == 0 ? S::mul(t, t) : S::fma(t, t, s[v]);
      }
    }
  }
};

//===----------------------------------------------------------------------===//
// Weighted sums
//===----------------------------------------------------------------------===//

/// Sum of pair(s)·b. The chain from a coordinate to the sum takes longer than
/// the processor's window looks ahead, so `Pair` is a pipeline of two stages:
/// `start` takes the distances of one column as far as the middle, `end` makes
/// values of what `start` left one step ago.
template <typename S, int Dim, typename Pair> struct SumKernel : KernelBase<S, Dim, true> {
  using Base = KernelBase<S, Dim, true>;
  using typename Base::Real;
  using typename Base::V;
  struct State {
    V total[vectors];
  };

  static void start(State &state) {
    for (V &total : state.total)
      total = S::zero();
  }

  static void accumulate(State &state, const Real *rows, const Real *columns, int size, int32_t) {
    V sum[vectors], s[vectors], values[vectors];
    KEOPS_HW_EACH(v, vectors) sum[v] = S::zero();
    Pair pair;
    Base::distances(s, rows, columns);
    pair.start(s);
    for (int j = 0; j < size; ++j) {
      const Real *column = columns + j * Base::stride;
      Base::distances(s, rows, column + Base::stride);
      pair.end(values);
      pair.start(s);
      V b = S::broadcast(column + Dim);
      KEOPS_HW_EACH(v, vectors) sum[v] = S::fma(values[v], b, sum[v]);
    }
    KEOPS_HW_EACH(v, vectors) state.total[v] = S::add(state.total[v], sum[v]);
  }

  static void finish(const State &state, Real *out, int valid) {
    alignas(64) Real values[Base::groupRows];
    for (int v = 0; v < vectors; ++v)
      S::store(values + v * S::lanes, state.total[v]);
    for (int r = 0; r < valid; ++r)
      out[r] = values[r];
  }
};

/// exp(-s) for squared distances s.
template <typename S> struct GaussianPair {
  typename S::template Reduced<vectors> z;
  KEOPS_HW_MEMBER void start(typename S::V (&s)[vectors]) { z = S::reduce(s); }
  KEOPS_HW_MEMBER void end(typename S::V (&values)[vectors]) { S::expNegative(z, values); }
};

/// exp(-√s).
template <typename S> struct LaplacianPair {
  typename S::template Reduced<vectors> z;
  KEOPS_HW_MEMBER void start(typename S::V (&s)[vectors]) {
    KEOPS_HW_EACH(v, vectors) s[v] = S::sqrt(s[v]);
    z = S::reduce(s);
  }
  KEOPS_HW_MEMBER void end(typename S::V (&values)[vectors]) { S::expNegative(z, values); }
};

/// 1 / (1 + s).
template <typename S> struct CauchyPair {
  typename S::V inverse[vectors];
  KEOPS_HW_MEMBER void start(typename S::V (&s)[vectors]) {
    KEOPS_HW_EACH(v, vectors) inverse[v] = S::div(S::set(1), S::add(S::set(1), s[v]));
  }
  KEOPS_HW_MEMBER void end(typename S::V (&values)[vectors]) {
    KEOPS_HW_EACH(v, vectors) values[v] = inverse[v];
  }
};

/// Σ exp(-s) b and Σ exp(-s) b (y − x), which is half the gradient in x, in one pass: a row's result is the value, then
/// the gradient. A pipeline as above. With 16 registers the sums lie in memory, and the differences are made again for
/// less than it costs to keep them.
template <typename S, int Dim> struct GaussianGradientKernel : KernelBase<S, Dim, true> {
  using Base = KernelBase<S, Dim, true>;
  using typename Base::Real;
  using typename Base::V;
  static constexpr int resultDim = 1 + Dim;
  struct State {
    V total[resultDim][vectors];
  };

  static void start(State &state) {
    for (auto &component : state.total)
      for (V &total : component)
        total = S::zero();
  }

  static void accumulate(State &state, const Real *rows, const Real *columns, int size, int32_t) {
    V sum[resultDim][vectors], s[vectors], values[vectors];
    KEOPS_HW_EACH(k, resultDim) KEOPS_HW_EACH(v, vectors) sum[k][v] = S::zero();
    GaussianPair<S> pair;
    Base::distances(s, rows, columns);
    pair.start(s);
    for (int j = 0; j < size; ++j) {
      const Real *column = columns + j * Base::stride;
      Base::distances(s, rows, column + Base::stride);
      pair.end(values);
      pair.start(s);
      V b = S::broadcast(column + Dim);
      KEOPS_HW_EACH(v, vectors) {
        values[v] = S::mul(values[v], b);
        sum[0][v] = S::add(sum[0][v], values[v]);
      }
      KEOPS_HW_EACH(d, Dim) {
        V y = S::broadcast(column + d);
        KEOPS_HW_EACH(v, vectors) {
          V t = S::sub(y, S::load(rows + d * Base::groupRows + v * S::lanes));
          sum[1 + d][v] = S::fma(values[v], t, sum[1 + d][v]);
        }
      }
    }
    KEOPS_HW_EACH(k, resultDim) KEOPS_HW_EACH(v, vectors) state.total[k][v] = S::add(state.total[k][v], sum[k][v]);
  }

  static void finish(const State &state, Real *out, int valid) {
    alignas(64) Real values[resultDim][Base::groupRows];
    for (int k = 0; k < resultDim; ++k)
      for (int v = 0; v < vectors; ++v)
        S::store(values[k] + v * S::lanes, state.total[k][v]);
    for (int r = 0; r < valid; ++r)
      for (int k = 0; k < resultDim; ++k)
        out[r * resultDim + k] = k == 0 ? values[0][r] : 2 * values[k][r];
  }
};

//===----------------------------------------------------------------------===//
// Log-sum-exp
//===----------------------------------------------------------------------===//

/// log Σ exp(-s). The smallest s so far is the shift. A chunk of columns is
/// looked at twice: first distances and their smallest, which may lower the
/// shift, then the exponentials, so that the test for rescaling is per chunk.
template <typename S, int Dim> struct LogSumExpKernel : KernelBase<S, Dim, false> {
  using Base = KernelBase<S, Dim, false>;
  using typename Base::Real;
  using typename Base::V;
  static constexpr int chunk = 16;
  struct State {
    V shift[vectors], total[vectors];
  };

  static void start(State &state) {
    for (int v = 0; v < vectors; ++v) {
      // Finite, so that columns at infinite distance still give exp(-∞) = 0.
      state.shift[v] = S::set(S::largest);
      state.total[v] = S::zero();
    }
  }

  static void accumulate(State &state, const Real *rows, const Real *columns, int size, int32_t) {
    alignas(64) Real buffer[chunk * Base::groupRows];
    V sum[vectors], shift[vectors], smallest[vectors], s[vectors];
    KEOPS_HW_EACH(v, vectors) {
      sum[v] = S::zero();
      shift[v] = state.shift[v];
    }
    for (int j = 0; j < size; j += chunk) {
      int count = size - j < chunk ? size - j : chunk;
      KEOPS_HW_EACH(v, vectors) smallest[v] = shift[v];
      for (int c = 0; c < count; ++c) {
        Base::distances(s, rows, columns + (j + c) * Base::stride);
        KEOPS_HW_EACH(v, vectors) {
          smallest[v] = S::minSkippingNaN(s[v], smallest[v]);
          S::store(buffer + c * Base::groupRows + v * S::lanes, s[v]);
        }
      }

      typename S::Mask lower = S::less(smallest[0], shift[0]);
      KEOPS_HW_EACH(v, vectors) lower = S::either(lower, S::less(smallest[v], shift[v]));
      if (__builtin_expect(S::any(lower), false))
        rescale(state, sum, shift, smallest);

      for (int c = 0; c < count; ++c) {
        KEOPS_HW_EACH(v, vectors) s[v] = S::sub(S::load(buffer + c * Base::groupRows + v * S::lanes), shift[v]);
        // The sum keeps the exponential's constant factor; `finish` takes it out.
        S::expNegativeScaled(S::reduce(s), s);
        KEOPS_HW_EACH(v, vectors) sum[v] = S::add(sum[v], s[v]);
      }
    }
    KEOPS_HW_EACH(v, vectors) {
      state.total[v] = S::add(state.total[v], sum[v]);
      state.shift[v] = shift[v];
    }
  }

  KEOPS_HW_INLINE void rescale(State &state, V (&sum)[vectors], V (&shift)[vectors], const V (&smallest)[vectors]) {
    V factor[vectors];
    KEOPS_HW_EACH(v, vectors) factor[v] = S::sub(shift[v], smallest[v]);
    S::expNegative(S::reduce(factor), factor);
    KEOPS_HW_EACH(v, vectors) {
      state.total[v] = S::mul(state.total[v], factor[v]);
      sum[v] = S::mul(sum[v], factor[v]);
      shift[v] = smallest[v];
    }
  }

  static void finish(const State &state, Real *out, int valid) {
    alignas(64) Real shifts[Base::groupRows], totals[Base::groupRows];
    for (int v = 0; v < vectors; ++v) {
      S::store(shifts + v * S::lanes, state.shift[v]);
      S::store(totals + v * S::lanes, state.total[v]);
    }
    for (int r = 0; r < valid; ++r)
      out[r] = __builtin_logf(totals[r] * S::unscale) - shifts[r];
  }
};

//===----------------------------------------------------------------------===//
// Nearest neighbours
//===----------------------------------------------------------------------===//

/// The ten nearest columns. Nearly all columns fail one comparison with the
/// tenth best so far; those that pass in some lane are put into the sorted lists
/// of all lanes at once, where a lane that did not ask inserts infinity.
template <typename S, int Dim> struct ArgKMinKernel : KernelBase<S, Dim, false> {
  using Base = KernelBase<S, Dim, false>;
  using typename Base::Real;
  using typename Base::V;
  using I = typename S::I;
  static constexpr int resultDim = numNeighbours;
  struct State {
    V value[vectors][numNeighbours];
    I index[vectors][numNeighbours];
  };

  static void start(State &state) {
    for (int v = 0; v < vectors; ++v)
      for (int k = 0; k < numNeighbours; ++k) {
        state.value[v][k] = S::set(__builtin_inff());
        state.index[v][k] = S::setIndex(0);
      }
  }

  KEOPS_HW_INLINE void insert(V (&value)[numNeighbours], I (&index)[numNeighbours], V s, int32_t column) {
    constexpr int last = numNeighbours - 1;
    V candidate = S::blend(S::less(s, value[last]), s, S::set(__builtin_inff()));
    I here = S::setIndex(column);
    V above = value[last];
    I aboveIndex = index[last];
    auto moves = S::less(candidate, above);
    KEOPS_HW_EACH(step, last) {
      int k = last - step;
      V below = value[k - 1];
      I belowIndex = index[k - 1];
      auto movesBelow = S::less(candidate, below);
      value[k] = S::blend(moves, S::blend(movesBelow, below, candidate), above);
      index[k] = S::blendIndex(moves, S::blendIndex(movesBelow, belowIndex, here), aboveIndex);
      moves = movesBelow;
      above = below;
      aboveIndex = belowIndex;
    }
    value[0] = S::blend(moves, candidate, above);
    index[0] = S::blendIndex(moves, here, aboveIndex);
  }

  static void accumulate(State &state, const Real *rows, const Real *columns, int size, int32_t first) {
    V worst[vectors], s[vectors];
    KEOPS_HW_EACH(v, vectors) worst[v] = state.value[v][numNeighbours - 1];
    for (int j = 0; j < size; ++j) {
      Base::distances(s, rows, columns + j * Base::stride);
      typename S::Mask better = S::less(s[0], worst[0]);
      KEOPS_HW_EACH(v, vectors) better = S::either(better, S::less(s[v], worst[v]));
      if (__builtin_expect(!S::any(better), true))
        continue;
      KEOPS_HW_EACH(v, vectors) {
        if (!S::any(S::less(s[v], worst[v])))
          continue;
        insert(state.value[v], state.index[v], s[v], first + j);
        worst[v] = state.value[v][numNeighbours - 1];
      }
    }
  }

  static void finish(const State &state, int64_t *out, int valid) {
    alignas(64) int32_t indices[numNeighbours][Base::groupRows];
    for (int v = 0; v < vectors; ++v)
      for (int k = 0; k < numNeighbours; ++k)
        S::storeIndex(indices[k] + v * S::lanes, state.index[v][k]);
    for (int r = 0; r < valid; ++r)
      for (int k = 0; k < numNeighbours; ++k)
        out[r * numNeighbours + k] = indices[k][r];
  }
};

//===----------------------------------------------------------------------===//
// The exponential alone, and the table of loops
//===----------------------------------------------------------------------===//

/// out[k] = exp(-in[k]).
template <typename S> static void runExpNegative(const typename S::Real *in, typename S::Real *out, int64_t count) {
  for (int64_t first = 0; first < count; first += S::lanes) {
    alignas(64) typename S::Real values[S::lanes] = {};
    int valid = static_cast<int>(count - first < S::lanes ? count - first : S::lanes);
    for (int k = 0; k < valid; ++k)
      values[k] = canonical(in[first + k]);
    typename S::V v[1] = {S::load(values)};
    S::expNegative(S::reduce(v), v);
    S::store(values, v[0]);
    for (int k = 0; k < valid; ++k)
      out[first + k] = values[k];
  }
}

/// All loops over the intrinsics of F32 and F64.
template <typename F32, typename F64> constexpr Loops makeLoops() {
  return {runKernel<SumKernel<F32, 3, GaussianPair<F32>>, float>,
          runKernel<SumKernel<F64, 3, GaussianPair<F64>>, double>,
          runKernel<GaussianGradientKernel<F32, 3>, float>,
          runKernel<LogSumExpKernel<F32, 3>, float>,
          runKernel<SumKernel<F32, 10, LaplacianPair<F32>>, float>,
          runKernel<SumKernel<F32, 10, CauchyPair<F32>>, float>,
          runKernel<ArgKMinKernel<F32, 10>, int64_t>,
          runExpNegative<F32>,
          runExpNegative<F64>};
}

} // namespace keops::handwritten

#endif // KEOPS_TEST_BENCHMARK_HANDWRITTEN_LOOPS_H
