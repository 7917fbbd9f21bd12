"""Pairs per second of training steps, on pairs that the device holds already.

A case is a stage of a recipe and a number of pairs: its losses, what of the model learns, the optimiser, its
autocast and the size of its frames, by the trainer's own code. Weights and pairs are random, and the same
pairs come again and again: reading and augmenting them is left out (see loader_rate.py), and speed does not
depend on what they show. Steps follow each other for some seconds after three that do not count. "MiB" is the
most that torch held on the device.

Run: python benchmarks/train_rate.py
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import torch

from aside import Aside
from ceilings import describe_device
from dinoflow_deploy.train.batches import Batch
from dinoflow_deploy.train.distributed import Process, choose_device
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig
from dinoflow_deploy.train.recipe import Stage, load_recipe
from dinoflow_deploy.train.training_step import TrainingStep, training_state
from recording import (
    Found,
    Record,
    argument_parser,
    missing,
    print_table,
    row,
    size_argument,
    size_text,
    spread,
)

WARM_UP_STEPS: Final = 3
LARGEST_MOTION: Final = 20.0


@dataclass(frozen=True, slots=True)
class Case:
    """What to measure.

    Attributes:
        recipe: Name or file.
        stage: Number of its stage, from 0.
        pairs: Of a step; 0 for the stage's own.
    """

    recipe: str
    stage: int
    pairs: int

    @classmethod
    def parse(cls, text: str) -> "Case":
        """A case from ``RECIPE:STAGE`` or ``RECIPE:STAGE:PAIRS``."""
        recipe, stage, *pairs = text.split(":")
        return cls(recipe, int(stage), int(pairs[0]) if pairs else 0)


DEFAULT: Final = (
    *("chairs-things:0:12", "chairs-things:0:24"),
    *("nano:0:32", "nano:1:32", "nano:2:32", "nano:3:8"),
)
"""The model card's training as one of four and one of two GPUs sees it, and the built-in model's, whose small
batches of a CPU would leave a GPU idle."""


def main() -> None:
    arguments = parse_arguments()
    device = choose_device(arguments.device)
    with Record(arguments, show, figures, device={}, results=[]) as record, Aside("training") as aside:
        with record.attempt("describing the device", {}):
            record.results["device"] = aside.run(describe_device, device)
        for text in arguments.cases:
            case = Case.parse(text)
            found: Found = asdict(case)
            with record.attempt(text, found, record.results["results"]):
                found |= aside.run(measure, case, device, arguments.size, arguments.seconds)


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--cases", nargs="+", default=list(DEFAULT), metavar="RECIPE:STAGE[:PAIRS]")
    parser.add_argument(
        "--size", type=size_argument, metavar="HxW", help="of the frames (default: the recipe's)"
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="of each case (default: %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    return parser.parse_args()


def measure(case: Case, device: torch.device, size: tuple[int, int] | None, seconds: float) -> Found:
    """Take steps for some seconds."""
    recipe = load_recipe(case.recipe)
    stage = recipe.stages[case.stage]
    process = Process(0, 1, device)
    torch.manual_seed(0)
    state = training_state(FlowModel(FlowModelConfig(recipe.model.backbone)), recipe, process)
    step = TrainingStep(recipe, process, state)
    size = size or frame_size(stage)
    pairs = case.pairs or stage.batch_size
    batch = random_batch(pairs, size, device)
    forget_memory(device)
    taken: list[float] = []
    while len(taken) <= WARM_UP_STEPS or sum(taken[WARM_UP_STEPS:]) < seconds:
        began = time.perf_counter()
        # Waits for the device, since it gives the loss.
        step(stage, batch, 1e-4)
        taken.append(time.perf_counter() - began)
    counted = taken[WARM_UP_STEPS:]
    return {
        "model": recipe.model.backbone,
        "pairs": pairs,
        "size": size,
        "steps": len(counted),
        "pairs_per_second": len(counted) * pairs / sum(counted),
        "step_ms": spread([1000 * each for each in counted]),
        "memory_bytes": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
    }


def frame_size(stage: Stage) -> tuple[int, int]:
    """Height and width of what a stage is trained on."""
    if stage.synthetic:
        return stage.synthetic.scenes.height, stage.synthetic.scenes.width
    settings = stage.data[0].augmentation
    return settings.crop_height, settings.crop_width


def random_batch(pairs: int, size: tuple[int, int], device: torch.device) -> Batch:
    image1, image2 = torch.randint(256, (2, pairs, 3, *size), dtype=torch.uint8, device=device)
    flow = LARGEST_MOTION * (2 * torch.rand(pairs, 2, *size, device=device) - 1)
    valid = torch.ones(pairs, *size, dtype=torch.bool, device=device)
    return Batch(image1, image2, flow, valid, tuple(f"random {number}" for number in range(pairs)))


def forget_memory(device: torch.device) -> None:
    """Count memory from here, without what an earlier case left."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def show(results: dict[str, Any]) -> None:
    header = ("case", "model", "size", "pairs/s", "ms a step", "least to most", "MiB", "steps")
    print_table(
        header, [row(found, (name(found),), header, partial(cells, found)) for found in results["results"]]
    )


def name(found: Found) -> str:
    return f"{found['recipe']}, stage {found['stage']}, {found['pairs'] or 'its own'} pairs"


def cells(found: Found) -> list[str]:
    step, memory = found["step_ms"], found["memory_bytes"]
    return [
        found["model"],
        size_text(found["size"]),
        f"{found['pairs_per_second']:.1f}",
        f"{step['median']:.1f}",
        f"{step['min']:.1f} to {step['max']:.1f}",
        "-" if memory is None else f"{memory / 2**20:.0f}",
        str(found["steps"]),
    ]


def figures(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for found in results["results"]:
        yield name(found), missing(found) or figure(found)


def figure(found: Found) -> str:
    memory = "" if found["memory_bytes"] is None else f", {found['memory_bytes'] / 2**30:.1f} GiB"
    return (
        f"{found['pairs_per_second']:.1f} pairs/s at {size_text(found['size'])}, "
        f"{found['step_ms']['median']:.1f} ms a step{memory}"
    )


if __name__ == "__main__":
    main()
