"""What a network is made of."""

from types import SimpleNamespace
from typing import Any

from tests.tensorrt_model.strict import Strict


class ITensor(Strict):
    name = ""
    dtype: Any = None
    shape: tuple[int, ...] = ()

    def __init__(self, name: str, dtype: Any, shape: tuple[int, ...]) -> None:
        self.name, self.dtype, self.shape = name, dtype, shape


class ILayer(Strict):
    """As ONNX's inference types it, since the network is strongly typed."""

    name = ""
    type: Any = None
    num_inputs = 0
    num_outputs = 0

    def __init__(self, name: str, kind: Any, inputs: list[ITensor | None], outputs: list[ITensor]) -> None:
        self.name, self.type = name, kind
        self.num_inputs, self.num_outputs = len(inputs), len(outputs)
        self._inputs, self._outputs = inputs, outputs

    def get_input(self, index: int) -> ITensor | None:
        return self._inputs[index]

    def get_output(self, index: int) -> ITensor:
        return self._outputs[index]


class INetworkDefinition(Strict):
    """Filled by the parser.

    ``_parsed`` is the parser's weak reference: it owns what the network refers to.
    """

    name = ""
    num_inputs = 0
    num_outputs = 0
    num_layers = 0

    def __init__(self, state: SimpleNamespace, flags: list[str]) -> None:
        self._state, self._flags = state, flags
        self._inputs: list[ITensor] = []
        self._outputs: list[ITensor] = []
        self._layers: list[ILayer] = []
        self._axes: dict[str, tuple[str | None, ...]] = {}
        self._onnx, self._plugin, self._kernel, self._weights = b"", "", "", 0
        self._parser: Any = lambda: None

    def get_input(self, index: int) -> ITensor:
        return self._inputs[index]

    def get_output(self, index: int) -> ITensor:
        return self._outputs[index]

    def get_layer(self, index: int) -> ILayer:
        return self._layers[index]

    def _fill(self, inputs: list[ITensor], outputs: list[ITensor], layers: list[ILayer]) -> None:
        self._inputs, self._outputs, self._layers = inputs, outputs, layers
        self.num_inputs, self.num_outputs, self.num_layers = len(inputs), len(outputs), len(layers)
