"""How many synthetic frame pairs one core renders per second, and how far they move.

CPU time of one process, in which OpenCV uses one thread; medians of three repeats.

Run: python benchmarks/scene_rate.py
"""

import statistics
import time
from functools import partial
from typing import Any

import cv2
import numpy as np

from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.datasets.textures import POOL_SIZE, texture_pool
from recording import Found, Record, argument_parser, print_table, row, size_text

CONFIGS = (SceneConfig(128, 128, 24), SceneConfig(256, 256, 32), SceneConfig(384, 512, 48))
SEED = 1
REPEATS = 3


def main() -> None:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--pairs", type=int, default=200, help="pairs per size and repeat")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    pool_seconds = fill_pool()
    print(f"texture pool, once per process and seed: {pool_seconds:.1f} s")
    with Record(arguments, show, seed=SEED, texture_pool_seconds=pool_seconds, results=[]) as record:
        for config in CONFIGS:
            found: Found = {"size": [config.height, config.width], "max_motion": config.max_motion}
            with record.attempt(size_text((config.height, config.width)), found, record.results["results"]):
                found |= measure(config, arguments.pairs)


def fill_pool() -> float:
    start = time.process_time()
    pool = texture_pool(SEED)
    for index in range(POOL_SIZE):
        pool.pattern(index)
    return time.process_time() - start


def measure(config: SceneConfig, pairs: int) -> dict[str, Any]:
    scenes = SyntheticScenes(config, SEED, pairs)
    rates = [pairs / seconds_to_render(scenes) for _ in range(REPEATS)]
    # Every fourth pixel of every fourth row is plenty for the statistics.
    lengths = np.concatenate([np.linalg.norm(scene.flow[::4, ::4], axis=-1).ravel() for scene in scenes])
    mean, (median, p95, p99) = float(lengths.mean()), np.percentile(lengths, [50, 95, 99])
    return {
        "pairs_per_second": {"median": statistics.median(rates), "all": rates},
        "flow_length": {"mean": mean, "median": median, "p95": p95, "p99": p99, "max": float(lengths.max())},
    }


def show(results: dict[str, Any]) -> None:
    shares = ("mean", "median", "p95", "p99", "max")
    header = ("size", "largest motion px", "pairs/s", "least to most", *(f"{each} px" for each in shares))

    def cells(found: Found) -> list[str]:
        rates, lengths = found["pairs_per_second"], found["flow_length"]
        return [
            f"{rates['median']:.1f}",
            f"{min(rates['all']):.1f} to {max(rates['all']):.1f}",
            *(f"{lengths[each]:.1f}" for each in shares),
        ]

    print_table(
        header,
        [
            row(found, (size_text(found["size"]), f"{found['max_motion']:g}"), header, partial(cells, found))
            for found in results["results"]
        ],
    )


def seconds_to_render(scenes: SyntheticScenes) -> float:
    # CPU time, not wall time: the question is what one core does, whatever else the machine runs.
    start = time.process_time()
    for _ in scenes:
        pass
    return time.process_time() - start


if __name__ == "__main__":
    main()
