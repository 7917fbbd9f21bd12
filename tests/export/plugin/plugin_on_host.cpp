// The C++ plugin through TensorRT's interfaces, its launches on the host. Reads and writes what
// kernel_on_host.cpp does; each case goes through a plugin that was created, cloned, serialised and created
// again.

#include <NvInferRuntime.h>
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

using namespace nvinfer1;

extern "C" IPluginCreatorInterface* const* getCreators(int32_t& count);
extern "C" void run_on_host(void const* kernel, unsigned blocks, unsigned threads, void** arguments);

namespace {
cudaError_t launch_error = cudaSuccess;
cudaStream_t const kStream = reinterpret_cast<cudaStream_t>(0x10);

void require(bool holds, char const* what) {
    if (!holds) {
        std::fprintf(stderr, "does not hold: %s\n", what);
        std::exit(4);
    }
}
#define REQUIRE(condition) require(condition, #condition)
}  // namespace

extern "C" cudaError_t cudaLaunchKernel(void const* kernel, dim3 grid, dim3 block, void** arguments,
                                        size_t shared, cudaStream_t stream) {
    REQUIRE(grid.y == 1 && grid.z == 1 && block.y == 1 && block.z == 1 && shared == 0 && stream == kStream);
    if (launch_error == cudaSuccess) {
        run_on_host(kernel, grid.x, block.x, arguments);
    }
    return launch_error;
}
extern "C" char const* cudaGetErrorString(cudaError_t) { return "an error"; }

namespace {

IPluginV3* create(PluginFieldCollection const* fields) {
    int32_t count = 0;
    auto* const creator = static_cast<IPluginCreatorV3One*>(getCreators(count)[0]);
    REQUIRE(count == 1);
    return creator->createPlugin("a name", fields, TensorRTPhase::kBUILD);
}

IPluginV3* create(char const* name, PluginFieldType type, void const* value) {
    PluginField const field(name, value, type, 1);
    PluginFieldCollection const fields{1, &field};
    return create(&fields);
}

template <typename T>
T* capability(IPluginV3* plugin, PluginCapabilityType type) {
    return static_cast<T*>(plugin->getCapabilityInterface(type));
}

IPluginV3OneRuntime* runtime_of(IPluginV3* plugin) {
    return capability<IPluginV3OneRuntime>(plugin, PluginCapabilityType::kRUNTIME);
}

// A plugin made out of what another one serialised, both gone by then.
std::unique_ptr<IPluginV3> travelled(int64_t radius) {
    std::unique_ptr<IPluginV3> first(create("radius", PluginFieldType::kINT64, &radius));
    std::unique_ptr<IPluginV3> second(first->clone());
    first.reset();
    return std::unique_ptr<IPluginV3>(create(runtime_of(second.get())->getFieldsToSerialize()));
}

void check_refusals() {
    for (int32_t radius : {-1, 0, 9}) {
        REQUIRE(create("radius", PluginFieldType::kINT32, &radius) == nullptr);
    }
    int32_t const good = 4;
    REQUIRE(create("radii", PluginFieldType::kINT32, &good) == nullptr);
    REQUIRE(create("radius", PluginFieldType::kFLOAT32, &good) == nullptr);
    REQUIRE(create(nullptr) == nullptr);
}

PluginTensorDesc described(DataType type, int const (&shape)[4],
                           TensorFormat format = TensorFormat::kLINEAR) {
    PluginTensorDesc tensor{};
    tensor.dims.nbDims = 4;
    for (int i = 0; i < 4; ++i) {
        tensor.dims.d[i] = shape[i];
    }
    tensor.type = type;
    tensor.format = format;
    return tensor;
}

void check_formats(IPluginV3* plugin) {
    auto* const build = capability<IPluginV3OneBuild>(plugin, PluginCapabilityType::kBUILD);
    auto const takes = [&](DataType first, DataType other, TensorFormat format) {
        DynamicPluginTensorDesc tensors[3]{};
        for (int i = 0; i < 3; ++i) {
            tensors[i].desc = described(i == 0 ? first : other, {1, 2, 3, 4}, format);
        }
        return build->supportsFormatCombination(0, tensors, 2, 1) &&
               build->supportsFormatCombination(1, tensors, 2, 1) &&
               build->supportsFormatCombination(2, tensors, 2, 1);
    };
    for (DataType type : {DataType::kFLOAT, DataType::kHALF, DataType::kBF16}) {
        REQUIRE(takes(type, type, TensorFormat::kLINEAR));
        REQUIRE(!takes(type, type, TensorFormat::kHWC8));
    }
    REQUIRE(!takes(DataType::kHALF, DataType::kFLOAT, TensorFormat::kLINEAR));
    REQUIRE(!takes(DataType::kINT32, DataType::kINT32, TensorFormat::kLINEAR));
}

std::vector<char> correlate(DataType type, int element, int radius, int const (&shape)[4]) {
    std::size_t const bytes = std::size_t(element) * shape[0] * shape[1] * shape[2] * shape[3];
    std::unique_ptr<char[]> feature1(new char[bytes]), feature2(new char[bytes]);
    REQUIRE(std::fread(feature1.get(), 1, bytes, stdin) == bytes);
    REQUIRE(std::fread(feature2.get(), 1, bytes, stdin) == bytes);
    int const side = 2 * radius + 1, volume_shape[4] = {shape[0], side * side, shape[2], shape[3]};
    std::vector<char> volume(bytes / shape[1] * side * side, char(0xff));
    PluginTensorDesc const in[] = {described(type, shape), described(type, shape)};
    PluginTensorDesc const out = described(type, volume_shape);
    void const* const inputs[] = {feature1.get(), feature2.get()};
    void* const outputs[] = {volume.data()};

    auto const plugin = travelled(radius);
    check_formats(plugin.get());
    std::unique_ptr<IPluginV3> attached(runtime_of(plugin.get())->attachToContext(nullptr));
    auto* const runtime = runtime_of(attached.get());
    REQUIRE(runtime->onShapeChange(in, 2, &out, 1) == 0);
    REQUIRE(runtime->enqueue(in, &out, inputs, outputs, nullptr, kStream) == 0);
    launch_error = cudaErrorInvalidValue;
    REQUIRE(runtime->enqueue(in, &out, inputs, outputs, nullptr, kStream) != 0);
    launch_error = cudaSuccess;
    PluginTensorDesc const unequal[] = {in[0], described(type, {shape[0], shape[1], shape[2], shape[3] + 1})};
    REQUIRE(runtime->onShapeChange(unequal, 2, &out, 1) != 0);
    // 2^32 rows: more blocks than a launch takes, 0 of them when cut to 32 bits.
    PluginTensorDesc const huge = described(type, {1 << 16, 1, 1 << 16, 1}), huge_pair[] = {huge, huge};
    REQUIRE(runtime->enqueue(huge_pair, &out, inputs, outputs, nullptr, kStream) != 0);
    return volume;
}

}  // namespace

int main() {
    check_refusals();
    int kind_and_radius[2], shape[4];
    while (std::fread(kind_and_radius, sizeof(int), 2, stdin) == 2 &&
           std::fread(shape, sizeof(int), 4, stdin) == 4) {
        int const kind = kind_and_radius[0];
        DataType const type = kind == 4 ? DataType::kFLOAT : kind == 2 ? DataType::kHALF : DataType::kBF16;
        auto const volume = correlate(type, kind == 4 ? 4 : 2, kind_and_radius[1], shape);
        std::fwrite(volume.data(), 1, volume.size(), stdout);
    }
}
