"""Frames in, flow, frames out.

    from dinoflow_deploy import load_engine
    from dinoflow_deploy.video import flow_video, open_source

    with open_source(["clip.mp4"]) as source, load_engine("nano") as engine:
        report = flow_video(source, engine, Path("flow.mp4"))

Importing this package is cheap: what decodes and encodes is loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dinoflow_deploy.video.frame_source import Frame, FrameSource, Selection
    from dinoflow_deploy.video.options import VideoOptions
    from dinoflow_deploy.video.pipeline import flow_video
    from dinoflow_deploy.video.report import VideoReport
    from dinoflow_deploy.video.sources import open_source
    from dinoflow_deploy.video.writer import VideoWriter

_MODULE_OF = {
    "Frame": "frame_source",
    "FrameSource": "frame_source",
    "Selection": "frame_source",
    "VideoOptions": "options",
    "VideoReport": "report",
    "VideoWriter": "writer",
    "flow_video": "pipeline",
    "open_source": "sources",
}

__all__ = [
    "Frame",
    "FrameSource",
    "Selection",
    "VideoOptions",
    "VideoReport",
    "VideoWriter",
    "flow_video",
    "open_source",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
