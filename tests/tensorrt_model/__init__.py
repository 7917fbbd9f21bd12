"""A strict model of TensorRT's Python interface and of the CUDA runtime, for tests without hardware.

What its builder builds, its runtime runs: a plan carries the ONNX file, and running it computes the flow with
ONNX Runtime on the CPU, on memory and streams that break as CUDA's do. It has no name that the real bindings
lack, which ``tests/tensorrt_api`` compares.
"""
