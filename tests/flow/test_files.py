from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError, MissingPackageError
from dinoflow_deploy.flow import read_flow, write_flow
from tests.flow import samples
from tests.flow.samples import random_flow


def assert_reads(path: Path, expected: np.ndarray) -> None:
    flow, valid = read_flow(path)
    assert (flow.dtype, valid.dtype, valid.shape) == (np.float32, np.bool_, expected.shape[:2])
    assert flow.flags.c_contiguous
    assert flow.flags.owndata or flow.base.flags.owndata
    assert flow.flags.writeable
    assert valid.all()
    np.testing.assert_array_equal(flow, expected)


# Against OpenCV, h5py and bytes built by hand.


def test_flo_reads_what_opencv_writes(tmp_path: Path) -> None:
    flow = random_flow()
    assert cv2.writeOpticalFlow(str(tmp_path / "a.flo"), flow)
    assert_reads(tmp_path / "a.flo", flow)


def test_opencv_reads_the_flo_we_write(tmp_path: Path) -> None:
    flow = random_flow()
    write_flow(tmp_path / "a.flo", flow)
    np.testing.assert_array_equal(cv2.readOpticalFlow(str(tmp_path / "a.flo")), flow)
    assert (tmp_path / "a.flo").read_bytes() == samples.flo(flow)


def test_pfm_reads_what_opencv_writes(tmp_path: Path) -> None:
    flow = random_flow()
    # OpenCV stores its blue, green, red as red, green, blue.
    image = np.dstack([np.zeros(flow.shape[:2], np.float32), flow[..., 1], flow[..., 0]])
    assert cv2.imwrite(str(tmp_path / "a.pfm"), image)
    assert_reads(tmp_path / "a.pfm", flow)


@pytest.mark.parametrize(
    ("header", "byte_order"),
    [
        (b"PF\n17 13\n-1.0\n", "<"),
        (b"PF\n17 13\n-1\n", "<"),
        (b"PF\r\n17 13\r\n-1.000000\r\n", "<"),
        (b"PF\n17 13 \n1.0\n", ">"),
        (b"PF\n17 13\n+1e0\n", ">"),
    ],
)
def test_pfm_headers_in_use(tmp_path: Path, header: bytes, byte_order: str) -> None:
    flow = random_flow()
    (tmp_path / "a.pfm").write_bytes(samples.pfm(flow, header, byte_order))
    assert_reads(tmp_path / "a.pfm", flow)


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 1)])
def test_the_smallest_pfm_files(tmp_path: Path, size: tuple[int, int]) -> None:
    flow = random_flow()[: size[0], : size[1]]
    (tmp_path / "a.pfm").write_bytes(samples.pfm(flow))
    assert_reads(tmp_path / "a.pfm", flow)


def test_pfm_pixels_that_look_like_header_space(tmp_path: Path) -> None:
    flow = np.frombuffer(b"\n\r \t" * 12, "<f4").reshape(2, 3, 2)
    (tmp_path / "a.pfm").write_bytes(samples.pfm(flow))
    assert_reads(tmp_path / "a.pfm", flow)


def test_kitti_reads_bytes_built_by_hand(tmp_path: Path) -> None:
    flow = np.rint(random_flow(reach=511) * 64) / 64
    (tmp_path / "a.png").write_bytes(samples.png(samples.kitti_pixels(flow)))
    assert_reads(tmp_path / "a.png", flow)


def test_kitti_known_values(tmp_path: Path) -> None:
    pixels = np.array([[[0, 65535, 1], [32768, 32769, 65535], [40000, 1, 0], [32832, 32704, 1]]], np.uint16)
    (tmp_path / "a.png").write_bytes(samples.png(pixels))
    flow, valid = read_flow(tmp_path / "a.png")
    np.testing.assert_array_equal(flow, [[[-512, 511.984375], [0, 0.015625], [0, 0], [1, -1]]])
    np.testing.assert_array_equal(valid, [[True, True, False, True]])


def test_kitti_as_opencv_writes_and_reads_it(tmp_path: Path) -> None:
    flow = np.rint(random_flow(reach=511, seed=1) * 64) / 64
    valid = np.random.default_rng(2).random(flow.shape[:2]) < 0.5
    cv2.imwrite(str(tmp_path / "a.png"), samples.kitti_pixels(flow, valid)[..., ::-1])
    read, read_valid = read_flow(tmp_path / "a.png")
    np.testing.assert_array_equal(read_valid, valid)
    np.testing.assert_array_equal(read, np.where(valid[..., None], flow, 0))
    write_flow(tmp_path / "b.png", flow, valid)
    pixels = cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(pixels[..., ::-1], samples.kitti_pixels(flow, valid))


def test_harmless_png_chunks_are_read_over(tmp_path: Path) -> None:
    flow = np.rint(random_flow() * 64) / 64
    extra = samples.png_chunk(b"tEXt", b"Author\0KITTI") + samples.png_chunk(b"gAMA", b"\0\1\x86\xa0")
    (tmp_path / "a.PNG").write_bytes(samples.png(samples.kitti_pixels(flow), extra=extra))
    assert_reads(tmp_path / "a.PNG", flow)


@pytest.mark.parametrize(
    "options", [{}, {"compression": "gzip", "compression_opts": 5}, {"chunks": (4, 5, 2)}]
)
def test_flo5_reads_what_h5py_writes(tmp_path: Path, options: dict[str, object]) -> None:
    flow = random_flow()
    with h5py.File(tmp_path / "a.flo5", "w") as file:
        file.create_dataset("flow", data=flow, **options)
    assert_reads(tmp_path / "a.flo5", flow)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_of_any_floating_type_and_order(tmp_path: Path, dtype: str, order: str) -> None:
    flow = np.rint(random_flow() * 8) / 8
    np.save(tmp_path / "a.npy", np.asarray(flow, dtype, order=order))
    assert_reads(tmp_path / "a.npy", np.asarray(flow, dtype).astype(np.float32))


def test_npy_is_what_numpy_loads(tmp_path: Path) -> None:
    flow = random_flow()
    write_flow(tmp_path / "a.npy", flow)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), flow)


# Unknown pixels.

UNKNOWN = [np.nan, np.inf, -np.inf, 1e10, -1666666800.0]


@pytest.mark.parametrize("suffix", [".flo", ".npy", ".pfm", ".flo5"])
@pytest.mark.filterwarnings("error")
def test_unknown_values_are_read_as_invalid_zeros(tmp_path: Path, suffix: str) -> None:
    expected = random_flow()
    stored = expected.copy()
    for row, value in enumerate(UNKNOWN):
        stored[row, row, row % 2] = value
        expected[row, row] = 0
    path = tmp_path / f"a{suffix}"
    if suffix == ".flo5":
        with h5py.File(path, "w") as file:
            file["flow"] = stored
    elif suffix == ".npy":
        np.save(path, stored)
    else:
        path.write_bytes(samples.flo(stored) if suffix == ".flo" else samples.pfm(stored))
    flow, valid = read_flow(path)
    np.testing.assert_array_equal(flow, expected)
    assert [tuple(place) for place in np.argwhere(~valid)] == [(row, row) for row in range(len(UNKNOWN))]


@pytest.mark.parametrize("suffix", [".flo", ".npy", ".png"])
@pytest.mark.filterwarnings("error")
def test_unknown_pixels_survive_writing(tmp_path: Path, suffix: str) -> None:
    flow = np.rint(random_flow() * 64) / 64
    valid = np.random.default_rng(3).random(flow.shape[:2]) < 0.5
    valid[0, :5] = True
    flow[0, :5, 0] = UNKNOWN
    before = flow.copy()
    write_flow(tmp_path / f"a{suffix}", flow, valid)
    np.testing.assert_array_equal(flow, before)
    valid[0, :5] = False
    read, read_valid = read_flow(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_valid, valid)
    np.testing.assert_array_equal(read, np.where(valid[..., None], flow, 0))


def test_unknown_pixels_as_each_format_stores_them(tmp_path: Path) -> None:
    flow = np.array([[[1.0, 2.0], [3.0, np.nan]]], np.float32)
    for suffix in (".flo", ".npy", ".png"):
        write_flow(tmp_path / f"a{suffix}", flow)
    np.testing.assert_array_equal(cv2.readOpticalFlow(str(tmp_path / "a.flo"))[0, 1], [1e10, 1e10])
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy")[0, 1], [np.nan, np.nan])
    pixels = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(pixels[0], [[1, 32768 + 128, 32768 + 64], [0, 0, 0]])


def test_nothing_valid_can_be_written(tmp_path: Path) -> None:
    flow = np.full((3, 4, 2), np.nan, np.float32)
    for suffix in (".flo", ".npy", ".png"):
        write_flow(tmp_path / f"a{suffix}", flow)
        assert not read_flow(tmp_path / f"a{suffix}")[1].any()


# Rounding and range of KITTI's PNG.


def test_kitti_rounds_to_the_nearest_step(tmp_path: Path) -> None:
    flow = random_flow(60, 70, reach=511.9)
    write_flow(tmp_path / "a.png", flow)
    read, _ = read_flow(tmp_path / "a.png")
    assert np.abs(read.astype(np.float64) - flow).max() <= 1 / 128
    # A reader or writer that truncates would be off by up to 1/64, and by 1/128 on average.
    assert abs((read.astype(np.float64) - flow).mean()) < 1 / 1280


def test_kitti_holds_its_whole_range(tmp_path: Path) -> None:
    flow = np.array([[[-512, 511.984375]]], np.float32)
    write_flow(tmp_path / "a.png", flow)
    assert_reads(tmp_path / "a.png", flow)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((3, 5, 0), 600.25, r"u is 600\.250 px at column 5, row 3"),
        ((0, 16, 1), -512.5, r"v is -512\.500 px at column 16, row 0"),
        ((12, 0, 1), 512.0, r"v is 512\.000 px at column 0, row 12"),
    ],
)
def test_kitti_refuses_what_it_cannot_hold_and_writes_nothing(
    tmp_path: Path, place: tuple[int, int, int], value: float, message: str
) -> None:
    flow = random_flow()
    flow[place] = value
    flow[7, 7] = np.nan
    with pytest.raises(InputError, match=message + r": .* holds -512 to 511\.984 px; write \.flo"):
        write_flow(tmp_path / "a.png", flow)
    assert list(tmp_path.iterdir()) == []
    valid = np.ones(flow.shape[:2], bool)
    valid[place[:2]] = False
    write_flow(tmp_path / "a.png", flow, valid)


def test_kitti_names_the_worst_of_several(tmp_path: Path) -> None:
    flow = random_flow()
    flow[1, 1, 0], flow[2, 2, 1], flow[3, 3, 0] = 520, -900, 600
    with pytest.raises(InputError, match=r"v is -900\.000 px at column 2, row 2"):
        write_flow(tmp_path / "a.png", flow)


# Paths, suffixes and arguments.


def test_paths_as_text_capital_suffixes_and_new_folders(tmp_path: Path) -> None:
    flow = random_flow()
    write_flow(str(tmp_path / "new" / "folder" / "a.FLO"), flow)
    np.testing.assert_array_equal(read_flow(str(tmp_path / "new" / "folder" / "a.FLO"))[0], flow)
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["a.FLO"]


def test_writing_replaces_and_a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_flow(path, np.zeros((3, 4, 2), np.float32))
    write_flow(path, np.ones((3, 4, 2), np.float32))
    with pytest.raises(InputError):
        write_flow(path, np.full((3, 4, 2), 1e4, np.float32))
    np.testing.assert_array_equal(read_flow(path)[0], 1)


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.pfm", "a.flo5"])
def test_suffixes_that_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"cannot be written .* use \.flo, \.png, \.npy"):
        write_flow(tmp_path / name, random_flow())


def test_suffixes_that_are_not_read(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"a\.jpg: .* cannot be read .* use \.flo, \.png, \.npy, \.pfm, \.flo5"
    ):
        read_flow(tmp_path / "a.jpg")


def test_arrays_that_are_no_flow_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must be \[H, W, 2\]"):
        write_flow(tmp_path / "a.flo", np.zeros((2, 4, 5), np.float32))
    with pytest.raises(InputError, match="floating point"):
        write_flow(tmp_path / "a.png", np.zeros((4, 5, 2), np.uint16))
    with pytest.raises(InputError, match="valid mask"):
        write_flow(tmp_path / "a.flo", np.zeros((4, 5, 2), np.float32), np.ones((5, 4), bool))
    assert list(tmp_path.iterdir()) == []


def test_flo5_without_h5py_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.flo5").write_bytes(b"")
    monkeypatch.setattr("dinoflow_deploy.system.optional.is_installed", lambda package: False)
    with pytest.raises(MissingPackageError, match=r"\.flo5 files needs .*h5py.* pip install 'h5py>="):
        read_flow(tmp_path / "a.flo5")
