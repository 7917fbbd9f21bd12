"""The model's own operations as kernels in Triton, for what PyTorch compiles for CUDA."""
