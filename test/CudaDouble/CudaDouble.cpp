//===- CudaDouble.cpp - A CUDA driver that keeps accounts ------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One lock guards everything. Memory of a device is filled with a pattern when
// it comes and when it goes, so that what is read too early or too late shows.
// What a real driver does later, in the order of a stream, is done at once.
//
//===----------------------------------------------------------------------===//

#include "CudaDouble.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

using namespace keops::test;

namespace {

using Result = int;
constexpr Result Success = 0, InvalidValue = 1, OutOfMemory = 2, NoDevice = 100, InvalidDevice = 101,
                 InvalidImage = 200, InvalidContext = 201, NotFound = 500, LaunchFailed = 719, CaptureUnsupported = 900;

struct Allocation {
  int64_t bytes = 0;
  int device = 0;
  bool belongsToTest = false;
};

struct Failure {
  Result result = 0;
  int after = 0;
  int times = 0;
};

struct Device {
  int retained = 0;
};

struct Module {
  std::string ptx;
};

struct Function {
  Module *module;
  std::string name;
  int dynamicShared = 0;
};

/// What is not in these sets is no handle.
struct State {
  DoubleSettings settings;
  DoubleRunner *runner = nullptr;
  std::map<std::string, Failure> failures;
  std::map<char *, Allocation> allocations;
  std::set<char *> freed;
  std::map<Module *, std::vector<Function *>> modules;
  std::set<std::string *> linkers;
  std::set<int *> pools, streams;
  std::set<void *> capturing;
  std::map<int, Device> devices;
  std::vector<std::string> calls, faults;
  std::vector<DoubleLaunch> launches;
  int64_t peak = 0;
};

std::recursive_mutex mutex;
State state;
thread_local std::vector<int> contexts; // numbers of devices

constexpr const char *cubinMark = "cubin of the double\n";
constexpr char fresh = '\x7f', gone = '\x3f';

int64_t liveBytesOf(int device, bool testToo) {
  int64_t bytes = 0;
  for (const auto &[place, allocation] : state.allocations)
    if ((device < 0 || allocation.device == device) && (testToo || !allocation.belongsToTest))
      bytes += allocation.bytes;
  return bytes;
}

/// Notes a call; its result if it is to fail.
Result enter(const char *name, bool wantsContext) {
  state.calls.push_back(name);
  auto found = state.failures.find(name);
  if (found != state.failures.end()) {
    Failure &failure = found->second;
    if (failure.after > 0)
      --failure.after;
    else if (failure.times > 0) {
      --failure.times;
      return failure.result;
    }
  }
  if (wantsContext && contexts.empty()) {
    state.faults.push_back(std::string(name) + " without a context");
    return InvalidContext;
  }
  return Success;
}

#define ENTER(wantsContext)                                                                                            \
  std::lock_guard<std::recursive_mutex> lock(mutex);                                                                   \
  if (Result failure = enter(__func__, wantsContext))                                                                  \
  return failure

/// What must not happen while any stream is captured.
#define REFUSE_IN_CAPTURE()                                                                                            \
  if (!state.capturing.empty()) {                                                                                      \
    state.faults.push_back(std::string(__func__) + " during a capture");                                               \
    return CaptureUnsupported;                                                                                         \
  }

Result fault(const std::string &sentence) {
  state.faults.push_back(sentence);
  return InvalidValue;
}

/// The allocation that holds [place, place + bytes).
const Allocation *find(const void *place, int64_t bytes) {
  auto *address = static_cast<char *>(const_cast<void *>(place));
  auto next = state.allocations.upper_bound(address);
  if (next == state.allocations.begin())
    return nullptr;
  const auto &[start, allocation] = *std::prev(next);
  return address + bytes <= start + allocation.bytes ? &allocation : nullptr;
}

Result take(uint64_t *address, size_t bytes, int device, bool belongsToTest) {
  if (bytes == 0)
    return InvalidValue;
  if (liveBytesOf(device, true) + static_cast<int64_t>(bytes) > state.settings.memory)
    return OutOfMemory;
  auto *memory = static_cast<char *>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  std::memset(memory, fresh, bytes);
  state.allocations[memory] = {static_cast<int64_t>(bytes), device, belongsToTest};
  state.freed.erase(memory);
  if (!belongsToTest)
    state.peak = std::max(state.peak, liveBytesOf(-1, false));
  *address = reinterpret_cast<uint64_t>(memory);
  return Success;
}

Result give(uint64_t address) {
  auto *memory = reinterpret_cast<char *>(address);
  auto found = state.allocations.find(memory);
  if (found == state.allocations.end())
    return fault(state.freed.count(memory) ? "memory is freed twice" : "memory is freed that was never allocated");
  std::memset(memory, gone, found->second.bytes);
  state.allocations.erase(found);
  state.freed.insert(memory);
  std::free(memory);
  return Success;
}

bool isStream(void *stream) { return !stream || state.streams.count(static_cast<int *>(stream)); }

void readSettings(const char *text) {
  std::string rest = text;
  DoubleSettings &settings = state.settings;
  while (!rest.empty()) {
    size_t end = std::min(rest.find(','), rest.size());
    std::string field = rest.substr(0, end);
    rest.erase(0, std::min(end + 1, rest.size()));
    size_t equals = field.find('=');
    std::string name = field.substr(0, equals);
    long value = equals == std::string::npos ? 0 : std::atol(field.c_str() + equals + 1);
    if (name == "version")
      settings.version = static_cast<int>(value);
    else if (name == "devices")
      settings.devices = static_cast<int>(value);
    else if (name == "capability")
      settings.capability = static_cast<int>(value);
    else if (name == "multiprocessors")
      settings.multiprocessors = static_cast<int>(value);
    else if (name == "memory")
      settings.memory = value;
    else if (name == "shared")
      settings.sharedBytes = static_cast<int>(value);
    else
      std::abort();
  }
}

struct Door : CudaDouble {
  Door() { reset(); }
  void reset() override {
    std::lock_guard<std::recursive_mutex> lock(mutex);
    for (auto &[place, allocation] : state.allocations)
      std::free(place);
    state = State();
    if (const char *text = std::getenv("KEOPS_CUDA_DOUBLE"))
      readSettings(text);
  }
  DoubleSettings &settings() override { return state.settings; }
  void setRunner(DoubleRunner *runner) override { state.runner = runner; }
  void failCall(const std::string &function, int result, int after, int times) override {
    state.failures[function] = {result, after, times};
  }
  void capture(void *stream, bool isCapturing) override {
    if (isCapturing)
      state.capturing.insert(stream);
    else
      state.capturing.erase(stream);
  }
  void *allocate(int device, int64_t bytes) override {
    std::lock_guard<std::recursive_mutex> lock(mutex);
    uint64_t address = 0;
    return take(&address, bytes, device, true) == Success ? reinterpret_cast<void *>(address) : nullptr;
  }
  void free(void *memory) override {
    std::lock_guard<std::recursive_mutex> lock(mutex);
    give(reinterpret_cast<uint64_t>(memory));
  }
  std::vector<std::string> &calls() override { return state.calls; }
  std::vector<DoubleLaunch> &launches() override { return state.launches; }
  int64_t liveBytes() override { return liveBytesOf(-1, false); }
  int64_t peakBytes() override { return state.peak; }
  std::string leaks() override {
    std::string text;
    auto say = [&](int64_t count, const char *what) {
      if (count > 0)
        text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
    };
    say(std::count_if(state.allocations.begin(), state.allocations.end(),
                      [](const auto &entry) { return !entry.second.belongsToTest; }),
        "allocations");
    say(state.modules.size(), "modules");
    say(state.linkers.size(), "linkers");
    say(state.pools.size(), "pools");
    say(state.streams.size(), "streams");
    for (const auto &[number, device] : state.devices)
      say(device.retained, "contexts");
    say(contexts.size(), "contexts that are current");
    return text;
  }
  std::vector<std::string> &faults() override { return state.faults; }
};

} // namespace

extern "C" {

CudaDouble *keops_cuda_double() {
  static Door door;
  return &door;
}

//===----------------------------------------------------------------------===//
// Driver and devices
//===----------------------------------------------------------------------===//

Result cuInit(unsigned) {
  keops_cuda_double();
  ENTER(false);
  return state.settings.devices > 0 ? Success : NoDevice;
}
Result cuDriverGetVersion(int *version) {
  keops_cuda_double();
  ENTER(false);
  *version = state.settings.version;
  return Success;
}
Result cuGetErrorName(Result result, const char **text) {
  static const std::map<Result, const char *> names = {
      {InvalidValue, "CUDA_ERROR_INVALID_VALUE"},  {OutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY"},
      {3, "CUDA_ERROR_NOT_INITIALIZED"},           {InvalidImage, "CUDA_ERROR_INVALID_IMAGE"},
      {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"}, {NotFound, "CUDA_ERROR_NOT_FOUND"},
      {LaunchFailed, "CUDA_ERROR_LAUNCH_FAILED"},  {CaptureUnsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"}};
  auto found = names.find(result);
  *text = found == names.end() ? nullptr : found->second;
  return found == names.end() ? InvalidValue : Success;
}
Result cuGetErrorString(Result result, const char **text) {
  *text = result == OutOfMemory ? "out of memory" : "as the double was told";
  return Success;
}
Result cuDeviceGetCount(int *count) {
  ENTER(false);
  *count = state.settings.devices;
  return Success;
}
Result cuDeviceGet(int *device, int number) {
  ENTER(false);
  *device = number;
  return number >= 0 && number < state.settings.devices ? Success : InvalidDevice;
}
Result cuDeviceGetName(char *name, int bytes, int) {
  ENTER(false);
  std::strncpy(name, "Double", bytes);
  return Success;
}
Result cuDeviceGetAttribute(int *value, int which, int) {
  ENTER(false);
  const std::map<int, int> values = {{16, state.settings.multiprocessors},
                                     {97, state.settings.sharedBytes},
                                     {75, state.settings.capability / 10},
                                     {76, state.settings.capability % 10},
                                     {115, 1}};
  auto found = values.find(which);
  *value = found == values.end() ? 0 : found->second;
  return found == values.end() ? InvalidValue : Success;
}
Result cuDevicePrimaryCtxRetain(void **context, int device) {
  ENTER(false);
  ++state.devices[device].retained;
  // A context is the number of its device, from one on.
  *context = reinterpret_cast<void *>(static_cast<intptr_t>(device + 1));
  return Success;
}
Result cuDevicePrimaryCtxRelease_v2(int device) {
  ENTER(false);
  return --state.devices[device].retained < 0 ? fault("a context is released twice") : Success;
}
Result cuCtxPushCurrent_v2(void *context) {
  ENTER(false);
  int device = static_cast<int>(reinterpret_cast<intptr_t>(context)) - 1;
  if (device < 0 || state.devices[device].retained <= 0)
    return fault("a context is made current that is not there");
  contexts.push_back(device);
  return Success;
}
Result cuCtxPopCurrent_v2(void **context) {
  ENTER(true);
  *context = reinterpret_cast<void *>(static_cast<intptr_t>(contexts.back() + 1));
  contexts.pop_back();
  return Success;
}
Result cuCtxSynchronize() {
  ENTER(true);
  REFUSE_IN_CAPTURE();
  return Success;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

Result cuModuleLoadData(void **module, const void *image) {
  ENTER(true);
  REFUSE_IN_CAPTURE();
  std::string text = static_cast<const char *>(image);
  if (text.rfind(cubinMark, 0) != 0)
    return InvalidImage;
  auto *made = new Module{text.substr(std::strlen(cubinMark))};
  state.modules[made];
  *module = made;
  return Success;
}
Result cuModuleUnload(void *module) {
  ENTER(true);
  auto found = state.modules.find(static_cast<Module *>(module));
  if (found == state.modules.end())
    return fault("a module is unloaded that is not there");
  for (Function *function : found->second)
    delete function;
  delete found->first;
  state.modules.erase(found);
  return Success;
}
Result cuModuleGetFunction(void **function, void *module, const char *name) {
  ENTER(true);
  auto found = state.modules.find(static_cast<Module *>(module));
  if (found == state.modules.end())
    return fault("a function is sought in a module that is not there");
  if (found->first->ptx.find(".entry " + std::string(name) + "(") == std::string::npos)
    return NotFound;
  found->second.push_back(new Function{found->first, name});
  *function = found->second.back();
  return Success;
}
Result cuFuncGetAttribute(int *value, int which, void *) {
  ENTER(true);
  *value = which == 0 ? state.settings.registersFor : which == 1 ? state.settings.staticShared : 0;
  return Success;
}
Result cuFuncSetAttribute(void *function, int which, int value) {
  ENTER(true);
  if (which != 8 || value + state.settings.staticShared > state.settings.sharedBytes)
    return InvalidValue;
  static_cast<Function *>(function)->dynamicShared = value;
  return Success;
}
Result cuLinkCreate_v2(unsigned count, int *options, void **values, void **linker) {
  ENTER(true);
  for (unsigned n = 0; n < count; ++n)
    if (options[n] == 5)
      std::strcpy(static_cast<char *>(values[n]), "what the assembler says");
  auto *made = new std::string;
  state.linkers.insert(made);
  *linker = made;
  return Success;
}
Result cuLinkAddData_v2(void *linker, int type, void *data, size_t bytes, const char *, unsigned, int *, void **) {
  ENTER(true);
  const char *text = static_cast<const char *>(data);
  if (type != 1 || bytes == 0 || text[bytes - 1] != 0)
    return fault("expected PTX with a zero at its end");
  *static_cast<std::string *>(linker) = cubinMark + std::string(text);
  return Success;
}
Result cuLinkComplete(void *linker, void **binary, size_t *bytes) {
  ENTER(true);
  auto &made = *static_cast<std::string *>(linker);
  *binary = made.data();
  *bytes = made.size() + 1;
  return Success;
}
Result cuLinkDestroy(void *linker) {
  ENTER(true);
  auto *made = static_cast<std::string *>(linker);
  if (!state.linkers.erase(made))
    return fault("a linker is destroyed that is not there");
  delete made;
  return Success;
}
Result cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                      unsigned shared, void *stream, void **parameters, void **) {
  DoubleLaunch launch;
  std::string ptx;
  std::vector<DoubleMemory> memory;
  DoubleRunner *runner = nullptr;
  {
    ENTER(true);
    auto *called = static_cast<Function *>(function);
    bool known = std::any_of(state.modules.begin(), state.modules.end(), [&](const auto &entry) {
      return std::count(entry.second.begin(), entry.second.end(), called) > 0;
    });
    if (!known || !isStream(stream))
      return fault("a launch of a function, or on a stream, that is not there");
    constexpr unsigned mostX = 0x7fffffff, mostY = 0xffff, mostThreads = 1024, always = 48 * 1024;
    if (gx == 0 || gy == 0 || gz == 0 || gx > mostX || gy > mostY || gz > mostY || bx * by * bz > mostThreads ||
        bx * by * bz == 0 || (shared > static_cast<unsigned>(called->dynamicShared) && shared > always))
      return fault("a launch beyond the limits of a grid");
    launch = {called->name, {gx, gy, gz}, {bx, by, bz}, shared, stream};
    state.launches.push_back(launch);
    ptx = called->module->ptx;
    for (const auto &[place, allocation] : state.allocations)
      if (allocation.device == contexts.back())
        memory.push_back({place, allocation.bytes});
    runner = state.capturing.count(stream) ? nullptr : state.runner;
  }
  // Without the lock: kernels of several threads may run at once.
  return !runner || runner->run(ptx, launch, parameters, memory) ? Success : LaunchFailed;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Result cuMemGetInfo_v2(size_t *free, size_t *total) {
  ENTER(true);
  *total = state.settings.memory;
  *free = state.settings.memory - liveBytesOf(contexts.back(), true);
  return Success;
}
Result cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  ENTER(true);
  REFUSE_IN_CAPTURE();
  return take(address, bytes, contexts.back(), false);
}
Result cuMemFree_v2(uint64_t address) {
  ENTER(true);
  REFUSE_IN_CAPTURE();
  return give(address);
}
Result cuMemPoolCreate(void **pool, const void *) {
  ENTER(false);
  auto *made = new int(0);
  state.pools.insert(made);
  *pool = made;
  return Success;
}
Result cuMemPoolDestroy(void *pool) {
  ENTER(false);
  auto *made = static_cast<int *>(pool);
  if (!state.pools.erase(made))
    return fault("a pool is destroyed that is not there");
  delete made;
  return Success;
}
Result cuMemPoolSetAttribute(void *, int, void *) {
  ENTER(false);
  return Success;
}
Result cuMemPoolTrimTo(void *, size_t) {
  ENTER(false);
  return Success;
}
Result cuMemAllocFromPoolAsync(uint64_t *address, size_t bytes, void *pool, void *stream) {
  ENTER(true);
  if (!state.pools.count(static_cast<int *>(pool)) || !isStream(stream))
    return fault("memory is asked of a pool, or for a stream, that is not there");
  return take(address, bytes, contexts.back(), false);
}
Result cuMemFreeAsync(uint64_t address, void *stream) {
  ENTER(true);
  return isStream(stream) ? give(address) : fault("memory is freed on a stream that is not there");
}
Result cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
  ENTER(true);
  REFUSE_IN_CAPTURE();
  if (!isStream(stream) || !find(reinterpret_cast<void *>(to), bytes))
    return fault("a copy to memory that is not there");
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  return Success;
}
Result cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
  ENTER(true);
  REFUSE_IN_CAPTURE();
  if (!isStream(stream) || !find(reinterpret_cast<void *>(from), bytes))
    return fault("a copy from memory that is not there");
  std::memcpy(to, reinterpret_cast<void *>(from), bytes);
  return Success;
}
Result cuPointerGetAttribute(void *value, int which, uint64_t address) {
  ENTER(true);
  const Allocation *found = find(reinterpret_cast<void *>(address), 1);
  if (!found)
    return InvalidValue;
  if (which == 2)
    *static_cast<unsigned *>(value) = 2;
  else if (which == 9)
    *static_cast<int *>(value) = found->device;
  else
    return InvalidValue;
  return Success;
}

//===----------------------------------------------------------------------===//
// Streams
//===----------------------------------------------------------------------===//

Result cuStreamCreate(void **stream, unsigned) {
  ENTER(true);
  auto *made = new int(0);
  state.streams.insert(made);
  *stream = made;
  return Success;
}
Result cuStreamDestroy_v2(void *stream) {
  ENTER(true);
  auto *made = static_cast<int *>(stream);
  if (!state.streams.erase(made))
    return fault("a stream is destroyed that is not there");
  delete made;
  return Success;
}
Result cuStreamSynchronize(void *stream) {
  ENTER(true);
  REFUSE_IN_CAPTURE();
  return isStream(stream) ? Success : fault("a stream is waited for that is not there");
}
Result cuStreamIsCapturing(void *stream, int *status) {
  ENTER(true);
  *status = state.capturing.count(stream) ? 1 : 0;
  return Success;
}

} // extern "C"

//===----------------------------------------------------------------------===//
// Accounts for programs that do not speak C++
//===----------------------------------------------------------------------===//

extern "C" {

int64_t keops_cuda_double_live_bytes() { return keops_cuda_double()->liveBytes(); }
int64_t keops_cuda_double_launches() { return static_cast<int64_t>(keops_cuda_double()->launches().size()); }
/// The stream of the latest launch.
void *keops_cuda_double_stream() {
  const std::vector<DoubleLaunch> &launches = keops_cuda_double()->launches();
  return launches.empty() ? nullptr : launches.back().stream;
}
/// How often the driver's function of this name was called.
int64_t keops_cuda_double_calls(const char *function) {
  const std::vector<std::string> &calls = keops_cuda_double()->calls();
  return std::count(calls.begin(), calls.end(), function);
}

} // extern "C"
