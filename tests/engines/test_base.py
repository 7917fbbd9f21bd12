import threading
from collections.abc import Callable

import numpy as np
import pytest

from dinoflow_deploy.bundles.input_range import AxisRange
from dinoflow_deploy.engines.base import EngineDescription, FlowEngine, InputRange
from dinoflow_deploy.engines.frames import Tensor
from dinoflow_deploy.errors import EngineError, InputError

MakeFrames = Callable[..., np.ndarray]

DYNAMIC = InputRange(AxisRange(1, 1, 4), AxisRange(64, 64, 128), AxisRange(64, 64, 256))
ONE = InputRange(AxisRange.fixed(1), AxisRange(64, 64, 128), AxisRange(64, 64, 256))
STATIC = InputRange(AxisRange.fixed(3), AxisRange.fixed(64), AxisRange.fixed(96))


class FirstChannels(FlowEngine):
    """Flow is red of frame 1 and green of frame 2, in grey levels: it can be read off the frames."""

    def __init__(
        self,
        inputs: InputRange = DYNAMIC,
        *,
        precision: str = "fp32",
        convert_colors: bool = False,
        device: str = "cpu",
    ) -> None:
        description = EngineDescription("fake", "fake", device, "none", precision, None, inputs)
        super().__init__(description, convert_colors=convert_colors)
        self.shapes: list[tuple[int, ...]] = []
        self.releases = 0

    def _run(self, images1: Tensor, images2: Tensor) -> Tensor:
        assert images1.flags.c_contiguous
        assert images1.shape == images2.shape
        assert images1.dtype == images2.dtype == np.float32
        self.shapes.append(images1.shape)
        return np.rint(255 * np.stack([images1[:, 0], images2[:, 1]], axis=1)).astype(np.float32)

    def _release(self) -> None:
        self.releases += 1


def expected(frames1: np.ndarray, frames2: np.ndarray) -> np.ndarray:
    return np.stack([frames1[..., 0], frames2[..., 1]], axis=-1).astype(np.float32)


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (65, 97), (128, 256), (17, 255)])
def test_one_pair_is_padded_and_cropped_back(size: tuple[int, int], frames: MakeFrames) -> None:
    frame1, frame2 = frames(2, *size)
    engine = FirstChannels()
    flow = engine(frame1, frame2)
    assert flow.dtype == np.float32
    np.testing.assert_array_equal(flow, expected(frame1, frame2))
    ((batch, channels, height, width),) = engine.shapes
    assert (batch, channels) == (1, 3)
    assert height % 16 == width % 16 == 0
    assert height >= 64
    assert width >= 64


@pytest.mark.parametrize(
    ("inputs", "count", "batches"),
    [
        (DYNAMIC, 1, [1]),
        (DYNAMIC, 4, [4]),
        (DYNAMIC, 9, [4, 4, 1]),
        (STATIC, 1, [3]),
        (STATIC, 3, [3]),
        (STATIC, 7, [3, 3, 3]),
        (InputRange.unlimited(), 9, [9]),
        (DYNAMIC, 0, []),
    ],
)
def test_a_batch_is_run_in_what_the_engine_takes(
    inputs: InputRange, count: int, batches: list[int], frames: MakeFrames
) -> None:
    frames1, frames2 = frames(count, 50, 60), frames(count, 50, 60, seed=1)
    engine = FirstChannels(inputs)
    flows = engine.batch(frames1, frames2)
    assert flows.shape == (count, 50, 60, 2)
    np.testing.assert_array_equal(flows, expected(frames1, frames2))
    assert [shape[0] for shape in engine.shapes] == batches


def test_results_belong_to_the_caller(frames: MakeFrames) -> None:
    engine = FirstChannels()
    frame1, frame2 = frames(2, 64, 64)
    first = engine(frame1, frame2)
    kept = first.copy()
    first += 1
    np.testing.assert_array_equal(engine(frame1, frame2), kept)


def test_stages_compose_to_a_call(frames: MakeFrames) -> None:
    engine = FirstChannels(STATIC)
    frames1, frames2 = frames(2, 40, 50), frames(2, 40, 50, seed=1)
    prepared = engine.prepare(frames1, frames2)
    assert prepared.images1.shape == (3, 3, 64, 96)
    assert prepared.count == 2
    raw = engine.infer(prepared)
    assert raw.shape == (3, 2, 64, 96)
    np.testing.assert_array_equal(engine.finish(prepared, raw), engine.batch(frames1, frames2))
    with pytest.raises(InputError, match="4 pairs at once are outside the engine's batch of 3"):
        engine.prepare(frames(4, 40, 50), frames(4, 40, 50))


@pytest.mark.parametrize(
    ("frame1", "frame2", "message"),
    [
        (np.zeros((20, 20, 3)), np.zeros((20, 20, 3)), "first frame: uint8 .* not float64: .*to_frame"),
        (np.zeros((20, 20), np.uint8), None, "first frame: grey .* convert_colors=True"),
        (np.zeros(20, np.uint8), None, r"RGB \[height, width, 3\] is needed, not \[20\]"),
        (np.zeros((20, 20, 2), np.uint8), None, r"not \[20, 20, 2\]"),
        (np.zeros((3, 20, 20), np.uint8), None, r"not \[3, 20, 20\]"),
        (np.zeros((20, 20, 1), np.uint8), None, "grey .* convert_colors=True"),
        (np.zeros((20, 20, 4), np.uint8), None, "RGBA .* convert_colors=True"),
        (np.zeros((1, 20, 20, 3), np.uint8), None, r"not \[1, 20, 20, 3\]"),
        ("frame.png", None, r"NumPy array .* not str: dinoflow_deploy\.to_frame converts paths"),
        (np.zeros((20, 20, 3), np.uint8), np.zeros((20, 21, 3), np.uint8), "differ in size"),
        (np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20, 3), np.int16), "second frame: uint8"),
        (np.zeros((10, 20, 3), np.uint8), np.zeros((10, 20, 3), np.uint8), "too small"),
        (np.zeros((129, 20, 3), np.uint8), np.zeros((129, 20, 3), np.uint8), r"height is 64\.\.128"),
    ],
)
def test_wrong_frames_are_refused(frame1: np.ndarray, frame2: np.ndarray | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FirstChannels()(frame1, frame1 if frame2 is None else frame2)


def test_a_single_frame_is_not_a_batch(frames: MakeFrames) -> None:
    (frame,) = frames(1, 20, 20)
    with pytest.raises(InputError, match=r"RGB \[batch, height, width, 3\] is needed, not \[20, 20, 3\]"):
        FirstChannels().batch(frame, frame)
    # Not grey frames of three columns either.
    with pytest.raises(InputError, match=r"not \[20, 20, 3\]"):
        FirstChannels(convert_colors=True).batch(frame, frame)
    with pytest.raises(InputError, match="grey frames are converted only on request"):
        FirstChannels().batch(frame[np.newaxis, ..., 0], frame[np.newaxis, ..., 0])
    with pytest.raises(InputError, match="differ in size"):
        FirstChannels().batch(frames(2, 20, 20), frames(3, 20, 20))


def test_grey_and_rgba_are_converted_on_request(frames: MakeFrames) -> None:
    engine = FirstChannels(convert_colors=True)
    rgba = frames(2, 30, 40, channels=4)
    rgb = rgba[..., :3]
    grey = rgba[..., 0]
    as_rgb = np.repeat(grey[..., np.newaxis], 3, axis=-1)
    np.testing.assert_array_equal(engine(rgba[0], rgba[1]), expected(rgb[0], rgb[1]))
    np.testing.assert_array_equal(engine(grey[0], grey[1]), expected(as_rgb[0], as_rgb[1]))
    np.testing.assert_array_equal(engine(grey[0][..., np.newaxis], rgb[1]), expected(as_rgb[0], rgb[1]))
    np.testing.assert_array_equal(engine.batch(grey, grey), expected(as_rgb, as_rgb))
    np.testing.assert_array_equal(engine.batch(rgba, rgba), expected(rgb, rgb))


@pytest.mark.parametrize(
    ("inputs", "device", "batches"),
    [
        (DYNAMIC, "cuda:1", [2]),
        (InputRange.unlimited(), "cuda", [2]),
        (ONE, "cuda", [1, 1]),
        (DYNAMIC, "cpu", [1, 1]),
        (STATIC, "cpu", [3]),
    ],
)
def test_bidirectional_is_the_pair_and_its_reverse(
    inputs: InputRange, device: str, batches: list[int], frames: MakeFrames
) -> None:
    frame1, frame2 = frames(2, 50, 60)
    engine = FirstChannels(inputs, device=device)
    forward, backward = engine.bidirectional(frame1, frame2)
    np.testing.assert_array_equal(forward, expected(frame1, frame2))
    np.testing.assert_array_equal(backward, expected(frame2, frame1))
    assert [shape[0] for shape in engine.shapes] == batches


def test_bidirectional_takes_what_a_call_takes(frames: MakeFrames) -> None:
    frame1, frame2 = frames(2, 50, 60, channels=1)
    with FirstChannels(convert_colors=True) as engine:
        forward, backward = engine.bidirectional(frame1, frame2)
        np.testing.assert_array_equal(forward, engine(frame1, frame2))
        np.testing.assert_array_equal(backward, engine(frame2, frame1))
        with pytest.raises(InputError, match="differ in size"):
            engine.bidirectional(frame1, frame2[:20])
    with pytest.raises(InputError, match="grey frames"):
        FirstChannels().bidirectional(frame1, frame2)
    with pytest.raises(EngineError, match="closed"):
        engine.bidirectional(frame1, frame2)


def test_repr_says_what_the_engine_is() -> None:
    engine = FirstChannels()
    what = "FirstChannels: fake, fp32, fake on cpu (none), batch 1..4, height 64..128, width 64..256"
    assert repr(engine) == f"<{what}>"
    engine.close()
    assert repr(engine) == f"<{what}, closed>"


def test_warm_up_runs_the_shape_to_come() -> None:
    engine = FirstChannels()
    engine.warm_up(100, 200, batch=2)
    assert engine.shapes == [(2, 3, 112, 208)]
    with pytest.raises(InputError, match="batch of 0"):
        engine.warm_up(100, 200, batch=0)


def test_pictures_lie_in_the_memory_that_the_engine_gives(frames: MakeFrames) -> None:
    given: list[np.ndarray] = []

    class Giving(FirstChannels):
        def _empty(self, shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> np.ndarray:
            # What is not written over would show.
            given.append(np.full(shape, 77, dtype))
            return given[-1]

    plain, engine = FirstChannels(), Giving()
    frames1, frames2 = frames(2, 50, 70), frames(2, 50, 70, seed=1)
    found, wanted = (each.prepare(frames1, frames2) for each in (engine, plain))
    assert found.images1 is given[0]
    assert found.images2 is given[1]
    np.testing.assert_array_equal(found.images1, wanted.images1)
    one, other = (engine.prepare_frame(frame) for frame in frames1)
    assert one.image is given[2]
    np.testing.assert_array_equal(
        engine.pairs([one, other], [other, one]), plain.batch(frames1, frames1[::-1])
    )
    # Each side of the pairs is put together in memory of the engine's too.
    assert len(given) == 6


def test_a_closed_engine_says_so(frames: MakeFrames) -> None:
    frame1, frame2 = frames(2, 64, 64)
    with FirstChannels() as engine:
        engine(frame1, frame2)
    engine.close()
    assert engine.releases == 1
    with pytest.raises(EngineError, match="closed"):
        engine(frame1, frame2)
    assert engine.describe().model == "fake"


@pytest.mark.parametrize(
    "wrong", [np.zeros((1, 2, 32, 32), np.float32), np.zeros((1, 2, 64, 64), np.float64)]
)
def test_a_model_that_returns_something_else_is_an_error(wrong: np.ndarray, frames: MakeFrames) -> None:
    class Wrong(FirstChannels):
        def _run(self, images1: Tensor, images2: Tensor) -> Tensor:
            return wrong

    with pytest.raises(EngineError, match="where a flow of float32"):
        Wrong()(*frames(2, 64, 64))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_flow_that_is_not_finite_is_an_error(value: float, frames: MakeFrames) -> None:
    class Overflowing(FirstChannels):
        def _run(self, images1: Tensor, images2: Tensor) -> Tensor:
            flow = super()._run(images1, images2)
            flow[0, 1, 7, 9] = value
            return flow

    with pytest.raises(
        EngineError, match=r"the flow is not finite: fake in fp32 on cpu gave NaN or infinity"
    ):
        Overflowing()(*frames(2, 64, 64))


@pytest.mark.parametrize(
    ("precision", "advice"),
    [
        ("fp16", "use an fp32 model, or bf16"),
        ("bf16", "use an earlier checkpoint"),
        ("fp32", "use an earlier checkpoint"),
        (
            "unknown",
            "if it computes in fp16, then use an fp32 model; if it is one, .* use an earlier checkpoint",
        ),
    ],
)
def test_advice_against_nan_fits_the_precision(precision: str, advice: str, frames: MakeFrames) -> None:
    class Overflowing(FirstChannels):
        def _run(self, images1: Tensor, images2: Tensor) -> Tensor:
            return super()._run(images1, images2) * np.float32(np.nan)

    with pytest.raises(EngineError, match=advice) as raised:
        Overflowing(precision=precision)(*frames(2, 64, 64))
    assert precision in ("fp16", "unknown") or "fp32 model" not in str(raised.value)


def test_close_waits_for_calls_that_have_begun(frames: MakeFrames, monkeypatch: pytest.MonkeyPatch) -> None:
    frame1, frame2 = frames(2, 64, 64)
    running, closing, go_on = threading.Event(), threading.Event(), threading.Event()

    class Slow(FirstChannels):
        def _run(self, images1: Tensor, images2: Tensor) -> Tensor:
            running.set()
            assert go_on.wait(30)
            assert self.releases == 0
            return super()._run(images1, images2)

    engine = Slow()
    wait_for = engine._idle.wait_for
    monkeypatch.setattr(engine._idle, "wait_for", lambda until: (closing.set(), wait_for(until)))
    results: list[np.ndarray] = []
    caller = threading.Thread(target=lambda: results.append(engine(frame1, frame2)))
    closer = threading.Thread(target=engine.close)
    caller.start()
    assert running.wait(30)
    closer.start()
    assert closing.wait(30)
    with pytest.raises(EngineError, match="closed"):
        engine(frame1, frame2)
    assert engine.releases == 0
    go_on.set()
    caller.join(30)
    closer.join(30)
    np.testing.assert_array_equal(results[0], expected(frame1, frame2))
    assert engine.releases == 1


def test_closed_within_a_call_it_releases_when_the_call_ends(frames: MakeFrames) -> None:
    """As the garbage collector does, which runs in any thread."""
    frame1, frame2 = frames(2, 64, 64)

    class Closing(FirstChannels):
        def _run(self, images1: Tensor, images2: Tensor) -> Tensor:
            self.close()
            assert self.releases == 0
            return super()._run(images1, images2)

    engine = Closing()
    np.testing.assert_array_equal(engine(frame1, frame2), expected(frame1, frame2))
    assert engine.releases == 1
    engine.close()
    assert engine.releases == 1


def test_an_error_while_running_leaves_the_engine_usable(frames: MakeFrames) -> None:
    class FailsOnce(FirstChannels):
        def _run(self, images1: Tensor, images2: Tensor) -> Tensor:
            self.shapes.append(images1.shape)
            if len(self.shapes) == 1:
                raise EngineError("out of memory")
            return super()._run(images1, images2)

    engine = FailsOnce()
    frame1, frame2 = frames(2, 64, 64)
    with pytest.raises(EngineError, match="out of memory"):
        engine(frame1, frame2)
    np.testing.assert_array_equal(engine(frame1, frame2), expected(frame1, frame2))
    engine.close()
    assert engine.releases == 1


def test_the_description_is_json() -> None:
    assert FirstChannels().describe().to_dict() == {
        "model": "fake",
        "backend": "fake",
        "device": "cpu",
        "provider": "none",
        "precision": "fp32",
        "source": None,
        "inputs": {
            "batch": {"min": 1, "opt": 1, "max": 4},
            "height": {"min": 64, "opt": 64, "max": 128},
            "width": {"min": 64, "opt": 64, "max": 256},
        },
    }


@pytest.mark.parametrize("inputs", [DYNAMIC, ONE, STATIC])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_frame_prepared_before_gives_the_same(inputs: InputRange, device: str, frames: MakeFrames) -> None:
    pictures = frames(3, 60, 90)
    engine, plain = (FirstChannels(inputs, device=device) for _ in range(2))
    first, second, third = map(engine.prepare_frame, pictures)
    for pair, prepared in ((pictures[:2], (first, second)), (pictures[1:], (second, third))):
        np.testing.assert_array_equal(engine(*prepared), plain(*pair))
        np.testing.assert_array_equal(engine(prepared[0], pair[1]), plain(*pair))
        for found, due in zip(engine.bidirectional(*prepared), plain.bidirectional(*pair), strict=True):
            np.testing.assert_array_equal(found, due)


def test_prepared_frames_may_be_in_several_pairs_of_one_call(frames: MakeFrames) -> None:
    pictures = frames(4, 60, 90)
    engine = FirstChannels()
    prepared = [engine.prepare_frame(picture) for picture in pictures]
    flows = engine.pairs(prepared[:-1], prepared[1:])
    np.testing.assert_array_equal(flows, engine.batch(pictures[:-1], pictures[1:]))
    # Both are padded to 64x96.
    other = engine.prepare_frame(frames(1, 64, 92)[0])
    with pytest.raises(InputError, match=r"differ in size: \[60, 90, 3\] and \[64, 92, 3\]"):
        engine.pairs(prepared[:2], [prepared[1], other])


def test_a_prepared_frame_does_not_change_with_the_array(frames: MakeFrames) -> None:
    (first,), second = frames(1, 64, 64), np.zeros((64, 64, 3), np.uint8)
    engine = FirstChannels()
    prepared, due = engine.prepare_frame(first), engine(first, second)
    first[:] = 0
    np.testing.assert_array_equal(engine(prepared, second), due)


def test_a_prepared_frame_is_held_to_the_same(frames: MakeFrames) -> None:
    engine = FirstChannels(ONE)
    with pytest.raises(InputError, match=r"differ in size: \[60, 90, 3\] and \[64, 64, 3\]"):
        engine(engine.prepare_frame(frames(1, 60, 90)[0]), frames(1, 64, 64)[0])
    with pytest.raises(InputError, match="frame: uint8 values"):
        engine.prepare_frame(frames(1, 64, 64)[0] / 255)
    with pytest.raises(InputError, match="129"):
        engine.prepare_frame(frames(1, 129, 64)[0])
