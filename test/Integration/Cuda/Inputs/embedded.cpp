//===- embedded.cpp - A program with a kernel in a header ------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gaussian products on a GPU without Keops, of two batches that share their
// rows and differ in their columns: gauss.h was made by
//
//   keops-translate 'Sum_Reduction(Exp(-SqDist(x,y))*b, 0)' 'x = Vi(3)' 'y = Vj(3)' 'b = Vj(1)' \
//       --to=header --target=sm_80 -o gauss.h
//
// Build with the driver's header and library alone: c++ embedded.cpp -lcuda.
//
//===----------------------------------------------------------------------===//

#include "gauss.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#define CHECK(call)                                                                                                    \
  if (CUresult result = (call)) {                                                                                      \
    std::fprintf(stderr, "%s: error %d\n", #call, static_cast<int>(result));                                           \
    return 1;                                                                                                          \
  }

/// Copies numbers to the device.
template <typename T>
static CUresult upload(const std::vector<T> &numbers, CUdeviceptr &address) {
  CUresult result = cuMemAlloc(&address, numbers.size() * sizeof(T));
  return result ? result : cuMemcpyHtoD(address, numbers.data(), numbers.size() * sizeof(T));
}

int main() {
  constexpr int64_t rows = 1500, columns = 700, batches = 2;
  std::vector<float> x(rows * 3), y(batches * columns * 3), b(batches * columns), found(batches * rows);
  for (std::vector<float> *numbers : {&x, &y, &b})
    for (float &number : *numbers)
      number = static_cast<float>(std::rand()) / static_cast<float>(RAND_MAX);

  CUdevice device;
  CUcontext context;
  CUmodule module;
  CUfunction kernel, merge;
  int multiprocessors = 0;
  size_t deviceBytes = 0;
  CHECK(cuInit(0));
  CHECK(cuDeviceGet(&device, 0));
  CHECK(cuDeviceTotalMem(&deviceBytes, device));
  CHECK(cuDeviceGetAttribute(&multiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device));
  CHECK(cuDevicePrimaryCtxRetain(&context, device));
  CHECK(cuCtxSetCurrent(context));
  CHECK(cuModuleLoadData(&module, gauss::ptx));
  CHECK(cuModuleGetFunction(&kernel, module, gauss::entry));
  CHECK(cuModuleGetFunction(&merge, module, gauss::mergeEntry));

  // Once for all calls of these sizes.
  const int64_t batchStrides[] = {0, columns * 3, columns};
  gauss::Plan plan =
      gauss::makePlan(rows, columns, multiprocessors, batches, batchStrides, static_cast<int64_t>(deviceBytes));
  CUdeviceptr table, scratch = 0;
  CHECK(upload(plan.table, table));
  if (plan.scratchBytes() > 0)
    CHECK(cuMemAlloc(&scratch, plan.scratchBytes()));

  CUdeviceptr xs, ys, bs, out;
  CHECK(upload(x, xs));
  CHECK(upload(y, ys));
  CHECK(upload(b, bs));
  CHECK(cuMemAlloc(&out, found.size() * sizeof(float)));
  CHECK(gauss::launch(kernel, merge, nullptr, plan, table, scratch, {{xs, 3, 1}, {ys, 3, 1}, {bs, 1, 1}}, {out}));
  CHECK(cuMemcpyDtoH(found.data(), out, found.size() * sizeof(float)));

  double worst = 0;
  for (int64_t n = 0; n < batches * rows; ++n) {
    int64_t i = n % rows, first = n / rows * columns;
    double sum = 0;
    for (int64_t j = first; j < first + columns; ++j) {
      double distance = 0;
      for (int d = 0; d < 3; ++d)
        distance += (double(x[3 * i + d]) - y[3 * j + d]) * (double(x[3 * i + d]) - y[3 * j + d]);
      sum += std::exp(-distance) * b[j];
    }
    worst = std::fmax(worst, std::fabs(sum - found[n]) / std::fabs(sum));
  }
  std::printf("largest relative error: %.2g\n", worst);
  return worst < 1e-5 ? 0 : 1;
}
