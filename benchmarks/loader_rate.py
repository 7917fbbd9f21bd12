"""How many training pairs one core reads and augments per second, and what four GPUs would need.

Trees of synthetic scenes in the exact formats of FlyingChairs (ppm, flo) and FlyingThings3D (png, pfm),
at their full frame sizes, through the augmentation and crop of the recipe chairs-things. CPU time of one
process, whose OpenCV uses one thread and whose files come from memory; medians of the repeats. How often
the size of the crop decides the scale of a pair is counted over many draws.

Demand: the model card trains 24 epochs of 102 836 pairs in about 3 hours on 4 GPUs, which is what they
take.

Run: python benchmarks/loader_rate.py
"""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from dinoflow_deploy.datasets import FlowDataset, FlowSample, open_dataset
from dinoflow_deploy.datasets.frames import read_frames
from dinoflow_deploy.datasets.scenes.synthetic_tree import write_synthetic_tree
from dinoflow_deploy.flow import read_flow
from dinoflow_deploy.train.augmentation import Augmentation, augment
from dinoflow_deploy.train.augmentation.color_jitter import jitter_pair
from dinoflow_deploy.train.augmentation.scale import clipped_shares
from dinoflow_deploy.train.model import FlowModel
from dinoflow_deploy.train.recipe import load_recipe
from model_parts import shapes_only
from recording import Found, Record, argument_parser, missing, print_table, row, spread

RECIPE = "chairs-things"
LAYOUTS = {"flyingchairs": "chairs", "things-clean": "things"}
CARD_PAIRS_PER_SECOND = 24 * 102_836 / (3 * 3600)
PARTS = ("whole", "frames", "flow", "augmentation", "of it colours")
DRAWS = 20_000
PEAK_OPERATIONS = 989e12
"""Dense bf16 per second of a Hopper GPU (NVIDIA's data sheet of the H100 SXM, whose die GH200 has)."""
PEAK_SHARE = 0.4
"""What good training code reaches of it."""


def main() -> None:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--pairs", type=int, default=36, help="of each tree (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="passes over each tree (default: %(default)s)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sections = {section.dataset: section.augmentation for section in load_recipe(RECIPE).stages[0].data}
    results: dict[str, Found] = {}
    with Record(arguments, show, results=results) as record, tempfile.TemporaryDirectory() as folder:
        for name, layout in LAYOUTS.items():
            results[name] = {}
            with record.attempt(name, results[name]):
                root = Path(folder) / layout
                write_synthetic_tree(layout, root, pairs=arguments.pairs, seed=1)
                results[name] |= measure(open_dataset(name, root), sections[name], arguments.repeats)
        if not any(map(missing, results.values())):
            record.results["demand"] = demand(results)


def measure(dataset: FlowDataset, settings: Augmentation, repeats: int) -> dict[str, Any]:
    """Milliseconds of CPU per pair of each part, and of the whole."""
    samples = [dataset[index] for index in range(len(dataset))]
    parts: dict[str, Callable[[int], object]] = {
        "whole": lambda index: augment(dataset[index], settings, generator(index)),
        "frames": lambda index: read_frames(dataset.pairs[index].frame1, dataset.pairs[index].frame2),
        "flow": lambda index: read_flow(dataset.pairs[index].flow),
        "augmentation": lambda index: augment(samples[index], settings, generator(index)),
        "of it colours": lambda index: colours(samples[index], settings, generator(index)),
    }
    assert tuple(parts) == PARTS
    times: dict[str, list[float]] = {name: [] for name in PARTS}
    for _, (name, part) in itertools.product(range(repeats), parts.items()):
        times[name].append(milliseconds(part, len(samples)))
    height, width = samples[0].valid.shape
    clipped = clipped_shares(settings, height, width, DRAWS, np.random.default_rng(0))
    return {
        "frame": [height, width],
        "crop": [settings.crop_height, settings.crop_width],
        "pairs_per_second": spread([1000 / each for each in times["whole"]]),
        "milliseconds": {name: statistics.median(values) for name, values in times.items()},
        "clipped": asdict(clipped),
    }


def generator(index: int) -> np.random.Generator:
    return np.random.default_rng(index)


def colours(sample: FlowSample, settings: Augmentation, draws: np.random.Generator) -> object:
    return jitter_pair(sample.frame1, sample.frame2, settings, draws)


def milliseconds(part: Callable[[int], object], pairs: int) -> float:
    start = time.process_time()
    for index in range(pairs):
        part(index)
    return 1000 * (time.process_time() - start) / pairs


def show(found: dict[str, Any]) -> None:
    header = ["data set", "frame", "crop", "pairs/s", *PARTS, "clipped"]
    done = {name: each for name, each in found["results"].items() if each}
    print_table(header, [row(each, (name,), header, partial(cells, each)) for name, each in done.items()])
    if "demand" not in found:
        return
    shares = found["demand"]
    print(
        f"\nmixture of {RECIPE}: {shares['pairs_per_second_per_core']:.1f} pairs/s per core; "
        f"{shares['operations_per_pair'] / 1e12:.2f} TFLOP a pair"
    )
    for name, key in (("the model card", "card"), (f"{PEAK_SHARE:.0%} of the peak", "fastest")):
        cores = shares[f"cores_for_4_{'gpus' if key == 'card' else 'fastest_gpus'}"]
        print(f"4 GPUs by {name}: {shares[f'{key}_pairs_per_second']:.0f} pairs/s, {cores:.1f} cores")


def cells(result: Found) -> list[str]:
    return [
        *("x".join(map(str, result[key])) for key in ("frame", "crop")),
        f"{result['pairs_per_second']['median']:.1f}",
        *(f"{value:.1f} ms" for value in result["milliseconds"].values()),
        f"{100 * result['clipped']['common']:.1f}%",
    ]


def demand(results: dict[str, Any]) -> dict[str, float]:
    """Cores that four GPUs keep busy, for the recipe's mixture: as the card trained, and at most."""
    chairs, things = (results[name]["pairs_per_second"]["median"] for name in LAYOUTS)
    pairs = {"chairs": 22_232, "things": 80_604}
    per_core = sum(pairs.values()) / (pairs["chairs"] / chairs + pairs["things"] / things)
    operations = operations_per_pair()
    fastest = 4 * PEAK_SHARE * PEAK_OPERATIONS / operations
    return {
        "pairs_per_second_per_core": per_core,
        "card_pairs_per_second": CARD_PAIRS_PER_SECOND,
        "cores_for_4_gpus": CARD_PAIRS_PER_SECOND / per_core,
        "operations_per_pair": operations,
        "fastest_pairs_per_second": fastest,
        "cores_for_4_fastest_gpus": fastest / per_core,
    }


def operations_per_pair() -> int:
    """Floating-point operations of a training step on one pair of the recipe's crop, backbone frozen."""
    recipe = load_recipe(RECIPE)
    settings = recipe.stages[0].data[0].augmentation
    model = FlowModel(recipe.model.config).train()
    model.backbone.requires_grad_(False)
    with shapes_only(), FlopCounterMode(display=False) as counter:
        image = torch.empty(1, 3, settings.crop_height, settings.crop_width)
        model(image, image).sum().backward()
    operations: int = counter.get_total_flops()
    return operations


if __name__ == "__main__":
    main()
