"""What TensorRT says about a plan, as lines for a person."""

from collections.abc import Iterator

from dinoflow_deploy.inspection.report import EngineDetails, ProfileDetails
from dinoflow_deploy.inspection.wording import counts_lines, size, tensor_lines


def engine_lines(engine: EngineDetails) -> Iterator[tuple[str, str]]:
    """Tensors, profiles, memory and layers of a loaded plan."""
    yield "loaded by", f"TensorRT's runtime {engine.version}"
    yield from tensor_lines(engine.tensors)
    for index, profile in enumerate(engine.profiles):
        yield "profile" if index == 0 else "", f"{index}: {_shapes(profile)}"
    yield (
        "memory",
        (
            f"{size(engine.device_memory_bytes)} for a context, {size(engine.weights_bytes)} weights, "
            f"{engine.auxiliary_streams} auxiliary streams"
        ),
    )
    yield (
        "runs on",
        f"hardware compatibility {engine.hardware_compatibility}"
        + (", refittable" if engine.refittable else ""),
    )
    yield from counts_lines("layers", engine.layers, engine.precision)
    if not engine.precision:
        yield "", "of types that are not known: built without detailed profiling information"
    yield "plugins", ", ".join(engine.plugins) or "none among the layers that are described"


def _shapes(profile: ProfileDetails) -> str:
    parts = [
        f"{name} {' .. '.join('x'.join(map(str, shape)) for shape in shapes)}"
        for name, shapes in profile.shapes.items()
    ]
    return f"{', '.join(parts)}; {size(profile.device_memory_bytes)}"
