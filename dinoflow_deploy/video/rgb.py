"""Decoded frames to RGB, those of high dynamic range included."""

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.video.filters import FilterChain, kind_of

# Codes of ISO/IEC 23091-2 and values of FFmpeg's enums.
_UNSPECIFIED = 2
_BT2020 = 9  # primaries, and the matrix of non-constant luminance
_HIGH_DYNAMIC_RANGE = {16: "PQ, HDR10", 18: "HLG"}  # transfers of ITU-R BT.2100
_HIGH_DEFINITION = 720  # rows from which untagged video is ITU-R BT.709 by convention, BT.601 below


class RgbConverter:
    """Converts frames to RGB of 8 bits.

    Video of high dynamic range (ITU-R BT.2100: PQ or HLG) is brought to ITU-R BT.709 by FFmpeg's own scaler:
    transfer, primaries, and its perceptual tone mapping, which uses the peak that the stream states.

    Attributes:
        note: What the user should know of how the colours were made; ``None`` if nothing.
    """

    def __init__(self) -> None:
        self.note: str | None = None
        self._chain: FilterChain | None = None
        self._chain_for: tuple[object, ...] = ()
        self._can_map_tones = True
        self._converter = VideoReformatter()

    def convert(self, picture: VideoFrame, size: tuple[int, int]) -> Image:
        """RGB at a size.

        Args:
            picture: As decoded.
            size: Width and height.

        Returns:
            ``uint8 [H, W, 3]``.

        Raises:
            av.error.FFmpegError: FFmpeg cannot convert this format.
            ValueError: PyAV cannot.
        """
        transfer = _HIGH_DYNAMIC_RANGE.get(int(picture.color_trc))
        if transfer is not None and self._can_map_tones:
            mapped = self._map_tones(picture, size, transfer)
            if mapped is not None:
                return mapped
        return self._convert(picture, size)

    def _map_tones(self, picture: VideoFrame, size: tuple[int, int], transfer: str) -> Image | None:
        """``None`` if this FFmpeg cannot."""
        if int(picture.color_primaries) == _UNSPECIFIED:
            picture.color_primaries = _BT2020
        if int(picture.colorspace) == _UNSPECIFIED:
            picture.colorspace = _BT2020
        wanted = (*kind_of(picture), int(picture.color_trc), int(picture.color_primaries), *size)
        if self._chain is None or self._chain_for != wanted:
            try:
                self._chain = FilterChain(picture, _tone_mapping(picture, size))
            except (av.error.FFmpegError, ValueError):
                self._can_map_tones = False
                self.note = (
                    f"the clip is of high dynamic range ({transfer}) and this FFmpeg has no tone mapping "
                    "(version 8 has): its colours are paler than they should be"
                )
                return None
            self._chain_for = wanted
            self.note = (
                f"the clip is of high dynamic range ({transfer}): its colours were tone-mapped to BT.709"
            )
        (mapped,) = self._chain.push(picture)
        return np.asarray(mapped.to_ndarray(), np.uint8)

    def _convert(self, picture: VideoFrame, size: tuple[int, int]) -> Image:
        scaled = (picture.width, picture.height) != size
        untagged = picture.colorspace == _UNSPECIFIED and picture.height >= _HIGH_DEFINITION
        rgb = self._converter.reformat(
            picture,
            *size,
            format="rgb24",
            src_colorspace=Colorspace.ITU709 if untagged else None,
            interpolation=Interpolation.AREA if scaled else None,
        )
        return np.asarray(rgb.to_ndarray(), np.uint8)


def _tone_mapping(picture: VideoFrame, size: tuple[int, int]) -> list[tuple[str, str]]:
    width, height = size
    flags = "area" if (picture.width, picture.height) != size else "bilinear"
    to_bt709 = "out_transfer=bt709:out_primaries=bt709:out_range=pc:intent=perceptual"
    return [("scale", f"w={width}:h={height}:flags={flags}:{to_bt709}"), ("format", "rgb24")]
