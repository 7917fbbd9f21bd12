"""One picture into a PNG file."""

from pathlib import Path

import cv2

from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.video.picture_sink import PictureSink


class PngWriter(PictureSink):
    """Writes a single picture.

    Args:
        path: The PNG file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def write(self, picture: Image, pts: int, duration: int | None = None) -> None:
        """Write the picture."""
        self.size = (picture.shape[1], picture.shape[0])
        # Not imwrite, which crashes on a path that is no text.
        self._path.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
        self.count += 1
