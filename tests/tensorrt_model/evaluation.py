"""What a plan computes: its ONNX file on ONNX Runtime's CPU provider."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto

from dinoflow_deploy.export.bf16_emulation import emulate_bfloat16


class Evaluation:
    """Runs an ONNX file; bfloat16, of which ONNX Runtime's CPU has no kernels, is emulated."""

    def __init__(self, content: bytes) -> None:
        model = onnx.load_from_string(content)
        if _holds_bfloat16(model):
            content = emulate_bfloat16(model).SerializeToString()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = [each.name for each in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, inputs), strict=True))


def _holds_bfloat16(model: onnx.ModelProto) -> bool:
    return any(each.data_type == TensorProto.BFLOAT16 for each in model.graph.initializer)
