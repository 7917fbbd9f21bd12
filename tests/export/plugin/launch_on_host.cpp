// The kernels as functions of the host, and cudaLaunchKernel that runs them there, for plugin_on_host.cpp.

#include "cuda_on_host.h"
#include KERNEL_SOURCE

extern "C" void run_on_host(void const* kernel, unsigned blocks, unsigned threads, void** arguments) {
    using Kernel = void(void const*, void const*, int, int, int, int, void*);
    auto const pointer = [&](int i) { return *static_cast<void**>(arguments[i]); };
    auto const integer = [&](int i) { return *static_cast<int*>(arguments[i]); };
    auto* const run = reinterpret_cast<Kernel*>(const_cast<void*>(kernel));
    Block block(threads);
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
        block.run([&] {
            run(pointer(0), pointer(1), integer(2), integer(3), integer(4), integer(5), pointer(6));
        });
    }
}
