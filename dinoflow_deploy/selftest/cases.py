"""What a self-test tries: every model, precision, backend, plugin and kind of shape that goes together."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.options import LARGEST_SIDE

MODELS: Final = ("nano", "vits16")
BACKENDS: Final = ("pytorch", "onnxruntime", "tensorrt", "rtx")
PLUGINS: Final = ("cpp", "aot", "none")


@dataclass(frozen=True, slots=True)
class SelfTestOptions:
    """What to try.

    Attributes:
        models: Of ``MODELS``.
        backends: Of ``BACKENDS``.
        size: Height and width in pixels of what has one shape, and of the frames for speed.
        head: Weights of the decoder of ``vits16``; by default from the hub's cache, where they are there.
        backbone_weights: Weights of its backbone, likewise.
        seconds: Length of a measurement of speed.
    """

    models: tuple[str, ...] = MODELS
    backends: tuple[str, ...] = BACKENDS
    size: tuple[int, int] = (448, 1024)
    head: str | None = None
    backbone_weights: str | None = None
    seconds: float = 2.0

    def __post_init__(self) -> None:
        for what, given, known in (("model", self.models, MODELS), ("backend", self.backends, BACKENDS)):
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
        backend: Of ``BACKENDS``; ``"rtx"`` is built and not run.
        device: ``"cpu"`` or ``"cuda"``, the first GPU: that on which TensorRT builds.
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
    def label(self) -> str:
        """Its parts in one word, also the name of its folder."""
        shapes = "" if self.backend == "pytorch" else "static" if self.static else "dynamic"
        parts = (self.model, self.precision, self.backend, self.device, self.plugin, shapes)
        return "-".join(filter(None, parts))


def all_cases(options: SelfTestOptions) -> list[Case]:
    """The cases of an options' models and backends, in the order to try them."""
    makers = {"pytorch": _pytorch, "onnxruntime": _onnxruntime, "tensorrt": _tensorrt, "rtx": _rtx}
    return [
        case for model in options.models for backend in options.backends for case in makers[backend](model)
    ]


def _pytorch(model: str) -> Iterator[Case]:
    yield Case(model, "fp32", "pytorch", "cpu")
    for precision in ("fp32", "fp16", "bf16"):
        yield Case(model, precision, "pytorch", "cuda")


def _onnxruntime(model: str) -> Iterator[Case]:
    for device, precision in product(("cpu", "cuda"), ("fp32", "fp16")):
        yield Case(model, precision, "onnxruntime", device)


def _tensorrt(model: str) -> Iterator[Case]:
    # Without rounding, one shape of what can go wrong is told from another.
    yield Case(model, "fp32", "tensorrt", "cuda", "none")
    for precision, plugin, static in product(("fp16", "bf16"), PLUGINS, (True, False)):
        yield Case(model, precision, "tensorrt", "cuda", plugin, static)


def _rtx(model: str) -> Iterator[Case]:
    for precision in ("fp32", "fp16", "bf16"):
        yield Case(model, precision, "rtx", "cpu", "none")
