"""How many synthetic frame pairs a second are rendered by NumPy and by torch, and how far they move.

NumPy: CPU time of one process, in which OpenCV uses one thread. Torch: on a CPU the same, with one thread of
its own; on a GPU the time that passes until all pairs are there. Medians of three repeats. Of torch also
the CPU time of drawing the parameters, and the operations of a batch and their bytes, counted.

Run: python benchmarks/scene_rate.py --device cuda
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.datasets.scenes.textures import POOL_SIZE, texture_pool
from dinoflow_deploy.train.torch_scenes import SceneRenderer
from dinoflow_deploy.train.torch_scenes.parameters import random_scenes
from operation_count import OperationCount
from recording import Found, Record, argument_parser, missing, print_table, row, size_text

CONFIGS: Final = {
    size_text((config.height, config.width)): config
    for config in (SceneConfig(128, 128, 24), SceneConfig(256, 256, 32), SceneConfig(384, 512, 48))
}
SEED: Final = 1
REPEATS: Final = 3
RENDERERS: Final = ("numpy", "torch")
HEADER: Final = ("size", "by", "pairs/s", "least to most", "draws ms/pair", "operations a batch", "MB/pair")
COUNTS: Final = (("draw_milliseconds", ".2f"), ("operations", "d"), ("megabytes_per_pair", ".0f"))
LENGTHS: Final = ("mean", "median", "p95", "p99", "max")


def main() -> None:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--sizes", nargs="+", choices=CONFIGS, default=CONFIGS)
    parser.add_argument("--pairs", type=int, default=200, help="pairs per size and repeat")
    parser.add_argument("--batch", type=int, default=64, help="pairs that torch draws at once")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where torch draws")
    parser.add_argument("--renderers", nargs="+", choices=RENDERERS, default=RENDERERS)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    pool_seconds = fill_pool()
    print(f"texture pool, once per process and seed: {pool_seconds:.1f} s")
    start = {"seed": SEED, "batch": arguments.batch, "texture_pool_seconds": pool_seconds, "results": []}
    with Record(arguments, show, figures, **start) as record:
        for config in map(CONFIGS.__getitem__, arguments.sizes):
            for renderer in arguments.renderers:
                found: Found = {"size": [config.height, config.width], "max_motion": config.max_motion}
                found["renderer"] = "numpy" if renderer == "numpy" else f"torch {arguments.device}"
                name = f"{size_text((config.height, config.width))} {found['renderer']}"
                with record.attempt(name, found, record.results["results"]):
                    measure = by_numpy if renderer == "numpy" else by_torch
                    found |= measure(config, arguments)


def fill_pool() -> float:
    start = time.process_time()
    pool = texture_pool(SEED)
    for index in range(POOL_SIZE):
        pool.pattern(index)
    return time.process_time() - start


def by_numpy(config: SceneConfig, arguments: argparse.Namespace) -> dict[str, Any]:
    scenes = SyntheticScenes(config, SEED, arguments.pairs)
    # CPU time, not wall time: the question is what one core does, whatever else the machine runs.
    times = [seconds(lambda: consume(iter(scenes)), time.process_time) for _ in range(REPEATS)]
    # Every fourth pixel of every fourth row is plenty for the statistics.
    lengths = [np.linalg.norm(scene.flow[::4, ::4], axis=-1).ravel() for scene in scenes]
    return {"pairs_per_second": of_rates(arguments.pairs, times), "flow_length": of_lengths(lengths)}


def by_torch(config: SceneConfig, arguments: argparse.Namespace) -> dict[str, Any]:
    device = torch.device(arguments.device)
    renderer = SceneRenderer(config, SEED, device)
    batches = [
        range(first, min(first + arguments.batch, arguments.pairs))
        for first in range(0, arguments.pairs, arguments.batch)
    ]

    def draw() -> None:
        consume(renderer.batch(indices) for indices in batches)

    def draw_and_wait() -> None:
        draw()
        if device.type == "cuda":
            torch.cuda.synchronize()

    draw_and_wait()
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    times = [seconds(draw_and_wait, clock) for _ in range(REPEATS)]
    lengths = [renderer.batch(indices).flow[:, :, ::4, ::4].norm(dim=1).flatten() for indices in batches]
    counted = SceneRenderer(config, SEED, torch.device("meta"), patterns=1)
    with OperationCount() as count:
        counted.batch(range(arguments.batch))
    on_gpu = of_gpu(draw, batches) if device.type == "cuda" else {}
    return on_gpu | {
        "pairs_per_second": of_rates(arguments.pairs, times),
        "flow_length": of_lengths([each.cpu().numpy() for each in lengths]),
        "draw_milliseconds": draw_milliseconds(renderer, batches),
        "operations": count.operations,
        "megabytes_per_pair": count.bytes / arguments.batch / 1e6,
    }


def of_gpu(draw: Callable[[], None], batches: list[range]) -> dict[str, Any]:
    """The most memory, and the host's time for all that it does, up to handing the last operation over."""
    host = milliseconds_a_pair(draw, batches)
    return {"memory_bytes": torch.cuda.max_memory_allocated(), "host_milliseconds": host}


def draw_milliseconds(renderer: SceneRenderer, batches: list[range]) -> float:
    """CPU time of the host a pair, for drawing what happens in it."""

    def draw() -> None:
        consume(random_scenes(renderer.config, renderer.tiles, SEED, indices) for indices in batches)

    return milliseconds_a_pair(draw, batches)


def milliseconds_a_pair(work: Callable[[], None], batches: list[range]) -> float:
    times = [seconds(work, time.process_time) for _ in range(REPEATS)]
    return 1e3 * statistics.median(times) / sum(map(len, batches))


def consume(pairs: Iterator[Any]) -> None:
    for _ in pairs:
        pass


def seconds(work: Callable[[], None], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


def of_rates(pairs: int, times: list[float]) -> dict[str, Any]:
    rates = [pairs / each for each in times]
    return {"median": statistics.median(rates), "all": rates}


def of_lengths(parts: list[NDArray[Any]]) -> dict[str, float]:
    lengths = np.concatenate(parts)
    mean, (median, p95, p99) = float(lengths.mean()), np.percentile(lengths, [50, 95, 99])
    return dict(zip(LENGTHS, (mean, median, p95, p99, float(lengths.max())), strict=True))


def show(results: dict[str, Any]) -> None:
    header = (*HEADER, *(f"{each} px" for each in LENGTHS))

    def cells(found: Found) -> list[str]:
        rates, lengths = found["pairs_per_second"], found["flow_length"]
        return [
            f"{rates['median']:.1f}",
            f"{min(rates['all']):.1f} to {max(rates['all']):.1f}",
            *(f"{found[name]:{form}}" if name in found else "" for name, form in COUNTS),
            *(f"{lengths[each]:.1f}" for each in LENGTHS),
        ]

    print_table(
        header,
        [
            row(found, (size_text(found["size"]), found["renderer"]), header, partial(cells, found))
            for found in results["results"]
        ],
    )


def figures(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for found in results["results"]:
        yield f"scenes {size_text(found['size'])} by {found['renderer']}", missing(found) or figure(found)


def figure(found: Found) -> str:
    rate = f"{found['pairs_per_second']['median']:.0f} pairs/s"
    if "memory_bytes" not in found:
        return rate
    return f"{rate}, host {found['host_milliseconds']:.2f} ms a pair, {found['memory_bytes'] / 2**30:.1f} GiB"


if __name__ == "__main__":
    main()
