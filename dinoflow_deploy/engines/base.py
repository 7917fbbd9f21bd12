"""One interface to every way of running the model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from threading import Condition, get_ident
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.bundles.model_input import FRAMES, IMAGES, ModelInput
from dinoflow_deploy.engines.frames import (
    Frames,
    Pictures,
    Tensor,
    as_rgb,
    to_flow,
    to_padded_frames,
    to_tensor,
)
from dinoflow_deploy.errors import EngineError, InputError
from dinoflow_deploy.flow.padding import Padding

__all__ = ["AxisRange", "EngineDescription", "FlowEngine", "InputRange", "PreparedBatch", "PreparedFrame"]

_DIVERGED: Final = "its weights hold such values, or its training has diverged: use an earlier checkpoint"
_WHY_NOT_FINITE: Final = {
    "fp16": "most often an overflow of fp16: use an fp32 model, or bf16 with TensorRT",
    "bf16": f"and bf16 reaches as far as fp32: {_DIVERGED}",
    "fp32": f"and not for lack of precision: {_DIVERGED}",
    "unknown": f"an overflow if it computes in fp16, then use an fp32 model; if it is one, {_DIVERGED}",
}


@dataclass(frozen=True, slots=True)
class EngineDescription:
    """What an engine is, with everything that "auto" decided.

    Attributes:
        model: Name of the model, for instance ``"nano"``.
        backend: Name of its backend, for instance ``"onnxruntime"``.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"intel-gpu"``.
        provider: What computes inside the backend, for instance ``"CUDAExecutionProvider"``.
        precision: ``"fp32"``, ``"fp16"`` or ``"bf16"``; ``"unknown"`` of a bare plan or a bare
            ``.onnx`` with fp32 inputs, which do not say.
        source: File or folder that the engine was loaded from; ``None`` for a model in memory.
        inputs: Shapes that one call of the model takes.
    """

    model: str
    backend: str
    device: str
    provider: str
    precision: str
    source: str | None
    inputs: InputRange

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """Pairs of frames as the model takes them.

    Attributes:
        images1: First frames, padded, C-contiguous: ``float32 [B, 3, H, W]`` in [0, 1], or where the model
            takes bytes ``uint8 [B, H, W, 3]``.
        images2: Second frames, likewise.
        padding: How the frames were padded.
        count: Number of real pairs; the rest of ``B`` fills a static batch.
    """

    images1: Pictures
    images2: Pictures
    padding: Padding
    count: int


@dataclass(frozen=True, slots=True)
class PreparedFrame:
    """A frame as the model takes it.

    Attributes:
        image: As ``PreparedBatch`` holds it, of a batch of 1.
        padding: How it was padded.
    """

    image: Pictures
    padding: Padding


class FlowEngine(ABC):
    """Computes optical flow between two frames, on one backend and device.

    A frame is ``uint8 [H, W, 3]``, RGB, of any size from 16x16 up to the engine's limit; flow is
    ``float32 [H, W, 2]``: (u, v) in pixels from frame 1 to frame 2, u to the right and v down. Results belong
    to the caller.

    An engine may be used from several threads at once, and closed while others use it: :meth:`close` waits
    for calls that have begun.

    A call is :meth:`prepare`, :meth:`infer` and :meth:`finish`, which are public so that their time can be
    measured apart and so that they can overlap.

    A backend fills :meth:`_run`, :meth:`_release` where it holds something, and :meth:`_layout` and
    :meth:`_images` where it takes other images than padded RGB.

    Args:
        description: What :meth:`describe` returns.
        convert_colors: Take grey ``[H, W]`` or ``[H, W, 1]`` and RGBA ``[H, W, 4]`` frames too.
        model_input: How the model takes them.
    """

    def __init__(
        self,
        description: EngineDescription,
        *,
        convert_colors: bool = False,
        model_input: ModelInput = IMAGES,
    ) -> None:
        self._description = description
        self._model_input = model_input
        self._convert_colors = convert_colors
        self._idle = Condition()
        self._running: list[int] = []
        self._closed = self._releases_late = False

    def __call__(self, frame1: Frames | PreparedFrame, frame2: Frames | PreparedFrame) -> Tensor:
        """Compute the flow of one pair.

        Args:
            frame1: ``uint8 [H, W, 3]``, RGB; or what :meth:`prepare_frame` gave for such a frame.
            frame2: The same size.

        Returns:
            ``float32 [H, W, 2]`` in pixels.

        Raises:
            InputError: The frames are not such arrays, differ in size, or are outside the engine's range.
            EngineError: The engine is closed, or failed.
        """
        first, second = self._one_pair(frame1, frame2)
        flow: Tensor = self.pairs([first], [second])[0]
        return flow

    def batch(self, frames1: Frames, frames2: Frames) -> Tensor:
        """Compute the flow of several pairs, as many at a time as the model takes.

        Args:
            frames1: ``uint8 [B, H, W, 3]``, RGB; ``B`` may be 0 or larger than the model's batch.
            frames2: The same shape.

        Returns:
            ``float32 [B, H, W, 2]`` in pixels.

        Raises:
            InputError: The frames are not such arrays, differ in size, or are outside the engine's range.
            EngineError: The engine is closed, or failed.
        """
        frames1, frames2 = self._checked(frames1, frames2, batched=True)
        count, height, width = frames1.shape[:3]
        largest = self._description.inputs.batch.max or max(count, 1)
        if 0 < count <= largest:
            return self._compute(frames1, frames2)
        flows = np.empty((count, height, width, 2), np.float32)
        for start in range(0, count, largest):
            chunk = slice(start, start + largest)
            flows[chunk] = self._compute(frames1[chunk], frames2[chunk])
        return flows

    def bidirectional(
        self, frame1: Frames | PreparedFrame, frame2: Frames | PreparedFrame
    ) -> tuple[Tensor, Tensor]:
        """Compute the flow of one pair in both directions.

        PyTorch computes the features of each frame once, for both directions; only what compares the frames
        runs twice. An exported model has no such parts. On a GPU it runs the pair and its reverse at once,
        where its batch allows two, with the memory of two; on the CPU, one after the other.

        Args:
            frame1: ``uint8 [H, W, 3]``, RGB; or what :meth:`prepare_frame` gave for such a frame.
            frame2: The same size.

        Returns:
            forward: ``float32 [H, W, 2]`` in pixels, frame 1 to frame 2.
            backward: The same shape, frame 2 to frame 1.

        Raises:
            InputError: The frames are not such arrays, differ in size, or are outside the engine's range.
            EngineError: The engine is closed, or failed.
        """
        forward, backward = self._compute_bidirectional(*self._one_pair(frame1, frame2))
        return forward, backward

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """Run once, so that the first real call does not pay for memory and kernel selection.

        Args:
            height: Height of the frames to come, in pixels.
            width: Their width.
            batch: Pairs per call to come.

        Raises:
            InputError: The size is outside the engine's range.
            EngineError: The engine is closed, or failed.
        """
        if batch < 1:
            raise InputError(f"a batch of {batch} has no frames: pass at least 1")
        frames = np.zeros((batch, height, width, 3), np.uint8)
        self.batch(frames, frames)

    def prepare(self, frames1: Frames, frames2: Frames) -> PreparedBatch:
        """Pre-processing: check, convert, pad.

        Args:
            frames1: ``uint8 [B, H, W, 3]``, RGB, ``B`` from 1 to the model's largest batch.
            frames2: The same shape.

        Raises:
            InputError: The frames are not such arrays, differ in size, or are outside the engine's range.
        """
        return self._prepared(*self._checked(frames1, frames2, batched=True))

    def prepare_frame(self, frame: Frames) -> PreparedFrame:
        """Pre-processing of one frame, for one that is in two pairs: as second, and as first of the next.

        Args:
            frame: ``uint8 [H, W, 3]``, RGB.

        Returns:
            What takes its place in a call; it does not change with ``frame``.

        Raises:
            InputError: The frame is not such an array, or is outside the engine's range.
        """
        return self._prepared_frame(frame, "frame")

    def pairs(self, firsts: Sequence[PreparedFrame], seconds: Sequence[PreparedFrame]) -> Tensor:
        """Compute the flow of several pairs at once, of frames that may be in more than one.

        Args:
            firsts: What :meth:`prepare_frame` gave for the first frames, as many as the model takes at once.
            seconds: For the second frames, of the same size.

        Returns:
            ``float32 [B, H, W, 2]`` in pixels.

        Raises:
            InputError: They differ in size, or are more than the model takes.
            EngineError: The engine is closed, or failed.
        """
        prepared = self._paired(firsts, seconds)
        return self.finish(prepared, self.infer(prepared))

    def infer(self, prepared: PreparedBatch) -> Tensor:
        """Inference alone.

        Returns:
            ``float32 [B, 2, H, W]`` in pixels, still padded.

        Raises:
            EngineError: The engine is closed, failed, or computed NaN or infinity.
        """
        return self._infer(prepared, self._run)

    def _infer(self, prepared: PreparedBatch, run: Callable[[Pictures, Pictures], Tensor]) -> Tensor:
        with self._in_use():
            flow = run(prepared.images1, prepared.images2)
        due = self._model_input.flow_shape(prepared.images1.shape)
        if flow.shape != due or flow.dtype != np.float32:
            raise EngineError(
                f"the model returned {flow.dtype} {list(flow.shape)} where a flow of float32 {list(due)} was "
                "due: it is not a DinoFlow model, or was exported wrongly"
            )
        # NaN and infinity are in the least or the greatest, and no array of answers is needed.
        if not (np.isfinite(flow.min()) and np.isfinite(flow.max())):
            what = self._description
            why = _WHY_NOT_FINITE.get(what.precision, _WHY_NOT_FINITE["unknown"])
            raise EngineError(
                f"the flow is not finite: {what.model} in {what.precision} on {what.device} gave NaN or "
                f"infinity, {why}"
            )
        return flow

    def finish(self, prepared: PreparedBatch, flow: Tensor) -> Tensor:
        """Post-processing: cut the padding off.

        Args:
            prepared: What :meth:`prepare` returned.
            flow: What :meth:`infer` returned for it.

        Returns:
            ``float32 [count, H, W, 2]`` in pixels, of the size of the frames.
        """
        return to_flow(flow, prepared.padding, prepared.count)

    @property
    def calls_at_once(self) -> int:
        """Calls that are worth making at a time, each from a thread of its own.

        One, unless the engine computes elsewhere: then the frames of the next pair are brought there and the
        flow of the last one is fetched while a pair is computed.
        """
        return 1

    def describe(self) -> EngineDescription:
        """What this engine is and where it computes."""
        return self._description

    def __repr__(self) -> str:
        what = self._description
        closed = ", closed" if self._closed else ""
        return (
            f"<{type(self).__name__}: {what.model}, {what.precision}, {what.backend} on {what.device} "
            f"({what.provider}), {what.inputs}{closed}>"
        )

    def close(self) -> None:
        """Give back memory and device; may be called again, and while threads compute.

        It waits for calls that have begun. Within such a call, as when the garbage collector calls it there,
        it does not: what is held is given back when the last of them ends.
        """
        with self._idle:
            if self._closed:
                return
            self._closed = True
            self._releases_late = get_ident() in self._running
            if not self._releases_late:
                self._idle.wait_for(lambda: not self._running)
                self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _run(self, images1: Pictures, images2: Pictures) -> Tensor:
        """Run the model.

        Args:
            images1: As ``PreparedBatch`` holds them, of a shape within the engine's range.
            images2: The same shape.

        Returns:
            ``float32 [B, 2, H, W]``, which no later call may overwrite.
        """

    def _release(self) -> None:  # noqa: B027 - not every backend holds something
        """Give back what the engine holds; called once, when nothing runs."""

    def _layout(self, count: int, height: int, width: int) -> tuple[Padding, int]:
        """How so many pairs of such frames are padded, and to which batch.

        Raises:
            InputError: They are outside the engine's range.
        """
        inputs = self._description.inputs
        if not 1 <= count <= (inputs.batch.max or count):
            raise InputError(f"{count} pairs at once are outside the engine's batch of {inputs.batch}")
        return inputs.padding(height, width), max(count, inputs.batch.min)

    def _images(self, frames: Frames, padding: Padding, batch: int) -> Pictures:
        """Frames ``uint8 [B, H, W, 3]`` as the model takes them; surplus images of the batch are 0."""
        convert = to_padded_frames if self._model_input is FRAMES else to_tensor
        return convert(frames, padding, batch, self._empty)

    def _empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Memory of the host for pictures: of the kind that the engine takes them from fastest."""
        return np.empty(shape, dtype)

    def _compute(self, frames1: Frames, frames2: Frames) -> Tensor:
        prepared = self._prepared(frames1, frames2)
        return self.finish(prepared, self.infer(prepared))

    def _compute_bidirectional(self, first: PreparedFrame, second: PreparedFrame) -> Tensor:
        """Flow of the pair and of its reverse, ``[2, H, W, 2]``."""
        what = self._description
        # Two at once fill a GPU better. A CPU wins a tenth of the time at most, for twice the memory.
        one_by_one = what.device == "cpu" and what.inputs.batch.min == 1
        if one_by_one or what.inputs.batch.max == 1:
            return np.concatenate([self.pairs([first], [second]), self.pairs([second], [first])])
        return self.pairs([first, second], [second, first])

    def _prepared(self, frames1: Frames, frames2: Frames) -> PreparedBatch:
        count, height, width = frames1.shape[:3]
        padding, batch = self._layout(count, height, width)
        images1, images2 = (self._images(frames, padding, batch) for frames in (frames1, frames2))
        return PreparedBatch(images1, images2, padding, count)

    def _paired(self, firsts: Sequence[PreparedFrame], seconds: Sequence[PreparedFrame]) -> PreparedBatch:
        padding = firsts[0].padding
        for other in (*firsts, *seconds):
            if other.padding != padding:
                first, second = ([each.height, each.width, 3] for each in (padding, other.padding))
                raise InputError(_differ(first, second))
        _, batch = self._layout(len(firsts), padding.height, padding.width)
        images1, images2 = (self._stacked(frames, batch) for frames in (firsts, seconds))
        return PreparedBatch(images1, images2, padding, len(firsts))

    def _stacked(self, frames: Sequence[PreparedFrame], batch: int) -> Pictures:
        """Frames as one batch, filled up with images of 0."""
        first = frames[0].image
        if batch == 1:
            return first
        images = self._empty((batch, *first.shape[1:]), first.dtype)
        for image, frame in zip(images, frames, strict=False):
            image[:] = frame.image[0]
        images[len(frames) :] = 0
        return images

    def _one_pair(
        self, frame1: Frames | PreparedFrame, frame2: Frames | PreparedFrame
    ) -> tuple[PreparedFrame, PreparedFrame]:
        if not (isinstance(frame1, PreparedFrame) or isinstance(frame2, PreparedFrame)):
            # Both, before one is converted.
            self._checked(frame1, frame2, batched=False)
        first, second = (
            frame if isinstance(frame, PreparedFrame) else self._prepared_frame(frame, name)
            for frame, name in ((frame1, "first frame"), (frame2, "second frame"))
        )
        return first, second

    def _prepared_frame(self, frame: npt.NDArray[Any], name: str) -> PreparedFrame:
        frames = as_rgb(frame, name, batched=False, convert_colors=self._convert_colors)[np.newaxis]
        padding, _ = self._layout(1, *frames.shape[1:3])
        return PreparedFrame(self._images(frames, padding, 1), padding)

    def _checked(
        self, frames1: npt.NDArray[Any], frames2: npt.NDArray[Any], *, batched: bool
    ) -> tuple[Frames, Frames]:
        """Both as ``[B, H, W, 3]``."""
        first, second = (
            as_rgb(frames, name, batched=batched, convert_colors=self._convert_colors)
            for frames, name in ((frames1, "first frame"), (frames2, "second frame"))
        )
        if first.shape != second.shape:
            raise InputError(_differ(list(first.shape), list(second.shape)))
        return (first, second) if batched else (first[np.newaxis], second[np.newaxis])

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._idle:
            if self._closed:
                raise EngineError("this engine is closed: load it again with load_engine")
            self._running.append(get_ident())
        try:
            yield
        finally:
            with self._idle:
                self._running.remove(get_ident())
                self._idle.notify_all()
                if self._releases_late and not self._running:
                    self._release()


def _differ(first: list[int], second: list[int]) -> str:
    return f"the frames of a pair differ in size: {first} and {second}: resize one of them"
