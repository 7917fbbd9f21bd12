// How the kernels of local_correlation.cu are launched.

#pragma once

namespace dinoflow {

constexpr int kColumns = 32;   // columns of a block
constexpr int kRowsDy = 3;     // its vertical displacements
constexpr int kColumnsDx = 9;  // its horizontal displacements
constexpr int kThreads = 192;
constexpr int kMaximumRadius = 8;

constexpr long long ceiling(long long length, int step) { return (length + step - 1) / step; }

// Blocks of a launch, all along grid x.
constexpr long long block_count(long long batch, long long height, long long width, int radius) {
    int const side = 2 * radius + 1;
    return batch * height * ceiling(width, kColumns) * ceiling(side, kColumnsDx) * ceiling(side, kRowsDy);
}

}  // namespace dinoflow
