"""High dynamic range, by the formulas of ITU-R BT.2100."""

import av
import numpy as np
import pytest

from dinoflow_deploy.video import Selection, open_source, rgb

pytestmark = pytest.mark.slow

SIDE = 16  # of a patch, in pixels
PQ, HLG, BT2020 = 16, 18, 9
LUMA = np.array([0.2627, 0.6780, 0.0593])  # BT.2020
PEAK = 1000  # nits
MASTERED = (
    "master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1):max-cll=1000,400"
)
GREYS = np.repeat(np.linspace(0, 1, 11)[:, None], 3, axis=1)
TO_BT2020 = np.array(  # from BT.709: ITU-R BT.2087, M2
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)
COLORS = np.array([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6], [0.7, 0.6, 0.3]])


def pq(nits: np.ndarray) -> np.ndarray:
    """The signal for light: BT.2100, table 4, inverse EOTF."""
    power = (nits / 10_000) ** (2610 / 16384)
    return ((3424 + 2413 * 32 * power) / (4096 + 2392 * 32 * power)) ** (2523 / 32)


def light_of_hlg(signal: np.ndarray) -> np.ndarray:
    """Nits on a display of 1000 nits: BT.2100, table 5, inverse OETF and OOTF."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return PEAK * (scene @ LUMA)[:, None] ** 0.2 * scene


def write_patches(path, signals: np.ndarray, transfer: int, x265_params: str = ""):
    """One 10-bit frame of a patch for each R'G'B' signal, lossless."""
    luma = signals @ LUMA
    blue, red = (signals[:, 2] - luma) / 1.8814, (signals[:, 0] - luma) / 1.4746
    planes = [
        np.tile(np.repeat(np.round(codes), side), (side, 1)).astype(np.uint16)
        for codes, side in (
            (64 + 876 * luma, SIDE),
            (512 + 896 * blue, SIDE // 2),
            (512 + 896 * red, SIDE // 2),
        )
    ]
    with av.open(str(path), "w") as container:
        params = f"lossless=1:log-level=none:{x265_params}"
        stream = container.add_stream("libx265", rate=25, options={"x265-params": params})
        stream.height, stream.width = planes[0].shape
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = (
            transfer,
            BT2020,
            BT2020,
            1,
        )
        frame = av.VideoFrame(stream.width, stream.height, "yuv420p10le")
        for plane, codes in zip(frame.planes, planes, strict=True):
            rows = np.frombuffer(plane, np.uint16).reshape(plane.height, -1)
            rows[:, : codes.shape[1]] = codes
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_patches(path, **settings) -> tuple[np.ndarray, list[str]]:
    with open_source([str(path)], **settings) as source:
        (frame,) = source.frames(Selection())
    side = frame.image.shape[0]
    return frame.image[side // 2, side // 2 :: side].astype(int), source.notes


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """The same light as HLG, and as PQ, there with pure colours of BT.709 at the end."""
    folder = tmp_path_factory.mktemp("hdr")
    signals = np.concatenate([GREYS, COLORS])
    light = np.concatenate([light_of_hlg(signals), 60 * np.eye(3) @ TO_BT2020.T])
    return {
        "hlg": write_patches(folder / "hlg.mkv", signals, HLG),
        "pq": write_patches(folder / "pq.mkv", pq(light), PQ, MASTERED),
    }


@pytest.fixture(scope="module")
def mapped(clips):
    """What comes out, PQ at half the size. Read once: FFmpeg's table of colours takes seconds to compute."""
    hlg, hlg_notes = read_patches(clips["hlg"])
    small_pq, pq_notes = read_patches(clips["pq"], max_side=(len(GREYS) + len(COLORS) + 3) * SIDE // 2)
    assert hlg_notes == ["the clip is of high dynamic range (HLG): its colours were tone-mapped to BT.709"]
    assert pq_notes == [
        "the clip is of high dynamic range (PQ, HDR10): its colours were tone-mapped to BT.709"
    ]
    return {"hlg": hlg, "pq": small_pq}


def test_pq_and_hlg_of_the_same_light_give_the_same_colours(mapped):
    assert len(mapped["pq"]) == len(mapped["hlg"]) + 3
    assert np.abs(mapped["hlg"] - mapped["pq"][:-3]).max() <= 2


@pytest.mark.parametrize("transfer", ["hlg", "pq"])
def test_greys_stay_grey_and_fill_the_range(mapped, transfer):
    greys = mapped[transfer][: len(GREYS)]
    assert np.ptp(greys, axis=1).max() <= 1
    assert (np.diff(greys[:, 0]) > 0).all()
    assert (greys[0, 0], greys[-1, 0]) == (0, pytest.approx(255, abs=2))


def test_pure_colours_of_the_smaller_gamut_stay_nearly_pure(mapped):
    light = (mapped["pq"][-3:] / 255) ** 2.4  # BT.1886
    for channel in range(3):
        others = np.delete(light[channel], channel)
        assert others.max() < 0.15 * light[channel, channel], light


def test_without_primaries_and_matrix_they_are_those_of_the_transfer(monkeypatch):
    """As a telephone may leave them out: asked of what goes to FFmpeg, whose table takes seconds."""
    asked = []

    class Chain:
        def __init__(self, picture, filters):
            asked.append((picture.color_primaries, picture.colorspace))

        def push(self, picture):
            return [av.VideoFrame(32, 16, "rgb24")]

    monkeypatch.setattr(rgb, "FilterChain", Chain)
    for told in (2, 1):  # nothing, and BT.709
        picture = av.VideoFrame(32, 16, "yuv420p10le")
        picture.color_trc, picture.color_primaries, picture.colorspace = HLG, told, told
        rgb.RgbConverter().convert(picture, (32, 16))
    assert asked == [(BT2020, BT2020), (1, 1)]


def test_an_ffmpeg_without_tone_mapping_is_said(clips, mapped, monkeypatch):
    # What FFmpeg 7 answers to the real arguments.
    monkeypatch.setattr(rgb, "_tone_mapping", lambda picture, size: [("scale", "no_such_option=1")])
    plain, notes = read_patches(clips["hlg"])
    assert notes == [
        "the clip is of high dynamic range (HLG) and this FFmpeg has no tone mapping (version 8 has): its "
        "colours are paler than they should be"
    ]
    assert np.abs(plain - mapped["hlg"]).max() > 10
