"""Read a data set from end to end and report what it holds and what is wrong with it."""

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random

from dinoflow_deploy.datasets.checking.check_report import CheckReport, PartReport
from dinoflow_deploy.datasets.checking.pixel_totals import PixelTotals
from dinoflow_deploy.datasets.flow_dataset import FlowDataset
from dinoflow_deploy.datasets.registry import find_entry, open_dataset
from dinoflow_deploy.datasets.sample import FlowSample
from dinoflow_deploy.errors import FileFormatError, InputError, SizeMismatchError
from dinoflow_deploy.progress import NoProgress, Progress

_Job = tuple[PartReport, FlowDataset, int]
_Result = tuple[FlowSample, PixelTotals] | FileFormatError


def check_dataset(
    name: str,
    root: str | Path,
    *,
    allow_missing: bool = False,
    limit: int | None = None,
    workers: int = 4,
    samples: int = 0,
    progress: Progress | None = None,
) -> CheckReport:
    """Read every pair of a data set and report what it holds and what is wrong with it.

    Args:
        name: As for `open_dataset`.
        root: As for `open_dataset`.
        allow_missing: Missing files are listed but do not make the report bad.
        limit: Read at most this many pairs of each part, spread evenly; names are compared for all.
        workers: How many pairs are read at a time.
        samples: How many random samples to keep; the same ones each time.
        progress: Who is told of each pair.

    Returns:
        The report. A part that is not there is reported as absent and is no fault, as long as another is.

    Raises:
        InputError: No part of the data set is there, or a number is too small.
        FileFormatError: A file that lists the pairs is damaged, or no pair is complete.
    """
    if workers < 1 or (limit is not None and limit < 1):
        raise InputError(f"workers is {workers} and limit {limit}; give 1 or more")
    opened = _open_parts(name, root)
    jobs: list[_Job] = [
        (report, dataset, index)
        for report, dataset in opened
        if dataset is not None
        for index in _spread(len(dataset), limit)
    ]
    kept = set(Random(0).sample(range(len(jobs)), min(samples, len(jobs))))
    progress = progress or NoProgress()
    progress.start(f"reading {name}", len(jobs), "pairs")
    pictures = []
    for place, ((report, _, _), result) in enumerate(zip(jobs, _read_all(jobs, workers), strict=True)):
        _record(report, result)
        if place in kept and not isinstance(result, FileFormatError):
            pictures.append(dataclasses.replace(result[0], subpixel_flow=None))
        progress.advance(faults=sum(len(report.faults) for report, _ in opened))
    progress.finish()
    parts = [report for report, _ in opened]
    bad = {"damaged", "size"} if allow_missing else {"missing", "damaged", "size"}
    ok = not any(fault.kind in bad for part in parts for fault in part.faults.values())
    return CheckReport(name, str(root), parts, ok, pictures)


def _open_parts(name: str, root: str | Path) -> list[tuple[PartReport, FlowDataset | None]]:
    opened: list[tuple[PartReport, FlowDataset | None]] = []
    errors = []
    for part in find_entry(name).parts:
        report = PartReport(part.name, part.published)
        try:
            dataset = open_dataset(name, root, allow_missing=True, **part.options)
        except InputError as error:
            errors.append(error)
            report.absent = str(error)
            opened.append((report, None))
            continue
        report.pairs, report.notes, report.synthetic = len(dataset), dataset.notes, dataset.synthetic
        if report.synthetic:
            report.published = None
        for path in dataset.missing:
            report.add_fault("missing", f"{path}: missing", pairs=0)
        opened.append((report, dataset))
    if len(errors) == len(opened):
        raise errors[0]
    return opened


def _spread(length: int, limit: int | None) -> Iterable[int]:
    """Indices from 0 to `length`, all or `limit` of them at equal distances."""
    if limit is None or limit >= length:
        return range(length)
    return [place * length // limit for place in range(limit)]


def _read_all(jobs: Iterable[_Job], workers: int) -> Iterator[_Result]:
    """The results in the order of the jobs, a few read ahead."""
    pending: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for _, dataset, index in jobs:
                pending.append(pool.submit(_read, dataset, index))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _read(dataset: FlowDataset, index: int) -> _Result:
    try:
        sample = dataset[index]
    except FileFormatError as error:
        return error
    return sample, PixelTotals.of(sample)


def _record(report: PartReport, result: _Result) -> None:
    report.read += 1
    if isinstance(result, FileFormatError):
        report.add_fault("size" if isinstance(result, SizeMismatchError) else "damaged", str(result))
    else:
        report.add_sample(*result)
