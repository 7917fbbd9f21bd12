"""The folder of flow files: what a pair leaves in it, and what may be replaced."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from dinoflow_deploy.atomic import atomic_folder
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import write_flow
from dinoflow_deploy.flow.arrays import Mask
from dinoflow_deploy.video.options import VideoOptions
from dinoflow_deploy.video.scale import FlowFrame

_FLOW_FILE: Final = re.compile(r"\d{6,}(-backward)?\.(flo|png|npy)")
_MASK_FILE: Final = re.compile(r"\d{6,}(-backward)?-occluded\.png")
_PNG_START: Final = rb"\x89PNG\r\n\x1a\n.{4}IHDR.{8}"
_FLOW_START: Final = re.compile(_PNG_START + rb"\x10\x02", re.DOTALL)
"""A PNG of 16-bit RGB, as flow in KITTI's layout is and pictures seldom are."""
_MASK_START: Final = re.compile(_PNG_START + rb"\x08\x00", re.DOTALL)
"""A PNG of 8-bit grey levels."""


@contextmanager
def open_flow_folder(options: VideoOptions) -> Iterator[Path | None]:
    """The folder for flow files, which appears when the block succeeds; ``None`` where none is wanted."""
    if options.save_flow is None:
        yield None
        return
    folder, overwrite = options.save_flow, options.overwrite
    with atomic_folder(folder, overwrite=overwrite, check_old=check_only_flow) as partial:
        yield partial


def write_pair(folder: Path, pair: FlowFrame, flow_format: str) -> None:
    """Write what was computed of a pair, named by the number of its first frame.

    Forward flow is ``000042.flo``, backward flow ``000042-backward.flo``. What is occluded is 255 in an 8-bit
    PNG of grey levels, and 0 elsewhere: ``000042-occluded.png`` is the first frame's, and
    ``000042-backward-occluded.png`` the second one's.

    Args:
        folder: Where.
        pair: What to write.
        flow_format: Suffix of the flow files, without a dot.

    Raises:
        InputError: The format cannot hold this flow.
    """
    name = f"{pair.frame.index:06d}"
    write_flow(folder / f"{name}.{flow_format}", pair.flow)
    if pair.backward is not None:
        write_flow(folder / f"{name}-backward.{flow_format}", pair.backward)
    if pair.occluded is not None:
        _write_mask(folder / f"{name}-occluded.png", pair.occluded)
    if pair.backward_occluded is not None:
        _write_mask(folder / f"{name}-backward-occluded.png", pair.backward_occluded)


def check_only_flow(folder: Path) -> None:
    """Refuse a folder that holds anything of the user's own: it is replaced as a whole.

    Raises:
        InputError: It holds something that :func:`write_pair` does not write.
    """
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    strangers = [path.name for path in files if not _is_ours(path)]
    if strangers:
        raise InputError(f"{folder} holds more than flow files ('{strangers[0]}'): choose another folder")


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    if _MASK_FILE.fullmatch(path.name):
        return _starts_with(_MASK_START, path)
    if not _FLOW_FILE.fullmatch(path.name):
        return False
    return path.suffix != ".png" or _starts_with(_FLOW_START, path)


def _starts_with(start: re.Pattern[bytes], path: Path) -> bool:
    with path.open("rb") as file:
        return start.match(file.read(26)) is not None


def _write_mask(path: Path, mask: Mask) -> None:
    # Not imwrite, which crashes on a path that is no text.
    path.write_bytes(cv2.imencode(".png", np.uint8(255) * mask)[1].tobytes())
