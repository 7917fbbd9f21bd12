"""The flow of a clip, pair by pair, for a loop in Python."""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread, current_thread
from typing import TypeAlias

from dinoflow_deploy.engines import FlowEngine, load_engine
from dinoflow_deploy.errors import InputError, VideoError
from dinoflow_deploy.flow.arrays import Flow, Image, Mask
from dinoflow_deploy.video.channel import Cancelled
from dinoflow_deploy.video.compute_size import PairFlow, check_batch
from dinoflow_deploy.video.frame_source import Frame, FrameSource, Selection, check_max_side
from dinoflow_deploy.video.in_order import calls_at_once, in_order
from dinoflow_deploy.video.read_ahead import ReadAhead, too_few_frames
from dinoflow_deploy.video.report import Stopwatch
from dinoflow_deploy.video.sources import open_source

Name: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class FlowResult:
    """A frame and its flow to the next frame used.

    Attributes:
        index: Number of the frame in its source, from 0.
        frame: ``uint8 [H, W, 3]``, RGB, upright.
        flow: ``float32 [H, W, 2]`` in pixels.
        time: When the frame is shown, in seconds from the first frame used.
        backward: Flow of the next frame used to this one, like ``flow``; ``None`` unless asked for.
        occluded: bool ``[H, W]``, true where this frame is hidden in the next or has left it; ``None`` unless
            asked for.
        backward_occluded: Where the next frame shows what this one does not; ``None`` unless ``backward`` and
            ``occlusion`` were both asked for.
    """

    index: int
    frame: Image
    flow: Flow
    time: float
    backward: Flow | None = None
    occluded: Mask | None = None
    backward_occluded: Mask | None = None


def flow_stream(
    source: Name | Sequence[Name] | FrameSource,
    model: str | Path | FlowEngine = "nano",
    *,
    selection: Selection | None = None,
    max_side: int | None = None,
    full_size: bool = False,
    backward: bool = False,
    occlusion: bool = False,
    batch: int = 1,
) -> Generator[FlowResult, None, None]:
    """Compute the flow of a clip pair by pair, in constant memory, from the steps of :func:`flow_video`.

    A thread decodes a few frames ahead; flow is computed when the next result is asked for, of ``batch``
    pairs at once; an engine that computes elsewhere, on a GPU or a server, is already given the pairs that
    follow (``FlowEngine.calls_at_once``), unless the source is live: then no result waits for a later frame.
    A live source never waits: frames that come too fast are left out, which shows in ``index``. Nothing is
    opened before the first result is asked for. When the loop ends, by itself or early (``break``, an error,
    ``close()``), the threads have ended and all that was opened is closed. What there is to know of how
    frames were read is in the ``notes`` of the source: open it yourself to see them.

    Args:
        source: What :func:`open_source` takes, one name or several; or a source that it opened with options
            of its own, which is read to its end and closed.
        model: What ``load_engine`` takes; or an engine, which stays open.
        selection: Which frames are used; by default all.
        max_side: Shrink frames to at most this many pixels on the longer side; flow is then in pixels of the
            smaller frames.
        full_size: Give frames and flow at the size of the source all the same, flow in pixels of that size:
            only the engine sees the smaller frames.
        backward: Give backward flow too.
        occlusion: Give occlusion too, by :func:`~dinoflow_deploy.flow.consistency` at the size at which flow
            is computed.
        batch: Pairs that the engine is given at once; the last ones may be fewer. Rounding may depend on it.

    Yields:
        One result for each pair, in order.

    Raises:
        VideoError: The source gives fewer than two frames; or, after the results of all frames before, a
            frame cannot be read or the source turns out to be damaged or cut off.
        InputError: ``max_side`` is given for an open source without ``full_size``, or ``full_size`` without
            ``max_side``, or the frames or ``batch`` do not suit the engine.
        EngineError: The engine cannot be loaded, or failed.
    """
    selection = selection or Selection()
    if full_size and max_side is None:
        raise InputError("full_size is for max_side: say at which size flow is to be computed")
    check_max_side(max_side)
    with ExitStack() as stack:
        opened = stack.enter_context(_opened(source, None if full_size else max_side))
        engine = model if isinstance(model, FlowEngine) else stack.enter_context(load_engine(model))
        check_batch(engine, batch)
        flow_of = PairFlow(
            engine,
            max_side if full_size else None,
            backward=backward,
            occlusion=occlusion,
            batch=_largest_batch(batch, selection.size(opened.count)),
        )
        count = 0
        chains = _chains(stack.enter_context(_decoded(opened, selection)), batch)
        prepared = ((chain, flow_of.prepare_chain([frame.image for frame in chain])) for chain in chains)
        at_once = calls_at_once(engine, opened)
        computed = in_order(prepared, lambda each: flow_of.compute_chain(each[1]), at_once)
        for (chain, _), results in stack.enter_context(closing(computed)):
            count = max(count, 1) + len(chain) - 1
            for frame, result in zip(chain, results, strict=False):
                yield FlowResult(
                    frame.index,
                    frame.image,
                    result.flow,
                    float(frame.pts * opened.time_base),
                    result.backward,
                    result.occluded,
                    result.backward_occluded,
                )
        if count < 2:
            raise too_few_frames(opened, selection, count)
        if opened.damage:
            raise VideoError(
                f"{opened.name} is damaged: {opened.damage}; the flow of what could be read was given"
            )


def _largest_batch(batch: int, frames: int | None) -> int:
    """Pairs at once of a clip of so many frames, if that is known."""
    return batch if frames is None else max(min(batch, frames - 1), 1)


def _chains(frames: Iterator[Frame], pairs: int) -> Iterator[list[Frame]]:
    """Frames in rows of so many pairs, each beginning with the last of the row before."""
    chain: list[Frame] = []
    try:
        for frame in frames:
            chain.append(frame)
            if len(chain) > pairs:
                yield chain
                chain = chain[-1:]
    except Exception:
        # It comes after what was read before it.
        if len(chain) > 1:
            yield chain
        raise
    if chain:
        yield chain


def _opened(source: Name | Sequence[Name] | FrameSource, max_side: int | None) -> FrameSource:
    if not isinstance(source, FrameSource):
        names = [source] if isinstance(source, str | os.PathLike) else source
        return open_source([os.fspath(name) for name in names], max_side=max_side)
    if max_side is not None:
        raise InputError(f"max_side {max_side} is for sources that are opened here: pass it to open_source")
    return source


@contextmanager
def _decoded(source: FrameSource, selection: Selection) -> Iterator[Iterator[Frame]]:
    """Frames that a thread decodes meanwhile; an error in it comes after the frames before."""
    reader = ReadAhead(source, selection, Stopwatch())
    errors: list[BaseException] = []

    def read() -> None:
        try:
            reader.run()
        except Cancelled:
            pass
        except BaseException as error:
            errors.append(error)
        finally:
            reader.frames.finish()

    def frames() -> Iterator[Frame]:
        yield from reader.frames
        if errors:
            raise errors[0]

    thread = Thread(target=read, name="decode", daemon=True)
    thread.start()
    try:
        yield frames()
    finally:
        source.stop.set()
        reader.frames.cancel()
        # The garbage collector, which may close what is left of a loop, runs in any thread.
        if thread is not current_thread():
            thread.join()
