"""Read and write flow files; the format follows from the file's suffix."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dinoflow_deploy.atomic import atomic_file
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.flow.arrays import Flow, Mask, as_flow, known_pixels
from dinoflow_deploy.flow.clip.layout import SUFFIX as CLIP_SUFFIX
from dinoflow_deploy.flow.formats import flo, flo5, kitti_png, npy, pfm

_DECODERS: dict[str, Callable[[bytes], Flow]] = {
    ".flo": flo.decode,
    ".png": kitti_png.decode,
    ".npy": npy.decode,
    ".pfm": pfm.decode,
    ".flo5": flo5.decode,
}
_ENCODERS: dict[str, Callable[[Flow], bytes]] = {
    ".flo": flo.encode,
    ".png": kitti_png.encode,
    ".npy": npy.encode,
}


def read_flow(path: str | os.PathLike[str]) -> tuple[Flow, Mask]:
    """Read a flow file.

    ``.flo`` (Middlebury, FlyingChairs, Sintel), ``.png`` (KITTI, HD1K: 16-bit), ``.pfm`` (FlyingThings3D),
    ``.flo5`` (Spring; needs h5py) and ``.npy`` (``[H, W, 2]``). A damaged file is refused, never read in
    part.

    Args:
        path: The file, its suffix in small or capital letters.

    Returns:
        flow: float32 ``[H, W, 2]`` in pixels. **Set to 0 where unknown**, so that no NaN leaks into sums and
            interpolation; look at ``valid`` before using it.
        valid: bool ``[H, W]``, false where the file says so or a component is NaN, infinite or above 1e9 px.

    Raises:
        InputError: The suffix is not one of these.
        FileFormatError: The file is missing, damaged or not what its suffix says; the message names the file
            and the fault.
        MissingPackageError: A ``.flo5`` file, and h5py is not installed.
    """
    path = Path(path)
    decode = _for_suffix(_DECODERS, path, "read")
    try:
        flow = decode(path.read_bytes())
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from None
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror}") from error
    valid = known_pixels(flow)
    flow[~valid] = 0
    return flow, valid


def write_flow(path: str | os.PathLike[str], flow: npt.NDArray[Any], valid: Mask | None = None) -> None:
    """Write a flow file, which appears whole or not at all.

    Pixels are unknown where ``valid`` is false or a component is NaN, infinite or above 1e9 px, and come back
    from :func:`read_flow` as such: ``.flo`` stores 1e10 for them, ``.png`` zeros with the valid channel 0,
    ``.npy`` NaN.

    Args:
        path: The file to write: ``.flo`` and ``.npy`` are exact; ``.png`` (KITTI, 16-bit) rounds to the
            nearest 1/64 px. Missing folders are made; an existing file is replaced.
        flow: ``[H, W, 2]`` in pixels.
        valid: bool ``[H, W]``; by default every pixel with usable values.

    Raises:
        InputError: Another suffix, an array of the wrong shape or type, or a value outside [-512, 511.984] px
            for ``.png`` (the message names the worst value and where it is).
    """
    path = Path(path)
    encode = _for_suffix(_ENCODERS, path, "written")
    flow = as_flow(flow)
    data = encode(np.where(known_pixels(flow, valid)[..., None], flow, np.float32(np.nan)))
    with atomic_file(path, overwrite=True) as partial:
        partial.write_bytes(data)


def _for_suffix(table: dict[str, Any], path: Path, action: str) -> Any:
    try:
        return table[path.suffix.lower()]
    except KeyError:
        if path.suffix.lower() == CLIP_SUFFIX:
            raise InputError(
                f"{path}: a {CLIP_SUFFIX} file holds the flow of a clip: use FlowClip and FlowClipWriter"
            ) from None
        raise InputError(
            f"{path}: a flow file cannot be {action} with the suffix '{path.suffix}': use {', '.join(table)}"
        ) from None
