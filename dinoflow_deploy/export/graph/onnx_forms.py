"""How the functions of torch that the model calls are written in ONNX."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.graph.graph_builder import GraphBuilder, Symbol
from dinoflow_deploy.export.graph.lengths import Length, Shape, broadcast, product, remaining, same
from dinoflow_deploy.train.model.correlation import (
    OPERATOR_DOMAIN,
    OPERATOR_NAME,
    PLUGIN_NAMESPACE,
    PLUGIN_VERSION,
    local_correlation,
)

_LAST: Final = 2**63 - 1
"""As the end of a slice: whatever the length is."""

Form = Callable[..., Any]
"""Takes the builder and a function's arguments, tensors as symbols, and gives symbols."""


def _unary(operator: str) -> Form:
    def form(graph: GraphBuilder, symbol: Symbol) -> Symbol:
        return graph.node(operator, [symbol], symbol.shape, symbol.dtype)

    return form


def _relu(graph: GraphBuilder, symbol: Symbol, *, inplace: bool = False) -> Symbol:
    return graph.node("Relu", [symbol], symbol.shape, symbol.dtype)


def _gelu(graph: GraphBuilder, symbol: Symbol, *, approximate: str = "none") -> Symbol:
    return graph.node("Gelu", [symbol], symbol.shape, symbol.dtype, approximate=approximate)


def _binary(operator: str) -> Form:
    def form(graph: GraphBuilder, first: Symbol, second: Symbol | float) -> Symbol:
        if isinstance(second, Length):
            raise ExportError(f"the model computes with the open length {second} as a number")
        if not isinstance(second, Symbol):
            second = graph.number(second, first.dtype)
        dtype = torch.promote_types(first.dtype, second.dtype)
        operands = [graph.cast(first, dtype), graph.cast(second, dtype)]
        return graph.node(operator, operands, broadcast(first.shape, second.shape), dtype)

    return form


def _clamp(graph: GraphBuilder, symbol: Symbol, smallest: float, largest: float) -> Symbol:
    bounds = [graph.number(bound, symbol.dtype) for bound in (smallest, largest)]
    return graph.node("Clip", [symbol, *bounds], symbol.shape, symbol.dtype)


def _to(graph: GraphBuilder, symbol: Symbol, dtype: torch.dtype) -> Symbol:
    return graph.cast(symbol, dtype)


def _arange(graph: GraphBuilder, count: int, *, dtype: torch.dtype, device: torch.device) -> Symbol:
    # Where the length is known, torch computes it and this is not reached.
    bounds = [graph.number(0.0, dtype), graph.count(count, dtype), graph.number(1.0, dtype)]
    return graph.node("Range", bounds, (count,), dtype)


def _conv2d(
    graph: GraphBuilder,
    feature: Symbol,
    weight: Symbol,
    bias: Symbol | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Symbol:
    strides, margins, dilations = _pair(stride), _pair(padding), _pair(dilation)
    sides = zip(feature.shape[2:], weight.shape[2:], strides, margins, dilations, strict=True)
    shape = tuple((side + 2 * pad - step * (size - 1) - 1) // by + 1 for side, size, by, pad, step in sides)
    return graph.node(
        "Conv",
        [feature, weight, *_given(bias)],
        (feature.shape[0], weight.shape[0], *shape),
        feature.dtype,
        kernel_shape=[int(side) for side in weight.shape[2:]],
        strides=strides,
        pads=[*margins, *margins],
        dilations=dilations,
        group=groups,
    )


def _pair(value: int | tuple[int, int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _given(symbol: Symbol | None) -> list[Symbol]:
    return [] if symbol is None else [symbol]


def _linear(graph: GraphBuilder, tokens: Symbol, weight: Symbol, bias: Symbol | None = None) -> Symbol:
    assert weight.constant is not None
    # Stored as it is multiplied, under its own name.
    multiplied = _matmul(graph, tokens, Symbol.of(weight.constant.t(), weight.name))
    return multiplied if bias is None else _binary("Add")(graph, multiplied, bias)


def _matmul(graph: GraphBuilder, first: Symbol, second: Symbol) -> Symbol:
    outer = broadcast(first.shape[:-2], second.shape[:-2])
    return graph.node("MatMul", [first, second], (*outer, first.shape[-2], second.shape[-1]), first.dtype)


def _layer_norm(
    graph: GraphBuilder,
    tokens: Symbol,
    normalized_shape: tuple[int, ...],
    *,
    weight: Symbol,
    bias: Symbol,
    eps: float,
) -> Symbol:
    inputs, axis = [tokens, weight, bias], -len(normalized_shape)
    return graph.node("LayerNormalization", inputs, tokens.shape, tokens.dtype, axis=axis, epsilon=eps)


def _softmax(graph: GraphBuilder, symbol: Symbol, dim: int) -> Symbol:
    return graph.node("Softmax", [symbol], symbol.shape, symbol.dtype, axis=dim)


def _sum(graph: GraphBuilder, symbol: Symbol, dim: int) -> Symbol:
    # As torch sums: in float32, and rounded once.
    precise = graph.cast(symbol, torch.promote_types(symbol.dtype, torch.float32))
    inputs, shape = [precise, graph.ints([dim])], _without(symbol.shape, dim)
    return graph.cast(graph.node("ReduceSum", inputs, shape, precise.dtype, keepdims=0), symbol.dtype)


def _cat(graph: GraphBuilder, symbols: Sequence[Symbol], dim: int) -> Symbol:
    first, axis = symbols[0], dim % len(symbols[0].shape)
    others = broadcast(*(_without(symbol.shape, axis) for symbol in symbols))
    total: int = sum(symbol.shape[axis] for symbol in symbols)
    shape = (*others[:axis], total, *others[axis:])
    return graph.node("Concat", symbols, shape, first.dtype, axis=axis)


def _stack(graph: GraphBuilder, symbols: Sequence[Symbol], dim: int = 0) -> Symbol:
    axis = dim % (len(symbols[0].shape) + 1)
    return _cat(graph, [_unsqueeze(graph, symbol, axis) for symbol in symbols], axis)


def _unsqueeze(graph: GraphBuilder, symbol: Symbol, axis: int) -> Symbol:
    shape = (*symbol.shape[:axis], 1, *symbol.shape[axis:])
    return graph.node("Unsqueeze", [symbol, graph.ints([axis])], shape, symbol.dtype)


def _transpose(graph: GraphBuilder, symbol: Symbol, dim0: int, dim1: int) -> Symbol:
    order = list(range(len(symbol.shape)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return _permute(graph, symbol, *order)


def _permute(graph: GraphBuilder, symbol: Symbol, *order: int) -> Symbol:
    shape = tuple(symbol.shape[index] for index in order)
    return graph.node("Transpose", [symbol], shape, symbol.dtype, perm=order)


def _reshape(graph: GraphBuilder, symbol: Symbol, *lengths: int) -> Symbol:
    known = [length for length in lengths if isinstance(length, Length) or length != -1]
    shape = tuple(
        length if isinstance(length, Length) or length != -1 else remaining(symbol.shape, known)
        for length in lengths
    )
    return graph.node("Reshape", [symbol, graph.ints(_written(symbol.shape, shape))], shape, symbol.dtype)


def _written(source: Shape, shape: Shape) -> list[int]:
    """A shape as ``Reshape`` takes it: 0 for a length that stays in its place, -1 for one that follows."""
    written = [
        0 if index < len(source) and isinstance(length, Length) and same(length, source[index]) else length
        for index, length in enumerate(shape)
    ]
    following = next((index for index, length in enumerate(written) if isinstance(length, Length)), None)
    if following is not None:
        written[following] = -1
    return written


def _flatten(graph: GraphBuilder, symbol: Symbol, start: int, end: int = -1) -> Symbol:
    stop = end % len(symbol.shape) + 1
    whole = product(symbol.shape[start:stop])
    return _reshape(graph, symbol, *symbol.shape[:start], whole, *symbol.shape[stop:])


def _expand(graph: GraphBuilder, symbol: Symbol, *lengths: int) -> Symbol:
    kept = [not isinstance(length, Length) and length == -1 for length in lengths]
    shape = tuple(old if keep else new for old, new, keep in zip(symbol.shape, lengths, kept, strict=True))
    broadcast(symbol.shape, shape)
    # 1 leaves a length as it is.
    wanted = [1 if same(old, new) else new for old, new in zip(symbol.shape, shape, strict=True)]
    return graph.node("Expand", [symbol, graph.ints(wanted)], shape, symbol.dtype)


def _expand_as(graph: GraphBuilder, symbol: Symbol, other: Symbol) -> Symbol:
    return _expand(graph, symbol, *other.shape)


def _getitem(graph: GraphBuilder, symbol: Symbol, index: Any) -> Symbol:
    for axis, item in enumerate(index if isinstance(index, tuple) else (index,)):
        if item is None:
            symbol = _unsqueeze(graph, symbol, axis)
        elif isinstance(item, slice) and item.step is None:
            symbol = _slice(graph, symbol, axis, item)
        else:
            raise ExportError(f"the model reads a tensor at {item}, not at a slice of step 1: use unbind")
    return symbol


def _slice(graph: GraphBuilder, symbol: Symbol, axis: int, part: slice) -> Symbol:
    start, stop = part.start or 0, part.stop
    if start == 0 and stop is None:
        return symbol
    length = (symbol.shape[axis] if stop is None else stop) - start
    shape = (*symbol.shape[:axis], length, *symbol.shape[axis + 1 :])
    bounds = [graph.ints([start]), graph.ints([_LAST if stop is None else stop]), graph.ints([axis])]
    return graph.node("Slice", [symbol, *bounds], shape, symbol.dtype)


def _unbind(graph: GraphBuilder, symbol: Symbol, dim: int) -> list[Symbol]:
    shape, axes = _without(symbol.shape, dim), graph.ints([dim])
    parts = (_slice(graph, symbol, dim, slice(index, index + 1)) for index in range(symbol.shape[dim]))
    return [graph.node("Squeeze", [part, axes], shape, symbol.dtype) for part in parts]


def _chunk(graph: GraphBuilder, symbol: Symbol, chunks: int, *, dim: int) -> list[Symbol]:
    return graph.split(symbol, dim % len(symbol.shape), chunks)


def _without(shape: Shape, axis: int) -> Shape:
    left = list(shape)
    del left[axis]
    return tuple(left)


def _grid_sample(
    graph: GraphBuilder, feature: Symbol, grid: Symbol, *, mode: str, padding_mode: str, align_corners: bool
) -> Symbol:
    return graph.node(
        "GridSample",
        [feature, grid],
        (*feature.shape[:2], *grid.shape[1:3]),
        feature.dtype,
        mode={"bilinear": "linear"}[mode],
        padding_mode=padding_mode,
        align_corners=int(align_corners),
    )


def _local_correlation(graph: GraphBuilder, feature1: Symbol, feature2: Symbol, radius: int) -> Symbol:
    batch, channels, height, width = feature1.shape
    return graph.node(
        OPERATOR_NAME,
        [feature1, feature2],
        (batch, (2 * radius + 1) ** 2, height, width),
        feature1.dtype,
        domain=OPERATOR_DOMAIN,
        radius=radius,
        scale=channels**-0.5,
        plugin_namespace=PLUGIN_NAMESPACE,
        plugin_version=PLUGIN_VERSION,
    )


FORMS: Final[dict[Callable[..., Any], Form]] = {
    Tensor.add: _binary("Add"),
    Tensor.sub: _binary("Sub"),
    Tensor.mul: _binary("Mul"),
    Tensor.div: _binary("Div"),
    Tensor.neg: _unary("Neg"),
    Tensor.cos: _unary("Cos"),
    Tensor.sin: _unary("Sin"),
    Tensor.sigmoid: _unary("Sigmoid"),
    torch.relu: _relu,
    F.relu: _relu,
    F.gelu: _gelu,
    Tensor.clamp: _clamp,
    Tensor.to: _to,
    torch.arange: _arange,
    F.conv2d: _conv2d,
    F.linear: _linear,
    F.layer_norm: _layer_norm,
    Tensor.matmul: _matmul,
    Tensor.softmax: _softmax,
    Tensor.sum: _sum,
    torch.cat: _cat,
    torch.stack: _stack,
    Tensor.transpose: _transpose,
    Tensor.permute: _permute,
    Tensor.reshape: _reshape,
    Tensor.flatten: _flatten,
    Tensor.expand: _expand,
    Tensor.expand_as: _expand_as,
    Tensor.__getitem__: _getitem,
    Tensor.unbind: _unbind,
    Tensor.chunk: _chunk,
    F.grid_sample: _grid_sample,
    local_correlation: _local_correlation,
}
"""The form of each function; one that is not here is not exported."""
