// Just enough CUDA for g++ to compile local_correlation.cu and run it on the CPU: a fiber for each thread of
// a block, switched at __syncthreads, one block after the other. Included before the kernel's source.

#pragma once

#include <sanitizer/common_interface_defs.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(...)

struct float4 {
    float x, y, z, w;
} __attribute__((aligned(16)));

struct __half {
    _Float16 value;
    __half() = default;
    explicit __half(float real) : value(static_cast<_Float16>(real)) {}
};
inline float __half2float(__half half) { return static_cast<float>(half.value); }
inline __half __float2half_rn(float real) { return __half(real); }

struct __nv_bfloat16 {
    std::uint16_t bits;
    __nv_bfloat16() = default;
    explicit __nv_bfloat16(float real) {
        std::uint32_t word;
        std::memcpy(&word, &real, 4);
        // To nearest, ties to even.
        bits = static_cast<std::uint16_t>((word + 0x7fff + (word >> 16 & 1)) >> 16);
    }
};
inline float __bfloat162float(__nv_bfloat16 value) {
    std::uint32_t const word = static_cast<std::uint32_t>(value.bits) << 16;
    float real;
    std::memcpy(&real, &word, 4);
    return real;
}
inline __nv_bfloat16 __float2bfloat16_rn(float real) { return __nv_bfloat16(real); }

struct Index {
    unsigned x;
};
inline Index blockIdx, threadIdx;

class Block {
public:
    explicit Block(unsigned threads) : fibers_(threads), stacks_(new char[threads * kStack]) {}

    // Runs a kernel's body in every thread; exits the program if only some of them reach a barrier.
    void run(std::function<void()> const& body) {
        current() = this;
        body_ = &body;
        ended_ = 0;
        for (unsigned i = 0; i < fibers_.size(); ++i) {
            getcontext(&fibers_[i]);
            fibers_[i].uc_stack = {&stacks_[i * kStack], 0, kStack};
            fibers_[i].uc_link = nullptr;
            makecontext(&fibers_[i], &Block::start, 0);
        }
        while (ended_ == 0) {
            for (thread_ = 0; thread_ < fibers_.size(); ++thread_) {
                threadIdx.x = thread_;
                enter(fibers_[thread_], &stacks_[thread_ * kStack], kStack, main_);
            }
            if (ended_ != 0 && ended_ != fibers_.size()) {
                std::abort();
            }
        }
    }

    static void barrier() {
        Block& block = *current();
        block.leave(block.fibers_[block.thread_], false);
    }

private:
    static constexpr std::size_t kStack = 64 * 1024;

    static Block*& current() {
        static Block* block = nullptr;
        return block;
    }

    static void start() {
        Block& block = *current();
        __sanitizer_finish_switch_fiber(nullptr, &block.main_stack_, &block.main_size_);
        (*block.body_)();
        ++block.ended_;
        block.leave(block.fibers_[block.thread_], true);
    }

    static void enter(ucontext_t& fiber, void const* stack, std::size_t size, ucontext_t& from) {
        void* fake;
        __sanitizer_start_switch_fiber(&fake, stack, size);
        swapcontext(&from, &fiber);
        __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
    }

    void leave(ucontext_t& fiber, bool last) {
        void* fake = nullptr;
        __sanitizer_start_switch_fiber(last ? nullptr : &fake, main_stack_, main_size_);
        swapcontext(&fiber, &main_);
        __sanitizer_finish_switch_fiber(fake, &main_stack_, &main_size_);
    }

    std::vector<ucontext_t> fibers_;
    std::unique_ptr<char[]> stacks_;
    ucontext_t main_;
    std::function<void()> const* body_ = nullptr;
    unsigned thread_ = 0, ended_ = 0;
    void const* main_stack_ = nullptr;
    std::size_t main_size_ = 0;
};

inline void __syncthreads() { Block::barrier(); }
