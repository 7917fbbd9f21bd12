"""ONNX Runtime, on the CPU, CUDA and through its TensorRT provider."""
