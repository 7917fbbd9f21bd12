"""Where results go: checked before the work starts, complete or absent at the end."""

import glob
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dinoflow_deploy.atomic import atomic_file, check_file, fitting_name
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.video.display_window import check_window
from dinoflow_deploy.video.flow_output import check_flow_output, is_flow_clip
from dinoflow_deploy.video.frame_source import FrameSource
from dinoflow_deploy.video.gif_writer import GifWriter
from dinoflow_deploy.video.hardware import check_encoder
from dinoflow_deploy.video.options import VideoOptions
from dinoflow_deploy.video.picture_sink import PictureSink
from dinoflow_deploy.video.png_writer import PngWriter
from dinoflow_deploy.video.writer import VideoWriter, yuv_converter

MOVING, STILL = (".mp4", ".webm", ".gif"), ".png"
"""Suffixes of what takes any number of pictures, and of what takes one."""


def check_outputs(
    output: Path | None, options: VideoOptions, source: FrameSource, report_file: Path | None = None
) -> None:
    """Refuse outputs that could not be written at the end, and a window that cannot be opened.

    Args:
        output: An mp4, WebM or GIF file; or a PNG where the source gives one pair; ``None`` for flow files
            alone.
        options: The rest.
        source: What is read.
        report_file: What else will be written.

    Raises:
        InputError: Nothing would be written; a wrong suffix; something exists and may not be replaced; it is
            what is read; one output would replace another; this user may not write there; the encoder is not
            there, or not for that file; or there is no screen for a window.
        MissingPackageError: This OpenCV opens no windows, and one is wanted.
    """
    if output is None and options.save_flow is None:
        raise InputError("without a video nothing is written but flow files: name their folder (save-flow)")
    if output is not None:
        _check_kind(output, one_pair=options.selection.size(source.count) == 2)
        if report_file is not None and report_file.resolve() == output.resolve():
            raise InputError(f"{output} is named twice: give the report another name")
    for file in (output, report_file):
        if file is not None:
            _check_file(file, options, source)
    check_flow_output(options, source)
    check_encoder(options.encoder)
    if options.encoder != "auto" and (output is None or output.suffix.lower() != MOVING[0]):
        named = "none is written" if output is None else f"{output} is none"
        raise InputError(f"encoder '{options.encoder}' is for .mp4 files, and {named}: leave it out")
    if options.show:
        if output is None:
            raise InputError("a window shows the video that is written: without one, leave out show")
        check_window()


def default_output(inputs: Sequence[str]) -> Path:
    """A name in the current folder, after the input: ``clip-flow.mp4``; a picture for two images."""
    text = inputs[0]
    if "://" in text:
        address = urlsplit(text)
        name = Path(address.path).stem or address.hostname or "stream"
    elif text.isdecimal() and not Path(text).exists():
        name = f"camera-{text}"
    elif glob.has_magic(text) and not Path(text).exists():
        name = Path(text).parent.resolve().name
    else:
        path = Path(text).resolve()
        name = path.name if path.is_dir() else path.stem
    return Path(fitting_name(name, f"-flow{STILL if len(inputs) == 2 else MOVING[0]}"))


def _check_kind(output: Path, *, one_pair: bool) -> None:
    if output.is_dir():  # asked first, since a folder's name seldom has the suffix
        raise InputError(f"{output} is a folder: give a file name")
    taken = [*MOVING, STILL] if one_pair else MOVING
    if output.suffix.lower() not in taken:
        named = output.with_suffix(taken[0]).name
        raise InputError(f"{output}: the output is one of {', '.join(taken)}: name it '{named}'")


def _check_file(path: Path, options: VideoOptions, source: FrameSource) -> None:
    check_file(path, overwrite=options.overwrite, inputs=source.files)
    if options.save_flow is None:
        return
    folder, file = options.save_flow.resolve(), path.resolve()
    if file == folder and is_flow_clip(folder):
        raise InputError(f"{path} is named twice: give the flow another name")
    # The folder for the flow is replaced as a whole, with what was written into it before.
    if file.is_relative_to(folder) or folder.is_relative_to(file):
        raise InputError(
            f"{path} lies in {options.save_flow}, which holds nothing but flow files: choose another folder"
        )


def picture_converter(output: Path, source: FrameSource) -> Callable[[Image], Any]:
    """What brings a picture into the form that the sink of this output takes; for several threads.

    Args:
        output: The file.
        source: Which has given a frame already: then it knows the shape of its pixels.
    """
    if output.suffix.lower() in (STILL, ".gif"):
        return lambda picture: picture
    return yuv_converter(output, source.pixel_aspect)


@contextmanager
def open_picture_sink(output: Path, source: FrameSource, options: VideoOptions) -> Iterator[PictureSink]:
    """A writer for the output's kind; the file appears when the block succeeds."""
    with (
        atomic_file(output, overwrite=options.overwrite) as draft,
        _writer(draft, source, options) as writer,
    ):
        yield writer


def _writer(path: Path, source: FrameSource, options: VideoOptions) -> PictureSink:
    suffix = path.suffix.lower()
    if suffix == STILL:
        return PngWriter(path)
    kind = GifWriter if suffix == ".gif" else partial(VideoWriter, encoder=options.encoder)
    return kind(
        path,
        rate=Fraction(source.rate, options.selection.stride),
        time_base=source.time_base,
        pixel_aspect=source.pixel_aspect,
    )
