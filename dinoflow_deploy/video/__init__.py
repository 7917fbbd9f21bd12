"""Frames in, flow, frames out.

    from dinoflow_deploy import load_engine
    from dinoflow_deploy.video import flow_stream, flow_video, open_source

    with open_source(["clip.mp4"]) as source, load_engine("nano") as engine:
        report = flow_video(source, engine, Path("flow.mp4"))

    for result in flow_stream("clip.mp4"):
        use(result.frame, result.flow, result.time)

Importing this package is cheap: what decodes and encodes is loaded when first used.
"""

from typing import TYPE_CHECKING

from dinoflow_deploy.lazy import lazy_names

if TYPE_CHECKING:
    from dinoflow_deploy.video.frame_source import Frame, FrameSource, Selection
    from dinoflow_deploy.video.options import VideoOptions
    from dinoflow_deploy.video.pipeline import flow_video
    from dinoflow_deploy.video.report import VideoReport
    from dinoflow_deploy.video.sources import open_source
    from dinoflow_deploy.video.stream import FlowResult, flow_stream
    from dinoflow_deploy.video.writer import VideoWriter

__all__ = [
    "FlowResult",
    "Frame",
    "FrameSource",
    "Selection",
    "VideoOptions",
    "VideoReport",
    "VideoWriter",
    "flow_stream",
    "flow_video",
    "open_source",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "FlowResult": "video.stream",
        "Frame": "video.frame_source",
        "FrameSource": "video.frame_source",
        "Selection": "video.frame_source",
        "VideoOptions": "video.options",
        "VideoReport": "video.report",
        "VideoWriter": "video.writer",
        "flow_stream": "video.stream",
        "flow_video": "video.pipeline",
        "open_source": "video.sources",
    },
)
