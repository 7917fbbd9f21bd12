"""All that only a GPU can show, most valuable first, in the minutes that there are.

Each part is a script of its own in processes of its own with a time limit of its own; what a part has found
when it fails or reaches its limit is kept. What is missing here (a GPU, a package) is listed with its reason.
Everything ends up in --output, few small files, each written as it comes:

- results.json: the record of every part; running.json: that of the part that is running;
- log.txt: what the parts printed;
- summary.md: the table that is also printed at the end;
- with --train RECIPE: model.safetensors, the best model, and recipe.toml, the recipe as it was fitted.

The exit code is 1 if a part failed, 130 or 143 after an interruption; what cannot be run here is no failure.
With --device cpu --tiny it tries itself out on a CPU; the figures then say nothing.

Run: python benchmarks/on_gpu.py --minutes 8 --output DIR [--train nano --train-minutes 5]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

SCRIPTS: Final = Path(__file__).resolve().parent
# The parts find the package in the repository, installed or not.
sys.path.insert(0, str(SCRIPTS.parent))

from dinoflow_deploy.atomic import atomic_file  # noqa: E402
from dinoflow_deploy.cli.interrupt import INTERRUPTED, Terminated, heed_termination  # noqa: E402
from gpu_parts import PARTS, Part, needs_met, training_part  # noqa: E402
from recording import table_text  # noqa: E402

SECONDS_TO_STOP: Final = 30.0
"""For a part to write what it has, and a training its checkpoint."""
LEAST_SECONDS: Final = 10.0
"""With less left, a part is not begun."""


def main() -> None:
    arguments = parse_arguments()
    chosen = [part for part in PARTS if part.name in arguments.parts]
    if arguments.train:
        chosen.append(training_part(arguments))
    arguments.output.mkdir(parents=True, exist_ok=True)
    if any(arguments.output.iterdir()):
        sys.exit(f"error: {arguments.output} is not empty: name another folder")
    run = Run(arguments)
    heed_termination()
    try:
        for part in chosen:
            run.do(part)
    except KeyboardInterrupt as interrupt:
        run.outcomes += [Outcome(part, "not run: interrupted") for part in chosen[len(run.outcomes) :]]
        run.finish()
        sys.exit(interrupt.exit_code if isinstance(interrupt, Terminated) else INTERRUPTED)
    run.finish()
    if any(each.failed for each in run.outcomes):
        sys.exit(1)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [part.name for part in PARTS]
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all parts (default: %(default)s)")
    parser.add_argument("--parts", nargs="*", choices=names, default=names, help="(default: all)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="the least of everything, to try this out")
    parser.add_argument("--train", metavar="RECIPE", help="then train by it")
    parser.add_argument("--train-minutes", type=float, default=5.0, help="beyond --minutes (%(default)s)")
    parser.add_argument("--train-from", metavar="MODEL", help="weights to start from")
    parser.add_argument("--train-data", metavar="DIR", help="folder of the data sets of the recipe")
    return parser.parse_args()


@dataclass(slots=True)
class Outcome:
    """How a part went.

    Attributes:
        part: Which.
        how: ``"done"``, or why not.
        seconds: It took; ``None`` where it was not begun.
        failed: Whether that is a failure.
        figures: What it found, in lines.
    """

    part: Part
    how: str
    seconds: float | None = None
    failed: bool = False
    figures: tuple[tuple[str, str], ...] = ()


class Run:
    """Runs parts, and keeps what they found."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.outcomes: list[Outcome] = []
        self._arguments = arguments
        self._folder: Path = arguments.output
        self._running = self._folder / "running.json"
        self._records: dict[str, Any] = {}
        self._end = time.monotonic() + 60 * arguments.minutes
        self._write()

    def do(self, part: Part) -> None:
        """Run a part, if it can be and there is time."""
        problem = needs_met(part, self._arguments.device)
        seconds = part.seconds if part.own_time else min(part.seconds, self._end - time.monotonic())
        if not problem and seconds < LEAST_SECONDS:
            problem = f"of {self._arguments.minutes:g} minutes {max(seconds, 0.0):.0f} s were left"
        if problem:
            self.outcomes.append(Outcome(part, f"not run: {problem}"))
        else:
            self._run(part, seconds)
        self._write()

    def finish(self) -> None:
        """Print the table."""
        print(f"\n{self._write()}", end="", flush=True)

    def _run(self, part: Part, seconds: float) -> None:
        began = time.monotonic()
        outcome = Outcome(part, "interrupted", failed=True)
        self.outcomes.append(outcome)
        try:
            # Whoever reads that it began may interrupt it at once.
            print(f"{part.name}: {part.title}, {seconds:.0f} s at most", flush=True)
            with (self._folder / "log.txt").open("ab") as log:
                log.write(f"=== {part.name}\n".encode())
                log.flush()
                outcome.how, outcome.failed = self._command(part, seconds, log)
        finally:
            outcome.seconds = time.monotonic() - began
            self._keep(outcome)

    def _command(self, part: Part, seconds: float, log: IO[bytes]) -> tuple[str, bool]:
        command = part.command(self._arguments.device, self._running, tiny=self._arguments.tiny)
        paths = (str(SCRIPTS.parent), os.environ.get("PYTHONPATH"))
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        # A group of its own: Ctrl-C reaches this process alone, which then ends all of the part's.
        process = subprocess.Popen(
            [sys.executable, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"stopped at its limit of {seconds:.0f} s", False
        finally:
            stop(process)
        if code == 0:
            return "done", False
        return f"failed with exit code {code}, see log.txt: {last_line(self._folder / 'log.txt')}", True

    def _keep(self, outcome: Outcome) -> None:
        """Put the record of a part that has ended among the others."""
        if not self._running.exists():
            return
        record = json.loads(self._running.read_text())
        outcome.figures = tuple((what, value) for what, value in record.pop("figures", []))
        self._records[outcome.part.name] = record
        write(self._folder / "results.json", json.dumps(self._records, indent=1) + "\n")
        self._running.unlink()

    def _write(self) -> str:
        lines = [self._first_line()]
        if self._arguments.tiny:
            lines += ["", "--tiny: sizes and counts are the least that run, not those of the titles."]
        text = (
            "\n".join([*lines, "", table_text(("part", "what", "found"), self._rows(), text_columns=3)])
            + "\n"
        )
        write(self._folder / "summary.md", text)
        return text

    def _first_line(self) -> str:
        machine = next((each["machine"] for each in self._records.values()), None)
        gpus = ", ".join(gpu["name"] for gpu in machine["gpus"]) if machine else ""
        if self._arguments.device == "cpu":
            return "Nothing that needs a GPU was run: with --device cpu the figures below say nothing of one."
        if not self._records:
            return "Nothing that needs a GPU was run."
        return f"On {gpus or 'a GPU that nvidia-smi does not list'}."

    def _rows(self) -> list[tuple[str, str, str]]:
        rows = []
        for outcome in self.outcomes:
            took = "" if outcome.seconds is None else f" ({outcome.seconds:.0f} s)"
            rows.append((outcome.part.name, outcome.part.title, outcome.how + took))
            rows += [("", what, value) for what, value in outcome.figures]
        return rows


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a part that is still running, and whatever it has left behind."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_STOP)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_line(log: Path) -> str:
    """What a part that failed said last."""
    lines = log.read_text(errors="replace").splitlines()
    return next(line[:300] for line in reversed(lines) if line.strip())


def write(path: Path, text: str) -> None:
    with atomic_file(path, overwrite=True) as partial:
        partial.write_text(text)


if __name__ == "__main__":
    main()
