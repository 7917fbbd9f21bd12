"""The tests that need a GPU: those marked "gpu" or "tensorrt", recorded file by file.

After a file that crashes, or in which a test fails (a failed CUDA call leaves a process useless), the next
one has a new process. What needs hardware or a package that is not there skips itself, with its reason. The
tests of the benchmarks themselves are left out: they would measure on a small scale what is measured.

Run: python benchmarks/gpu_tests.py
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from aside import Aside
from dinoflow_deploy.errors import EngineError
from recording import RESULTS, Found, Record, argument_parser, missing, print_table

ROOT: Final = RESULTS.parents[1]
MARK: Final = re.compile(r"pytest\.mark\.(gpu|tensorrt)\b")


def main() -> None:
    arguments = parse_arguments()
    with Record(arguments, show, figures, files=[]) as record, Aside("pytest") as aside:
        for file in arguments.files or marked_files():
            found: Found = {"file": str(file.resolve().relative_to(ROOT)), "tests": []}
            with record.attempt(found["file"], found, record.results["files"]):
                found["tests"] = aside.run(run_tests, file)
                failed = [test["test"] for test in found["tests"] if test["outcome"] == "failed"]
                if failed:
                    aside.renew()
                    raise EngineError(f"{len(failed)} failed: {', '.join(failed)}")


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("files", nargs="*", type=Path, help="test files (default: all that hold such tests)")
    return parser.parse_args()


def marked_files() -> list[Path]:
    """Files of tests that hold a mark: others may not even be imported where packages are missing."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    own = ROOT / "tests" / "benchmarks"
    return [file for file in files if own not in file.parents and MARK.search(file.read_text())]


class Outcomes:
    """Collects what pytest reports."""

    def __init__(self) -> None:
        self.tests: list[Found] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One call for setup, test and teardown each."""
        if report.when == "call" or report.outcome != "passed":
            reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
            self.tests.append({"test": report.nodeid, "outcome": report.outcome, "reason": reason})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported is a failure, one that skips itself is not."""
        if report.outcome != "passed":
            reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
            self.tests.append({"test": report.nodeid, "outcome": report.outcome, "reason": reason})


def run_tests(file: Path) -> list[Found]:
    """Run the marked tests of a file in this process."""
    outcomes = Outcomes()
    # What a test skips for is in the record; the cache would be written into the repository.
    options = ["-q", "-m", "gpu or tensorrt", "-p", "no:cacheprovider", f"--rootdir={ROOT}"]
    pytest.main([*options, str(file)], plugins=[outcomes])
    return outcomes.tests


def show(results: dict[str, Any]) -> None:
    header = ("file", "passed", "failed", "skipped")
    rows = []
    for found in results["files"]:
        counts = Counter(test["outcome"] for test in found["tests"])
        crashed = bool(missing(found)) and not counts["failed"]
        rows.append(
            (
                found["file"],
                str(counts["passed"]),
                "crashed" if crashed else str(counts["failed"]),
                str(counts["skipped"]),
            )
        )
    print_table(header, rows)
    for reason, count in skip_reasons(results).items():
        print(f"{count} skipped: {reason}")


def skip_reasons(results: dict[str, Any]) -> Counter[str]:
    return Counter(
        test["reason"].removeprefix("Skipped: ")
        for found in results["files"]
        for test in found["tests"]
        if test["outcome"] == "skipped"
    )


def figures(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    counts = Counter(test["outcome"] for found in results["files"] for test in found["tests"])
    yield "all", ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped"))
    for reason, count in skip_reasons(results).items():
        yield f"{count} skipped", reason
    for found in results["files"]:
        if missing(found):
            yield found["file"], missing(found) or ""


if __name__ == "__main__":
    main()
