"""Frames in, flow, frames out: stages that overlap, with bounded queues between them.

A thread decodes, the caller's thread runs the engine (for one on a GPU it has two others do so), some threads
draw and convert, and another encodes what they drew in the order of the clip. At most a few frames wait
between stages: memory does not grow with the length of the clip.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeAlias

from dinoflow_deploy.engines import FlowEngine
from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.progress import NoProgress, Progress
from dinoflow_deploy.video.channel import Cancelled, Channel
from dinoflow_deploy.video.color_scale import ColorScale, FlowFrame
from dinoflow_deploy.video.compute_size import PairFlow, PairResult, PreparedPair
from dinoflow_deploy.video.display_window import Window
from dinoflow_deploy.video.flow_output import open_flow_output
from dinoflow_deploy.video.frame_source import Frame, FrameSource
from dinoflow_deploy.video.in_order import calls_at_once, in_order
from dinoflow_deploy.video.legend import Legend
from dinoflow_deploy.video.options import VideoOptions
from dinoflow_deploy.video.outputs import check_outputs, open_picture_sink, picture_converter
from dinoflow_deploy.video.pair_picture import draw_pair
from dinoflow_deploy.video.picture_sink import PictureSink
from dinoflow_deploy.video.read_ahead import QUEUE_LENGTH, ReadAhead, too_few_frames
from dinoflow_deploy.video.report import STAGES, Stopwatch, VideoReport
from dinoflow_deploy.video.stage_thread import StageThread

WORTH_SAYING = 0.1
"""Share of the pairs beyond the colour scale from which the user is told."""

WORTH_WAITING = 600
"""Seconds of work still to do, by the first pair, from which the user is told."""

DRAWING_THREADS: Final = min(QUEUE_LENGTH, len(os.sched_getaffinity(0)))
"""Most pictures drawn at a time."""

# What a window shows, if there is one, and what the sink takes.
_Picture: TypeAlias = tuple[Image | None, Any]
_Drawn: TypeAlias = tuple[FlowFrame, Future[_Picture] | None]


def flow_video(
    source: FrameSource,
    engine: FlowEngine,
    output: Path | None,
    options: VideoOptions | None = None,
    *,
    progress: Progress | None = None,
    stop: Event | None = None,
) -> VideoReport:
    """Compute the flow of a clip and write it as a video, as flow files, or as both.

    Each frame used, but for the last, gives one frame of the output, shown from the same time on and as long.
    The sizes of the output and of saved flow are those of the source's frames. A window (``options.show``)
    belongs to the caller's thread, which is to be the program's main one for it, and its keys are read after
    each pair.

    Args:
        source: The clip; it is read to its end and closed.
        engine: Computes the flow.
        output: The file to write: ``.mp4``, ``.webm`` or ``.gif``; or ``.png`` for a source of one pair;
            ``None`` for the flow files of ``options.save_flow`` alone.
        options: What to draw and to keep.
        progress: Told of every pair.
        stop: Ends the clip early when set; the file is completed and kept.

    Returns:
        Counts, timings, and what the user should know; a damaged source is reported there, not raised.

    Raises:
        VideoError: The source gives fewer than two frames, or a frame cannot be read or written.
        InputError: Nothing would be written, an output exists or has the wrong suffix, or the frames do not
            suit the engine.
        MissingPackageError: A window is wanted, and this OpenCV opens none.
        OutputElsewhereError: An output's name was taken meanwhile: it is complete, under another name.
        EngineError: The engine failed.
        KeyboardInterrupt: ``stop`` was set before there was anything to keep.
    """
    options = options or VideoOptions()
    check_outputs(output, options, source)
    run = _Run(source, engine, output, options, progress or NoProgress(), stop or Event())
    with Window(output.name) if options.show and output else nullcontext() as window:
        return run.run(window)


class _Run:
    """One run of the pipeline: what its threads share."""

    def __init__(
        self,
        source: FrameSource,
        engine: FlowEngine,
        output: Path | None,
        options: VideoOptions,
        progress: Progress,
        stop: Event,
    ) -> None:
        self._source = source
        self._engine = engine
        self._flow_of = PairFlow(
            engine,
            options.compute_side,
            progress,
            backward=options.backward,
            occlusion=options.occlusion,
        )
        self._output = output
        self._options = options
        self._progress = progress
        self._stop = source.stop = stop
        self._computed: Channel[FlowFrame] = Channel(1)
        self._drawn: Channel[_Drawn] = Channel(QUEUE_LENGTH)
        self._scale = ColorScale(options.max_flow, source.time_base)
        self._watch = Stopwatch()
        self._reader = ReadAhead(source, options.selection, self._watch)
        self._decoded = self._reader.frames
        self._errors: list[BaseException] = []
        self._frames = self._pairs = 0
        self._occluded = 0.0
        self._interrupted = False
        self._size = self._flow_size = (0, 0)
        self._pictures = 0
        self._sink_notes: tuple[str, ...] = ()
        self._legend = Legend() if options.legend else None
        self._window: Window | None = None
        self._seconds_to_first_flow = 0.0

    def run(self, window: Window | None) -> VideoReport:
        self._window = window
        decoder, drawer, encoder = stages = [
            StageThread(partial(self._guarded, work), work.__name__.strip("_"))
            for work in (self._decode, self._draw, self._encode)
        ]
        for stage in stages:
            stage.start()
        try:
            self._guarded(self._compute)
            for stage in stages:
                stage.wait()
        except BaseException:
            self._cancel()
            drawer.wait_out()
            # Files are cleaned up there. A source that hangs may be left, by another Ctrl-C.
            encoder.wait_out()
            decoder.wait()
            raise
        if self._errors:
            raise self._errors[0]
        return self._report()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run one stage; an error in it ends the others and is kept."""
        try:
            work()
        except Cancelled:
            pass
        except BaseException as error:
            self._errors.append(error)
            self._cancel()

    def _cancel(self) -> None:
        self._decoded.cancel()
        self._computed.cancel()
        self._drawn.cancel()

    def _decode(self) -> None:
        self._reader.run()
        self._interrupted = self._interrupted or self._stop.is_set()
        self._decoded.finish()

    def _compute(self) -> None:
        total = self._options.selection.size(self._source.count)
        self._progress.start("flow", None if total is None else max(total - 1, 0), "frames")
        for first, second, result in self._results():
            self._take(first, second, result)
        self._progress.finish()
        self._check_enough()
        self._computed.finish()

    def _results(self) -> Iterator[tuple[Frame, Frame, PairResult]]:
        """Each pair with its flow, in the order of the clip, however many are computed at a time."""
        pairs = ((first, second, self._prepared(first, second)) for first, second in self._frame_pairs())
        at_once = calls_at_once(self._engine, self._source)
        begun = in_order(pairs, lambda pair: self._computed_of(pair[2]), at_once)
        for (first, second, _), result in begun:
            yield first, second, result

    def _frame_pairs(self) -> Iterator[tuple[Frame, Frame]]:
        previous: Frame | None = None
        for frame in self._decoded:
            self._frames += 1
            if previous is not None:
                yield previous, frame
            previous = frame
            if self._stop.is_set():
                self._interrupted = True
                self._decoded.cancel()
                break

    def _prepared(self, first: Frame, second: Frame) -> PreparedPair:
        with self._watch.stage("engine"):
            return self._flow_of.prepare(first.image, second.image)

    def _computed_of(self, pair: PreparedPair) -> PairResult:
        with self._watch.stage("engine"):
            return self._flow_of.compute(pair)

    def _take(self, first: Frame, second: Frame, result: PairResult) -> None:
        if not self._pairs:
            self._seconds_to_first_flow = self._watch.elapsed
            self._say_if_it_takes_long()
        self._pairs += 1
        self._flow_size = (result.flow.shape[1], result.flow.shape[0])
        if result.occluded is not None:
            self._occluded += float(result.occluded.mean())
        self._computed.put(
            FlowFrame(
                first,
                result.flow,
                second.pts - first.pts,
                occluded=result.occluded,
                second=None if result.backward is None else second.image,
                backward=result.backward,
                backward_occluded=result.backward_occluded,
            )
        )
        self._progress.advance()
        if self._window is not None and not self._window.refresh():
            self._stop.set()

    def _say_if_it_takes_long(self) -> None:
        total = self._options.selection.size(self._source.count)
        seconds = self._watch.seconds["engine"]
        if total is not None and (total - 2) * seconds > WORTH_WAITING:
            self._progress.note(
                f"the first of {total - 1} pairs took {seconds:.2g} s, so all take about "
                f"{(total - 1) * seconds / 60:.0f} min; --max-side takes less"
            )

    def _check_enough(self) -> None:
        if self._pairs:
            return
        if self._interrupted:
            raise KeyboardInterrupt
        raise too_few_frames(self._source, self._options.selection, self._frames)

    def _draw(self) -> None:
        if self._output is None:
            for pair in self._computed:
                self._drawn.put((pair, None))
        else:
            convert: Callable[[Image], Any] | None = None
            with ThreadPoolExecutor(DRAWING_THREADS, "draw") as threads:
                for pair, max_flow in self._scale.apply(self._computed):
                    convert = convert or picture_converter(self._output, self._source)
                    self._drawn.put((pair, threads.submit(self._picture, pair, max_flow, convert)))
        self._drawn.finish()

    def _picture(self, pair: FlowFrame, max_flow: float, convert: Callable[[Image], Any]) -> _Picture:
        with self._watch.stage("render"):
            picture = draw_pair(pair, self._options.render, max_flow)
            if self._legend is not None:
                self._legend.draw(picture, pair.flow.shape[1], max_flow)
        with self._watch.stage("encode"):
            converted = convert(picture)
        return (None if self._window is None else picture), converted

    def _encode(self) -> None:
        pairs = iter(self._drawn)
        # Files are begun when there is something to put into them.
        first = next(pairs, None)
        if first is None:
            return
        with ExitStack() as stack:
            model = self._engine.describe().model
            save_flow = stack.enter_context(open_flow_output(self._options, self._source, model))
            sink = None
            if self._output is not None:
                sink = stack.enter_context(open_picture_sink(self._output, self._source, self._options))
            for pair, drawn in chain([first], pairs):
                if sink is not None and drawn is not None:
                    self._write(pair, drawn.result(), sink)
                if save_flow is not None:
                    with self._watch.stage("save_flow"):
                        save_flow(pair)
            with self._watch.stage("encode" if sink else "save_flow"):
                stack.close()
            self._sink_notes = () if sink is None else tuple(sink.notes())

    def _write(self, pair: FlowFrame, picture: _Picture, sink: PictureSink) -> None:
        shown, converted = picture
        if self._window is not None:
            self._window.picture = shown
        with self._watch.stage("encode"):
            sink.write(converted, pair.frame.pts, pair.duration)
        self._size, self._pictures = sink.size, sink.count

    def _report(self) -> VideoReport:
        drawn, folder = self._output is not None, self._options.save_flow
        return VideoReport(
            input=self._source.name,
            output=str(self._output) if drawn else None,
            save_flow=None if folder is None else str(folder),
            engine=self._engine.describe().to_dict(),
            render=self._options.render if drawn else None,
            backward=self._options.backward,
            occluded=self._occluded / self._pairs if self._options.occlusion else None,
            frames=self._frames,
            pairs=self._pairs,
            pictures=self._pictures,
            width=self._size[0] if drawn else None,
            height=self._size[1] if drawn else None,
            flow_width=self._flow_size[0],
            flow_height=self._flow_size[1],
            computed_width=self._flow_of.size[0],
            computed_height=self._flow_of.size[1],
            rate=self._source.rate / self._options.selection.stride,
            max_flow=self._scale.max_flow if drawn else None,
            beyond_scale=self._scale.beyond if drawn else None,
            seconds=self._watch.elapsed,
            seconds_to_first_flow=self._seconds_to_first_flow,
            stage_seconds={stage: self._watch.seconds[stage] for stage in STAGES},
            dropped=self._reader.dropped,
            interrupted=self._interrupted,
            damage=self._source.damage,
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        yield from self._source.notes
        yield from self._sink_notes
        if self._legend is not None and self._legend.note:
            yield self._legend.note
        dropped = self._reader.dropped
        if dropped:
            yield f"{dropped} frames of the live source were dropped: the engine is slower than it"
        if self._options.max_flow is None and self._scale.beyond > WORTH_SAYING:
            yield (
                f"in {self._scale.beyond:.0%} of the pairs, motion is far beyond the colour scale of "
                f"{self._scale.max_flow:g} px, the 99th percentile of the first two seconds: set a larger "
                "max-flow"
            )
