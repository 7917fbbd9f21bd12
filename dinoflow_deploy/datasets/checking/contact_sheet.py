"""One picture of several samples: both frames and their flow."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from dinoflow_deploy.atomic import atomic_file, check_file
from dinoflow_deploy.datasets.sample import FlowSample
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import flow_to_rgb
from dinoflow_deploy.flow.arrays import Image

_WIDTH = 400  # of each of the three pictures in a row
_CAPTION = 26
_GAP = 6
_TEXT = 0.45  # of OpenCV's font, whose letters are then about 10 px high


def write_sheet(path: Path, samples: Sequence[FlowSample], *, overwrite: bool) -> None:
    """Draw samples one below the other: frame 1, frame 2, flow in the Middlebury colours.

    Each row has its own colour scale, printed above it; pixels without truth are black.

    Args:
        path: A `.png` or `.jpg` file.
        samples: What to draw, at least one.
        overwrite: Whether a file that exists is replaced.

    Raises:
        InputError: There is no sample, or the suffix is another.
        OutputElsewhereError: The file exists and is kept.
    """
    _check_suffix(path)
    if not samples:
        raise InputError(f"{path} is not written: none of the pairs chosen for it could be read")
    rows = [_row(sample) for sample in samples]
    done, data = cv2.imencode(path.suffix, np.concatenate(rows)[..., ::-1])
    assert done, f"OpenCV writes {path.suffix}"
    with atomic_file(path, overwrite=overwrite) as partial:
        partial.write_bytes(data.tobytes())


def check_sheet(path: Path, *, overwrite: bool, inputs: Iterable[Path]) -> None:
    """Refuse a sheet that could not be written at the end.

    Args:
        path: The file.
        overwrite: Whether one that exists may be replaced.
        inputs: What is read of the data set.

    Raises:
        InputError: Its suffix is not .png or .jpg, or as `check_file`.
    """
    _check_suffix(path)
    check_file(path, overwrite=overwrite, inputs=inputs)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in (".png", ".jpg"):
        raise InputError(f"{path}: a sheet is written as .png or .jpg")


def _row(sample: FlowSample) -> Image:
    longest = float(np.linalg.norm(sample.flow[sample.valid], axis=-1).max(initial=0))
    flow = flow_to_rgb(sample.flow, max_flow=max(longest, 1e-3), valid=sample.valid)
    height = max(1, round(_WIDTH * flow.shape[0] / flow.shape[1]))
    size = (_WIDTH, height)
    pictures = [
        np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
        for frame in (sample.frame1, sample.frame2)
    ]
    # Not averaged: sparse truth would fade into the black between its pixels.
    pictures.append(np.asarray(cv2.resize(flow, size, interpolation=cv2.INTER_NEAREST)))
    row = np.full((_CAPTION + height + _GAP, 3 * (_WIDTH + _GAP), 3), 255, np.uint8)
    for place, picture in enumerate(pictures):
        left = place * (_WIDTH + _GAP)
        row[_CAPTION : _CAPTION + height, left : left + _WIDTH] = picture
    known = 100 * sample.valid.mean()
    # OpenCV's font has ASCII alone, and a name that is no text would crash it.
    name = sample.name.encode("ascii", "backslashreplace").decode()
    caption = f"{name}   {flow.shape[0]}x{flow.shape[1]}   up to {longest:.1f} px   {known:.0f} % known"
    cv2.putText(row, caption, (4, _CAPTION - 8), cv2.FONT_HERSHEY_SIMPLEX, _TEXT, (0, 0, 0), 1, cv2.LINE_AA)
    return row
