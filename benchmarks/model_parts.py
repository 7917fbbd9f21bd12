"""The parts of a model as a roofline sees them: operations, bytes, and time on the device."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from dinoflow_deploy.export.precision_study.blocks import wrap
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig

SIZES: Final = [(448, 1024), (384, 1248), (1088, 1920)]
"""Frames of Sintel, of KITTI and in 1080p, padded."""
REST: Final = "the rest"
"""What is in no part: normalising the images, joining tensors, the last 1x1 convolution, gaps between."""


def parts_of(model: FlowModel) -> dict[str, str]:
    """The modules and functions that are looked at one by one, with the name of the part each belongs to.

    Scales are of the output's side to the frame's.
    """
    head = {
        "weighted_fusion": "fusion",
        "cost_volume": "cost volume",
        "motion_encoder": "motion encoder",
        "detail_enhancer": "detail enhancer",
        "refinement_1": "refinement convolution, 1/4",
        "refinement_2": "refinement convolution, full",
    }
    for stage, scales in ((1, ("1/8", "1/4")), (2, ("1/2", "full"))):
        for step, scale in enumerate(scales, 1):
            head[f"upsample_{stage}.dysample{step}.0"] = f"sampling, {scale}"
            head[f"upsample_{stage}.dysample{step}.1"] = f"convolution, {scale}"
    head |= {f"output_conv.{index}": "output convolutions, full" for index in range(4)}
    blocks = {f"backbone.blocks.{index}": "transformer blocks" for index in range(len(model.backbone.blocks))}
    return {"backbone.patch_embed": "patch embedding", **blocks} | {
        f"head.{part}": name for part, name in head.items()
    }


def group(model: FlowModel) -> None:
    """Make one module of each convolution with its normalisation and activation, in place."""
    for stage in (model.head.upsample_1, model.head.upsample_2):
        for name in ("dysample1", "dysample2"):
            sample, *convolution = getattr(stage, name)
            setattr(stage, name, nn.Sequential(sample, nn.Sequential(*convolution)))


def count_work(backbone: str, size: tuple[int, int], dtype: torch.dtype) -> dict[str, dict[str, int]]:
    """What one pair costs, by part, counted without computing anything.

    Args:
        backbone: Name of the model.
        size: Height and width of the frames.
        dtype: Of weights and features.

    Returns:
        For each part, and for the rest, ``operations``: floating-point ones of convolutions and matrix
        products, attention's included; and ``bytes``: inputs read once, outputs written once, weights read
        once. An activation alone counts no bytes, since it joins the layer before it.
    """
    model = FlowModel(FlowModelConfig(backbone)).eval().to(dtype)
    group(model)
    modules = dict(model.named_modules())
    found: dict[str, dict[str, int]] = defaultdict(lambda: {"operations": 0, "bytes": 0})
    counter = FlopCounterMode(display=False)

    def counted(name: str, module: nn.Module | None, inner: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            before = counter.get_total_flops()
            result = inner(*args)
            found[name]["operations"] += counter.get_total_flops() - before
            if not isinstance(module, nn.ReLU):
                weights = list(module.parameters()) if module else []
                found[name]["bytes"] += tensor_bytes((weights, args, result))
            return result

        return run

    for part, name in parts_of(model).items():
        wrap(model, part, partial(counted, name, modules.get(part)))
    with shapes_only(), counter, torch.inference_mode():
        model(*torch.rand(2, 1, 3, *size))
    rest = counter.get_total_flops() - sum(part["operations"] for part in found.values())
    return {**found, REST: {"operations": rest, "bytes": 0}}


@contextmanager
def shapes_only() -> Iterator[None]:
    """Within, shapes and types alone are computed, and attention as the matrix products that it is.

    ``FlopCounterMode`` does not know the CPU's fused attention.
    """
    with FakeTensorMode(allow_non_fake_inputs=True), sdpa_kernel(SDPBackend.MATH):
        yield


def tensor_bytes(values: Any) -> int:
    """Bytes of all tensors in a nest of values, each tensor once."""
    tensors = {id(value): value for value in tree_leaves(values) if isinstance(value, Tensor)}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


class PartTimer:
    """Time of each part of a model on its device, in milliseconds; changes the model for good.

    On CUDA between two events of the stream, so that a part which waits for the CPU to launch it counts the
    wait. Parts run one after the other.

    Args:
        model: Grouped by ``group``, on its device.
    """

    def __init__(self, model: FlowModel) -> None:
        self._cuda = next(model.parameters()).is_cuda
        self._marks: list[tuple[str, Any, Any]] = []
        for part, name in parts_of(model).items():
            wrap(model, part, partial(self._timed, name))

    def of_call(self, run: Callable[[], object]) -> dict[str, float]:
        """One call's milliseconds by part, the rest included."""
        self._marks.clear()
        began = self._mark()
        run()
        ended = self._mark()
        if self._cuda:
            torch.cuda.synchronize()
        found: dict[str, float] = defaultdict(float)
        for name, start, end in self._marks:
            found[name] += self._milliseconds(start, end)
        return {**found, REST: self._milliseconds(began, ended) - sum(found.values())}

    def _timed(self, name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            start = self._mark()
            result = inner(*args)
            self._marks.append((name, start, self._mark()))
            return result

        return run

    def _mark(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def _milliseconds(self, start: Any, end: Any) -> float:
        return float(start.elapsed_time(end) if self._cuda else 1000 * (end - start))
