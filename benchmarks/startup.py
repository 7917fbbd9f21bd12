"""How long the command takes to start: ``--help``, and ``video`` until the first flow.

Each repeat starts, in turn, a bare Python, ``dinoflow-deploy --help``, and ``dinoflow-deploy video`` on a
clip of two frames, each as a new process; the medians count. "video to its first flow" leaves out what the
pipeline did after that, by its own report: drawing, encoding, closing the file. Files are in the page cache
after the first repeat, which is not counted.

Then, once, what each command spends on importing, by package (``python -X importtime``).

Run: python benchmarks/startup.py
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from clips import write_clip
from recording import Record, argument_parser, print_table, size_argument, spread

COMMAND: Final = ("-m", "dinoflow_deploy")
SHOWN: Final = 6
"""Packages that are printed; the record holds all."""


def main() -> None:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_clip(folder / "clip.mp4", arguments.size, 2)
        with Record(arguments, show, seconds={}, import_ms={}) as record:
            repeats: list[dict[str, float]] = []
            for number in range(1 + arguments.repeats):
                with record.attempt(f"repeat {number}", {}):
                    taken = measure(folder, arguments.model)
                    if number > 0:
                        repeats.append(taken)
                        record.results["seconds"] = {
                            what: spread([repeat[what] for repeat in repeats]) for what in taken
                        }
            commands = {"--help": [*COMMAND, "--help"], "video": video_arguments(folder, arguments.model)}
            for name, command in commands.items():
                with record.attempt(f"imports of {name}", {}):
                    record.results["import_ms"][name] = import_milliseconds(command)


def show(results: dict[str, Any]) -> None:
    print_table(
        ("from start to", "median s", "least", "most"),
        [
            (what, *(f"{value:.3f}" for value in values.values()))
            for what, values in results["seconds"].items()
        ],
    )
    for command, packages in results["import_ms"].items():
        shown = list(packages.items())[:SHOWN]
        print_table((f"{command}: imports", "ms"), [(package, f"{ms:.0f}") for package, ms in shown])


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--model", default="nano", help="what --model takes (default: %(default)s)")
    parser.add_argument("--size", type=size_argument, default=(256, 256), metavar="HxW")
    parser.add_argument("--repeats", type=int, default=15, help="(default: %(default)s)")
    return parser.parse_args()


def measure(folder: Path, model: str) -> dict[str, float]:
    """Seconds of each command, once."""
    video = seconds_of(video_arguments(folder, model))
    report = json.loads((folder / "report.json").read_text())
    return {
        "the end of a bare Python": seconds_of(["-c", "pass"]),
        "the end of --help": seconds_of([*COMMAND, "--help"]),
        "video to its first flow": video - (report["seconds"] - report["seconds_to_first_flow"]),
        "the end of video, two frames": video,
    }


def video_arguments(folder: Path, model: str) -> list[str]:
    files = [str(folder / "clip.mp4"), str(folder / "flow.mp4"), "--json", str(folder / "report.json")]
    return [*COMMAND, "video", *files, "--model", model, "--overwrite"]


def seconds_of(arguments: Sequence[str]) -> float:
    began = time.perf_counter()
    run(arguments)
    return time.perf_counter() - began


def import_milliseconds(arguments: Sequence[str]) -> dict[str, float]:
    """What importing cost, by top-level package, the dearest first."""
    microseconds: Counter[str] = Counter()
    for line in run(["-X", "importtime", *arguments]).splitlines():
        found = re.match(r"import time:\s+(\d+) \|\s+\d+ \|\s+([^.\s]+)", line)
        if found:
            microseconds[found[2]] += int(found[1])
    return {package: count / 1000 for package, count in microseconds.most_common()}


def run(arguments: Sequence[str]) -> str:
    """Run Python, and give what it wrote to stderr."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stderr


if __name__ == "__main__":
    main()
