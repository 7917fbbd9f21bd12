"""The flow of one clip: computed, written, and put into a row."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dinoflow_deploy.engines import FlowEngine
from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.extract.choices import FlowChoices
from dinoflow_deploy.extract.engine_choice import file_sha256
from dinoflow_deploy.extract.flow_length import FlowLength
from dinoflow_deploy.extract.row import ClipRow
from dinoflow_deploy.extract.sinks import Sink, open_sinks
from dinoflow_deploy.extract.source_state import SourceState
from dinoflow_deploy.extract.task import Task
from dinoflow_deploy.video import FlowResult, flow_stream, open_source

_WAITING: Final = 4
"""Most results that wait to be written."""


@dataclass(slots=True)
class _Seen:
    """What was computed of a clip so far."""

    pairs: int = 0
    width: int = 0
    height: int = 0
    seconds: float = 0.0


def extract_clip(
    task: Task,
    engine: FlowEngine,
    choices: FlowChoices,
    model_sha256: str,
    counted: Callable[[], None] = lambda: None,
) -> ClipRow:
    """Compute the flow of a clip and write it, whole or not at all.

    Args:
        task: The clip.
        engine: Computes the flow.
        choices: Which flow.
        model_sha256: What stands for the model, for the row.
        counted: Called for each pair.

    Returns:
        The row of a clip that is done.

    Raises:
        VideoError: The clip cannot be read, is damaged, or changed meanwhile.
        InputError: The frames do not suit the engine, a value is beyond the format's range, or the disk is
            full.
        EngineError: The engine failed.
        OSError: A file cannot be read or written.
    """
    began = time.perf_counter()
    path = Path(task.path)
    state = SourceState.of(path)
    what, length = engine.describe(), FlowLength()
    with ExitStack() as stack:
        source = stack.enter_context(open_source([task.path], max_side=choices.max_side))
        sink = stack.enter_context(open_sinks(task, choices, source, what.model))
        results = stack.enter_context(
            closing(flow_stream(source, engine, selection=choices.selection, batch=choices.batch))
        )
        try:
            seen = _write_all(results, sink, length, counted)
        except VideoError as error:
            if source.damage is None:
                raise
            raise VideoError(
                f"{path} is damaged: {source.damage}; no flow of it is kept: repair it, or cut off what is "
                "damaged"
            ) from error
        if SourceState.of(path) != state:
            raise VideoError(f"{path} was changed while it was read: run again when it is complete")
    return ClipRow(
        path=task.path,
        name=task.name,
        source_files=state.files,
        source_bytes=state.bytes,
        source_mtime_ns=state.mtime_ns,
        width=seen.width,
        height=seen.height,
        frames=seen.pairs + 1,
        pairs=seen.pairs,
        seconds=seen.seconds,
        flow_mean=length.mean,
        flow_p99=length.percentile(99),
        file=task.file,
        file_bytes=task.flow_bytes(),
        file_sha256=_sha256(task.target),
        rgb_file=task.rgb_file,
        model=what.model,
        model_sha256=model_sha256,
        backend=what.backend,
        device=what.device,
        precision=what.precision,
        compute_seconds=time.perf_counter() - began,
    )


def _write_all(
    results: Iterator[FlowResult], sink: Sink, length: FlowLength, counted: Callable[[], None]
) -> _Seen:
    """Compute here, and write and measure meanwhile in a thread each."""
    seen = _Seen()
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1, "write") as writer, ThreadPoolExecutor(1, "measure") as measurer:
        try:
            for result in results:
                waiting.append(measurer.submit(length.add, result.flow))
                waiting.append(writer.submit(sink, result))
                while len(waiting) > 2 * _WAITING:
                    waiting.popleft().result()
                height, width = result.flow.shape[:2]
                seen = _Seen(seen.pairs + 1, width, height, result.time)
                counted()
            for done in waiting:
                done.result()
        finally:
            for threads in (writer, measurer):
                threads.shutdown(cancel_futures=True)
    return seen


def _sha256(path: Path) -> str:
    """SHA-256 of a file; of a folder, of the lines of its files."""
    if path.is_file():
        return file_sha256(path)
    lines = "".join(f"{file_sha256(file)}  {file.name}\n" for file in sorted(path.iterdir()))
    return hashlib.sha256(lines.encode()).hexdigest()
