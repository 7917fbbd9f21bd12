"""From what the user typed to a source of frames."""

import glob
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

from dinoflow_deploy.errors import InputError, VideoError
from dinoflow_deploy.video.camera import CameraSource
from dinoflow_deploy.video.decoding import VideoSource
from dinoflow_deploy.video.filters import DEINTERLACE
from dinoflow_deploy.video.frame_source import FrameSource, check_max_side, rate_of_its_own
from dinoflow_deploy.video.hardware import gpu_decoder
from dinoflow_deploy.video.images import DEFAULT_RATE, ImageSource, images_in, is_image
from dinoflow_deploy.video.natural_sort import natural_sort
from dinoflow_deploy.video.picture_files import TiffSource, WebpSource
from dinoflow_deploy.video.several_pictures import count_pictures, tiff_pages, webp_animation

# Streams that keep sending whether or not anybody reads; http may be a plain file.
_LIVE_SCHEMES = frozenset({"rtmp", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp"})


def open_source(
    inputs: Sequence[str],
    *,
    rate: Fraction | None = None,
    max_side: int | None = None,
    deinterlace: str = "auto",
    decoder: str = "auto",
) -> FrameSource:
    """Open what the user named.

    Args:
        inputs: One of: a video file, or an image file of several pictures (GIF, animated WebP, APNG, pages
            of a TIFF); a folder of images; a glob pattern in quotes; several images; a camera's number
            (``"0"``); the address of a stream (``"rtsp://..."``).
        rate: Frames per second of what holds no times: images and the pages of a TIFF (by default 25), and
            bare streams such as ``.h264`` (by default as FFmpeg guesses). Any other source keeps its own.
        max_side: Shrink frames to at most this many pixels on the longer side; flow is then in pixels of the
            smaller frames.
        deinterlace: ``"auto"`` makes full frames of those that a video marks as interlaced, ``"on"`` of all
            frames of a video, ``"off"`` of none.
        decoder: ``"cpu"``, which ``"auto"`` is, or ``"cuda"``: videos are decoded by an NVIDIA GPU.

    Returns:
        The source, opened; close it or use it as a context manager.

    Raises:
        VideoError: It is missing, cannot be read, holds no video or image, or none that the GPU decodes.
        InputError: ``rate`` is given for something that holds times, ``deinterlace`` or ``decoder`` for
            something that is no video, an option is out of range, or no GPU opens.
    """
    check_max_side(max_side)
    if rate is not None and rate <= 0:
        raise InputError(f"fps is {float(rate):g}: it must be positive")
    if deinterlace not in DEINTERLACE:
        raise InputError(f"deinterlace is '{deinterlace}': choose one of {', '.join(DEINTERLACE)}")
    gpu_decoder(decoder)
    source = _open(inputs, rate, max_side, deinterlace, decoder)
    for option, given in (("deinterlace", deinterlace == "on"), ("decoder 'cuda'", decoder == "cuda")):
        if given and not isinstance(source, VideoSource):
            source.close()
            raise InputError(f"{option} is for videos that FFmpeg decodes, which {source.name} is not")
    return source


def _open(
    inputs: Sequence[str], rate: Fraction | None, max_side: int | None, deinterlace: str, decoder: str
) -> FrameSource:
    paths = _image_paths(inputs)
    if paths is None:
        return _open_clip(inputs[0], rate, max_side, deinterlace, decoder)
    name = inputs[0] if len(inputs) == 1 else f"{inputs[0]} ... {inputs[-1]}"
    source = ImageSource(paths, name=name, rate=rate or DEFAULT_RATE, max_side=max_side)
    source.notes += _only_first_pictures(paths)
    return source


def _image_paths(inputs: Sequence[str]) -> list[Path] | None:
    """The images that are meant; ``None`` if a video is."""
    if len(inputs) > 1:
        return _image_list([Path(text) for text in inputs])
    path = Path(inputs[0])
    if path.is_dir():
        return images_in(path)
    if path.is_file() and is_image(path):
        if count_pictures(path) > 1:
            return None
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


def _only_first_pictures(paths: list[Path]) -> list[str]:
    """A note on files that hold more than the picture that is read; missing ones are left to the reader."""
    several = [path for path in paths if path.is_file() and count_pictures(path) > 1]
    if not several:
        return []
    others = f" and {len(several) - 1} other file(s) hold" if several[1:] else " holds"
    return [f"{several[0]}{others} more than one picture: only the first is read; alone, it is a clip"]


def _open_clip(
    text: str, rate: Fraction | None, max_side: int | None, deinterlace: str, decoder: str
) -> FrameSource:
    if text.isdecimal() and not Path(text).exists():
        if rate is not None:
            raise rate_of_its_own(f"camera {text}")
        return CameraSource(int(text), max_side=max_side)
    if _scheme(text):
        live = _scheme(text) in _LIVE_SCHEMES
        return VideoSource(
            text,
            name=text,
            rate=rate,
            max_side=max_side,
            live=live,
            deinterlace=deinterlace,
            decoder=decoder,
        )
    path = Path(text)
    if not path.exists():
        raise VideoError(
            f"{path} is missing: give a video, a folder or images, a camera's number or an address"
        )
    if path.is_file() and is_image(path):
        animation = webp_animation(path)
        if animation is not None:
            return WebpSource(path, animation, name=text, rate=rate, max_side=max_side)
        pages = tiff_pages(path)
        if pages is not None:
            return TiffSource(path, pages, name=text, rate=rate or DEFAULT_RATE, max_side=max_side)
    address = str(path.absolute())
    return VideoSource(
        address, name=text, rate=rate, max_side=max_side, deinterlace=deinterlace, decoder=decoder
    )


def _scheme(text: str) -> str:
    return urlsplit(text).scheme if "://" in text else ""
