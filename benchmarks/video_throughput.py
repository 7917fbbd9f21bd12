"""Throughput of the whole video pipeline against the bare engine on the same frames.

A synthetic clip is written as an mp4. In each round the engine first computes all its pairs, decoded
beforehand, one after the other; then the pipeline reads the file, computes, draws and encodes. "ratio" is
the median over the rounds of the pipeline's pairs per second over the engine's in the same round: 1 would
mean that decoding, drawing and encoding cost nothing. Stages overlap, so what each took may add up to more
than the whole.

Run: python benchmarks/video_throughput.py [--size 448x1024]
"""

import argparse
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
from recording import Record, argument_parser, print_table, size_argument, spread


def main() -> None:
    arguments = parse_arguments()
    with (
        tempfile.TemporaryDirectory() as folder,
        load_engine(arguments.model, arguments.backend, arguments.device) as engine,
        Record(arguments, show, figures, engine=engine.describe().to_dict()) as record,
    ):
        clip = Path(folder) / "clip.mp4"
        write_clip(clip, arguments.size, arguments.frames)
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


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--model", default="nano", help="what load_engine takes (default: %(default)s)")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", type=size_argument, default=(448, 1024), metavar="HxW")
    parser.add_argument("--frames", type=int, default=50, help="of the clip (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--render", choices=list(RENDERERS), default="flow")
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
    stages = {
        stage: median(report.stage_seconds[stage] for _, report in rounds) / pairs * 1000
        for stage in rounds[0][1].stage_seconds
    }
    return {
        "rounds": len(rounds),
        "pairs": pairs,
        "pairs_per_second": {
            "engine": pairs / median(seconds for seconds, _ in rounds),
            "video": pairs / median(report.seconds for _, report in rounds),
        },
        "ratio": spread(ratios),
        "bare_engine_ms_per_pair": median(seconds for seconds, _ in rounds) / pairs * 1000,
        "stage_ms_per_pair": stages,
    }


def figures(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "ratio" in result:
        rates, ratio = result["pairs_per_second"], result["ratio"]
        yield "bare engine", f"{rates['engine']:.3g} pairs/s"
        between = f"{ratio['min']:.2f} to {ratio['max']:.2f}"
        yield "video", f"{rates['video']:.3g} pairs/s, {ratio['median']:.2f} of the engine ({between})"


def show(result: dict[str, Any]) -> None:
    if "ratio" not in result:
        return
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
