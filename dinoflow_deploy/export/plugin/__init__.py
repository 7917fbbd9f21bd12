"""The CUDA kernel of the local correlation, and the two doors through which TensorRT reaches it."""
