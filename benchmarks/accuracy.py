"""End-point error of models beside zero flow and OpenCV's DIS, on frames that they have never seen.

Synthetic scenes of two sizes, of seeds that no recipe uses, so that textures, shapes and motions
are new. Where scikit-image is installed, its one real pair with dense ground truth, the Middlebury stereo
pair "motorcycle" (741x500, flow = (-disparity, 0), 7 to 60 px), and photographs in which nothing moves,
without and with noise, or that are shifted by a few px. Where Debian's package opencv-doc is installed,
neighbouring frames of its clip vtest.avi, people before a camera that stands still: its motion is not known
and the figures are those against none, so that "1 px" is the share of the frame that moves by less than that.

The models run as users run them, through load_engine. DIS is cv2.DISOpticalFlow with its medium preset, on
grey frames; zero flow is the error of predicting no motion. All pixels of a set are pooled. EPE is the mean
end-point error in px, "visible" where the pixel can be seen in both frames; 1, 3 and 5 px are the shares of
pixels with a smaller error than that; Fl-all is the share with an error above 3 px and 5 % of the true
motion. Seconds per pair are of this machine, and of one method at a time.

Run: python benchmarks/accuracy.py
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from dinoflow_deploy.datasets import FlowSample, SceneConfig, SyntheticScenes
from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.flow import FlowErrorSums, flow_error_sums
from dinoflow_deploy.flow.arrays import Flow, Image
from dinoflow_deploy.progress import counted
from dinoflow_deploy.system.optional import is_installed
from dinoflow_deploy.train.recipe import load_recipe, recipe_names
from photographs import NOISE, SHIFTS, shifted_photographs, still_photographs
from recording import Found, Record, argument_parser, missing, print_table, row

Method = Callable[[Image, Image], Flow]

STATIC_CAMERA: Final = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
STATIC_PAIRS, STATIC_EVERY = 10, 75
SCENES: Final = (SceneConfig(256, 256, max_motion=32), SceneConfig(384, 512, max_motion=48))


@dataclass(slots=True)
class Score:
    """Errors of one method on one set, and its time."""

    every: FlowErrorSums = field(default_factory=FlowErrorSums)
    visible: FlowErrorSums = field(default_factory=FlowErrorSums)
    seconds: float = 0.0
    pairs: int = 0

    def add(self, method: Method, sample: FlowSample) -> None:
        """Compute one pair and count its errors."""
        began = time.perf_counter()
        flow = method(sample.frame1, sample.frame2)
        self.seconds += time.perf_counter() - began
        self.pairs += 1
        self.every += flow_error_sums(flow, sample.flow, sample.valid)
        if sample.occluded is not None:
            self.visible += flow_error_sums(flow, sample.flow, sample.valid & ~sample.occluded)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "pairs": self.pairs,
            "every": asdict(self.every.metrics()),
            "visible": asdict(self.visible.metrics()) if self.visible.pixels else None,
            "seconds_per_pair": self.seconds / self.pairs,
        }


def main() -> None:
    arguments = parse_arguments()
    seeds = held_out_seeds(arguments.seed)
    with ExitStack() as stack:
        engines = [
            stack.enter_context(load_engine(model, arguments.backend, arguments.device))
            for model in arguments.model or ["nano"]
        ]
        described = [engine.describe().to_dict() for engine in engines]
        record = stack.enter_context(Record(arguments, show, engines=described, seeds=seeds, results={}))
        methods: dict[str, Method] = {engine.describe().model: engine for engine in engines}
        methods |= {"zero flow": zero_flow, "DIS medium": dis_flow()}
        sets: dict[str, Iterable[FlowSample]] = {
            f"synthetic {config.height}x{config.width}": SyntheticScenes(config, seed, arguments.pairs)
            for config, seed in zip(SCENES, seeds, strict=True)
        }
        sets |= real_pairs()
        for title, samples in sets.items():
            evaluate(methods, title, samples, record)


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument(
        "--model", action="append", help="what load_engine takes; again for more (default: nano)"
    )
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--pairs", type=int, default=200, help="of each synthetic set (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=9001, help="of the first synthetic set; the next has the next"
    )
    return parser.parse_args()


def held_out_seeds(first: int) -> list[int]:
    """One seed per synthetic set, none of which a recipe of this package uses."""
    seeds = [first + number for number in range(len(SCENES))]
    for name in recipe_names():
        recipe = load_recipe(name)
        sections = [stage.synthetic for stage in recipe.stages] + [recipe.validation.synthetic]
        used = {section.seed for section in sections if section}
        if used & set(seeds):
            sys.exit(f"the recipe '{name}' uses the seeds {sorted(used)}: --seed {first} is not held out")
    return seeds


def zero_flow(frame1: Image, frame2: Image) -> Flow:
    return np.zeros((*frame1.shape[:2], 2), np.float32)


def dis_flow() -> Method:
    """Dense inverse search (Kroeger et al., ECCV 2016) as OpenCV has it, medium preset."""
    dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def compute(frame1: Image, frame2: Image) -> Flow:
        grey1, grey2 = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (frame1, frame2))
        return np.asarray(dis.calc(grey1, grey2, None), np.float32)

    return compute


def real_pairs() -> dict[str, Iterable[FlowSample]]:
    """Sets of real pairs that are at hand."""
    sets: dict[str, Iterable[FlowSample]] = {}
    if is_installed("skimage"):
        sets["real pair motorcycle"] = motorcycle()
        sets["identical photographs"] = still_photographs()
        sets[f"noise of {NOISE:g} levels"] = still_photographs(noise=NOISE)
        sets |= {f"shifted by {shift}": shifted_photographs(shift) for shift in SHIFTS}
    if STATIC_CAMERA.exists():
        sets["static camera vtest"] = static_camera()
    return sets


def motorcycle() -> Iterator[FlowSample]:
    """Middlebury's stereo pair, as scikit-image has it."""
    left, right, disparity = import_module("skimage.data").stereo_motorcycle()
    valid = np.isfinite(disparity)
    flow = np.zeros((*disparity.shape, 2), np.float32)
    flow[valid, 0] = -disparity[valid]
    yield FlowSample(left, right, flow, valid, None, "motorcycle")


def static_camera() -> Iterator[FlowSample]:
    """Pairs of the clip, spread evenly, with no motion in place of the truth, which nobody knows."""
    capture = cv2.VideoCapture(str(STATIC_CAMERA))
    previous: Image | None = None
    for number in range(STATIC_EVERY * STATIC_PAIRS):
        read, picture = capture.read()
        if not read:
            sys.exit(f"{STATIC_CAMERA} ends at frame {number}")
        frame = np.asarray(picture[..., ::-1], np.uint8)
        if number % STATIC_EVERY == 1 and previous is not None:
            still = np.zeros((*frame.shape[:2], 2), np.float32)
            valid = np.ones(frame.shape[:2], bool)
            yield FlowSample(previous, frame, still, valid, None, f"vtest {number - 1}")
        previous = frame


def evaluate(methods: dict[str, Method], title: str, samples: Iterable[FlowSample], record: Record) -> None:
    """All methods on one set, pair by pair."""
    scores = {name: Score() for name in methods}
    results: dict[str, Found] = {name: {} for name in methods}
    for number, sample in enumerate(samples):
        for name, method in methods.items():
            if missing(results[name]):
                continue
            with record.attempt(f"{name} on {title}", results[name]):
                if number == 0:
                    # What the first call of a size costs once is no part of the time of a pair.
                    method(sample.frame1, sample.frame2)
                scores[name].add(method, sample)
                results[name] |= scores[name].to_dict()
        record.results["results"][title] = results


def show(results: dict[str, Any]) -> None:
    for title, scores in results["results"].items():
        pairs = max(score.get("pairs", 0) for score in scores.values())
        header = (
            f"{title}, {counted(pairs, 'pairs')}",
            "EPE",
            "visible",
            "1 px",
            "3 px",
            "5 px",
            "Fl-all",
            "ms/pair",
        )
        print_table(
            header, [row(found, (name,), header, partial(cells, found)) for name, found in scores.items()]
        )


def cells(score: Found) -> list[str]:
    every, visible = score["every"], score["visible"]
    shares = (f"{every[share]:.1%}" for share in ("px1", "px3", "px5"))
    seen = f"{visible['epe']:.2f}" if visible else "-"
    milliseconds = f"{1000 * score['seconds_per_pair']:.0f}"
    return [f"{every['epe']:.2f}", seen, *shares, f"{every['fl_all']:.1f}%", milliseconds]


if __name__ == "__main__":
    main()
