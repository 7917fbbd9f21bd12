"""The row of OpenCV's methods."""

from typing import Final

from dinoflow_deploy.engines.backend import Backend
from dinoflow_deploy.engines.kinds import Kind

BACKEND: Final = Backend(
    name="opencv",
    title="OpenCV",
    runs=(Kind("method", "no model but a method of OpenCV", names=("opencv-dis",)),),
    devices=("cpu",),
    engine="dinoflow_deploy.engines.opencv.engine:OpenCVDisEngine",
)
