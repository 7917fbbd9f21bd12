"""From what the user typed to a source of frames."""

import glob
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

from dinoflow_deploy.errors import InputError, VideoError
from dinoflow_deploy.video.camera import CameraSource
from dinoflow_deploy.video.decoding import VideoSource
from dinoflow_deploy.video.frame_source import FrameSource
from dinoflow_deploy.video.images import DEFAULT_RATE, ImageSource, images_in, is_image
from dinoflow_deploy.video.natural_sort import natural_sort

# Streams that keep sending whether or not anybody reads; http may be a plain file.
_LIVE_SCHEMES = frozenset({"rtmp", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp"})


def open_source(
    inputs: Sequence[str], *, rate: Fraction | None = None, max_side: int | None = None
) -> FrameSource:
    """Open what the user named.

    Args:
        inputs: One of: a video file; a folder of images; a glob pattern in quotes; several images; a camera's
            number (``"0"``); the address of a stream (``"rtsp://..."``).
        rate: Frames per second of images (by default 25). A video keeps its own.
        max_side: Shrink frames to at most this many pixels on the longer side; flow is then in pixels of the
            smaller frames.

    Returns:
        The source, opened; close it or use it as a context manager.

    Raises:
        VideoError: It is missing, cannot be read, or holds no video or image.
        InputError: ``rate`` is given for something that is not images, or an option is out of range.
    """
    if max_side is not None and max_side < 16:
        raise InputError(f"max-side is {max_side}: frames need at least 16 pixels")
    if rate is not None and rate <= 0:
        raise InputError(f"fps is {float(rate):g}: it must be positive")
    paths = _image_paths(inputs)
    if paths is not None:
        name = inputs[0] if len(inputs) == 1 else f"{inputs[0]} ... {inputs[-1]}"
        return ImageSource(paths, name=name, rate=rate or DEFAULT_RATE, max_side=max_side)
    if rate is not None:
        raise InputError(f"fps is for images; {inputs[0]} keeps its own frame rate")
    return _open_video(inputs[0], max_side)


def _image_paths(inputs: Sequence[str]) -> list[Path] | None:
    """The images that are meant; ``None`` if a video is."""
    if len(inputs) > 1:
        return _image_list([Path(text) for text in inputs])
    path = Path(inputs[0])
    if path.is_dir():
        return images_in(path)
    if path.is_file() and is_image(path):
        raise VideoError(
            f"{path} is a single image; flow needs two: dinoflow-deploy video {path} SECOND_IMAGE"
        )
    if not path.exists() and glob.has_magic(inputs[0]) and not _scheme(inputs[0]):
        return _matches(inputs[0])
    return None


def _image_list(paths: list[Path]) -> list[Path]:
    for path in paths:
        if not is_image(path):
            raise VideoError(f"{path} is not an image: several inputs at once must all be images")
        if not path.is_file():
            raise VideoError(f"{path} is missing")
    return paths


def _matches(pattern: str) -> list[Path]:
    paths = [Path(match) for match in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - patterns may be absolute
    images = natural_sort([path for path in paths if is_image(path)])
    if not images:
        raise VideoError(f"no image matches the pattern '{pattern}'")
    return images


def _open_video(text: str, max_side: int | None) -> FrameSource:
    if text.isdecimal() and not Path(text).exists():
        return CameraSource(int(text), max_side=max_side)
    if _scheme(text):
        return VideoSource(text, name=text, max_side=max_side, live=_scheme(text) in _LIVE_SCHEMES)
    path = Path(text)
    if not path.exists():
        raise VideoError(
            f"{path} is missing: give a video, a folder or images, a camera's number or an address"
        )
    return VideoSource(str(path.absolute()), name=text, max_side=max_side)


def _scheme(text: str) -> str:
    return urlsplit(text).scheme if "://" in text else ""
