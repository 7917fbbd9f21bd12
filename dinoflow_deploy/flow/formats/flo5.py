"""Spring's ``.flo5``: an HDF5 file with one data set ``flow``, float ``[H, W, 2]``, NaN where unknown.

Ground truth of Spring is sampled at 2160x3840 while its values are in pixels of the 1080x1920 images: take
every second row and column to lay it over an image. Source: Mehl et al., CVPR 2023, and the benchmark's
``flow_IO.py`` (https://spring-benchmark.org).
"""

import io
import math
from typing import Any

import numpy as np

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.flow.arrays import Flow
from dinoflow_deploy.flow.formats.layout import check_layout
from dinoflow_deploy.system.optional import require


def decode(data: bytes) -> Flow:
    """Flow as stored.

    Raises:
        FileFormatError: Not HDF5, damaged, without a complete data set ``flow``, or of another shape or type.
        MissingPackageError: h5py is not installed.
    """
    h5py = require("h5py", "reading .flo5 files")
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            dataset = file.get("flow")
            if not isinstance(dataset, h5py.Dataset):
                raise FileFormatError(f"the HDF5 file has no data set 'flow', only {sorted(file)}")
            check_layout(dataset.shape or (), dataset.dtype)
            _check_complete(dataset)
            with np.errstate(over="ignore"):
                return np.asarray(dataset[()]).astype(np.float32, copy=False)
    except (OSError, RuntimeError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise FileFormatError(f"not an HDF5 file, or damaged: {error}") from None


def _check_complete(dataset: Any) -> None:
    """Refuse a data set with unwritten parts: HDF5 would fill them with zeros and say nothing."""
    if dataset.chunks is None:
        complete = dataset.id.get_storage_size() == dataset.nbytes
    else:
        tiles = zip(dataset.shape, dataset.chunks, strict=True)
        complete = dataset.id.get_num_chunks() == math.prod(-(-side // tile) for side, tile in tiles)
    if not complete:
        raise FileFormatError(f"the HDF5 data set 'flow' of shape {dataset.shape} was not written completely")
