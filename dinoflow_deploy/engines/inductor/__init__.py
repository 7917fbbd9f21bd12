"""Running packages of PyTorch's ahead-of-time compiler, AOTInductor, on an NVIDIA GPU or on the CPU."""
