"""What the number of pairs behind BatchNorm's statistics does to training, at one batch size.

The decoder of nano is trained on, on a frozen backbone, by steps of 8 pairs, whose statistics are taken
of 8, 4, 2 or 1 of them at a time (as by 1, 2, 4 or 8 processes, or by parts of an accumulated batch), or
not at all: normalised with the averages as they are. All else is equal. End-point error on held-out
scenes.

Run: python benchmarks/batch_norm.py
"""

import argparse
import statistics
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import torch

from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.train.distributed import Process
from dinoflow_deploy.train.recipe import Recipe
from dinoflow_deploy.train.trainer import train
from recording import Found, Record, argument_parser, missing, print_table

BATCH = 8
CHOICES = {"8 pairs": (8, False), "4 pairs": (4, False), "2 pairs": (2, False), "1 pair": (1, False)}
CHOICES |= {"frozen": (8, True)}


def main() -> None:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--steps", type=int, default=200, help="of each run (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=64, help="held out (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each choice (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw (default: %(default)s)")
    arguments = parser.parse_args()
    results: dict[str, list[float]] = {name: [] for name in CHOICES}
    with Record(arguments, show, epe=results, runs=[]) as record, tempfile.TemporaryDirectory() as folder:
        for seed, (name, (size, frozen)) in product(range(arguments.seeds), CHOICES.items()):
            found: Found = {"statistics_of": name, "seed": seed}
            with record.attempt(f"statistics of {name}, seed {seed}", found, record.results["runs"]):
                run = Path(folder) / f"{name} {seed}"
                found["epe"] = train_once(run, recipe(seed, arguments, size, frozen=frozen))
                results[name].append(found["epe"])
                print(f"statistics of {name}, seed {seed}: EPE {found['epe']:.3f} px", flush=True)


def show(results: dict[str, Any]) -> None:
    rows = [
        [name, f"{statistics.mean(found):.3f}", f"{min(found):.3f} to {max(found):.3f}"]
        for name, found in results["epe"].items()
        if found
    ]
    rows += [
        [found["statistics_of"], f"seed {found['seed']}", missing(found) or ""]
        for found in results["runs"]
        if missing(found)
    ]
    print_table(["statistics of", "EPE", "least to most"], rows)


def train_once(folder: Path, recipe: Recipe) -> float:
    """End-point error of the last model in px."""
    process = Process(0, 1, torch.device("cpu"))
    done = train(recipe, folder, process, init_from=builtin_models()["nano"].weights)
    if not done.finished:
        # The trainer has heard Ctrl-C, and stopped by a checkpoint.
        raise KeyboardInterrupt
    return done.best_epe


def recipe(seed: int, arguments: argparse.Namespace, size: int, *, frozen: bool) -> Recipe:
    steps = arguments.steps
    scenes = {"height": 128, "width": 128, "max_motion": 24}
    stage: dict[str, Any] = {
        "steps": steps,
        "batch_size": BATCH,
        "micro_batch": size,
        "freeze_batch_norm": frozen,
        "quarter_weight": 0.5,
        "coarse_weight": 0.5,
        "matching_weight": 2.0,
        "synthetic": {"seed": 100 + seed, **scenes},
    }
    return Recipe.from_dict(
        {
            "seed": seed,
            "workers": arguments.workers,
            "checkpoint_every": steps,
            "model": {"backbone": "nano"},
            "optimizer": {"learning_rate": 8e-4, "warmup_steps": min(20, steps - 1), "autocast": "off"},
            "stages": [stage],
            "validation": {"every": steps, "pairs": arguments.pairs, "synthetic": {"seed": 1007, **scenes}},
        }
    )


if __name__ == "__main__":
    main()
