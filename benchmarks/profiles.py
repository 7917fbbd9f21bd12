"""Where an engine's time goes: by operator, and by part of the model."""

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

REST: Final = "cost volume and the rest"
"""What is in no part, or in more than one."""


def profile_onnxruntime(bundle: Path, size: tuple[int, int], threads: int, calls: int) -> dict[str, Any]:
    """ONNX Runtime's own profile of a bundle on the CPU.

    Returns:
        Milliseconds per call: ``operators`` by operator type, ``parts`` by the part of the model that a node
        comes from, as its name says, and ``milliseconds`` in all, the time between nodes too.
    """
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = bundle / "model.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        images = dict(zip(("image1", "image2"), _images(size), strict=True))
        for _ in range(1 + calls):
            session.run(["flow"], images)
        events = json.loads(Path(session.end_profiling()).read_text())
    runs = [event for event in events if event["name"] == "model_run"]
    # The first call, which pays for memory, does not count.
    counted_from = runs[0]["ts"] + runs[0]["dur"]
    parts = _parts_of_nodes(path)
    nodes = [
        event
        for event in events
        if event["name"].endswith("_kernel_time") and event.get("ts", 0) >= counted_from
    ]
    return {
        "milliseconds": _milliseconds(sum(run["dur"] for run in runs[1:]), calls),
        "operators": _shares(((node["args"]["op_name"], node["dur"]) for node in nodes), calls),
        "parts": _shares(((_part(node["name"], parts), node["dur"]) for node in nodes), calls),
    }


def profile_pytorch(weights: Path, size: tuple[int, int], threads: int, calls: int) -> dict[str, Any]:
    """PyTorch's profile of a model in eager mode on the CPU; returns what ``profile_onnxruntime`` does.

    Parts are timed by hooks in calls of their own, without the profiler.
    """
    import torch
    from torch.profiler import ProfilerActivity, profile

    from dinoflow_deploy.train.model import load_model

    torch.set_num_threads(threads)
    model = load_model(weights)
    image1, image2 = (torch.from_numpy(image) for image in _images(size))
    with torch.inference_mode():
        model(image1, image2)
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(calls):
                model(image1, image2)
        timer = _PartTimer({"backbone": model.backbone, **dict(model.head.named_children())})
        began = time.perf_counter()
        for _ in range(calls):
            model(image1, image2)
        microseconds = (time.perf_counter() - began) * 1e6
    operators = ((event.key, event.self_cpu_time_total) for event in profiler.key_averages())
    rest = microseconds - sum(timer.microseconds.values())
    return {
        "milliseconds": _milliseconds(microseconds, calls),
        "operators": _shares(operators, calls),
        "parts": _shares([*timer.microseconds.items(), (REST, rest)], calls),
    }


class _PartTimer:
    """Adds up the time spent in modules of a model."""

    def __init__(self, modules: Mapping[str, Any]) -> None:
        self.microseconds: dict[str, float] = defaultdict(float)
        self._began: dict[str, float] = {}
        for name, module in modules.items():
            module.register_forward_pre_hook(lambda *_, name=name: self._begin(name))
            module.register_forward_hook(lambda *_, name=name: self._end(name))

    def _begin(self, name: str) -> None:
        self._began[name] = time.perf_counter()

    def _end(self, name: str) -> None:
        self.microseconds[name] += (time.perf_counter() - self._began[name]) * 1e6


def _images(size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).random((2, 1, 3, *size), dtype=np.float32)


def _parts_of_nodes(onnx_path: Path) -> dict[str, str]:
    """The part of the model that each node belongs to, by the node's name and by those of its outputs."""
    import onnx

    parts: dict[str, str] = {}
    for node in onnx.load(onnx_path).graph.node:
        # For instance head.upsample_1.dysample1.0.Conv_0.
        first, *inner = node.name.split(".")
        part = inner[0] if first == "head" and len(inner) > 1 else first
        parts |= dict.fromkeys([node.name, *node.output], part)
    return parts


def _part(event: str, parts: Mapping[str, str]) -> str:
    """The part that an event of ONNX Runtime's profile belongs to.

    What ONNX Runtime fuses within an operator keeps its name, with more behind a slash; a convolution in its
    blocked layout is named by its output. What it inserts, and the operator's inlined body, have new names.
    """
    name = event.removesuffix("_kernel_time").removesuffix("_nchwc").partition("/")[0]
    return parts.get(name, REST)


def _shares(items: Iterable[tuple[str, float]], calls: int) -> dict[str, float]:
    """Microseconds by name as milliseconds per call, largest first."""
    sums: dict[str, float] = defaultdict(float)
    for name, microseconds in items:
        sums[name] += microseconds
    ordered = sorted(sums.items(), key=lambda item: -item[1])
    return {name: _milliseconds(microseconds, calls) for name, microseconds in ordered}


def _milliseconds(microseconds: float, calls: int) -> float:
    return round(microseconds / calls / 1000, 3)
