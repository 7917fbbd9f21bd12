"""Pairs per second of training steps, on pairs that the device holds already.

A case is a stage of a recipe, a number of pairs, a frame size and a backbone: its losses, what of the model
learns, the optimiser and its autocast by the trainer's own code, as the recipe has them (eager) and with
`compile = true` (compiled). Weights and pairs are random, and the same pairs come again and again: reading
and augmenting them is left out (see loader_rate.py), and speed does not depend on what they show. After
some steps that do not count, one of which compiles, rounds of steps follow each other for some seconds; the
device is waited for once a round, as the trainer does once in `log_every` steps. "waits" are the times a
step waited for a GPU in between, as CUDA's sync debug mode counts them. "first loss" is that of the same
pairs under the same weights: eager and compiled differ by rounding. "MiB" is the most that torch held on
the device.

Run: python benchmarks/train_rate.py
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

import torch

from aside import Aside
from ceilings import describe_device
from dinoflow_deploy.system.freed_memory import keep_freed_memory
from dinoflow_deploy.train.batches import Batch
from dinoflow_deploy.train.distributed import Process, choose_device
from dinoflow_deploy.train.model import FlowModel
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

WARM_UP_STEPS: Final = 2
"""After the first, which compiles."""
ROUND: Final = 10
"""Steps for which the device is waited once."""
VARIANTS: Final = ("eager", "compiled")
LARGEST_MOTION: Final = 20.0


@dataclass(frozen=True, slots=True)
class Case:
    """What to measure.

    Attributes:
        recipe: Name or file.
        stage: Number of its stage, from 0.
        pairs: Of a step; 0 for the stage's own.
        size: Height and width of the frames; ``None`` for the stage's own.
        backbone: Of the model; empty for the recipe's own.
    """

    recipe: str
    stage: int
    pairs: int = 0
    size: tuple[int, int] | None = None
    backbone: str = ""

    @classmethod
    def parse(cls, text: str) -> "Case":
        """A case from ``RECIPE:STAGE[:PAIRS[:HxW[:BACKBONE]]]``."""
        recipe, stage, pairs, size, backbone = (text.split(":") + [""] * 3)[:5]
        return cls(recipe, int(stage), int(pairs or 0), size_argument(size) if size else None, backbone)


DEFAULT: Final = (
    *("chairs-things:0:24", "nano:2:256:256x256", "nano:2:256:256x256:small"),
    *("chairs-things:0:12", "nano:2:128:256x256", "nano:2:128:256x256:small"),
)
"""The model card's training as one of two and one of four GPUs sees it, and that of the models that learn
from scratch, under all losses: the small batches that suit a CPU would leave a GPU idle."""


def main() -> None:
    arguments = parse_arguments()
    device = choose_device(arguments.device)
    with Record(arguments, show, figures, device={}, results=[]) as record, Aside("training") as aside:
        with record.attempt("describing the device", {}):
            record.results["device"] = aside.run(describe_device, device)
        for text in arguments.cases:
            for variant in arguments.variants:
                case = Case.parse(text)
                found: Found = asdict(case) | {"variant": variant}
                with record.attempt(f"{text} {variant}", found, record.results["results"]):
                    found |= aside.run(measure, case, device, variant == "compiled", arguments.seconds)


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    cases = "RECIPE:STAGE[:PAIRS[:HxW[:BACKBONE]]]"
    parser.add_argument("--cases", nargs="+", default=list(DEFAULT), metavar=cases)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seconds", type=float, default=4.0, help="of each (default: %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    return parser.parse_args()


def measure(case: Case, device: torch.device, compiled: bool, seconds: float) -> Found:
    """Take steps for some seconds."""
    if device.type == "cpu":  # as the command does
        keep_freed_memory(of_any_size=True)
    recipe = load_recipe(case.recipe)
    recipe = replace(
        recipe,
        model=replace(recipe.model, backbone=case.backbone or recipe.model.backbone),
        optimizer=replace(recipe.optimizer, compile=compiled),
    )
    stage = recipe.stages[case.stage]
    size = case.size or frame_size(stage)
    pairs = case.pairs or stage.batch_size
    torch.manual_seed(0)
    state = training_state(FlowModel(recipe.model.config), recipe, Process(0, 1, device))
    step = TrainingStep(recipe, Process(0, 1, device), state)
    batch = random_batch(pairs, size, device)
    forget_memory(device)

    def take(steps: int) -> Found:
        began = time.perf_counter()
        for _ in range(steps):
            step(stage, batch, 1e-4)
        return step.look() | {"seconds": time.perf_counter() - began}

    first = take(1)
    take(WARM_UP_STEPS)
    rounds: list[float] = []
    while sum(rounds) < seconds or not rounds:
        rounds.append(take(ROUND)["seconds"])
    return {
        "model": recipe.model.backbone,
        "pairs": pairs,
        "size": size,
        "steps": ROUND * len(rounds),
        "pairs_per_second": ROUND * len(rounds) * pairs / sum(rounds),
        "step_ms": spread([1000 * each / ROUND for each in rounds]),
        "first_step_seconds": first["seconds"],
        "first_loss": first["loss"],
        "waits_per_step": count_waits(partial(step, stage, batch, 1e-4)) if device.type == "cuda" else None,
        "memory_bytes": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
    }


def count_waits(step: Callable[[], None]) -> float:
    """How often a step makes Python wait for the GPU."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            for _ in range(ROUND):
                step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing CUDA operation" in str(each.message) for each in caught) / ROUND


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
    columns = ("case", "model", "size", "pairs/s", "ms a step", "least to most", "waits")
    header = (*columns, "first loss", "first step, s", "MiB", "steps")
    print_table(
        header, [row(found, (name(found),), header, partial(cells, found)) for found in results["results"]]
    )


def name(found: Found) -> str:
    recipe, pairs = found["recipe"], found["pairs"] or "its own"
    own = f" of {found['backbone']}" if found["backbone"] else ""
    return f"{recipe}, stage {found['stage']}{own}, {pairs} pairs, {found['variant']}"


def cells(found: Found) -> list[str]:
    step, memory, waits = found["step_ms"], found["memory_bytes"], found["waits_per_step"]
    return [
        found["model"],
        size_text(found["size"]),
        f"{found['pairs_per_second']:.1f}",
        f"{step['median']:.1f}",
        f"{step['min']:.1f} to {step['max']:.1f}",
        "-" if waits is None else f"{waits:g}",
        f"{found['first_loss']:.6g}",
        f"{found['first_step_seconds']:.1f}",
        "-" if memory is None else f"{memory / 2**20:.0f}",
        str(found["steps"]),
    ]


def figures(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for found in results["results"]:
        yield name(found), missing(found) or figure(found)


def figure(found: Found) -> str:
    on_gpu = ""
    if found["memory_bytes"] is not None:
        on_gpu = f", {found['waits_per_step']:g} waits a step, {found['memory_bytes'] / 2**30:.1f} GiB"
    return (
        f"{found['pairs_per_second']:.1f} pairs/s at {size_text(found['size'])}, "
        f"{found['step_ms']['median']:.1f} ms a step{on_gpu}; first loss {found['first_loss']:.6g} after "
        f"{found['first_step_seconds']:.0f} s"
    )


if __name__ == "__main__":
    main()
