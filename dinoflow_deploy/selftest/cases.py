"""What a self-test tries: every model, precision, backend, plugin and kind of shape that goes together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from dinoflow_deploy.bundles.manifest import PRECISIONS
from dinoflow_deploy.engines.backend import Backend
from dinoflow_deploy.engines.backends import all_backends, find_backend
from dinoflow_deploy.engines.inductor.backend import PACKAGE
from dinoflow_deploy.engines.kinds import ONNX, SAFETENSORS
from dinoflow_deploy.engines.tensorrt.backend import PLAN
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.options import LARGEST_SIDE
from dinoflow_deploy.tensorrt.flavours import RTX

MODELS: Final = ("nano", "vits16")
BUILT_ONLY: Final = (RTX.name,)
"""Flavours of TensorRT whose plans are built and not run: it has no data-centre GPUs."""
PLUGINS: Final = ("cpp", "aot", "none")


@dataclass(frozen=True, slots=True)
class SelfTestOptions:
    """What to try.

    Attributes:
        models: Of ``MODELS``.
        backends: Of :func:`backend_names`; by default all.
        size: Height and width in pixels of what has one shape, and of the frames for speed.
        head: Weights of the decoder of ``vits16``; by default from the hub's cache, where they are there.
        backbone_weights: Weights of its backbone, likewise.
        seconds: Length of a measurement of speed.
    """

    models: tuple[str, ...] = MODELS
    backends: tuple[str, ...] = field(default_factory=lambda: backend_names())
    size: tuple[int, int] = (448, 1024)
    head: str | None = None
    backbone_weights: str | None = None
    seconds: float = 2.0

    def __post_init__(self) -> None:
        backends = backend_names()
        for what, given, known in (("model", self.models, MODELS), ("backend", self.backends, backends)):
            for name in given:
                if name not in known:
                    raise InputError(f"the {what} '{name}' is not part of the self-test: {', '.join(known)}")
            if not given:
                raise InputError(f"nothing to try: give at least one {what} of {', '.join(known)}")
        height, width = self.size
        # Exported files take no more, and the speed of every engine is measured at this size.
        if height % 16 or width % 16 or min(self.size) < 64 or max(self.size) > LARGEST_SIDE:
            raise InputError(
                f"the size {height}x{width} is refused: sides are multiples of 16 from 64 to {LARGEST_SIDE}"
            )
        if not 0 < self.seconds < float("inf"):
            raise InputError(f"seconds is {self.seconds}: it must be above 0 and finite")


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to try.

    Attributes:
        model: ``"nano"`` or ``"vits16"``.
        precision: ``"fp32"``, ``"fp16"`` or ``"bf16"``.
        backend: Of :func:`backend_names`.
        device: Of the backend's; ``"cuda"`` is the first GPU: that on which TensorRT builds.
        plugin: What computes the local correlation in TensorRT: ``"cpp"``, ``"aot"`` or ``"none"``; empty
            for other backends.
        static: Whether it has one shape.
    """

    model: str
    precision: str
    backend: str
    device: str
    plugin: str = ""
    static: bool = False

    @property
    def artefact(self) -> str:
        """Kind of what is run: ``"safetensors"``, the model itself, or what it is exported to."""
        return PLAN.name if self.backend in BUILT_ONLY else _trials()[self.backend]

    @property
    def label(self) -> str:
        """Its parts in one word, also the name of its folder."""
        shapes = "" if self.artefact == SAFETENSORS.name else "static" if self.static else "dynamic"
        parts = (self.model, self.precision, self.backend, self.device, self.plugin, shapes)
        return "-".join(filter(None, parts))


def backend_names() -> tuple[str, ...]:
    """What can be tried: the backends that auto may choose, and what is built and not run."""
    return (*_trials(), *BUILT_ONLY)


def all_cases(options: SelfTestOptions) -> list[Case]:
    """The cases of an options' models and backends, in the order to try them."""
    trials = _trials()
    return [
        case
        for model in options.models
        for name in options.backends
        for case in (
            _MAKERS[trials[name]](model, find_backend(name)) if name in trials else _built_only(model, name)
        )
    ]


def _trials() -> dict[str, str]:
    """What each backend that auto may choose is tried on: the first of ``_MAKERS`` that it runs."""
    runs = {each.name: {kind.name for kind in each.runs} for each in all_backends() if each.automatic}
    tried: dict[str, str] = {}
    for made in _MAKERS:
        tried |= {name: made for name, kinds in runs.items() if made in kinds and name not in tried}
    return tried


def _weights(model: str, backend: Backend) -> Iterator[Case]:
    for device in backend.devices:
        # On the CPU only what others are compared with: the rest is for GPUs.
        for precision in ("fp32",) if device == "cpu" else PRECISIONS:
            yield Case(model, precision, backend.name, device)


def _onnx(model: str, backend: Backend) -> Iterator[Case]:
    # In bfloat16 it is for TensorRT alone.
    for device, precision in product(backend.devices, ("fp32", "fp16")):
        yield Case(model, precision, backend.name, device)


def _plan(model: str, backend: Backend) -> Iterator[Case]:
    for device in backend.devices:
        # Without rounding, one shape of what can go wrong is told from another.
        yield Case(model, "fp32", backend.name, device, "none")
        for precision, plugin, static in product(("fp16", "bf16"), PLUGINS, (True, False)):
            yield Case(model, precision, backend.name, device, plugin, static)


def _package(model: str, backend: Backend) -> Iterator[Case]:
    for device in backend.devices:
        # Each takes minutes to compile, on the CPU in types that it mostly emulates too.
        tried = product(PRECISIONS, (True, False)) if device == "cuda" else (("fp32", True),)
        for precision, static in tried:
            yield Case(model, precision, backend.name, device, static=static)


def _built_only(model: str, flavour: str) -> Iterator[Case]:
    for precision in PRECISIONS:
        yield Case(model, precision, flavour, "cpu", "none")


_MAKERS: Final[dict[str, Callable[[str, Backend], Iterator[Case]]]] = {
    SAFETENSORS.name: _weights,
    ONNX.name: _onnx,
    PLAN.name: _plan,
    PACKAGE.name: _package,
}
"""What can be made here, in the order to try it."""
