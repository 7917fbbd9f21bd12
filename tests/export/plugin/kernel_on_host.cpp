// Reads cases from standard input and writes their volumes to standard output; compiled with
// -fsanitize=address, so that a read or write outside a tensor, or outside shared memory, ends the program.
// A case: 6 integers (bytes of an element or 3 for bfloat16; radius; B, C, H, W), feature 1, feature 2.
// With an argument, the images are the last ones of a batch that has so many more before them.

// The kernel's source, after the CUDA that it is given here.
#include "cuda_on_host.h"
#include KERNEL_SOURCE

#include <cstdio>

template <typename T>
using Kernel = void(T const*, T const*, int, int, int, int, T*);

template <typename T>
void run(Kernel<T>* kernel, int radius, int const (&shape)[4], long long before) {
    auto const [batch, channels, height, width] = shape;
    int const side = 2 * radius + 1;
    std::size_t const count = std::size_t(batch) * channels * height * width;
    std::unique_ptr<T[]> feature1(new T[count]), feature2(new T[count]);
    if (std::fread(feature1.get(), sizeof(T), count, stdin) != count ||
        std::fread(feature2.get(), sizeof(T), count, stdin) != count) {
        std::exit(3);
    }
    std::size_t const out = std::size_t(batch) * side * side * height * width;
    std::unique_ptr<T[]> volume(new T[out]);
    std::memset(volume.get(), 0xff, out * sizeof(T));  // NaN wherever nothing is written
    Block block(dinoflow::kThreads);
    long long const begin = dinoflow::block_count(before, height, width, radius);
    long long const end = dinoflow::block_count(before + batch, height, width, radius);
    // Where the batch would begin, of which nothing is there but the last images.
    T const* const first1 = feature1.get() - before * static_cast<long long>(count / batch);
    T const* const first2 = feature2.get() - before * static_cast<long long>(count / batch);
    T* const first = volume.get() - before * static_cast<long long>(out / batch);
    for (blockIdx.x = begin; blockIdx.x < end; ++blockIdx.x) {
        block.run([&] { kernel(first1, first2, channels, height, width, radius, first); });
    }
    std::fwrite(volume.get(), sizeof(T), out, stdout);
}

int main(int count, char** arguments) {
    long long const before = count > 1 ? std::atoll(arguments[1]) : 0;
    int kind_and_radius[2], shape[4];
    while (std::fread(kind_and_radius, sizeof(int), 2, stdin) == 2 &&
           std::fread(shape, sizeof(int), 4, stdin) == 4) {
        auto const [kind, radius] = kind_and_radius;
        if (kind == 4) {
            run<float>(local_correlation_fp32, radius, shape, before);
        } else if (kind == 2) {
            run<__half>(local_correlation_fp16, radius, shape, before);
        } else {
            run<__nv_bfloat16>(local_correlation_bf16, radius, shape, before);
        }
    }
}
