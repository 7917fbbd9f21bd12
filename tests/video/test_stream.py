import gc
import threading
from dataclasses import replace
from fractions import Fraction
from threading import Event

import cv2
import numpy as np
import pytest

from dinoflow_deploy.errors import EngineError, InputError, VideoError
from dinoflow_deploy.flow import read_flow
from dinoflow_deploy.video import Selection, VideoOptions, flow_stream, flow_video, open_source, stream
from dinoflow_deploy.video.read_ahead import QUEUE_LENGTH
from tests.small_bundles import DYNAMIC
from tests.video.clips import (
    NTSC,
    ConstantEngine,
    FailingSource,
    NumberedSource,
    PausedSource,
    cut,
    write_clip,
)

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


class PictureEngine(ConstantEngine):
    """Flow that depends on what the frames show: red of the first, green of the second."""

    def _run(self, images1: np.ndarray, images2: np.ndarray) -> np.ndarray:
        return np.stack([images1[:, 0], images2[:, 1]], axis=1)


@pytest.mark.parametrize("max_side", [None, 48])
def test_it_is_what_flow_video_saves(tmp_path, clip, max_side):
    selection, folder = Selection(2, 4, 2), tmp_path / "flow"
    with open_source([str(clip)], max_side=max_side) as source, PictureEngine() as engine:
        flow_video(source, engine, tmp_path / "flow.mp4", VideoOptions(selection=selection, save_flow=folder))
        results = list(flow_stream(clip, engine, selection=selection, max_side=max_side))
    assert [f"{result.index:06d}.flo" for result in results] == sorted(path.name for path in folder.iterdir())
    assert [result.time for result in results] == pytest.approx([float(2 * step / NTSC) for step in range(3)])
    with open_source([str(clip)], max_side=max_side) as source:
        images = [frame.image for frame in source.frames(selection)]
    for result, image in zip(results, images, strict=False):
        np.testing.assert_array_equal(result.flow, read_flow(folder / f"{result.index:06d}.flo")[0])
        np.testing.assert_array_equal(result.frame, image)


def test_names_images_and_models_are_taken_as_by_video(clip, tmp_path):
    for result in flow_stream(str(clip), "nano", selection=Selection(count=2)):
        assert result.flow.shape == (*result.frame.shape[:2], 2)
    names = [tmp_path / f"{number}.png" for number in range(3)]
    for name in names:
        cv2.imwrite(str(name), np.zeros((32, 48, 3), np.uint8))
    engine = ConstantEngine()
    assert [result.time for result in flow_stream(names, engine)] == [0, 0.04]
    with open_source([str(tmp_path / "*.png")], rate=Fraction(2)) as source:
        assert [result.time for result in flow_stream(source, engine)] == [0, 0.5]
    with open_source([str(clip)]) as source, pytest.raises(InputError, match="pass it to open_source"):
        next(flow_stream(source, engine, max_side=48))


@pytest.mark.parametrize(("batch", "sizes"), [(1, 11 * [1]), (4, [4, 4, 3]), (11, [11]), (50, [11])])
def test_pairs_are_computed_so_many_at_once(clip, batch, sizes):
    engine, seen, prepared = PictureEngine(), [], []
    run, prepare = engine._run, engine.prepare_frame
    engine._run = lambda images1, images2: seen.append(len(images1)) or run(images1, images2)
    engine.prepare_frame = lambda frame: prepared.append(frame) or prepare(frame)
    expected = list(flow_stream(clip, PictureEngine(), max_side=48, full_size=True))
    results = list(flow_stream(clip, engine, max_side=48, full_size=True, batch=batch))
    assert seen == sizes
    # A frame is the second of one pair and the first of the next, and is converted once.
    assert len(prepared) == 12
    for result, one_by_one in zip(results, expected, strict=True):
        assert (result.index, result.time) == (one_by_one.index, one_by_one.time)
        np.testing.assert_array_equal(result.flow, one_by_one.flow)
        np.testing.assert_array_equal(result.frame, one_by_one.frame)


def test_a_batch_with_an_error_behind_it_is_given_first(loaded):
    results = flow_stream(FailingSource(20), batch=8)
    assert [next(results).index for _ in range(9)] == list(range(9))
    with pytest.raises(VideoError, match="frame 10 is on fire"):
        next(results)


def test_a_batch_that_the_model_does_not_take_is_refused(clip):
    with pytest.raises(InputError, match=r"batch is 0: constant takes 1 or more pairs at once"):
        next(flow_stream(clip, ConstantEngine(), batch=0))
    engine = ConstantEngine()
    engine._description = replace(engine.describe(), inputs=DYNAMIC)
    with pytest.raises(InputError, match=r"batch is 17: constant takes 1 to 16 pairs at once"):
        next(flow_stream(clip, engine, batch=17))


class Watched(NumberedSource):
    """Counts the frames read."""

    def __init__(self, total, **settings):
        super().__init__(total, **settings)
        self.read = 0
        self.waits = Event()

    def frames(self, selection):
        for frame in super().frames(selection):
            self.read += 1
            if self.read == QUEUE_LENGTH + 3:
                self.waits.set()
            yield frame


def test_it_reads_a_few_frames_ahead_however_long_it_is_let_wait():
    source = Watched(300)
    results = flow_stream(source, ConstantEngine())
    next(results)
    assert source.waits.wait(20), "the queue fills while nobody asks"
    # Two are of the first pair; one waits for room.
    assert source.read == QUEUE_LENGTH + 3
    # Once a result was taken there is room for one more.
    for taken, _ in enumerate(results, start=2):
        assert source.read <= QUEUE_LENGTH + 2 + taken
    assert taken == 299


class Loaded(ConstantEngine):
    """An engine that flow_stream loads."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.released = False

    def _release(self):
        self.released = True


@pytest.fixture
def loaded(monkeypatch):
    engine = Loaded()
    monkeypatch.setattr(stream, "load_engine", lambda model: engine)
    return engine


def stop_by_break(results):
    for _ in results:
        break


def stop_by_error(results):
    try:
        for _ in results:
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass


def stop_by_close(results):
    next(results)
    results.close()


def read_to_the_end(results):
    for _ in results:
        pass


@pytest.mark.parametrize("end", [stop_by_break, stop_by_error, stop_by_close, read_to_the_end])
def test_however_it_ends_everything_is_released(end, loaded):
    source, given = NumberedSource(100), Loaded()
    end(flow_stream(source, "some model"))
    gc.collect()
    assert source.closed
    assert loaded.released
    # The fixture sees to it that no thread is left.
    end(flow_stream(NumberedSource(100), given))
    gc.collect()
    assert not given.released
    given(*np.zeros((2, 32, 32, 3), np.uint8))


def test_a_file_is_closed_when_the_loop_is_left(clip, monkeypatch):
    opened = []
    monkeypatch.setattr(
        stream, "open_source", lambda *a, **k: (opened.append(open_source(*a, **k)), opened[0])[1]
    )
    results = flow_stream(clip, ConstantEngine())
    assert opened == [], "nothing is opened before it is asked for"
    next(results)
    results.close()
    with pytest.raises(AssertionError, match="Container is not open"):
        opened[0]._container.seek(0)


def leave_in_a_cycle(source, collect, collected):
    """Begin a loop and leave it where the garbage collector alone finds it, which another thread runs then.

    Gives the threads that there were.
    """
    gc.disable()
    try:
        results = flow_stream(source, "some model")
        next(results)
        threads = threading.enumerate()
        cycle = [results]
        cycle.append(cycle)
        del results, cycle
        collect.set()
        assert collected.wait(20)
    finally:
        gc.enable()
    return threads


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_the_garbage_collector_may_end_it_in_the_decoding_thread(loaded):
    """A cycle that holds the generator is collected by whichever thread is there."""
    collect, collected = Event(), Event()

    class Collecting(NumberedSource):
        def frames(self, selection):
            for frame in super().frames(selection):
                if frame.index == 4:
                    assert collect.wait(20)
                    gc.collect()
                    collected.set()
                yield frame

    source = Collecting(100)
    (decoder,) = (
        thread for thread in leave_in_a_cycle(source, collect, collected) if thread.name == "decode"
    )
    decoder.join(20)
    assert source.closed
    assert loaded.released


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_the_garbage_collector_may_end_it_in_a_thread_that_computes(monkeypatch):
    """The loop was left while an engine that computes two pairs at once computed the next."""
    collect, collected = Event(), Event()

    class Collecting(Loaded):
        calls_at_once = 2

        def _run(self, images1, images2):
            if images1.max() > 0:
                assert collect.wait(20)
                gc.collect()
                collected.set()
            return super()._run(images1, images2)

    source, engine = NumberedSource(100), Collecting()
    monkeypatch.setattr(stream, "load_engine", lambda model: engine)
    threads = leave_in_a_cycle(source, collect, collected)
    assert source.closed
    for thread in threads:
        if thread.name.startswith("engine"):
            thread.join(20)
    assert engine.released


def test_an_error_while_decoding_comes_after_the_results_before_it(loaded):
    source, results = FailingSource(200), []
    with pytest.raises(VideoError, match="frame 10 is on fire"):
        results.extend(flow_stream(source, "some model"))
    assert [result.index for result in results] == list(range(9))
    assert source.closed
    assert loaded.released


def test_an_error_in_the_engine_surfaces():
    def fail(pair):
        if pair == 5:
            raise EngineError("out of memory")

    source, results = NumberedSource(200), []
    with pytest.raises(EngineError, match="out of memory"):
        results.extend(flow_stream(source, ConstantEngine(before=fail)))
    assert len(results) == 5
    assert source.closed


def test_a_model_that_cannot_be_loaded_closes_the_source():
    class Closed(NumberedSource):
        def close(self):
            self.closed = True

    source = Closed(10)
    with pytest.raises(InputError, match="no file, folder or built-in model 'missing'"):
        next(flow_stream(source, "missing"))
    assert source.closed


def test_a_damaged_file_gives_what_decodes_and_says_so(tmp_path):
    path = cut(write_clip(tmp_path / "whole.mkv", frames=60), tmp_path / "cut.mkv")
    results = []
    with pytest.raises(
        VideoError, match=r"cut\.mkv is damaged: it ends after .*what could be read was given"
    ):
        results.extend(flow_stream(path, ConstantEngine()))
    assert len(results) > 10


@pytest.mark.parametrize(("total", "selection"), [(1, Selection()), (5, Selection(start=4, stride=3))])
def test_one_frame_is_too_few(total, selection):
    with pytest.raises(VideoError, match=rf"1 of its frames \(start {selection.start}, .* at least two"):
        list(flow_stream(NumberedSource(total), ConstantEngine(), selection=selection))


def test_a_live_source_is_never_held_up():
    """What came too fast is left out, and the index says so."""
    sent_all = Event()

    class Live(NumberedSource):
        def frames(self, selection):
            yield from super().frames(selection)
            sent_all.set()

    results = list(flow_stream(Live(50, live=True), ConstantEngine(before=lambda pair: sent_all.wait(20))))
    assert len(results) < 20
    indices = [result.index for result in results]
    assert indices == sorted(set(indices))
    assert [result.time for result in results] == [index / 25 for index in indices]


def test_of_a_live_source_no_result_waits_for_a_later_frame():
    given = Event()

    class Elsewhere(ConstantEngine):
        calls_at_once = 2

    results = flow_stream(PausedSource(4, given), Elsewhere())
    assert next(results).index == 0
    given.set()
    assert [result.index for result in results] == [1, 2]
