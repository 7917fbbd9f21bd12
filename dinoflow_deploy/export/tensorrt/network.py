"""From an ONNX file to TensorRT's network, strongly typed, with errors that name nodes."""

from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.tensorrt.log import Log, meaningful

_SHOWN: Final = 5
_PRECISION_OF: Final = {"FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16"}


def parse_onnx(path: Path, builder: Any, trt: ModuleType, log: Log, flags: int) -> tuple[Any, Any]:
    """Parse a file into a strongly typed network: what the graph says a type is, is what is computed in.

    Args:
        path: The ONNX file.
        builder: TensorRT's.
        trt: Its module.
        log: Its log.
        flags: Bits of ``NetworkDefinitionCreationFlag`` beyond strong typing.

    Returns:
        The network, and its parser, which must live until the plan is built.

    Raises:
        ExportError: The parser refuses it; the message names the nodes.
    """
    # By name: the number of this flag differs between versions.
    strong = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strong | flags)
    parser = trt.OnnxParser(network, log.logger)
    with log.listen() as messages:
        parsed = parser.parse_from_file(str(path))
    if not parsed:
        found = [_described(parser.get_error(index)) for index in range(parser.num_errors)]
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise ExportError(
            f"TensorRT {trt.__version__} cannot read {path.name}: "
            f"{'; '.join(found[:_SHOWN]) or messages.why()}{more}"
        )
    return network, parser


def _described(error: Any) -> str:
    """For instance "node 'add_3' (Add) in function dinoflow::LocalCorrelation: types differ"."""
    if error.node() < 0:
        return meaningful(error.desc())
    functions = error.local_function_stack()
    inside = f" in function {' > '.join(functions)}" if functions else ""
    name = f"'{error.node_name()}'" if error.node_name() else f"number {error.node()}"
    return f"node {name} ({error.node_operator()}){inside}: {meaningful(error.desc())}"


def layer_types(network: Any) -> dict[str, int]:
    """Number of layers by the type that they give, most first: ``{"fp16": 812, "fp32": 95, "other": 40}``.

    Before TensorRT fuses any; "other" are integers and Booleans, which compute shapes and indices.
    """
    counts: Counter[str] = Counter()
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.num_outputs:
            counts[_PRECISION_OF.get(layer.get_output(0).dtype.name, "other")] += 1
    return dict(counts.most_common())


def is_dynamic(network: Any) -> bool:
    """Whether an input has an axis without a fixed length."""
    inputs = (network.get_input(index) for index in range(network.num_inputs))
    return any(length < 0 for tensor in inputs for length in tuple(tensor.shape))
