//===- quickstart-peak.cpp - What this machine could do at best ------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Measures how many pairs per second the arithmetic of a float32 Gaussian in
// R³ allows on all cores, by running just that arithmetic from registers: no
// memory, no dependence that must be waited for. One pair is fifteen
// operations, each on a whole SIMD vector of pairs:
//
//    3 subtractions            x - y
//    3 multiplies and fmas     squared length
//    2 additions               nearest integer of the exponent, and its rest
//    5 fmas                    polynomial of degree 5 for the fraction
//    1 integer addition        2^n into the exponent bits
//    1 fma                     times b, into the sum
//
// Scale factors are assumed folded into the data. The mix runs on whatever
// ports the processor has, so nothing is assumed about their number, the width
// of the units or the clock.
//
//===----------------------------------------------------------------------===//

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <numeric>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif
using Floats = float __attribute__((ext_vector_type(lanes)));
using Ints = int32_t __attribute__((ext_vector_type(lanes)));

/// Operations of one vector of pairs by kind. The chains of each kind are as
/// many as hide the latency and still fit sixteen registers.
constexpr int fmas = 9, additions = 5;
constexpr int fmaChains = 8, additionChains = 4;
constexpr int64_t pairsPerStep = fmaChains * lanes;

/// Keeps the compiler from computing eight increments as one.
static inline void keep(Ints &value) {
#if defined(__AVX512F__)
  asm volatile("" : "+v"(value));
#elif defined(__x86_64__)
  asm volatile("" : "+x"(value));
#else
  asm volatile("" : "+w"(value));
#endif
}

/// Does the arithmetic of `steps * pairsPerStep` pairs and returns a number
/// that depends on all of it. The values converge, so none is ever denormal.
static float work(int64_t steps) {
  const Floats factor = 0.5f, term = 0.25f;
  const Ints one = 1;
  Floats product[fmaChains], sum[additionChains];
  Ints bits = 0;
  for (int c = 0; c < fmaChains; ++c)
    product[c] = static_cast<float>(c);
  for (int c = 0; c < additionChains; ++c)
    sum[c] = static_cast<float>(c);
  for (int64_t step = 0; step < steps; ++step) {
#pragma clang loop unroll(full)
    for (int k = 0; k < fmas * fmaChains; ++k) {
      product[k % fmaChains] = __builtin_elementwise_fma(product[k % fmaChains], factor, term);
      // Spread evenly, so that no port waits while another has a queue.
      if (int a = k * additions / fmas; a < (k + 1) * additions / fmas)
        sum[a % additionChains] += term;
      if (k % fmas == 0) {
        bits += one;
        keep(bits);
      }
    }
  }
  Floats all = __builtin_convertvector(bits, Floats);
  for (const Floats &p : product)
    all += p;
  for (const Floats &s : sum)
    all += s;
  float result = 0;
  for (int l = 0; l < lanes; ++l)
    result += all[l];
  return result;
}

/// Pairs per second of `threads` threads that do `work(steps)` at once. Each
/// counts the processor time it got, so other programs' share is not ours.
static double measure(unsigned threads, int64_t steps) {
  std::vector<double> rates(threads);
  std::vector<std::thread> pool;
  for (unsigned t = 0; t < threads; ++t)
    pool.emplace_back([&rates, t, steps] {
      timespec begin, end;
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
      volatile float sink = work(steps);
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
      double seconds = static_cast<double>(end.tv_sec - begin.tv_sec) + 1e-9 * (end.tv_nsec - begin.tv_nsec);
      rates[t] = static_cast<double>(pairsPerStep * steps) / seconds;
      (void)sink;
    });
  for (std::thread &thread : pool)
    thread.join();
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

int main() {
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  const int64_t steps = 2000000; // a twentieth of a second
  double best = 0;
  for (int repeat = 0; repeat < 20; ++repeat)
    best = std::max(best, measure(threads, steps));
  std::printf("{\"pairs_per_s\": %.6g, \"threads\": %u, \"lanes\": %d, \"operations_per_pair\": %d}\n", best, threads,
              lanes, fmas + additions + 1);
  return 0;
}
