"""Throughput of ``extract`` against the bare engine, a loop over ``video``, and Ray.

Long clips: a synthetic clip under several names. The engine, in a process that does nothing else, computes
all pairs of one, decoded beforehand, one after the other; then ``extract`` computes all clips by one worker;
and so on in turns, the engine first and last. "ratio" is the median over the rounds of the pairs per second
of ``extract`` over the mean of the engine's before and after it, from the first clip's row to the last one's:
decoding, writing, checksums and the manifest count, and starting does not.

"limit" is what a worker does in this process with an engine that costs nothing, on known flows: decoding and
writing alone, the same cores shared by both.

Then all ways in turn compute the same clips, starting included: ``video --no-video --save-flow`` for each
clip, ``extract`` with each number of workers, and, with --ray, by Ray.

Short clips: two tiny frames each, so that almost all that takes time is what a clip costs by itself, whatever
its length: from the first row to the last one, by one worker.

Run: python benchmarks/extract_rate.py [--ray]
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from clips import write_clip
from dinoflow_deploy.engines import FlowEngine, load_engine
from dinoflow_deploy.extract import EngineChoice, extract
from dinoflow_deploy.extract.choices import FlowChoices
from dinoflow_deploy.extract.clip_flow import extract_clip
from dinoflow_deploy.extract.task import Task
from dinoflow_deploy.flow.arrays import Flow, Image
from dinoflow_deploy.video import Selection, open_source
from free_engine import FreeEngine
from recording import Record, argument_parser, print_table, row, size_argument, spread

TINY: Final = (64, 80)
COMMAND: Final = (sys.executable, "-m", "dinoflow_deploy")


class Times:
    """When rows came, as the run tells of them."""

    def __init__(self) -> None:
        self.rows: list[float] = []

    def start(self, description: str, total: float | None, unit: str) -> None:
        """Nothing is shown."""

    def advance(self, amount: float = 1.0, **figures: float) -> None:
        """A row, or a sign of life."""
        if amount:
            self.rows.append(time.perf_counter())

    def note(self, message: str) -> None:
        """Nothing is shown."""

    def finish(self) -> None:
        """Nothing is shown."""


def main() -> None:
    arguments = parse_arguments()
    engine = EngineChoice(arguments.model, arguments.backend, arguments.device)
    with tempfile.TemporaryDirectory() as name, Record(arguments, show, figures, whole=[]) as record:
        folder = Path(name)
        long, flows = same_clips(folder / "long", arguments.size, arguments.frames, arguments.clips)
        pairs = arguments.frames - 1
        alone: list[float] = []
        rates: list[float] = []
        with load_engine(arguments.model, arguments.backend, arguments.device) as bare:
            record.results["engine"] = bare.describe().to_dict()
            frames = decoded(long / "0.mp4")
            bare.warm_up(*arguments.size)
            alone.append(pairs / seconds_of_engine(bare, frames))
            for number in range(arguments.rounds):
                with record.attempt(f"round {number + 1}", {}):
                    rates.append(pairs * clip_rate(long, folder, engine))
                    alone.append(pairs / seconds_of_engine(bare, frames))
                    record.results["one_worker"] = one_worker(alone, rates)
        with record.attempt("the limit", {}):
            record.results["limit_pairs_per_second"] = limit(long / "0.mp4", flows, folder, arguments.rounds)
        for title, run in ways(arguments, long, folder, engine).items():
            found: dict[str, Any] = {"way": title}
            with record.attempt(title, found, record.results["whole"]):
                found["seconds"] = seconds = timed(run)
                found["clips_per_second"] = arguments.clips / seconds
                found["pairs_per_second"] = arguments.clips * pairs / seconds
        with record.attempt("short clips", {}):
            short, _ = same_clips(folder / "short", TINY, 2, arguments.short_clips)
            record.results["short_clip_ms"] = 1000 / clip_rate(short, folder, engine)


def one_worker(alone: list[float], rates: list[float]) -> dict[str, Any]:
    """Figures of ``extract`` between those of the engine."""
    around = [(before + after) / 2 for before, after in pairwise(alone)]
    return {
        "engine_pairs_per_second": spread(alone),
        "pairs_per_second": spread(rates),
        "ratio": spread([rate / engine for rate, engine in zip(rates, around, strict=True)]),
    }


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--model", default="nano", help="what load_engine takes (default: %(default)s)")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", type=size_argument, default=(448, 1024), metavar="HxW")
    parser.add_argument("--frames", type=int, default=25, help="of a long clip (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=4, help="long ones (default: %(default)s)")
    parser.add_argument("--short-clips", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="(default: 1 2)")
    parser.add_argument("--ray", action="store_true", help="by Ray too")
    return parser.parse_args()


def same_clips(folder: Path, size: tuple[int, int], frames: int, count: int) -> tuple[Path, Flow]:
    """A folder of them, and the flows of each."""
    folder.mkdir()
    flows = write_clip(folder / "0.mp4", size, frames)
    for number in range(1, count):
        shutil.copy(folder / "0.mp4", folder / f"{number}.mp4")
    return folder, flows


def decoded(clip: Path) -> list[Image]:
    with open_source([str(clip)]) as source:
        return [frame.image for frame in source.frames(Selection())]


def seconds_of_engine(engine: FlowEngine, frames: list[Image]) -> float:
    def run() -> None:
        for first, second in pairwise(frames):
            engine(first, second)

    return timed(run)


def clip_rate(clips: Path, folder: Path, engine: EngineChoice) -> float:
    """Clips per second by one worker, from the first row to the last."""
    times = Times()
    extracted(clips, folder, engine, workers=1, progress=times)
    return (len(times.rows) - 1) / (times.rows[-1] - times.rows[0])


def limit(clip: Path, flows: Flow, folder: Path, rounds: int) -> dict[str, float]:
    """Pairs per second that a worker decodes and writes."""
    task = Task(str(clip), clip.name, str(folder), "limit.mkv", None)
    with FreeEngine(flows) as engine:

        def run() -> None:
            extract_clip(task, engine, FlowChoices(), model_sha256="")

        seconds = [timed(run) for _ in range(rounds)]
    return spread([len(flows) / each for each in seconds])


def ways(
    arguments: argparse.Namespace, clips: Path, folder: Path, engine: EngineChoice
) -> dict[str, Callable[[], None]]:
    """What computes all clips, by name."""

    def by_video() -> None:
        options = ("--model", engine.model, "--backend", engine.backend, "--device", engine.device)
        for clip in sorted(clips.iterdir()):
            target = ("--no-video", "--save-flow", folder / "flow.mkv", "--overwrite")
            subprocess.run([*COMMAND, "video", clip, *target, *options], check=True, capture_output=True)

    def by_extract(workers: int, ray: str | None) -> Callable[[], None]:
        return lambda: extracted(clips, folder, engine, workers=workers, ray=ray)

    found = {"a loop over video": by_video}
    for ray in (None, "local") if arguments.ray else (None,):
        for workers in arguments.workers:
            title = f"extract, {workers} worker(s){', by Ray' if ray else ''}"
            found[title] = by_extract(workers, ray)
    return found


def extracted(clips: Path, folder: Path, engine: EngineChoice, **given: Any) -> None:
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    report = extract([str(clips)], output, engine, **given)
    if report.failures:
        raise RuntimeError(report.failures[0].error)


def timed(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def figures(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "one_worker" in results:
        rate, ratio = results["one_worker"]["pairs_per_second"], results["one_worker"]["ratio"]
        between = f"{ratio['min']:.2f} to {ratio['max']:.2f}"
        yield (
            "extract, 1 worker",
            f"{rate['median']:.3g} pairs/s, {ratio['median']:.2f} of the engine ({between})",
        )
    if "limit_pairs_per_second" in results:
        yield "the limit", f"{results['limit_pairs_per_second']['median']:.3g} pairs/s"
    if "short_clip_ms" in results:
        yield "a short clip", f"{results['short_clip_ms']:.0f} ms"


def cells(way: dict[str, Any]) -> Iterator[str]:
    yield f"{way['seconds']:.1f}"
    yield f"{way['clips_per_second']:.3g}"
    yield f"{way['pairs_per_second']:.3g}"


def show(results: dict[str, Any]) -> None:
    if "one_worker" in results:
        found = results["one_worker"]
        alone, rate, ratio = (found[key] for key in ("engine_pairs_per_second", "pairs_per_second", "ratio"))
        print_table(
            ("", "pairs/s", "ratio", "least to most"),
            [
                ("bare engine", f"{alone['median']:.3g}", "1", ""),
                (
                    "extract, 1 worker",
                    f"{rate['median']:.3g}",
                    f"{ratio['median']:.2f}",
                    f"{ratio['min']:.2f} to {ratio['max']:.2f}",
                ),
            ],
        )
    if "limit_pairs_per_second" in results:
        found = results["limit_pairs_per_second"]
        cell = (f"{found['median']:.3g}", f"{found['min']:.3g} to {found['max']:.3g}")
        print_table(("an engine that costs nothing", "pairs/s", "least to most"), [("1 worker", *cell)])
    header = ("all clips by", "s", "clips/s", "pairs/s")
    print_table(header, [row(way, (way["way"],), header, partial(cells, way)) for way in results["whole"]])
    if "short_clip_ms" in results:
        print_table(("a clip of one tiny pair", "ms"), [("extract", f"{results['short_clip_ms']:.0f}")])


if __name__ == "__main__":
    main()
