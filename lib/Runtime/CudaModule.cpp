//===- CudaModule.cpp - An artifact's code on a GPU ------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A plan's tables are copied to the device when the plan is made, and stay
// there. What a launch of a known plan does is to find it, to fill in addresses
// and to call the driver once for each launch.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/CudaModule.h"

#include "StepRunner.h"
#include "keops/Runtime/DiskCache.h"
#include "keops/Runtime/GpuLaunch.h"

#include <algorithm>
#include <mutex>
#include <optional>

using namespace keops::runtime;

/// Plans that a module keeps, and bytes of their tables: beyond one or the other, the longest unused goes.
static constexpr size_t mostPlans = 64;
static constexpr int64_t mostTableBytes = int64_t(64) << 20;

namespace {

/// All that a plan depends on, in a row: the kernel's number, sizes, strides and ranges.
using PlanKey = std::vector<int64_t>;

/// A plan whose tables are on the device.
struct LoadedPlan {
  LoadedPlan(const CudaDevice &device, PlanKey key) : device(device), key(std::move(key)) {}
  ~LoadedPlan() {
    if (!tables)
      return;
    // A launch that reads them may be under way, on any stream.
    device.call().cuCtxSynchronize();
    device.call().cuMemFree_v2(tables);
  }

  const CudaDevice &device;
  const PlanKey key;
  GpuPlan plan;                          ///< its tables are gone
  std::vector<cuda::Function> functions; ///< of launches
  std::vector<cuda::Address> places;     ///< of tables
  cuda::Address tables = 0;
  int64_t tableBytes = 0;
  uint64_t lastUse = 0;
  bool isInGraph = false; ///< so that it stays
};

void appendRanges(const Ranges *ranges, PlanKey &key) {
  if (!ranges)
    return;
  key.insert(key.end(), {ranges->clusters, ranges->intervals});
  key.insert(key.end(), ranges->rows, ranges->rows + 2 * ranges->clusters);
  key.insert(key.end(), ranges->slices, ranges->slices + ranges->clusters);
  key.insert(key.end(), ranges->columns, ranges->columns + 2 * ranges->intervals);
}

void makeKey(int64_t kernel, const LaunchRule &rule, const CpuCall &call, PlanKey &key) {
  auto arguments = static_cast<int64_t>(rule.arguments.size());
  key.assign({kernel, call.rows, call.columns, call.firstRow, call.batchAxes});
  key.insert(key.end(), call.batchSizes, call.batchSizes + call.batchAxes);
  key.insert(key.end(), call.batchStrides, call.batchStrides + arguments * call.batchAxes);
  key.insert(key.end(), call.rowStrides, call.rowStrides + arguments);
  key.insert(key.end(), call.componentStrides, call.componentStrides + arguments);
  appendRanges(call.ranges, key);
}

} // namespace

struct CudaModule::Impl {
  class Runner;

  Impl(std::shared_ptr<const CudaDevice> device, const Artifact &artifact)
      : device(std::move(device)), artifact(artifact) {}

  void load(DiskCache &disk);
  bool loadStored(DiskCache &disk, const std::string &key);
  void assemble(DiskCache &disk, const std::string &key);

  std::shared_ptr<LoadedPlan> findPlan(int64_t kernel, const CpuCall &call, cuda::Stream stream);
  std::shared_ptr<LoadedPlan> makePlan(int64_t kernel, const CpuCall &call, const PlanKey &key,
                                       const ColumnWindow *window = nullptr);
  GpuFacts facts() const { return gpuFactsOf(device->multiprocessors(), device->totalBytes()); }
  cuda::Function findFunction(const GpuLaunch &launch) const;
  void makeRoom(int64_t bytes);
  void launch(int64_t kernel, const CpuCall &call, cuda::Stream stream);
  void carryOut(const LoadedPlan &loaded, const CpuCall &call, cuda::Address scratch, cuda::Stream stream) const;

  /// Runs `action`; what goes wrong names the kernel that it is about.
  template <typename Action>
  auto named(const LaunchRule &kernel, Action action) const;

  const std::shared_ptr<const CudaDevice> device;
  const Artifact &artifact;
  cuda::Module code = nullptr;
  std::mutex mutex; // guards what follows
  std::vector<std::shared_ptr<LoadedPlan>> plans;
  uint64_t uses = 0;
};

template <typename Action>
auto CudaModule::Impl::named(const LaunchRule &kernel, Action action) const {
  auto sentence = [&](const DeviceError &error) {
    return "kernel '" + kernel.entry + "' on " + device->title() + ": " + error.what();
  };
  try {
    return action();
  } catch (const OutOfDeviceMemory &error) {
    throw OutOfDeviceMemory(sentence(error));
  } catch (const DeviceError &error) {
    throw DeviceError(sentence(error));
  }
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

bool CudaModule::Impl::loadStored(DiskCache &disk, const std::string &key) {
  std::optional<std::string> stored = disk.load(key);
  // The driver may refuse what an older one made; that is no error.
  return stored && device->call().cuModuleLoadData(&code, stored->data()) == cuda::Success;
}

void CudaModule::Impl::assemble(DiskCache &disk, const std::string &key) {
  const cuda::Functions &call = device->call();
  char log[4096] = "";
  int options[] = {cuda::LinkErrorLog, cuda::LinkErrorLogBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log))};
  cuda::Linker linker = nullptr;
  device->driver().check(call.cuLinkCreate_v2(2, options, values, &linker), "starting the driver's assembler");
  void *binary = nullptr;
  size_t bytes = 0;
  // With the zero at its end, which the driver looks for.
  cuda::Result result = call.cuLinkAddData_v2(linker, cuda::LinkInputPTX, const_cast<char *>(artifact.code.c_str()),
                                              artifact.code.size() + 1, artifact.entry.c_str(), 0, nullptr, nullptr);
  if (result == cuda::Success)
    result = call.cuLinkComplete(linker, &binary, &bytes);
  if (result == cuda::Success)
    result = call.cuModuleLoadData(&code, binary);
  std::string made = result == cuda::Success ? std::string(static_cast<char *>(binary), bytes) : std::string();
  call.cuLinkDestroy(linker);
  if (result != cuda::Success)
    throw DeviceError("assembling its code, PTX for " + artifact.target + ", failed: " +
                      device->driver().describe(result) + (*log ? std::string("; ") + log : std::string()));
  disk.store(key, made);
}

void CudaModule::Impl::load(DiskCache &disk) {
  std::string key = "cubin for " + std::to_string(device->capability()) + " by driver " +
                    std::to_string(device->driver().version()) + "\n" + artifact.code;
  if (!loadStored(disk, key))
    assemble(disk, key);
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

cuda::Function CudaModule::Impl::findFunction(const GpuLaunch &launch) const {
  const cuda::Functions &call = device->call();
  const CudaDriver &driver = device->driver();
  cuda::Function function = nullptr;
  driver.check(call.cuModuleGetFunction(&function, code, launch.entry.c_str()), "finding the function in its code");
  auto attribute = [&](int which) {
    int value = 0;
    driver.check(call.cuFuncGetAttribute(&value, which, function), "asking for the function's properties");
    return value;
  };
  int64_t shared = launch.sharedBytes + attribute(cuda::StaticSharedBytes);
  if (shared > device->sharedBytes())
    throw DeviceError("a block needs " + std::to_string(shared) + " bytes of shared memory; expected at most " +
                      std::to_string(device->sharedBytes()) + ", which this device has");
  if (int most = attribute(cuda::MaxThreads); launch.threads > most)
    throw DeviceError("a block has " + std::to_string(launch.threads) + " threads; expected at most " +
                      std::to_string(most) + ", for which this device has registers");
  if (launch.sharedBytes > 0)
    driver.check(call.cuFuncSetAttribute(function, cuda::MaxDynamicSharedBytes, static_cast<int>(launch.sharedBytes)),
                 "asking for shared memory");
  return function;
}

/// Until there is room for a plan with so many bytes of tables.
void CudaModule::Impl::makeRoom(int64_t bytes) {
  auto total = [&] {
    int64_t sum = bytes;
    for (const auto &plan : plans)
      sum += plan->tableBytes;
    return sum;
  };
  while (plans.size() >= mostPlans || total() > mostTableBytes) {
    auto oldest = std::min_element(plans.begin(), plans.end(), [](const auto &a, const auto &b) {
      return std::make_pair(a->isInGraph, a->lastUse) < std::make_pair(b->isInGraph, b->lastUse);
    });
    if (oldest == plans.end() || (*oldest)->isInGraph)
      return;
    plans.erase(oldest);
  }
}

std::shared_ptr<LoadedPlan> CudaModule::Impl::makePlan(int64_t kernel, const CpuCall &call, const PlanKey &key,
                                                       const ColumnWindow *window) {
  auto loaded = std::make_shared<LoadedPlan>(*device, key);
  loaded->plan = planGpuLaunch(artifact.kernel(kernel), call, facts(), window);
  for (const GpuLaunch &launch : loaded->plan.launches)
    loaded->functions.push_back(findFunction(launch));
  std::vector<int64_t> words;
  for (const std::vector<int64_t> &table : loaded->plan.tables) {
    loaded->places.push_back(words.size() * sizeof(int64_t));
    words.insert(words.end(), table.begin(), table.end());
  }
  loaded->plan.tables.clear();
  loaded->tableBytes = static_cast<int64_t>(words.size() * sizeof(int64_t));
  if (words.empty())
    return loaded;
  cuda::Result result = device->call().cuMemAlloc_v2(&loaded->tables, words.size() * sizeof(int64_t));
  if (result == cuda::OutOfMemory)
    throw OutOfDeviceMemory("out of memory: a plan of " + std::to_string(loaded->tableBytes) + " bytes does not fit");
  device->driver().check(result, "allocating memory for the plan of a launch");
  // On a stream of its own, and waited for: launches on any stream may then read it.
  DeviceStream stream(*device);
  stream.copyToDevice(loaded->tables, words.data(), loaded->tableBytes);
  stream.wait();
  for (cuda::Address &place : loaded->places)
    place += loaded->tables;
  return loaded;
}

std::shared_ptr<LoadedPlan> CudaModule::Impl::findPlan(int64_t kernel, const CpuCall &call, cuda::Stream stream) {
  thread_local PlanKey key;
  makeKey(kernel, artifact.kernel(kernel), call, key);
  bool isCapturing = device->isCapturing(stream);
  std::lock_guard<std::mutex> lock(mutex);
  auto found = std::find_if(plans.begin(), plans.end(), [&](const auto &plan) { return plan->key == key; });
  if (found == plans.end()) {
    if (isCapturing)
      throw DeviceError("expected a call that was made once before its stream is captured, got one of new sizes, "
                        "strides or ranges, whose tables must be copied first");
    std::shared_ptr<LoadedPlan> made = makePlan(kernel, call, key);
    makeRoom(made->tableBytes);
    plans.push_back(std::move(made));
    found = std::prev(plans.end());
  }
  (*found)->lastUse = ++uses;
  (*found)->isInGraph |= isCapturing;
  return *found;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

void CudaModule::Impl::launch(int64_t kernel, const CpuCall &call, cuda::Stream stream) {
  if (call.rows == 0 || batchesOf(call) == 0)
    return;
  std::shared_ptr<LoadedPlan> loaded = findPlan(kernel, call, stream);
  DeviceMemory scratch(*device, loaded->plan.scratchBytes, stream);
  carryOut(*loaded, call, scratch.address(), stream);
}

void CudaModule::Impl::carryOut(const LoadedPlan &loaded, const CpuCall &call, cuda::Address scratch,
                                cuda::Stream stream) const {
  const GpuPlan &plan = loaded.plan;
  thread_local std::vector<uint64_t> slots;
  thread_local std::vector<void *> parameters;
  auto addressOf = [](const void *pointer) { return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(pointer)); };
  for (size_t n = 0; n < plan.launches.size(); ++n) {
    const GpuLaunch &launch = plan.launches[n];
    slots.clear();
    for (const GpuParameter &parameter : launch.parameters) {
      uint64_t base = 0;
      if (parameter.kind == GpuParameter::Kind::Input)
        base = addressOf(call.inputs[parameter.number]);
      else if (parameter.kind == GpuParameter::Kind::Output)
        base = addressOf(call.outputs[parameter.number]);
      else if (parameter.kind == GpuParameter::Kind::Table)
        base = loaded.places[parameter.number];
      else if (parameter.kind == GpuParameter::Kind::Scratch)
        base = scratch;
      slots.push_back(base + static_cast<uint64_t>(parameter.value));
    }
    parameters.clear();
    for (uint64_t &slot : slots)
      parameters.push_back(&slot);
    device->driver().check(device->call().cuLaunchKernel(
                               loaded.functions[n], static_cast<unsigned>(launch.grid[0]),
                               static_cast<unsigned>(launch.grid[1]), 1, static_cast<unsigned>(launch.threads), 1, 1,
                               static_cast<unsigned>(launch.sharedBytes), stream, parameters.data(), nullptr),
                           "the launch");
  }
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

/// All steps on the device.
class CudaModule::Impl::Runner : public StepRunner {
public:
  Runner(Impl &impl, cuda::Stream stream) : impl(impl), stream(stream) {}

  char *reserve(size_t bytes) override {
    impl.named(impl.artifact, [&] { memory.emplace(*impl.device, static_cast<int64_t>(bytes), stream); });
    return memory->pointer();
  }
  void launch(const Step &step, const CpuCall &call) override {
    impl.named(impl.artifact.kernel(step.kernel), [&] { impl.launch(step.kernel, call, stream); });
  }
  ThreadPool *movers(const Step &) override { return nullptr; }

private:
  Impl &impl;
  cuda::Stream stream;
  std::optional<DeviceMemory> memory;
};

//===----------------------------------------------------------------------===//
// Door
//===----------------------------------------------------------------------===//

CudaModule::CudaModule(std::shared_ptr<const CudaDevice> device, const Artifact &artifact, DiskCache &disk)
    : impl(std::make_unique<Impl>(std::move(device), artifact)) {
  impl->named(artifact, [&] {
    CurrentDevice current(*impl->device);
    impl->load(disk);
  });
}

CudaModule::~CudaModule() {
  try {
    CurrentDevice current(*impl->device);
    impl->plans.clear();
    impl->device->call().cuModuleUnload(impl->code);
  } catch (const DeviceError &) {
    // The context is gone, and with it all that was in it.
    for (const auto &plan : impl->plans)
      plan->tables = 0;
  }
}

const CudaDevice &CudaModule::device() const { return *impl->device; }
const Artifact &CudaModule::artifact() const { return impl->artifact; }

void CudaModule::enqueue(const CpuCall &call, cuda::Stream stream) {
  if (!impl->artifact.isProgram())
    return enqueueKernel(0, call, stream);
  CurrentDevice current(*impl->device);
  Impl::Runner runner(*impl, stream);
  runSteps(impl->artifact, call, runner);
}

void CudaModule::enqueueKernel(int64_t kernel, const CpuCall &call, cuda::Stream stream) {
  impl->named(impl->artifact.kernel(kernel), [&] {
    CurrentDevice current(*impl->device);
    impl->launch(kernel, call, stream);
  });
}

int64_t CudaModule::windowBytes(int64_t kernel, const CpuCall &call, const ColumnWindow &window) const {
  return planGpuLaunch(impl->artifact.kernel(kernel), call, impl->facts(), &window).scratchBytes;
}

void CudaModule::enqueueWindow(int64_t kernel, const CpuCall &call, const ColumnWindow &window, cuda::Address scratch,
                               cuda::Stream stream) {
  impl->named(impl->artifact.kernel(kernel), [&] {
    CurrentDevice current(*impl->device);
    // Each is met once: there is no use in keeping its plan.
    std::shared_ptr<LoadedPlan> loaded = impl->makePlan(kernel, call, {}, &window);
    impl->carryOut(*loaded, call, scratch, stream);
  });
}
