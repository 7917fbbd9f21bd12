"""Every damaged file is refused by name and reason; none gives wrong numbers."""

import io
import pickle
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.flow import flow_to_rgb, read_flow, write_flow
from tests.flow import samples

HUGE = 1 << 20
FLOW = np.rint(samples.random_flow() * 64) / 64
PIXELS = samples.kitti_pixels(FLOW)
FLO, PFM, PNG = samples.flo(FLOW), samples.pfm(FLOW), samples.png(PIXELS)


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npy_header(shape: str, descr: str = "<f4") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def hdf5(build: object = None, **datasets: object) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, value in datasets.items():
            file[name] = value
        if callable(build):
            build(file)
    return stream.getvalue()


NPY, FLO5 = npy(FLOW), hdf5(flow=FLOW)


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


DAMAGED = {
    "flo-empty": (".flo", b"", "not a .flo file"),
    "flo-truncated": (".flo", FLO[:-100], "cut off: 17x13 pixels take 1780 bytes, it has 1680"),
    "flo-header-only": (".flo", FLO[:12], "cut off: 17x13 pixels take 1780 bytes, it has 12"),
    "flo-half-a-header": (".flo", FLO[:9], "header is cut off: 9 bytes of 12"),
    "flo-trailing": (".flo", FLO + b"\0", "too long: 17x13 pixels take 1780 bytes, it has 1781"),
    "flo-magic": (".flo", samples.flo(FLOW, magic=b"HEIP"), "starts with b'HEIP' in place of b'PIEH'"),
    "flo-negative": (".flo", samples.flo(FLOW, size=(-4, 13)), "impossible size: width -4, height 13"),
    "flo-both-negative": (".flo", samples.flo(FLOW, size=(-17, -13)), "impossible size"),
    "flo-zero": (".flo", samples.flo(FLOW, size=(0, 13)), "impossible size: width 0"),
    "flo-huge": (".flo", samples.flo(FLOW, size=(HUGE, HUGE)), "cut off: 1048576x1048576 pixels"),
    "flo-is-a-png": (".flo", PNG, "not a .flo file"),
    "pfm-empty": (".pfm", b"", "not a .pfm file"),
    "pfm-truncated": (
        ".pfm",
        PFM[:-1],
        "cut off: 17x13 pixels take 2652 bytes after the header, it has 2651",
    ),
    "pfm-trailing": (".pfm", PFM + b"\0\0\0\0", "too long"),
    "pfm-header-only": (".pfm", b"PF\n17 13\n-1.0\n", "cut off"),
    "pfm-half-a-header": (".pfm", b"PF\n17 ", "header is cut off or not in the form"),
    "pfm-grey": (".pfm", b"Pf\n2 1\n-1.0\n" + bytes(8), "grey .pfm .'Pf', one channel. holds no flow"),
    "pfm-comment": (".pfm", samples.pfm(FLOW, b"PF\n# by hand\n17 13\n-1.0\n"), "without comments"),
    "pfm-two-lines": (".pfm", samples.pfm(FLOW, b"PF\n17\n13\n-1.0\n"), "three lines"),
    "pfm-scale-2": (".pfm", samples.pfm(FLOW, b"PF\n17 13\n-2.0\n"), "scale is -2.0: only 1 and -1"),
    "pfm-scale-0": (".pfm", samples.pfm(FLOW, b"PF\n17 13\n0\n"), "scale is 0.0: only 1 and -1"),
    "pfm-scale-text": (".pfm", samples.pfm(FLOW, b"PF\n17 13\n1e-e\n"), "'1e-e' is not a number"),
    "pfm-negative": (".pfm", samples.pfm(FLOW, b"PF\n-17 -13\n-1.0\n"), "three lines"),
    "pfm-zero": (".pfm", b"PF\n0 13\n-1.0\n", "impossible size: width 0, height 13"),
    "pfm-huge": (".pfm", b"PF\n1048576 1048576\n-1.0\n" + bytes(24), "cut off: 1048576x1048576 pixels"),
    "png-empty": (".png", b"", "not a PNG file"),
    "png-truncated": (".png", PNG[:-100], "cut off after .* bytes, inside its b'IDAT' chunk"),
    "png-no-end": (".png", PNG[:-12], "cut off after"),
    "png-checksum": (".png", flipped(PNG, 200), "wrong checksum in its b'IDAT' chunk"),
    "png-header-checksum": (".png", flipped(PNG, 17), "wrong checksum in its b'IHDR' chunk"),
    "png-8-bit": (".png", samples.png((PIXELS >> 8).astype(np.uint8)), "is 8-bit RGB: .* is 16-bit RGB"),
    "png-grey": (".png", samples.png(PIXELS[..., :1], color_type=0), "is 16-bit grey"),
    "png-palette": (".png", samples.png(PIXELS[..., :1].astype(np.uint8), color_type=3), "is 8-bit palette"),
    "png-alpha": (".png", samples.png(np.dstack([PIXELS, PIXELS[..., :1]]), color_type=6), "RGB with alpha"),
    "png-grey-alpha": (".png", samples.png(PIXELS[..., :2], color_type=4), "is 16-bit grey with alpha"),
    "png-unknown-kind": (".png", samples.png(PIXELS, color_type=9), "is 16-bit colour type 9"),
    "png-transparent-colour": (
        ".png",
        samples.png(PIXELS, extra=samples.png_chunk(b"tRNS", bytes(6))),
        "decodes to uint16 of shape .13, 17, 4., not 16-bit RGB",
    ),
    "png-no-header": (".png", PNG[:8] + PNG[33:], "does not start with a header chunk but with b'IDAT'"),
    "png-too-few-rows": (".png", samples.png(PIXELS, size=(17, 14)), "image data is damaged"),
    "png-huge": (".png", samples.png(PIXELS, size=(HUGE, HUGE)), "cannot hold 1048576x1048576 pixels"),
    "png-is-a-jpeg": (".png", b"\xff\xd8\xff\xe0" + bytes(100), "not a PNG file"),
    "npy-empty": (".npy", b"", "not a .npy file"),
    "npy-truncated": (".npy", NPY[:-1], "cut off: shape .13, 17, 2. takes 1768 bytes, it has 1767"),
    "npy-trailing": (".npy", NPY + b"\0", "too long"),
    "npy-header-only": (".npy", NPY[:128], "cut off"),
    "npy-half-a-header": (".npy", NPY[:60], "header is damaged"),
    "npy-order": (".npy", npy(np.moveaxis(FLOW, -1, 0)), r"shape .2, 13, 17. is no flow"),
    "npy-three-channels": (".npy", npy(np.zeros((4, 5, 3), np.float32)), "shape .4, 5, 3. is no flow"),
    "npy-empty-array": (".npy", npy(np.zeros((0, 5, 2), np.float32)), "shape .0, 5, 2. is no flow"),
    "npy-scalar": (".npy", npy(np.float32(3)), r"shape .. is no flow"),
    "npy-integers": (".npy", npy(FLOW.astype(np.int16)), "type int16 .* must be floating point"),
    "npy-complex": (".npy", npy(FLOW.astype(np.complex64)), "type complex64 .* must be floating point"),
    "npy-pickle": (".npy", npy(np.full((4, 5, 2), None)), "type object .* must be floating point"),
    "npy-bare-pickle": (".npy", pickle.dumps(FLOW), "not a .npy file"),
    "npy-huge": (".npy", npy_header(f"({HUGE}, {HUGE}, 2)") + bytes(64), "cut off: shape .1048576, 1048576"),
    "npy-negative": (".npy", npy_header("(-2, -2, 2)") + bytes(32), "is no flow"),
    "flo5-empty": (".flo5", b"", "not an HDF5 file, or damaged"),
    "flo5-truncated": (".flo5", FLO5[:-100], "not an HDF5 file, or damaged"),
    "flo5-other-name": (".flo5", hdf5(disparity=FLOW), r"no data set 'flow', only \['disparity'\]"),
    "flo5-folder": (".flo5", hdf5(lambda file: file.create_group("flow")), "no data set 'flow'"),
    "flo5-shape": (".flo5", hdf5(flow=FLOW[..., 0]), "shape .13, 17. is no flow"),
    "flo5-no-value": (".flo5", hdf5(flow=h5py.Empty("f4")), "shape .. is no flow"),
    "flo5-integers": (".flo5", hdf5(flow=PIXELS[..., :2]), "type uint16 .* must be floating point"),
    "flo5-unwritten": (
        ".flo5",
        hdf5(lambda file: file.create_dataset("flow", (13, 17, 2), "f4")),
        "was not written completely",
    ),
    "flo5-huge": (
        ".flo5",
        hdf5(lambda file: file.create_dataset("flow", (HUGE, HUGE, 2), "f4", chunks=(512, 512, 2))),
        "was not written completely",
    ),
    "flo5-is-a-flo": (".flo5", FLO, "not an HDF5 file, or damaged"),
}


@pytest.mark.parametrize("case", DAMAGED)
@pytest.mark.filterwarnings("error")
def test_damaged_file_is_refused_by_name_and_reason(tmp_path: Path, case: str) -> None:
    suffix, data, reason = DAMAGED[case]
    path = tmp_path / f"frame_0001{suffix}"
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=rf"(?s)frame_0001\{suffix}: .*{reason}"):
        read_flow(path)


def test_the_undamaged_samples_are_read(tmp_path: Path) -> None:
    for suffix, data in ((".flo", FLO), (".pfm", PFM), (".png", PNG), (".npy", NPY), (".flo5", FLO5)):
        (tmp_path / f"a{suffix}").write_bytes(data)
        np.testing.assert_array_equal(read_flow(tmp_path / f"a{suffix}")[0], FLOW)


def test_what_follows_a_png_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG + b"\r\n")
    np.testing.assert_array_equal(read_flow(tmp_path / "a.png")[0], FLOW)


def test_a_partly_written_flo5_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.flo5", "w") as file:
        dataset = file.create_dataset("flow", FLOW.shape, "f4", chunks=(5, 5, 2))
        dataset[:10] = FLOW[:10]
    with pytest.raises(FileFormatError, match="was not written completely"):
        read_flow(tmp_path / "a.flo5")


@pytest.mark.parametrize(("suffix", "data"), [(".flo", FLO), (".pfm", PFM), (".png", PNG), (".npy", NPY)])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, suffix: str, data: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    for length in range(0, len(data), 1 if suffix == ".png" else 7):
        path.write_bytes(data[:length])
        with pytest.raises(FileFormatError):
            read_flow(path)


def test_a_flo5_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.flo5"
    for length in range(0, len(FLO5), 61):
        path.write_bytes(FLO5[:length])
        with pytest.raises(FileFormatError):
            read_flow(path)


def test_a_png_with_any_bit_flipped_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for position in range(len(PNG)):
        path.write_bytes(flipped(PNG, position))
        with pytest.raises(FileFormatError):
            read_flow(path)


@pytest.mark.parametrize("suffix", [".flo", ".png", ".pfm", ".npy", ".flo5"])
def test_missing_files_and_folders(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(FileFormatError, match=rf"none\{suffix}: cannot be read: No such file"):
        read_flow(tmp_path / f"none{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(FileFormatError, match=rf"folder\{suffix}: cannot be read: Is a directory"):
        read_flow(tmp_path / f"folder{suffix}")


def test_a_colour_picture_of_flow_is_not_flow(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), flow_to_rgb(FLOW))
    with pytest.raises(FileFormatError, match=r"is 8-bit RGB: flow in KITTI's layout is 16-bit RGB"):
        read_flow(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".flo", ".pfm", ".npy", ".flo5"])
def test_random_damage_raises_nothing_else(tmp_path: Path, suffix: str) -> None:
    original = {".flo": FLO, ".pfm": PFM, ".npy": NPY, ".flo5": FLO5}[suffix]
    path, rng = tmp_path / f"a{suffix}", np.random.default_rng(5)
    for _ in range(300):
        data = bytearray(original)
        # Mostly in the header, where damage can do more than change a pixel.
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(0, 160 if suffix != ".flo5" else len(data))] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            flow, valid = read_flow(path)
        except FileFormatError:
            continue
        assert flow.shape == (*valid.shape, 2)
        assert np.isfinite(flow).all()


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        write_flow(tmp_path / "a.flo", FLOW)
    assert list(tmp_path.iterdir()) == []
