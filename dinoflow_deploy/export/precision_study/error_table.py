"""What low precision costs, block by block: the measurement that the float32 parts are chosen by."""

import copy
import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from dinoflow_deploy.export.graph.attention import attention
from dinoflow_deploy.export.lowering import prepare_module
from dinoflow_deploy.export.parity import scene_frames
from dinoflow_deploy.export.precision_study.blocks import Block, blocks_of, lower, wrap
from dinoflow_deploy.export.precision_study.float32_parts import ISLANDS, Change, Island, within
from dinoflow_deploy.export.precision_study.function_replacement import Function, Replaced
from dinoflow_deploy.export.precision_study.rounding import FloatSums
from dinoflow_deploy.progress import NoProgress, Progress
from dinoflow_deploy.train.model import FlowModel

TYPES: Final = {"fp16": torch.float16, "bf16": torch.bfloat16}
DEFAULT_SIZE: Final = (128, 192)
PAIRS: Final = 2


@dataclass(frozen=True, slots=True)
class FlowError:
    """End-point difference to the flow of the float32 model, in px; infinite if it is not finite.

    Attributes:
        mean_px: Mean over the pixels.
        max_px: Largest.
    """

    mean_px: float
    max_px: float


@dataclass(frozen=True, slots=True)
class BlockError:
    """One block in low precision, everything else in float32.

    Attributes:
        name: The block, or ``"everything"`` for the model as it is exported.
        largest: Largest magnitude of any low-precision value in the block; float16 ends at 65504.
        score: Largest magnitude of its attention scores; ``None`` where there are none.
        relative: RMS of the error of the block's output over RMS of the output, by precision.
        flow: What it does to the flow, by precision.
    """

    name: str
    largest: float
    score: float | None
    relative: dict[str, float]
    flow: dict[str, FlowError]


@dataclass(frozen=True, slots=True)
class IslandError:
    """What the type of one part does to the flow.

    Attributes:
        name: The part.
        is_float32: Whether the export keeps it in float32.
        alone: Difference of the flow with this part in low precision and the rest in float32.
        switched: Difference of the exported model's flow with this part in the type it does not have there.
    """

    name: str
    is_float32: bool
    alone: dict[str, FlowError]
    switched: dict[str, FlowError]


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """What low precision costs a model.

    Attributes:
        model: Name of the backbone.
        size: Height and width of the frames.
        flow_px: Mean length of the flow.
        blocks: The blocks in the order in which they run, the whole model last.
        islands: The parts whose type is a choice of its own.
    """

    model: str
    size: tuple[int, int]
    flow_px: float
    blocks: tuple[BlockError, ...]
    islands: tuple[IslandError, ...]


def measure_errors(
    model: FlowModel, size: tuple[int, int] = DEFAULT_SIZE, progress: Progress | None = None
) -> ErrorTable:
    """Measure fp16 and bf16 against fp32, on the CPU, on synthetic scenes.

    Half precision is computed in PyTorch as tensor cores do: sums in float32, each operator's result
    rounded. An engine that fuses operators rounds less often.

    Args:
        model: Left as it is.
        size: Height and width of the frames in px, multiples of 16.
        progress: Told of each measurement.
    """
    progress, blocks = progress or NoProgress(), blocks_of(model)
    progress.start("measuring errors", 1 + len(TYPES) * (len(blocks) + 1 + 2 * len(ISLANDS)), "runs")
    compared = _Comparison(model, size, progress)
    table = ErrorTable(
        model=model.config.name,
        size=size,
        flow_px=float(compared.flow.norm(dim=1).mean()),
        blocks=(*(compared.block(block) for block in blocks), compared.everything()),
        islands=tuple(compared.island(island) for island in ISLANDS),
    )
    progress.finish()
    return table


class _Comparison:
    """The float32 model, what it computes, and the runs that are compared with it."""

    def __init__(self, model: FlowModel, size: tuple[int, int], progress: Progress) -> None:
        self.model = prepare_module(model, torch.float32)
        self.lowered = {name: prepare_module(model, dtype) for name, dtype in TYPES.items()}
        self.progress = progress
        self.images = _images(size)
        self.scores: dict[str, float] = {}
        self.outputs: dict[str, Tensor] = {}
        watched = copy.deepcopy(self.model)
        for block in blocks_of(model):
            self._keep(watched, block, self.outputs)
            if block.name.startswith("transformer"):
                wrap(watched, block.parts[-1], partial(self._scored, block.name))
        self.flow, _ = self._run(watched)

    def block(self, block: Block) -> BlockError:
        """Compare the model with one block in low precision."""
        relative, flow, largest = {}, {}, {}
        for name, dtype in TYPES.items():
            model, outputs = copy.deepcopy(self.model), dict[str, Tensor]()
            lower(model, block, dtype)
            self._keep(model, block, outputs)
            found, largest[name] = self._run(model)
            relative[name] = _relative(outputs[block.name], self.outputs[block.name])
            flow[name] = _flow_error(found, self.flow)
        return BlockError(block.name, largest["bf16"], self.scores.get(block.name), relative, flow)

    def everything(self) -> BlockError:
        """Compare the model as it is exported."""
        runs = {name: self._run(model) for name, model in self.lowered.items()}
        return BlockError(
            name="everything",
            largest=runs["bf16"][1],
            score=max(self.scores.values()),
            relative={name: _relative(found, self.flow) for name, (found, _) in runs.items()},
            flow={name: _flow_error(found, self.flow) for name, (found, _) in runs.items()},
        )

    def island(self, island: Island) -> IslandError:
        """Compare the float32 model with one part lowered, and the exported one with that part switched."""
        alone, switched = {}, {}
        for name, dtype in TYPES.items():
            alone[name] = self._changed(self.model, island.lower, dtype)
            switched[name] = self._changed(self.lowered[name], island.switch, dtype)
        return IslandError(island.name, island.is_float32, alone, switched)

    def _changed(self, model: FlowModel, change: Change, dtype: torch.dtype) -> FlowError:
        changed = copy.deepcopy(model)
        change(changed, dtype)
        return _flow_error(self._run(changed)[0], self.flow)

    def _run(self, model: FlowModel) -> tuple[Tensor, float]:
        """Flow, and the largest magnitude in low precision on the way."""
        graph_attention = Replaced({F.scaled_dot_product_attention: attention})
        with torch.no_grad(), graph_attention, FloatSums() as sums:
            flow: Tensor = model(*self.images)
        self.progress.advance()
        return flow, sums.largest

    @staticmethod
    def _keep(model: FlowModel, block: Block, outputs: dict[str, Tensor]) -> None:
        """Let a model put what a block returns into ``outputs``."""

        def kept(inner: Function) -> Function:
            def run(*args: Any) -> Any:
                outputs[block.name] = inner(*args)
                return outputs[block.name]

            return run

        wrap(model, block.parts[-1], kept)

    def _scored(self, name: str, inner: Function) -> Function:
        def noted(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
            self.scores[name] = float(scores.abs().max())
            return attention(query, key, value)

        return within(Replaced({F.scaled_dot_product_attention: noted}), inner)


def _images(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    frames1, frames2 = (torch.from_numpy(frames) for frames in scene_frames(PAIRS, *size))
    return frames1.permute(0, 3, 1, 2) / 255, frames2.permute(0, 3, 1, 2) / 255


def _relative(found: Tensor, expected: Tensor) -> float:
    return _finite(float((found.double() - expected).norm() / expected.norm()))


def _flow_error(found: Tensor, expected: Tensor) -> FlowError:
    difference = (found.double() - expected).norm(dim=1)
    return FlowError(_finite(float(difference.mean())), _finite(float(difference.max())))


def _finite(error: float) -> float:
    return math.inf if math.isnan(error) else error
