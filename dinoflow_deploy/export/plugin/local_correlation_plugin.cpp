// LocalCorrelation as a TensorRT plugin: namespace dinoflow, version 1, one attribute, radius.
//
// A library that TensorRT loads by its path (IPluginRegistry::loadLibrary) or out of an engine that it was
// serialised into. It is not linked to TensorRT: it fills TensorRT's interfaces and is handed its logger.

#include <NvInferRuntime.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <limits>
#include <new>
#include <string>

#include "local_correlation.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

extern "C" {
void local_correlation_fp32(float const*, float const*, int, int, int, int, float*);
void local_correlation_fp16(__half const*, __half const*, int, int, int, int, __half*);
void local_correlation_bf16(__nv_bfloat16 const*, __nv_bfloat16 const*, int, int, int, int, __nv_bfloat16*);
}

namespace dinoflow {
namespace {

using namespace nvinfer1;

constexpr char const* kName = "LocalCorrelation";
constexpr char const* kNamespace = "dinoflow";
constexpr char const* kVersion = "1";
constexpr char const* kRadius = "radius";

ILoggerFinder* logger_finder = nullptr;

// Says what is wrong and returns what TensorRT takes for failure.
int32_t fail(std::string const& message) noexcept {
    ILogger* const logger = logger_finder == nullptr ? nullptr : logger_finder->findLogger();
    if (logger != nullptr) {
        logger->log(ILogger::Severity::kERROR, ("LocalCorrelation: " + message).c_str());
    }
    return -1;
}

void const* kernel_of(DataType type) noexcept {
    switch (type) {
        case DataType::kFLOAT: return reinterpret_cast<void const*>(&local_correlation_fp32);
        case DataType::kHALF: return reinterpret_cast<void const*>(&local_correlation_fp16);
        case DataType::kBF16: return reinterpret_cast<void const*>(&local_correlation_bf16);
        default: return nullptr;
    }
}

bool same_shape(Dims const& left, Dims const& right) noexcept {
    bool same = left.nbDims == 4 && right.nbDims == 4;
    for (int32_t i = 0; same && i < 4; ++i) {
        same = left.d[i] == right.d[i];
    }
    return same;
}

class LocalCorrelation final : public IPluginV3,
                               public IPluginV3OneCore,
                               public IPluginV3OneBuild,
                               public IPluginV3OneRuntime {
public:
    explicit LocalCorrelation(int32_t radius) noexcept : radius_(radius) {}
    // Its fields point into itself.
    LocalCorrelation(LocalCorrelation const&) = delete;
    LocalCorrelation& operator=(LocalCorrelation const&) = delete;

    IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
        switch (type) {
            case PluginCapabilityType::kCORE: return static_cast<IPluginV3OneCore*>(this);
            case PluginCapabilityType::kBUILD: return static_cast<IPluginV3OneBuild*>(this);
            case PluginCapabilityType::kRUNTIME: return static_cast<IPluginV3OneRuntime*>(this);
        }
        return nullptr;
    }

    IPluginV3* clone() noexcept override { return new (std::nothrow) LocalCorrelation(radius_); }
    char const* getPluginName() const noexcept override { return kName; }
    char const* getPluginVersion() const noexcept override { return kVersion; }
    char const* getPluginNamespace() const noexcept override { return kNamespace; }

    int32_t getNbOutputs() const noexcept override { return 1; }

    int32_t getOutputDataTypes(DataType* outputs, int32_t output_count, DataType const* inputs,
                               int32_t input_count) const noexcept override {
        if (input_count != 2 || output_count != 1) {
            return fail("two inputs and one output are needed");
        }
        outputs[0] = inputs[0];
        return 0;
    }

    int32_t getOutputShapes(DimsExprs const* inputs, int32_t input_count, DimsExprs const*, int32_t,
                            DimsExprs* outputs, int32_t output_count,
                            IExprBuilder& expressions) noexcept override {
        if (input_count != 2 || output_count != 1 || inputs[0].nbDims != 4 || inputs[1].nbDims != 4) {
            return fail("two features of [B, C, H, W] are needed");
        }
        outputs[0] = inputs[0];
        outputs[0].d[1] = expressions.constant((2 * radius_ + 1) * (2 * radius_ + 1));
        return 0;
    }

    bool supportsFormatCombination(int32_t position, DynamicPluginTensorDesc const* tensors, int32_t,
                                   int32_t) noexcept override {
        PluginTensorDesc const& tensor = tensors[position].desc;
        return tensor.format == TensorFormat::kLINEAR && kernel_of(tensor.type) != nullptr &&
               tensor.type == tensors[0].desc.type;
    }

    int32_t configurePlugin(DynamicPluginTensorDesc const*, int32_t, DynamicPluginTensorDesc const*,
                            int32_t) noexcept override {
        return 0;
    }

    int32_t onShapeChange(PluginTensorDesc const* inputs, int32_t, PluginTensorDesc const*,
                          int32_t) noexcept override {
        return same_shape(inputs[0].dims, inputs[1].dims) ? 0 : fail("the features differ in shape");
    }

    int32_t enqueue(PluginTensorDesc const* input_descriptions, PluginTensorDesc const*,
                    void const* const* inputs, void* const* outputs, void*,
                    cudaStream_t stream) noexcept override {
        Dims const& shape = input_descriptions[0].dims;
        long long const blocks = block_count(shape.d[0], shape.d[2], shape.d[3], radius_);
        if (blocks > std::numeric_limits<int32_t>::max()) {
            return fail("the features are too large for one launch");
        }
        if (blocks == 0) {
            return 0;
        }
        auto channels = static_cast<int32_t>(shape.d[1]);
        auto height = static_cast<int32_t>(shape.d[2]);
        auto width = static_cast<int32_t>(shape.d[3]);
        void const *feature1 = inputs[0], *feature2 = inputs[1];
        void* volume = outputs[0];
        void* arguments[] = {&feature1, &feature2, &channels, &height, &width, &radius_, &volume};
        cudaError_t const error = cudaLaunchKernel(kernel_of(input_descriptions[0].type),
                                                   dim3(static_cast<unsigned>(blocks)), dim3(kThreads),
                                                   arguments, 0, stream);
        return error == cudaSuccess ? 0 : fail(cudaGetErrorString(error));
    }

    IPluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }
    PluginFieldCollection const* getFieldsToSerialize() noexcept override { return &fields_; }

private:
    int32_t radius_;
    PluginField field_{kRadius, &radius_, PluginFieldType::kINT32, 1};
    PluginFieldCollection fields_{1, &field_};
};

// The attribute, from a node or from an engine; 0 if there is none.
int64_t radius_in(PluginFieldCollection const& fields) noexcept {
    for (int32_t i = 0; i < fields.nbFields; ++i) {
        PluginField const& field = fields.fields[i];
        if (field.name == nullptr || std::string(kRadius) != field.name || field.length != 1) {
            continue;
        }
        if (field.type == PluginFieldType::kINT32) {
            return *static_cast<int32_t const*>(field.data);
        }
        if (field.type == PluginFieldType::kINT64) {
            return *static_cast<int64_t const*>(field.data);
        }
    }
    return 0;
}

class Creator final : public IPluginCreatorV3One {
public:
    IPluginV3* createPlugin(char const*, PluginFieldCollection const* fields,
                            TensorRTPhase) noexcept override {
        int64_t const radius = fields == nullptr ? 0 : radius_in(*fields);
        if (radius < 1 || radius > kMaximumRadius) {
            fail("the node needs the attribute 'radius', an integer from 1 to 8");
            return nullptr;
        }
        return new (std::nothrow) LocalCorrelation(static_cast<int32_t>(radius));
    }

    PluginFieldCollection const* getFieldNames() noexcept override { return &fields_; }
    char const* getPluginName() const noexcept override { return kName; }
    char const* getPluginVersion() const noexcept override { return kVersion; }
    char const* getPluginNamespace() const noexcept override { return kNamespace; }

private:
    PluginField field_{kRadius, nullptr, PluginFieldType::kINT32, 1};
    PluginFieldCollection fields_{1, &field_};
};

}  // namespace
}  // namespace dinoflow

EXPORTED void setLoggerFinder(nvinfer1::ILoggerFinder* finder) { dinoflow::logger_finder = finder; }

EXPORTED nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
    static dinoflow::Creator creator;
    static nvinfer1::IPluginCreatorInterface* const creators[] = {&creator};
    count = 1;
    return creators;
}
