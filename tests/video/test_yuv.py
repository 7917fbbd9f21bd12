from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dinoflow_deploy.video.writer import VideoWriter, yuv_converter
from dinoflow_deploy.video.yuv import YuvConverter

RATE = Fraction(25)


def picture(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_threads_share_a_converter() -> None:
    convert = YuvConverter(Path("a.mp4"), even=True)
    pictures = [picture(seed, 40 + 2 * (seed % 3), 64) for seed in range(24)]
    with ThreadPoolExecutor(4) as threads:
        converted = list(threads.map(convert, pictures))
    for one, yuv in zip(pictures, converted, strict=True):
        alone = av.VideoFrame.from_ndarray(one, format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        np.testing.assert_array_equal(yuv.frame.to_ndarray(), alone.to_ndarray())
        assert yuv.drawn == (one.shape[1], one.shape[0])


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"even": True}, (98, 66)),
        ({"even": False}, (97, 65)),
        ({"even": False, "pixel_aspect": Fraction(2)}, (194, 65)),
        ({"even": True, "pixel_aspect": Fraction(1, 2)}, (98, 130)),
    ],
)
def test_sizes_become_what_the_encoder_takes(settings: dict, size: tuple[int, int]) -> None:
    yuv = YuvConverter(Path("a.mp4"), **settings)(picture(0, 65, 97))
    assert (yuv.frame.width, yuv.frame.height) == size
    assert yuv.drawn == (97, 65)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_converted_picture_gives_the_file_of_the_picture(tmp_path: Path, suffix: str) -> None:
    convert = yuv_converter(tmp_path / f"a{suffix}", Fraction(4, 3))
    for name, made in (("drawn", lambda each: each), ("converted", convert)):
        path = tmp_path / f"{name}{suffix}"
        with VideoWriter(path, rate=RATE, time_base=1 / RATE, pixel_aspect=Fraction(4, 3)) as writer:
            for number in range(3):
                writer.write(made(picture(number, 35, 51)), number)
        assert writer.count == 3
        assert list(writer.notes())
    frames = []
    for name in ("drawn", "converted"):
        with av.open(str(tmp_path / f"{name}{suffix}")) as container:
            frames.append([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    np.testing.assert_array_equal(*frames)
