"""A network for a Triton that has the Python backend alone: the version's own ONNX file, by ONNX Runtime."""

from pathlib import Path
from typing import Any

import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        path = Path(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        return [pb_utils.InferenceResponse([pb_utils.Tensor("flow", self.flow(each))]) for each in requests]

    def flow(self, request: Any) -> Any:
        names = [each.name for each in self.session.get_inputs()]
        feeds = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in names}
        return self.session.run(["flow"], feeds)[0]
