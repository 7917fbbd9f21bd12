import gc
import itertools
import json
import signal
import threading
import weakref
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event

import av
import cv2
import numpy as np
import pytest

from dinoflow_deploy.errors import EngineError, InputError, VideoError
from dinoflow_deploy.flow import read_flow
from dinoflow_deploy.video import (
    Selection,
    VideoOptions,
    flow_video,
    open_source,
    pipeline,
    render,
    stage_thread,
)
from dinoflow_deploy.video.frame_source import Frame
from dinoflow_deploy.video.pipeline import QUEUE_LENGTH
from tests.video.clips import (
    NTSC,
    ConstantEngine,
    FailingSource,
    NumberedSource,
    boxes,
    cut,
    decode,
    times,
    write_clip,
)

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def run(source, output: Path | None, engine=None, progress=None, stop=None, **options):
    with source, engine or ConstantEngine() as running:
        return flow_video(source, running, output, VideoOptions(**options), progress=progress, stop=stop)


def test_each_pair_of_neighbours_gives_a_frame_at_the_time_of_its_first(tmp_path, clip):
    engine, output = ConstantEngine(), tmp_path / "flow.mp4"
    report = run(open_source([str(clip)]), output, engine)
    assert (report.frames, report.pairs, report.width, report.height) == (12, 11, 96, 64)
    assert (report.rate, report.damage, report.interrupted, report.dropped) == (NTSC, None, False, 0)
    assert times(output) == [number / NTSC for number in range(11)]
    with av.open(str(output)) as container:
        assert container.streams.video[0].average_rate == NTSC
    kinds = boxes(output)
    assert kinds.index("moov") < kinds.index("mdat")
    assert sorted(tmp_path.iterdir()) == [clip, output], "nothing half-written is left"


def test_pairs_are_neighbours_among_the_frames_used(tmp_path):
    engine = ConstantEngine()
    selection = Selection(start=5, count=4, stride=10)
    source = NumberedSource(100)
    report = run(source, tmp_path / "flow.mp4", engine, selection=selection)
    assert engine.seen == [(5, 15), (15, 25), (25, 35)]
    assert (report.frames, report.pairs) == (4, 3)
    # Played at its true speed: fewer frames per second.
    assert report.rate == Fraction(25, 10)
    assert times(tmp_path / "flow.mp4") == [Fraction(0), Fraction(10, 25), Fraction(20, 25)]
    assert source.closed


def test_variable_frame_rate_and_pixel_aspect_pass_through(tmp_path):
    pts = [0, 3000, 9000, 10000, 40000, 43001]
    path = write_clip(tmp_path / "vfr.mp4", frames=6, pts=pts, time_base=Fraction(1, 90000))
    run(open_source([str(path)]), tmp_path / "flow.mp4")
    assert times(tmp_path / "flow.mp4") == [Fraction(time, 90000) for time in pts[:-1]]


@pytest.mark.parametrize("selection", [Selection(), Selection(count=3), Selection(stride=2)])
def test_the_last_frame_of_the_output_lasts_until_the_next_one_of_the_clip(tmp_path, selection):
    pts = [0, 3000, 9000, 10000, 40000, 43001, 83000]
    path = write_clip(tmp_path / "vfr.mp4", frames=7, pts=pts, time_base=Fraction(1, 90000))
    run(open_source([str(path)]), tmp_path / "flow.mp4", selection=selection)
    used = [Fraction(time, 90000) for time in selection.of(pts)]
    with av.open(str(tmp_path / "flow.mp4")) as container:
        (stream,) = container.streams
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert stream.duration * stream.time_base == used[-1]
        assert [packet.pts * packet.time_base for packet in packets] == used[:-1]
        assert [packet.duration * packet.time_base for packet in packets] == [
            later - earlier for earlier, later in itertools.pairwise(used)
        ]


def test_orientation_is_kept(tmp_path):
    path = write_clip(tmp_path / "turned.mp4", rotation=(90, False))
    report = run(open_source([str(path)]), tmp_path / "flow.mp4", render="side-by-side")
    assert (report.width, report.height) == (2 * 64, 96)
    with open_source([str(path)]) as source:
        upright = next(source.frames(Selection())).image
    drawn = decode(tmp_path / "flow.mp4")[0]
    assert np.abs(drawn[:, :64].astype(int) - upright).mean() < 4


def test_odd_sides_are_said_and_saved_flow_keeps_them(tmp_path):
    path = write_clip(tmp_path / "odd.mp4", size=(97, 65), frames=3)
    report = run(open_source([str(path)]), tmp_path / "flow.mp4", save_flow=tmp_path / "flow")
    assert (report.width, report.height) == (98, 66)
    assert "H.264 needs even sides: 97x65 grew to 98x66" in report.notes
    assert read_flow(tmp_path / "flow" / "000000.flo")[0].shape == (65, 97, 2)


@pytest.mark.parametrize(("flow_format", "error"), [("flo", 0), ("npy", 0), ("png", 1 / 128)])
def test_saved_flow_is_the_engines(tmp_path, clip, flow_format, error):
    folder = tmp_path / "flow"
    engine = ConstantEngine(1.2345, -6.789)
    run(
        open_source([str(clip)]),
        tmp_path / "flow.mp4",
        engine,
        save_flow=folder,
        flow_format=flow_format,
        selection=Selection(2, 3, 4),
    )
    assert sorted(path.name for path in folder.iterdir()) == [
        f"000002.{flow_format}",
        f"000006.{flow_format}",
    ]
    flow, valid = read_flow(folder / f"000006.{flow_format}")
    assert valid.all()
    assert np.abs(flow - np.array([1.2345, -6.789], np.float32)).max() <= error
    # The number is that of the pair's first frame.
    assert engine.seen == [(decode(clip)[first].max(), decode(clip)[first + 4].max()) for first in (2, 6)]


def test_colours_never_change_scale(tmp_path):
    """Motion changes after three seconds; frames of equal motion look alike whenever they come."""
    engine = ConstantEngine()

    def speed(pair):
        motion = 6.0 if 75 <= pair < 90 else 1.5 if 90 <= pair < 95 else 3.0
        engine._flow = np.array([motion, 0], np.float32)

    engine._before = speed
    report = run(NumberedSource(101), tmp_path / "flow.mp4", engine)
    assert report.max_flow == 3.0
    frames = [frame[16, 16].astype(int) for frame in decode(tmp_path / "flow.mp4")]
    assert np.abs(frames[10] - frames[98]).max() <= 2
    assert np.abs(frames[10] - frames[92]).max() > 100
    assert np.abs(frames[10] - frames[80]).max() <= 2, "beyond the scale colours stay full"
    assert report.beyond_scale == pytest.approx(0.15)
    assert report.notes == (
        "in 15% of the pairs, motion is far beyond the colour scale of 3 px, the 99th percentile of the "
        "first two seconds: set a larger max-flow",
    )


def test_a_given_scale_is_kept_and_not_commented(tmp_path, clip):
    report = run(open_source([str(clip)]), tmp_path / "flow.mp4", max_flow=1.0)
    assert (report.max_flow, report.notes) == (1.0, ())


@pytest.mark.parametrize("kind", ["webm", "gif"])
def test_other_kinds_of_file_have_the_same_frames(tmp_path, clip, kind):
    output = tmp_path / f"flow.{kind}"
    report = run(open_source([str(clip)]), output, render="side-by-side", max_flow=4.0)
    assert (report.pairs, report.pictures, report.width, report.height) == (11, 11, 192, 64)
    unit = 1000 if kind == "webm" else 100
    assert times(output) == [Fraction(round(unit * number / NTSC), unit) for number in range(11)]
    with av.open(str(output)) as container:
        assert container.duration / 1e6 == pytest.approx(11 / NTSC, abs=0.5 / unit)
    with open_source([str(clip)]) as source:
        first = next(source.frames(Selection())).image
    got = cv2.GaussianBlur(decode(output)[0], (0, 0), 2).astype(int)
    assert np.abs(got[:, :90] - cv2.GaussianBlur(first, (0, 0), 2)[:, :90]).mean() < 6
    assert sorted(tmp_path.iterdir()) == sorted([clip, output])


def test_frames_too_fast_for_a_gif_are_left_out_of_it_alone(tmp_path):
    path = write_clip(tmp_path / "fast.mp4", frames=31, rate=Fraction(60), size=(32, 32))
    report = run(open_source([str(path)]), tmp_path / "flow.gif", save_flow=tmp_path / "flow")
    assert report.pairs == len(list((tmp_path / "flow").iterdir())) == 30
    assert report.pictures == len(decode(tmp_path / "flow.gif")) < 30
    assert any(note.startswith("GIF shows no picture for less than 0.02 s") for note in report.notes)


@pytest.mark.parametrize("render", ["flow", "side-by-side"])
def test_a_legend_is_drawn_over_the_flow_or_its_absence_said(tmp_path, render):
    plain, keyed = tmp_path / "plain.mp4", tmp_path / "keyed.mp4"
    for output, legend in ((plain, False), (keyed, True)):
        report = run(NumberedSource(3, (128, 96)), output, render=render, max_flow=4.0, legend=legend)
    assert report.notes == ()
    changed = np.abs(decode(plain)[0].astype(int) - decode(keyed)[0]).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    width = changed.shape[1]
    assert rows.min() > 96 * 0.4
    assert width - 128 * 0.6 < columns.min() < columns.max() < width
    report = run(NumberedSource(3), tmp_path / "small.mp4", legend=True)
    assert report.notes == ("there is no room for the legend in 32x32",)


def test_two_images_give_a_picture(tmp_path):
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((33, 47, 3), np.uint8))
    report = run(open_source([str(tmp_path / "a.png"), str(tmp_path / "b.png")]), tmp_path / "flow.png")
    assert (report.pairs, report.width, report.height, report.notes) == (1, 47, 33, ())
    assert cv2.imread(str(tmp_path / "flow.png")).shape == (33, 47, 3)


def test_one_frame_is_too_few_and_leaves_nothing(tmp_path):
    path = write_clip(tmp_path / "one.mp4", frames=1)
    with pytest.raises(VideoError, match=r"one\.mp4 gives 1 of its frames .* flow needs at least two"):
        run(open_source([str(path)]), tmp_path / "flow.mp4", save_flow=tmp_path / "flow")
    assert list(tmp_path.iterdir()) == [path]


def test_starting_behind_the_end_is_named(tmp_path, clip):
    with pytest.raises(VideoError, match=r"gives 0 of its frames \(start 50, stride 1\)"):
        run(open_source([str(clip)]), tmp_path / "flow.mp4", selection=Selection(start=50))


def test_a_truncated_clip_gives_what_decodes(tmp_path):
    whole = write_clip(tmp_path / "whole.mkv", frames=60)
    path = cut(whole, tmp_path / "cut.mkv")
    report = run(open_source([str(path)]), tmp_path / "flow.mp4")
    assert report.damage is not None
    assert report.pairs == len(decode(tmp_path / "flow.mp4")) == report.frames - 1 > 10


@pytest.mark.parametrize("pairs_before", [1, 5, 40])
def test_stopping_completes_the_file(tmp_path, pairs_before):
    stop = Event()
    engine = ConstantEngine(before=lambda pair: stop.set() if pair == pairs_before - 1 else None)
    report = run(NumberedSource(200), tmp_path / "flow.mp4", engine, stop=stop, save_flow=tmp_path / "flow")
    assert report.interrupted
    assert report.pairs == pairs_before
    assert len(decode(tmp_path / "flow.mp4")) == pairs_before
    assert len(list((tmp_path / "flow").iterdir())) == pairs_before


def test_stopping_before_there_is_anything_leaves_nothing(tmp_path):
    stop = Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        run(NumberedSource(200), tmp_path / "flow.mp4", stop=stop)
    assert list(tmp_path.iterdir()) == []


def test_stopping_while_frames_are_skipped_leaves_nothing(tmp_path, clip):
    stop = Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        run(open_source([str(clip)]), tmp_path / "flow.mp4", stop=stop, selection=Selection(start=50))
    assert list(tmp_path.iterdir()) == [clip]


def test_an_error_while_decoding_surfaces_once_and_leaves_nothing(tmp_path):
    with pytest.raises(VideoError, match="frame 10 is on fire"):
        run(FailingSource(200), tmp_path / "flow.mp4", save_flow=tmp_path / "flow")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [EngineError("out of memory"), KeyboardInterrupt()])
def test_an_error_in_the_engine_surfaces_once_and_leaves_nothing(tmp_path, error):
    def fail(pair):
        if pair == 20:
            raise error

    with pytest.raises(type(error)):
        run(NumberedSource(200), tmp_path / "flow.mp4", ConstantEngine(before=fail))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_while_the_file_is_completed_waits_for_what_is_at_work(tmp_path, monkeypatch, presses):
    """One that is drawing must not be left behind, which the first press, or another, could do."""
    waits, main, left = SimpleQueue(), threading.get_ident(), Event()

    class Announced(Event):
        def wait(self, timeout=None):
            waits.put(None)
            return super().wait(timeout)

    monkeypatch.setattr(stage_thread, "Event", Announced)

    def wake_by_ctrl_c():
        """Until it waits again: Python does not notice one that comes just before a wait begins."""
        for _ in range(100):
            signal.pthread_kill(main, signal.SIGINT)
            with suppress(Empty):
                return waits.get(timeout=0.2)
        raise AssertionError("it does not wait again")

    def draw(frame, flow, max_flow):
        # For the decoder, which has ended, and for this thread.
        for _ in range(2):
            waits.get(timeout=20)
        for _ in range(presses):
            wake_by_ctrl_c()
        assert not left.wait(0.1), "it was not waited for"
        return frame

    monkeypatch.setitem(render.RENDERERS, "flow", draw)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(NumberedSource(2), tmp_path / "flow.mp4", max_flow=3.0)
        left.set()
        assert list(tmp_path.iterdir()) == []
    finally:
        signal.signal(signal.SIGINT, handler)


def test_an_error_while_drawing_surfaces_once_and_leaves_nothing(tmp_path, monkeypatch):
    def fail(frame, flow, max_flow):
        raise ValueError("no ink")

    monkeypatch.setitem(render.RENDERERS, "flow", fail)
    with pytest.raises(ValueError, match="no ink"):
        run(NumberedSource(200), tmp_path / "flow.mp4", max_flow=3.0)
    assert list(tmp_path.iterdir()) == []


def test_pictures_are_drawn_at_a_time_and_written_in_order(tmp_path, monkeypatch):
    """Each of the first ones waits for the next to be drawn: they end in the opposite order."""
    threads = 3
    monkeypatch.setattr(pipeline, "DRAWING_THREADS", threads)
    drawn = [Event() for _ in range(threads)]

    def draw(frame, flow, max_flow):
        number = int(frame[0, 0, 0])
        if number < threads - 1:
            assert drawn[number + 1].wait(20), "nobody draws the next one meanwhile"
        if number < threads:
            drawn[number].set()
        return np.full_like(frame, 5 * number)

    monkeypatch.setitem(render.RENDERERS, "flow", draw)
    run(NumberedSource(20), tmp_path / "flow.mp4", max_flow=3.0)
    levels = [round(float(frame.mean())) for frame in decode(tmp_path / "flow.mp4")]
    assert levels == pytest.approx([5 * number for number in range(19)], abs=2)


def test_flow_that_a_format_cannot_hold_is_an_error(tmp_path):
    with pytest.raises(InputError, match="512"):
        run(
            NumberedSource(20),
            tmp_path / "flow.mp4",
            ConstantEngine(u=600.0),
            save_flow=tmp_path / "flow",
            flow_format="png",
        )
    assert list(tmp_path.iterdir()) == []


class Watched(NumberedSource):
    """Counts the images that are alive."""

    def __init__(self, total, **settings):
        super().__init__(total, **settings)
        self.alive = weakref.WeakSet()
        self.most_alive = 0

    def frames(self, selection):
        for frame in super().frames(selection):
            image = frame.image.view(Counted)
            self.alive.add(image)
            self.most_alive = max(self.most_alive, len(self.alive))
            yield Frame(frame.index, image, frame.pts)
            del frame, image


class Counted(np.ndarray):
    """An array that a WeakSet takes."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other


@pytest.mark.parametrize("slow", ["engine", "encoder"])
def test_memory_does_not_grow_with_the_clip(tmp_path, slow, monkeypatch):
    source = Watched(300)
    decoded_all_it_may = threading.Semaphore(0)
    engine = ConstantEngine()
    if slow == "encoder":
        # The first picture waits until the engine can go no further.
        draw, blocked = render.RENDERERS["flow"], threading.Event()
        engine._before = lambda pair: blocked.set() if pair == QUEUE_LENGTH else None
        monkeypatch.setitem(render.RENDERERS, "flow", lambda *values: (blocked.wait(20), draw(*values))[1])
    else:
        # The first pair waits until the decoder has filled its queue.
        engine._before = lambda pair: decoded_all_it_may.acquire(timeout=20) if pair == 0 else None
        put = pipeline.Channel.put

        def counted(channel, item):
            if isinstance(item, Frame) and item.index == QUEUE_LENGTH + 1:
                decoded_all_it_may.release()
            put(channel, item)

        monkeypatch.setattr(pipeline.Channel, "put", counted)
    report = run(source, tmp_path / "flow.mp4", engine, max_flow=3.0)
    assert report.pairs == 299
    # Two queues, one between the engine and what draws, and what each of the four stages has in hand.
    assert QUEUE_LENGTH < source.most_alive <= 2 * QUEUE_LENGTH + 8
    gc.collect()
    assert len(source.alive) == 0


def test_a_live_source_is_never_held_up(tmp_path):
    """The engine waits until the source has sent everything; what did not fit was dropped and is said."""
    sent_all = Event()

    class Live(NumberedSource):
        def frames(self, selection):
            yield from super().frames(selection)
            sent_all.set()

    engine = ConstantEngine(before=lambda pair: sent_all.wait(20))
    report = run(Live(50, live=True), tmp_path / "flow.mp4", engine)
    assert report.dropped == 50 - report.frames > 30
    assert any("dropped" in note for note in report.notes)
    # Times of arrival are kept.
    assert times(tmp_path / "flow.mp4") == [Fraction(first, 25) for first, _ in engine.seen]


def test_the_report_is_json_and_its_times_add_up(tmp_path, clip):
    report = run(open_source([str(clip)]), tmp_path / "flow.mp4", save_flow=tmp_path / "flow")
    values = json.loads(json.dumps(report.to_dict()))
    assert values["input"] == str(clip)
    assert values["engine"]["model"] == "constant"
    assert (values["pairs"], values["frames"]) == (11, 12)
    assert values["rate"] == pytest.approx(29.97, abs=0.01)
    assert set(values["stage_seconds"]) == {"decode", "engine", "render", "encode", "save_flow"}
    assert all(0 < seconds <= values["seconds"] for seconds in values["stage_seconds"].values())
    assert values["pairs_per_second"] == pytest.approx(11 / values["seconds"])
    assert 0 < values["seconds_to_first_flow"] < values["seconds"]


def test_progress_counts_pairs(tmp_path, clip):
    class Recorder:
        def __init__(self):
            self.events = []

        def start(self, description, total, unit):
            self.events.append(("start", total, unit))

        def advance(self, amount=1.0, **figures):
            self.events.append("advance")

        def note(self, message):
            self.events.append(message)

        def finish(self):
            self.events.append("finish")

    progress = Recorder()
    run(open_source([str(clip)]), tmp_path / "flow.mp4", progress=progress)
    assert progress.events == [("start", 11, "frames"), *["advance"] * 11, "finish"]


def test_flow_files_alone_begin_at_once_and_nothing_is_drawn(tmp_path, monkeypatch):
    """Two seconds of frames would be held back for colours: the least memory of a run shows they are not."""

    def draw(*_):
        raise AssertionError("drawn")

    monkeypatch.setattr(pipeline, "draw_pair", draw)
    monkeypatch.setattr(pipeline, "open_picture_sink", draw)
    source = Watched(100)
    report = run(source, None, save_flow=tmp_path / "flow", flow_format="npy")
    assert source.most_alive <= 2 * QUEUE_LENGTH + 8 < 50
    assert [path.name for path in tmp_path.iterdir()] == ["flow"]
    assert len(list((tmp_path / "flow").iterdir())) == report.pairs == 99
    nothing = ("output", "render", "width", "height", "max_flow", "beyond_scale")
    assert [getattr(report, name) for name in nothing] == [None] * 6
    assert report.stage_seconds["render"] == report.stage_seconds["encode"] == 0
    assert report.notes == ()
    values = json.loads(json.dumps(report.to_dict()))
    assert (values["output"], values["save_flow"]) == (None, str(tmp_path / "flow"))


def test_flow_files_alone_of_a_run_that_is_stopped_are_kept_and_of_one_that_fails_are_not(tmp_path):
    stop = Event()
    engine = ConstantEngine(before=lambda pair: stop.set() if pair == 4 else None)
    report = run(NumberedSource(200), None, engine, stop=stop, save_flow=tmp_path / "flow")
    assert (report.interrupted, report.pairs) == (True, 5)
    assert len(list((tmp_path / "flow").iterdir())) == 5
    with pytest.raises(VideoError, match="frame 10 is on fire"):
        run(FailingSource(200), None, save_flow=tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["flow"]
    with pytest.raises(InputError, match="nothing is written but flow files"):
        run(NumberedSource(3), None)
