"""PyTorch to packages of its ahead-of-time compiler, AOTInductor, for an NVIDIA GPU or the CPU.

Packages for the CPU were compiled and run. Those for a GPU were compiled and run by nobody yet.
"""
