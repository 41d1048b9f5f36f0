#!/usr/bin/env bash
# Builds the unit tests with the `asan` preset and runs all that sanitizers can follow. Further arguments go to the
# test program: tools/sanitize.sh --gtest_repeat=3
set -euo pipefail
cd "$(dirname "$0")/.."

cmake --preset asan > /dev/null
cmake --build --preset asan --target keops-unit-tests

# Left out: the simulator, whose fibers change stacks; children of fork, which inherit the sanitizer's threads; and
# sweeps over all numbers, which are too long.
left_out='Simulator.*:SimulatedOps.*:SimulatedKernel.*:*GpuGauss.*:*Fork*:DiskCacheTest.ManyProcesses'
left_out+=':DiskCacheTest.OneProcessSeesWhatAnotherStored:*ExhaustiveMath*'

# LLVM's libraries are not instrumented: neither their allocators' poisoning nor their containers agree with ours.
ASAN_OPTIONS=allow_user_poisoning=0:detect_container_overflow=0 \
  build/asan/bin/keops-unit-tests --gtest_brief=1 --gtest_filter="-$left_out" "$@"
