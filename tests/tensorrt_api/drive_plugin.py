"""Our ahead-of-time plugin through the real ``tensorrt.plugin``, as TensorRT's builder calls it.

Creating it, output type and shape, formats, launch: all of it is Python there, so it runs without TensorRT.
What is made up is what TensorRT hands over: expressions of lengths, which are integers here.
"""

import importlib
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

SHAPE = (2, 256, 28, 64)
RADIUS = 4


@dataclass(frozen=True)
class Length:
    """An expression of lengths whose value is known."""

    value: int


class Expressions:
    """Makes and combines them."""

    def constant(self, value: int) -> Length:
        return Length(value)

    def operation(self, operation: Any, first: Length, second: Length) -> Length:
        combine = {"SUM": int.__add__, "PROD": int.__mul__, "FLOOR_DIV": int.__floordiv__}[operation.name]
        return Length(combine(first.value, second.value))


class Scalars(dict[int, Any]):
    """Takes the kernel's integers."""

    nbSymExprs = 0  # noqa: N815


def register_and_drive(trt: Any) -> dict[str, Any]:
    """What became of registering the plugin and of calling it as a builder does.

    Args:
        trt: The real bindings, imported as ``tensorrt``; left changed.
    """
    trt.IDimensionExpr, trt.ISymExpr, trt.DimsExprs = Length, type("ISymExpr", (), {}), lambda n: [None] * n
    creators: list[Any] = []
    registry = SimpleNamespace(
        register_creator=lambda creator, namespace: creators.append(creator) or True,
        get_creator=lambda *names: creators[-1] if creators else None,
    )
    # The stub has no registry.
    trt.get_plugin_registry = lambda: registry
    importlib.import_module("tensorrt.plugin")
    from dinoflow_deploy.export.plugin.aot import register_aot_plugin

    register_aot_plugin(trt)
    (creator,) = creators
    names = f"{creator.plugin_namespace}::{creator.name} {creator.plugin_version}"
    try:
        plugin = _created(trt, creator)
    except TypeError as error:
        return {"names": names, "error": str(error)}
    kinds = [trt.DataType.FLOAT, trt.DataType.HALF, trt.DataType.BF16]
    return {"names": names, "runs": {kind.name: _run(trt, plugin, kind) for kind in kinds}}


def _created(trt: Any, creator: Any) -> Any:
    import numpy as np

    # As TensorRT's parser fills it: by the type that the creator states.
    (stated,) = creator.field_names
    assert stated.type == trt.PluginFieldType.INT64
    field = trt.PluginField(stated.name, np.array([RADIUS], np.int64), stated.type)
    wish = trt.QuickPluginCreationRequest.PREFER_AOT
    fields = trt.PluginFieldCollection([field])
    return creator.create_plugin("LocalCorrelation", "dinoflow", fields, trt.TensorRTPhase.BUILD, wish)


def _run(trt: ModuleType, plugin: Any, kind: Any) -> dict[str, Any]:
    (output_type,) = plugin.get_output_data_types([kind, kind], [4, 4])
    lengths = [Length(length) for length in SHAPE]
    (output,) = plugin.get_output_shapes([lengths, lengths], [], Expressions())
    output_shape = [each.value for each in output]
    tensors = [_described(trt, kind, shape) for shape in (SHAPE, SHAPE, output_shape)]
    formats = [
        (each.type.name, each.format.name) for each in plugin.get_supported_format_combinations(tensors, 2)
    ]
    plugin.configure_plugin(tensors[:2], tensors[2:])
    plugin.set_tactic(0)
    launch, scalars = SimpleNamespace(), Scalars()
    plugin.get_launch_params([lengths, lengths], tensors, 2, launch, scalars, Expressions())
    name, ptx = plugin.get_kernel([each.desc for each in tensors[:2]], [each.desc for each in tensors[2:]])
    return {
        "output": [output_type.name, output_shape],
        "formats": [formats[start : start + 3] for start in range(0, len(formats), 3)],
        "tactics": plugin.get_valid_tactics(),
        "launch": {key: value.expr.value for key, value in vars(launch).items()},
        "scalars": [
            [scalars[index].dtype.name, scalars[index].expr.value] for index in range(scalars.nbSymExprs)
        ],
        "kernel": name,
        "ptx": [type(ptx).__name__, len(ptx)],
    }


def _described(trt: Any, kind: Any, shape: Any) -> Any:
    tensor = trt.DynamicPluginTensorDesc()
    tensor.desc = trt.PluginTensorDesc()
    tensor.desc.type, tensor.desc.format = kind, trt.TensorFormat.LINEAR
    tensor.desc.dims = trt.Dims(list(shape))
    return tensor
