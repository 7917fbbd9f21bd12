"""The front of a DinoFlow model in Triton Inference Server: frames of any size in, flow out.

Run by Triton's Python backend, which has NumPy and ``triton_python_backend_utils`` and nothing of
dinoflow-deploy. Clients send frames as they are; padding, conversion and cropping happen here, with the same
arithmetic as in the engines of dinoflow-deploy, and the network is called inside the server.

Beside this file lies ``about.json``: the name of the network and the shapes that it takes. The network is
called in the version that this front has.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils

STRIDE = 16
"""Height and width of the network's input are multiples of this."""
SMALLEST_FRAME = 16
"""Frames with a shorter side are refused."""

Frame = npt.NDArray[np.uint8]
Tensor = npt.NDArray[np.float32]
Pictures = npt.NDArray[Any]
Range = dict[str, Any]
"""``min`` and ``max`` of one axis of the network's input; no ``max`` where only memory limits it."""


class TritonPythonModel:
    """What Triton loads, once for each instance."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read what lies beside this file.

        Args:
            args: Where the model lies, and its version.
        """
        beside = Path(args["model_repository"], args["model_version"], "about.json")
        self.about = beside.read_text(encoding="utf-8")
        served = json.loads(self.about)
        self.network: str = served["network"]
        self.inputs: dict[str, Range] = served["inputs"]
        self.takes_frames: bool = served["model_input"] == "frames"
        self.version = int(args["model_version"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer requests, one pair of frames each."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        names = request.requested_output_names()
        try:
            outputs = [self._output(name, request) for name in names]
        except RefusedError as error:
            code = pb_utils.TritonError.INVALID_ARG
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))
        except FailedError as error:
            return pb_utils.InferenceResponse(error=error.args[0])
        return pb_utils.InferenceResponse(outputs)

    def _output(self, name: str, request: Any) -> Any:
        if name == "about":
            return pb_utils.Tensor(name, np.array([self.about.encode()], np.object_))
        frames = [
            pb_utils.get_input_tensor_by_name(request, each).as_numpy() for each in ("frame1", "frame2")
        ]
        return pb_utils.Tensor(name, self.flow(*frames))

    def flow(self, frame1: Frame, frame2: Frame) -> Tensor:
        """The flow of one pair.

        Args:
            frame1: ``uint8 [H, W, 3]``, RGB.
            frame2: The same size.

        Returns:
            ``float32 [H, W, 2]`` in pixels.

        Raises:
            RefusedError: The frames differ in size, or are too small or too large.
            FailedError: The network failed.
        """
        if frame1.shape != frame2.shape:
            raise RefusedError(
                f"the frames of a pair differ in size: {list(frame1.shape)} and {list(frame2.shape)}: resize "
                "one of them"
            )
        height, width = frame1.shape[:2]
        sides = padded_size(height, width, self.inputs)
        batch = self.inputs["batch"]["min"]
        convert = padded_frames if self.takes_frames else padded_image
        padded = self._called(*(convert(frame, sides, batch) for frame in (frame1, frame2)))[0]
        top, left = (sides[0] - height) // 2, (sides[1] - width) // 2
        cropped = padded[:, top : top + height, left : left + width]
        return np.stack([cropped[0], cropped[1]], axis=-1)

    def _called(self, first: Pictures, second: Pictures) -> Tensor:
        """The network's flow ``[B, 2, H, W]`` of a batch of pairs."""
        names = ("frame1", "frame2") if self.takes_frames else ("image1", "image2")
        response = pb_utils.InferenceRequest(
            model_name=self.network,
            model_version=self.version,
            inputs=[pb_utils.Tensor(names[0], first), pb_utils.Tensor(names[1], second)],
            requested_output_names=["flow"],
            # Whatever the network runs on, its flow is needed here.
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
        ).exec()
        if response.has_error():
            raise FailedError(response.error())
        flow: Tensor = pb_utils.get_output_tensor_by_name(response, "flow").as_numpy()
        return flow


class RefusedError(Exception):
    """The client sent what no model of this repository takes."""


class FailedError(Exception):
    """The network failed; its argument is the ``TritonError``."""


def padded_size(height: int, width: int, inputs: dict[str, Range]) -> tuple[int, int]:
    """To which size frames are padded: the next multiple of 16 that the network takes.

    Raises:
        RefusedError: They are too small or too large.
    """
    size = f"frames of {height}x{width} pixels (height x width)"
    padded = []
    for name, side in (("height", height), ("width", width)):
        least, most = inputs[name]["min"], inputs[name].get("max")
        if side < SMALLEST_FRAME:
            raise RefusedError(f"{size} are too small: each side needs at least {SMALLEST_FRAME} pixels")
        if most is not None and side > most:
            raise RefusedError(
                f"{size} are too large for this model, whose {name} is at most {most}: resize them"
            )
        padded.append(max(-(-side // STRIDE) * STRIDE, least))
    return padded[0], padded[1]


def padded_frames(frame: Frame, size: tuple[int, int], batch: int) -> Frame:
    """A frame as a network of bytes takes it.

    Args:
        frame: ``uint8 [H, W, 3]``.
        size: Height and width to pad to; the border repeats the edge pixels, an odd row or column is below or
            at the right.
        batch: Least batch of the network; surplus frames are black.

    Returns:
        ``uint8 [batch, *size, 3]``.
    """
    padded = np.zeros((batch, *size, 3), np.uint8)
    put_padded(frame, padded[0])
    return padded


def padded_image(frame: Frame, size: tuple[int, int], batch: int) -> Tensor:
    """A frame as a network of float images takes it.

    Args:
        frame: As of ``padded_frames``, and so are the following.
        size: Height and width.
        batch: Least batch.

    Returns:
        ``float32 [batch, 3, *size]`` in [0, 1].
    """
    image = np.zeros((batch, 3, *size), np.float32)
    put_padded(frame, image[0].transpose(1, 2, 0))
    image[0] /= np.float32(255)
    return image


def put_padded(frame: Frame, padded: Pictures) -> None:
    """Write a frame into the middle of a larger picture, and repeat its edges around it.

    Args:
        frame: ``uint8 [H, W, 3]``.
        padded: ``[padded_height, padded_width, 3]``.
    """
    height, width = frame.shape[:2]
    top, left = (padded.shape[0] - height) // 2, (padded.shape[1] - width) // 2
    rows = padded[top : top + height]
    rows[:, left : left + width] = frame
    rows[:, :left] = frame[:, :1]
    rows[:, left + width :] = frame[:, -1:]
    # Whole rows afterwards, so that the corners are filled too.
    padded[:top] = rows[:1]
    padded[top + height :] = rows[-1:]
