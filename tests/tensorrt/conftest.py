"""The fakes of TensorRT and CUDA."""

from tests.engines.tensorrt.conftest import machine, trt

__all__ = ["machine", "trt"]
