"""OpenCV's DIS, a flow without weights that everyone knows: a line to compare models with."""

import cv2
import numpy as np

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.engines.base import EngineDescription, FlowEngine
from dinoflow_deploy.engines.devices import Device
from dinoflow_deploy.engines.frames import Frames, Tensor
from dinoflow_deploy.engines.opencv.backend import BACKEND
from dinoflow_deploy.errors import DeviceError
from dinoflow_deploy.flow.padding import Padding


class OpenCVDisEngine(FlowEngine):
    """Dense Inverse Search (Kroeger et al. 2016, arXiv:1603.03590), as OpenCV has it, preset medium.

    Frames are made grey as ``cv2.cvtColor`` does, and are never padded: the flow is OpenCV's own.

    Args:
        name: ``"opencv-dis"``.
        device: ``"auto"`` or ``"cpu"``.
        convert_colors: Take grey and RGBA frames too.

    Raises:
        DeviceError: Another device was asked for.
        InputError: ``device`` is not known.
    """

    def __init__(self, name: str, *, device: str = "auto", convert_colors: bool = False) -> None:
        if Device.parse(device).kind == "cuda":
            raise DeviceError(f"{name} cannot use the device '{device}': it runs on the CPU, use 'cpu'")
        super().__init__(
            EngineDescription(
                model=name,
                backend=BACKEND.name,
                device="cpu",
                provider="DISOpticalFlow, medium",
                precision="fp32",
                source=None,
                inputs=InputRange.unlimited(),
            ),
            convert_colors=convert_colors,
        )

    def _layout(self, count: int, height: int, width: int) -> tuple[Padding, int]:
        # Refuses what every other engine refuses.
        super()._layout(count, height, width)
        return Padding(height, width, height, width), count

    def _images(self, frames: Frames, padding: Padding, batch: int) -> Tensor:
        """Grey images ``float32 [B, 1, H, W]`` from 0 to 255, of the frames' own size."""
        grey = [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in frames]
        return np.stack(grey).astype(np.float32)[:, np.newaxis]

    def _run(self, images1: Tensor, images2: Tensor) -> Tensor:
        flows = np.empty((len(images1), 2, *images1.shape[2:]), np.float32)
        for flow, grey1, grey2 in zip(flows, images1.astype(np.uint8), images2.astype(np.uint8), strict=True):
            # One for each pair, since it keeps what it computes in itself and threads may compute at once.
            dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
            found = np.zeros((*grey1.shape[1:], 2), np.float32)
            flow[:] = dis.calc(grey1[0], grey2[0], found).transpose(2, 0, 1)
        return flows
