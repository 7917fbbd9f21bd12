"""Where the flow itself is kept: a folder with files of each pair, or one file for the clip."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from dinoflow_deploy.atomic import check_file, check_folder
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import FlowClipWriter
from dinoflow_deploy.flow.clip.layout import SUFFIX
from dinoflow_deploy.video.color_scale import FlowFrame
from dinoflow_deploy.video.flow_folder import check_only_flow, open_flow_folder, write_pair
from dinoflow_deploy.video.frame_source import FrameSource
from dinoflow_deploy.video.options import VideoOptions

FlowSink: TypeAlias = Callable[[FlowFrame], None]
"""Takes what was computed of a pair."""

_OTHER_VIDEOS: Final = (".avi", ".gif", ".mov", ".mp4", ".webm")
"""What is meant as one file, and would be the name of a folder."""


def is_flow_clip(path: Path) -> bool:
    """Whether flow is kept in one file there."""
    return path.suffix.lower() == SUFFIX


def check_flow_output(options: VideoOptions, source: FrameSource) -> None:
    """Refuse a file or folder for the flow that could not be written at the end.

    Raises:
        InputError: It exists and may not be replaced, holds more than flow files or what is read, or cannot
            hold what is wanted; or this user may not write there.
    """
    target = options.save_flow
    if target is None:
        return
    if is_flow_clip(target):
        if options.backward or options.occlusion:
            raise InputError(
                f"{target} holds forward flow alone: for backward flow and occlusion too, name a folder"
            )
        check_file(target, overwrite=options.overwrite, inputs=source.files)
        return
    if target.suffix.lower() in _OTHER_VIDEOS and not target.is_dir():
        raise InputError(
            f"{target} would be a folder: flow in one file is {SUFFIX}, a folder has another name"
        )
    if any(file.parent.resolve() == target.resolve() for file in source.files):
        raise InputError(f"{target} holds the input: choose another folder for the flow")
    check_folder(target, overwrite=options.overwrite)
    check_only_flow(target)


@contextmanager
def open_flow_output(options: VideoOptions, source: FrameSource, model: str) -> Iterator[FlowSink | None]:
    """What takes each pair, ``None`` where flow is not kept; file or folder appears when the block succeeds.

    Args:
        options: Where, and in which format.
        source: What the flow is of.
        model: What computes it.
    """
    target = options.save_flow
    if target is None or not is_flow_clip(target):
        with open_flow_folder(options) as folder:
            yield None if folder is None else partial(write_pair, folder, flow_format=options.flow_format)
        return
    rate = Fraction(source.rate, options.selection.stride)
    with FlowClipWriter(
        target, model=model, source=source.name, rate=rate, overwrite=options.overwrite
    ) as writer:

        def write(pair: FlowFrame) -> None:
            writer.write(pair.flow, time=pair.frame.pts * source.time_base)

        yield write
