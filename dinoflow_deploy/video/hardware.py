"""Decoding and encoding on an NVIDIA GPU by FFmpeg (NVDEC, NVENC): asked for by name, never chosen by "auto".

"auto" is the CPU, since no GPU was measured to be faster: frames are prepared and drawn on the host, to which
what NVDEC decodes has to come back first.
"""

from fractions import Fraction
from typing import Final

import av
from av.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.codeccontext import VideoCodecContext

from dinoflow_deploy.errors import InputError

DECODERS: Final = ("auto", "cpu", "cuda")
ENCODERS: Final = ("auto", "x264", "nvenc")

NVENC: Final = "h264_nvenc"
"""FFmpeg's name of the encoder."""

_OF_ANY_GPU: Final = "h264"  # every NVDEC decodes it
_TRIED: Final = 256  # px; NVENC takes no side much smaller


def gpu_decoder(decoder: str) -> HWAccel | None:
    """What PyAV opens a file with to decode it there; ``None`` for the CPU.

    Args:
        decoder: One of :data:`DECODERS`.

    Raises:
        InputError: There is no such decoder, FFmpeg is built without CUDA, or no GPU can be opened.
    """
    _check_known("decoder", decoder, DECODERS)
    if decoder != "cuda":
        return None
    if "cuda" not in hwdevices_available():
        raise InputError(
            "decoder 'cuda' needs an FFmpeg with CUDA, and this PyAV's is without: install PyAV's wheel for "
            "Linux on x86_64, or choose decoder 'cpu'"
        )
    gpu = HWAccel("cuda", allow_software_fallback=False)
    try:
        gpu.create(Codec(_OF_ANY_GPU, "r"))
    except (av.error.FFmpegError, NotImplementedError) as error:
        raise InputError(
            "decoder 'cuda' needs an NVIDIA GPU with its driver, and FFmpeg opens none here "
            f"({_reason(error)}): choose decoder 'cpu'"
        ) from error
    return gpu


def check_encoder(encoder: str) -> None:
    """Refuse an encoder that is not there.

    Args:
        encoder: One of :data:`ENCODERS`.

    Raises:
        InputError: There is no such encoder, FFmpeg is built without it, or the GPU has none.
    """
    _check_known("encoder", encoder, ENCODERS)
    if encoder != "nvenc":
        return
    if NVENC not in av.codecs_available:
        raise InputError(
            f"encoder 'nvenc' needs an FFmpeg with {NVENC}, and this PyAV's is without: install PyAV's wheel "
            "for Linux on x86_64, or choose encoder 'x264'"
        )
    context = VideoCodecContext.create(NVENC, "w")
    context.width = context.height = _TRIED
    context.pix_fmt = "yuv420p"
    context.framerate = Fraction(25)
    try:
        context.open()
    except av.error.FFmpegError as error:
        raise InputError(
            "encoder 'nvenc' needs an NVIDIA GPU that encodes, which A100, H100 and H200 do not, and FFmpeg "
            f"opens none here ({_reason(error)}): choose encoder 'x264'"
        ) from error


def _check_known(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{what} is '{value}': choose one of {', '.join(known)}")


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
