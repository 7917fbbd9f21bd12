"""From a PyTorch module to a raw ONNX graph: the module runs, and what it calls is written down."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from inspect import signature
from itertools import zip_longest
from typing import Any, Final

import onnx_ir
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode, resolve_name

from dinoflow_deploy.bundles.input_range import STRIDE, AxisRange, InputRange
from dinoflow_deploy.bundles.model_input import FRAMES, IMAGES, ModelInput
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.graph.attention import attention
from dinoflow_deploy.export.graph.graph_builder import MODULE_KEY, GraphBuilder, Symbol
from dinoflow_deploy.export.graph.lengths import Length, Quotient, Sum
from dinoflow_deploy.export.graph.onnx_forms import FORMS
from dinoflow_deploy.train.model import FlowModel
from dinoflow_deploy.train.model.correlation import OPERATOR_DOMAIN

_AXES: Final = ("batch", "height", "width")
_TYPES: Final = {IMAGES: torch.float32, FRAMES: torch.uint8}
_EXAMPLES: Final = ({"batch": 3, "rows": 7, "columns": 11}, {"batch": 2, "rows": 5, "columns": 13})
"""Open lengths in the examples that are traced: what the graph must not depend on."""
_COMPARED: Final = 4096
"""Most elements of a constant whose content is compared between the examples: weights are larger."""


def trace(model: FlowModel, inputs: InputRange, opset: int, taken: ModelInput = IMAGES) -> onnx_ir.Model:
    """Trace a flow model for shapes in a range.

    The model runs on tensors without content, and every function of torch that it calls is written as
    ``onnx_forms`` has it; what depends on weights alone is computed by torch. ``torch.export``, which is made
    for any model, takes twenty times as long.

    Args:
        model: As ``prepare_module`` gives it.
        inputs: Shapes to take; axes of one length become constants.
        opset: ONNX opset.
        taken: How the graph takes a pair of pictures; it turns frames into images itself.

    Returns:
        A graph with the inputs of that form and the output ``flow``.

    Raises:
        ExportError: The model calls a function that has no form in ONNX, or the graph would hold for some
            of the shapes alone.
    """
    graph, *others = (_traced(model, inputs, opset, taken, example) for example in _examples(inputs))
    for other in others:
        _compare(graph, other)
    return graph


def _examples(inputs: InputRange) -> Sequence[Mapping[str, int]]:
    is_static = all(axis.is_static for axis in (inputs.batch, *inputs.sides.values()))
    return _EXAMPLES[:1] if is_static else _EXAMPLES


def _compare(graph: onnx_ir.Model, other: onnx_ir.Model) -> None:
    """Refuse a graph that another example does not give too."""
    for node, again in zip_longest(graph.graph, other.graph):
        if node is None or again is None or _content(node) != _content(again):
            found = node or again
            raise ExportError(
                f"the model makes a constant of an open length where '{found.metadata_props[MODULE_KEY]}' "
                f"calls {found.op_type}: export with --size and --batch, or let it compute with whole numbers"
            )


def _traced(
    model: FlowModel, inputs: InputRange, opset: int, taken: ModelInput, example: Mapping[str, int]
) -> onnx_ir.Model:
    graph = GraphBuilder()
    batch = _length("batch", inputs.batch, 1, example)
    rows = _length("rows", inputs.height, STRIDE, example)
    columns = _length("columns", inputs.width, STRIDE, example)
    lengths = (batch, rows * STRIDE, columns * STRIDE)
    pictures = [
        graph.input(name, taken.shape(*lengths), _TYPES[taken], _open_axes(taken, lengths))
        for name in taken.tensors
    ]
    for cells, side in zip((rows, columns), lengths[1:], strict=True):
        graph.define(cells, side, STRIDE)
    recorder = _Recorder(graph, {id(tensor): name for name, tensor in _tensors(model)})
    tensors = [recorder.tensor(picture) for picture in pictures]
    with torch.no_grad(), _followed(model, graph), recorder:
        flow = model(*(map(as_images, tensors) if taken is FRAMES else tensors))
    opsets = {"": opset, OPERATOR_DOMAIN: 1}
    return graph.model(recorder.symbol(flow), "flow", _open_axes(IMAGES, lengths), opsets)


def as_images(frames: Tensor) -> Tensor:
    """Frames as the model takes images, with the same values as the engines give it.

    The type is changed first: TensorRT does nothing else with bytes.

    Args:
        frames: ``uint8 [B, H, W, 3]``.

    Returns:
        ``float32 [B, 3, H, W]`` in [0, 1].
    """
    return frames.to(torch.float32).permute(0, 3, 1, 2).div(255.0)


def _open_axes(taken: ModelInput, lengths: Sequence[int]) -> dict[int, str]:
    """Names of the axes that the graph leaves open."""
    named = zip(taken.axes, _AXES, lengths, strict=True)
    return {axis: name for axis, name, length in named if isinstance(length, Length)}


def _content(node: onnx_ir.Node) -> tuple[Any, ...]:
    """What a node is and reads: the same in graphs that were built alike."""
    read = [(value.name, _constant(value)) for value in node.inputs if value is not None]
    return node.op_type, read, [str(attribute) for attribute in node.attributes.values()]


def _constant(value: onnx_ir.Value) -> tuple[Any, ...] | None:
    constant = value.const_value
    if constant is None:
        return None
    return tuple(constant.shape), constant.tobytes() if constant.size <= _COMPARED else None


def _length(name: str, axis: AxisRange, unit: int, example: Mapping[str, int]) -> int:
    return axis.min // unit if axis.is_static else Length.named(name, example[name])


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


@contextmanager
def _followed(model: nn.Module, graph: GraphBuilder) -> Iterator[None]:
    """Let the graph know which module runs."""
    running = [""]

    def enter(name: str) -> None:
        running.append(name)
        graph.module = name

    def leave() -> None:
        running.pop()
        graph.module = running[-1]

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            hooks.enter_context(module.register_forward_pre_hook(lambda *_, name=name: enter(name)))
            hooks.enter_context(module.register_forward_hook(lambda *_: leave()))
        yield


class _Recorder(TorchFunctionMode):
    """While active, torch's functions of what depends on the input are written to a graph.

    What depends on it is on the device "meta", which knows types and shapes; the weights are not.
    """

    def __init__(self, graph: GraphBuilder, names: Mapping[int, str]) -> None:
        super().__init__()
        self._graph, self._names = graph, names
        self._recorded: dict[int, tuple[Tensor, Symbol]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Record the function, or run it where its result is known."""
        kwargs = kwargs or {}
        if not any(map(_is_open, _leaves([*args, *kwargs.values()]))):
            return func(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            with self:
                return attention(*args, **kwargs)
        if func in _PROPERTIES:
            return _PROPERTIES[func](self.symbol(args[0]))
        found = self._written(func, *_mapped(args, self._read), **_mapped(kwargs, self._read))
        examples = func(*_mapped(args, _on_meta), **_mapped(kwargs, _on_meta))
        if isinstance(found, Symbol):
            return self.tensor(found, examples)
        return tuple(self.tensor(*each) for each in zip(found, examples, strict=True))

    def _written(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            form = FORMS[func]
            signature(form).bind(self._graph, *args, **kwargs)
        except (KeyError, TypeError) as error:
            called = resolve_name(func) or str(func)
            if isinstance(error, TypeError):
                called += f" with these arguments ({error})"
            raise ExportError(
                f"the model calls {called}, which has no form in ONNX yet: add one to "
                "dinoflow_deploy/export/graph/onnx_forms.py"
            ) from error
        return form(self._graph, *args, **kwargs)

    def tensor(self, symbol: Symbol, example: Tensor | None = None) -> Tensor:
        """The tensor that stands for a symbol; ``example`` is torch's own, which has to be like it."""
        lengths = tuple(map(int, symbol.shape))
        if example is None:
            example = torch.empty(lengths, dtype=symbol.dtype, device="meta")
        if (tuple(example.shape), example.dtype) != (lengths, symbol.dtype):
            raise AssertionError(f"{symbol} is {tuple(example.shape)} of {example.dtype} in torch")
        # A view may be the very tensor that it is of.
        tensor = example.view_as(example)
        self._recorded[id(tensor)] = tensor, symbol
        return tensor

    def symbol(self, tensor: Tensor) -> Symbol:
        """What a tensor is in the graph."""
        if tensor.is_meta:
            return self._recorded[id(tensor)][1]
        return Symbol.of(tensor, self._names.get(id(tensor)))

    def _read(self, value: Any) -> Any:
        return self.symbol(value) if isinstance(value, Tensor) else value


_PROPERTIES: Final[dict[Callable[..., Any], Callable[[Symbol], Any]]] = {
    Tensor.shape.__get__: lambda symbol: symbol.shape,  # type: ignore[attr-defined]
    Tensor.dtype.__get__: lambda symbol: symbol.dtype,  # type: ignore[attr-defined]
    # Where the weights are: what is made for this device is known.
    Tensor.device.__get__: lambda _: torch.device("cpu"),
}


def _is_open(value: Any) -> bool:
    return isinstance(value, (Length, Quotient, Sum)) or (isinstance(value, Tensor) and value.is_meta)


def _on_meta(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to("meta")
    if isinstance(value, torch.device):
        return torch.device("meta")
    return int(value) if isinstance(value, Length) else value


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """A function's arguments, each changed."""
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(each, change) for each in value)
    if isinstance(value, Mapping):
        return {name: _mapped(each, change) for name, each in value.items()}
    return change(value)
