"""Flow fields and files made by hand, byte by byte."""

import struct
import zlib

import numpy as np


def random_flow(height: int = 13, width: int = 17, seed: int = 0, reach: float = 100.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-reach, reach, (height, width, 2)).astype(np.float32)


def flo(flow: np.ndarray, magic: bytes = b"PIEH", size: tuple[int, int] | None = None) -> bytes:
    width, height = size or (flow.shape[1], flow.shape[0])
    return magic + struct.pack("<ii", width, height) + flow.astype("<f4").tobytes()


def pfm(flow: np.ndarray, header: bytes | None = None, byte_order: str = "<") -> bytes:
    height, width = flow.shape[:2]
    rows = np.zeros((height, width, 3), f"{byte_order}f4")
    rows[..., :2] = flow[::-1]
    return (header or b"PF\n%d %d\n-1.0\n" % (width, height)) + rows.tobytes()


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(
    pixels: np.ndarray, color_type: int = 2, size: tuple[int, int] | None = None, extra: bytes = b""
) -> bytes:
    """A PNG of ``[H, W, C]`` pixels, 8 or 16 bits as their type says, without filters."""
    bits = 8 * pixels.dtype.itemsize
    width, height = size or (pixels.shape[1], pixels.shape[0])
    rows = b"".join(b"\0" + row.astype(f">u{pixels.dtype.itemsize}").tobytes() for row in pixels)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + extra + body + png_chunk(b"IEND", b"")


def kitti_pixels(flow: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    pixels = np.ones((*flow.shape[:2], 3), np.uint16)
    pixels[..., :2] = np.rint(flow.astype(np.float64) * 64 + 32768)
    if valid is not None:
        pixels[~valid] = 0
    return pixels
