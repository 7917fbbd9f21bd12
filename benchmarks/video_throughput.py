"""Throughput of the whole video pipeline against the bare engine on the same frames.

A synthetic clip is written as an mp4. In each round the engine first computes all its pairs, decoded
beforehand, one after the other; then the pipeline reads the file, computes, draws and encodes. "ratio" is
the median over the rounds of the pipeline's pairs per second over the engine's in the same round: 1 would
mean that decoding, drawing and encoding cost nothing. Stages overlap, so what each took may add up to more
than the whole.

Then the pipeline's own limit: the same with an engine that costs nothing, since it gives the clip's known
flow. What the pipeline takes of the processor for a pair, in all of its threads, bounds it on few cores.

Run: python benchmarks/video_throughput.py [--size 448x1024] [--limit-alone]
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from clips import write_clip
from dinoflow_deploy.engines import FlowEngine, load_engine
from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.video import Selection, VideoOptions, VideoReport, flow_video, open_source
from dinoflow_deploy.video.render import RENDERERS
from free_engine import FreeEngine
from recording import Record, argument_parser, print_table, size_argument, spread

LIMIT_RENDERS = ("flow", "side-by-side")


def main() -> None:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder, Record(arguments, show, figures) as record:
        clip = Path(folder) / "clip.mp4"
        flows = write_clip(clip, arguments.size, arguments.frames)
        if not arguments.limit_alone:
            with load_engine(arguments.model, arguments.backend, arguments.device) as engine:
                record.results["engine"] = engine.describe().to_dict()
                compare(engine, clip, arguments, record)
        with FreeEngine(flows) as engine:
            limits = record.results["limit"] = {}
            for render in LIMIT_RENDERS:
                with record.attempt(f"the limit of {render}", {}):
                    limits[render] = limit(engine, clip, render, arguments.rounds)


def compare(engine: FlowEngine, clip: Path, arguments: argparse.Namespace, record: Record) -> None:
    """The pipeline beside the bare engine, round by round."""
    frames = decode(clip)
    engine.warm_up(*arguments.size)
    options = VideoOptions(render=arguments.render, overwrite=True)
    rounds: list[tuple[float, VideoReport]] = []
    for number in range(arguments.rounds):
        with record.attempt(f"round {number + 1}", {}):
            seconds = seconds_of_engine(engine, frames)
            report = flow_video(open_source([str(clip)]), engine, clip.with_stem("flow"), options)
            rounds.append((seconds, report))
            record.results |= summary(rounds)


def limit(engine: FlowEngine, clip: Path, render: str, rounds: int) -> dict[str, Any]:
    """What the pipeline does with an engine that costs nothing; a first round is not counted."""
    reports, cpu_ms = [], []
    for _ in range(rounds + 1):
        before = cpu_seconds()
        options = VideoOptions(render=render, overwrite=True)
        report = flow_video(open_source([str(clip)]), engine, clip.with_stem("flow"), options)
        cpu_ms.append((cpu_seconds() - before) / report.pairs * 1000)
        reports.append(report)
    return {
        "pairs_per_second": spread([report.pairs_per_second for report in reports[1:]]),
        "cpu_ms_per_pair": spread(cpu_ms[1:]),
        "stage_ms_per_pair": stage_milliseconds(reports[1:]),
    }


def cpu_seconds() -> float:
    """Of all threads of this process, those of FFmpeg included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def stage_milliseconds(reports: list[VideoReport]) -> dict[str, float]:
    """Median of the time of each stage for a pair."""
    return {
        stage: median(report.stage_seconds[stage] for report in reports) / reports[0].pairs * 1000
        for stage in reports[0].stage_seconds
    }


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--model", default="nano", help="what load_engine takes (default: %(default)s)")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", type=size_argument, default=(448, 1024), metavar="HxW")
    parser.add_argument("--frames", type=int, default=50, help="of the clip (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--render", choices=list(RENDERERS), default="flow")
    parser.add_argument("--limit-alone", action="store_true", help="leave the model out")
    return parser.parse_args()


def decode(clip: Path) -> list[Image]:
    with open_source([str(clip)]) as source:
        return [frame.image for frame in source.frames(Selection())]


def seconds_of_engine(engine: FlowEngine, frames: list[Image]) -> float:
    began = time.perf_counter()
    for first, second in pairwise(frames):
        engine(first, second)
    return time.perf_counter() - began


def summary(rounds: list[tuple[float, VideoReport]]) -> dict[str, Any]:
    pairs = rounds[0][1].pairs
    ratios = [seconds / report.seconds for seconds, report in rounds]
    return {
        "rounds": len(rounds),
        "pairs": pairs,
        "pairs_per_second": {
            "engine": pairs / median(seconds for seconds, _ in rounds),
            "video": pairs / median(report.seconds for _, report in rounds),
        },
        "ratio": spread(ratios),
        "bare_engine_ms_per_pair": median(seconds for seconds, _ in rounds) / pairs * 1000,
        "stage_ms_per_pair": stage_milliseconds([report for _, report in rounds]),
    }


def figures(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "ratio" in result:
        rates, ratio = result["pairs_per_second"], result["ratio"]
        yield "bare engine", f"{rates['engine']:.3g} pairs/s"
        between = f"{ratio['min']:.2f} to {ratio['max']:.2f}"
        yield "video", f"{rates['video']:.3g} pairs/s, {ratio['median']:.2f} of the engine ({between})"
    for render, found in result.get("limit", {}).items():
        rate, cpu = found["pairs_per_second"]["median"], found["cpu_ms_per_pair"]["median"]
        yield f"an engine that costs nothing, {render}", f"{rate:.3g} pairs/s, {cpu:.1f} ms of a core a pair"


def show(result: dict[str, Any]) -> None:
    if "ratio" in result:
        show_ratio(result)
    print_table(
        ("an engine that costs nothing", "pairs/s", "least to most", "ms of a core per pair"),
        [
            (
                render,
                f"{found['pairs_per_second']['median']:.3g}",
                f"{found['pairs_per_second']['min']:.3g} to {found['pairs_per_second']['max']:.3g}",
                f"{found['cpu_ms_per_pair']['median']:.1f}",
            )
            for render, found in result.get("limit", {}).items()
        ],
    )


def show_ratio(result: dict[str, Any]) -> None:
    rates, ratio = result["pairs_per_second"], result["ratio"]
    print_table(
        ("", "pairs/s", "ratio", "least to most"),
        [
            ("bare engine", f"{rates['engine']:.3g}", "1", ""),
            (
                "video",
                f"{rates['video']:.3g}",
                f"{ratio['median']:.2f}",
                f"{ratio['min']:.2f} to {ratio['max']:.2f}",
            ),
        ],
    )
    rows = {"engine, bare": result["bare_engine_ms_per_pair"]} | {
        f"{stage}, in the pipeline": ms for stage, ms in result["stage_ms_per_pair"].items() if ms
    }
    print_table(("stage", "ms per pair"), [(name, f"{ms:.1f}") for name, ms in rows.items()])


if __name__ == "__main__":
    main()
