// The local cost volume, for TensorRT's plugins and for whoever launches it through the CUDA driver:
//
//   volume[b, (dy + r) (2r + 1) + dx + r, y, x] = 1/sqrt(C) sum over c of
//                                                 feature1[b, c, y, x] feature2[b, c, y + dy, x + dx]
//
// for dy and dx from -r to r, a feature outside the frame being zero. Features are [B, C, H, W], contiguous;
// the volume is [B, (2r + 1)^2, H, W] of the same type: float, half or bfloat16. Sums are in float.
//
// Tiling. A block computes 32 columns of one row, for 3 dy and 9 dx (at radius 4 a third of the window).
// It walks through the channels 32 at a time, in shared memory as float: 32 columns of feature 1 and, for
// each dy, the 40 columns of feature 2 that they meet. A thread loads one and the same cell of every channel,
// so that its address and its test for the border are computed once, and a warp reads neighbours. While a
// stage is computed, the next is on its way into registers.
//
//   24 tasks    8 quads of columns x 3 dy. A task is 4 columns x 9 dx = 36 sums in registers; each channel
//               gives it 4 + 12 floats, in four vectors without bank conflicts, for its 36 products.
//   8 slices    of the channels: the grids are small (28x64 at stride 16), and channels are what there is
//               most of. Their sums are added up at the end, in the shared memory where the channels were.
//
// Blocks lie along grid x, which has room for 2^31: columns fastest, then dx, dy, rows and batch. A launch
// has block_count blocks of kThreads threads (local_correlation.h) without dynamic shared memory. Arguments
// stand in the order of TensorRT's ahead-of-time plugins: inputs, integers, outputs.

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

#include "local_correlation.h"

// Not without a name: nvcc would put a hash of the file's path into the PTX.
namespace dinoflow {

constexpr int kQuads = kColumns / 4;
constexpr int kTasks = kQuads * kRowsDy;
constexpr int kSlices = 8;
constexpr int kStage = 32;                         // channels in shared memory at a time
constexpr int kMet = kColumns + kColumnsDx - 1;    // columns of feature 2 that a row of the tile meets
constexpr int kCells = kColumns + kRowsDy * kMet;  // cells of one channel: feature 1, then feature 2
constexpr int kSums = kRowsDy * kColumnsDx * kColumns;
constexpr int kShared = kStage * kCells > kSlices * kSums ? kStage * kCells : kSlices * kSums;

static_assert(kThreads == kTasks * kSlices, "a thread has one task and one slice");
static_assert(kCells <= kThreads, "a thread loads one cell of each channel");
static_assert(kStage % kSlices == 0, "slices are equal");
static_assert(kMet % 4 == 0 && kCells % 4 == 0, "vectors are aligned");
static_assert(kShared * sizeof(float) <= 48 * 1024, "more needs an opt-in at launch");

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(__half value) { return __half2float(value); }
__device__ inline float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ inline void store(float* target, float value) { *target = value; }
__device__ inline void store(__half* target, float value) { *target = __float2half_rn(value); }
__device__ inline void store(__nv_bfloat16* target, float value) { *target = __float2bfloat16_rn(value); }

// Where a block stands: the first of its columns, its row and image, the first of its displacements (from 0).
struct Place {
    int x, y, dx, dy;
    long long image;
};

__device__ inline Place place_of(unsigned block, int height, int width, int side) {
    auto next = [&block](int length) {
        unsigned const position = block % length;
        block /= length;
        return static_cast<int>(position);
    };
    Place place;
    place.x = next((width + kColumns - 1) / kColumns) * kColumns;
    place.dx = next((side + kColumnsDx - 1) / kColumnsDx) * kColumnsDx;
    place.dy = next((side + kRowsDy - 1) / kRowsDy) * kRowsDy;
    place.y = next(height);
    place.image = block;
    return place;
}

// One cell of the tile, for every channel: where the thread reads in global memory, null for zero.
template <typename T>
__device__ inline T const* cell_source(T const* feature1, T const* feature2, Place const& place, int cell,
                                       int height, int width, int radius) {
    bool const first = cell < kColumns;
    int const met = cell - kColumns;
    int const x = first ? place.x + cell : place.x + place.dx - radius + met % kMet;
    int const y = first ? place.y : place.y + place.dy - radius + met / kMet;
    if (cell >= kCells || x < 0 || x >= width || y < 0 || y >= height) {
        return nullptr;
    }
    return (first ? feature1 : feature2) + static_cast<long long>(y) * width + x;
}

// The thread's cell of the next channels, of which `remaining` are left.
template <typename T>
__device__ inline void load_stage(T (&loaded)[kStage], T const* source, long long plane, int remaining) {
    int const count = source == nullptr ? 0 : remaining;
#pragma unroll
    for (int i = 0; i < kStage; ++i) {
        loaded[i] = i < count ? source[i * plane] : T(0.0f);
    }
}

__device__ inline void read4(float* target, float const* source) {
    float4 const vector = *reinterpret_cast<float4 const*>(source);
    target[0] = vector.x;
    target[1] = vector.y;
    target[2] = vector.z;
    target[3] = vector.w;
}

// Adds one slice of a stage to the sums of one task.
__device__ inline void accumulate(float (&sums)[kColumnsDx][4], float const* stage, int slice, int row,
                                  int column) {
#pragma unroll
    for (int c = 0; c < kStage; c += kSlices) {
        float const* const cells = stage + (c + slice) * kCells;
        float left[4];
        float right[kColumnsDx + 3];
        read4(left, cells + column);
#pragma unroll
        for (int i = 0; i < kColumnsDx + 3; i += 4) {
            read4(right + i, cells + kColumns + row * kMet + column + i);
        }
#pragma unroll
        for (int dx = 0; dx < kColumnsDx; ++dx) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                sums[dx][i] += left[i] * right[dx + i];
            }
        }
    }
}

template <typename T>
__device__ inline void correlate(T const* __restrict__ feature1, T const* __restrict__ feature2, int channels,
                                 int height, int width, int radius, T* __restrict__ volume) {
    alignas(16) __shared__ float shared[kShared];
    int const thread = threadIdx.x;
    int const slice = thread / kTasks;
    int const row = thread % kTasks / kQuads;
    int const column = thread % kQuads * 4;
    int const side = 2 * radius + 1;
    long long const plane = static_cast<long long>(height) * width;
    Place const place = place_of(blockIdx.x, height, width, side);
    long long const image = place.image * channels * plane;
    T const* source =
        cell_source(feature1 + image, feature2 + image, place, thread, height, width, radius);

    float sums[kColumnsDx][4] = {};
    T loaded[kStage];
    load_stage(loaded, source, plane, channels);
    for (int channel = 0; channel < channels; channel += kStage) {
        if (thread < kCells) {
#pragma unroll
            for (int i = 0; i < kStage; ++i) {
                shared[i * kCells + thread] = to_float(loaded[i]);
            }
        }
        __syncthreads();
        source = source == nullptr ? nullptr : source + kStage * plane;
        load_stage(loaded, source, plane, channels - channel - kStage);
        accumulate(sums, shared, slice, row, column);
        __syncthreads();
    }

    // The channels are done with: their place takes the sums, [slice, dy, dx, column].
#pragma unroll
    for (int dx = 0; dx < kColumnsDx; ++dx) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            shared[((slice * kRowsDy + row) * kColumnsDx + dx) * kColumns + column + i] = sums[dx][i];
        }
    }
    __syncthreads();
    float const scale = 1.0f / sqrtf(static_cast<float>(channels));
    for (int index = thread; index < kSums; index += kThreads) {
        int const x = place.x + index % kColumns;
        int const dx = place.dx + index / kColumns % kColumnsDx;
        int const dy = place.dy + index / (kColumns * kColumnsDx);
        if (x < width && dx < side && dy < side) {
            float sum = 0.0f;
#pragma unroll
            for (int i = 0; i < kSlices; ++i) {
                sum += shared[i * kSums + index];
            }
            long long const channel = place.image * side * side + dy * side + dx;
            store(volume + channel * plane + static_cast<long long>(place.y) * width + x, sum * scale);
        }
    }
}

}  // namespace dinoflow

#define LOCAL_CORRELATION(name, T)                                                                  \
    extern "C" __global__ void __launch_bounds__(dinoflow::kThreads)                                \
        name(T const* feature1, T const* feature2, int channels, int height, int width, int radius, \
             T* volume) {                                                                           \
        dinoflow::correlate<T>(feature1, feature2, channels, height, width, radius, volume);        \
    }

LOCAL_CORRELATION(local_correlation_fp32, float)
LOCAL_CORRELATION(local_correlation_fp16, __half)
LOCAL_CORRELATION(local_correlation_bf16, __nv_bfloat16)
