"""Pieces of work that take turns on a device, so that a moment at which it is slow befalls all of them."""

from collections.abc import Callable, Mapping

import torch

from ceilings import seconds_of, synchronize
from recording import spread

Run = Callable[[], object]


def repeated(run: Run, times: int, device: torch.device) -> Run:
    """A call of some work that many times over, on CUDA as one graph, in which only the GPU counts."""
    if device.type == "cpu":
        return lambda: [run() for _ in range(times)]
    # What is loaded or compiled when first used cannot be captured.
    run()
    synchronize(device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(times):
            run()
    return graph.replay


def microseconds_in_turns(
    work: Mapping[str, Run], times: Mapping[str, int], rounds: int, device: torch.device
) -> dict[str, dict[str, float]]:
    """Time of each piece of work, over rounds in each of which every one is called once.

    Args:
        work: By name.
        times: How often a call does it.
        rounds: How many.
        device: Where.

    Returns:
        By name, median, least and greatest microseconds of doing it once.
    """
    for run in work.values():
        run()
    turns = [{name: seconds_of(run, device) for name, run in work.items()} for _ in range(rounds)]
    return {name: spread([1e6 * turn[name] / times[name] for turn in turns]) for name in work}
