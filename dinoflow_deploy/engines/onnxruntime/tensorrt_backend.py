"""The row of ONNX Runtime's TensorRT provider."""

from typing import Final

from dinoflow_deploy.engines.backend import Backend
from dinoflow_deploy.engines.kinds import ONNX
from dinoflow_deploy.engines.onnxruntime.backend import OPTIONS, PACKAGE

# ONNX Runtime's own probe tries this provider too.
BACKEND: Final = Backend(
    name="onnxruntime-tensorrt",
    title="ONNX Runtime's TensorRT provider",
    runs=(ONNX,),
    devices=("cuda",),
    engine="dinoflow_deploy.engines.onnxruntime.tensorrt_provider:OnnxRuntimeTensorRTEngine",
    packages=(PACKAGE,),
    options=OPTIONS,
    automatic=False,
)
