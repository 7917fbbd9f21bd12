import cv2
import numpy as np

from dinoflow_deploy.video.png_writer import PngWriter
from tests.video.clips import picture


def test_a_picture_is_exact(tmp_path):
    image = picture(0, 97, 65)
    writer = PngWriter(tmp_path / "a.png")
    writer.write(image, 0)
    assert writer.size == (97, 65)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png"))[..., ::-1], image)
