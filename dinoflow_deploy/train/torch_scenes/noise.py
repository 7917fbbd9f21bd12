"""Normal noise that depends on a key and the place of a number alone, made on the device."""

import math
from typing import Final

import torch
from torch import Tensor

# A round for each key of the finaliser of MurmurHash3 (Appleby, public domain), which is added before it.
_FACTORS: Final = (0x85EBCA6B, 0xC2B2AE35)
_SHIFTS: Final = (16, 13, 16)
_STEP: Final = 0x9E3779B1


def normal_noise(keys: Tensor, shape: tuple[int, int, int], stream: int) -> Tensor:
    """Independent standard normal numbers.

    Args:
        keys: ``int32 [B, 2]``; a pair of them gives the same numbers in every batch, and on every device up
            to rounding.
        shape: C, H, W.
        stream: Another one gives other numbers; the numbers of all streams together, times C * H * W, must
            stay below 2^31.

    Returns:
        ``float32 [C, B, H, W]``.
    """
    channels, height, width = shape
    count = channels * height * width
    place = torch.arange(stream * count, (stream + 1) * count, dtype=torch.int32, device=keys.device)
    bits = place.view(channels, 1, height, width) * _signed(_STEP)
    for key in keys.unbind(dim=1):
        bits = _mixed(bits + key[:, None, None])
    # 24 bits, the middle of each step, in (-1, 1).
    uniform = ((bits >> 8).float() + 0.5) * 2**-23
    return torch.erfinv(uniform).mul_(math.sqrt(2))


def _mixed(bits: Tensor) -> Tensor:
    for shift, factor in zip(_SHIFTS, (*_FACTORS, None), strict=True):
        # The shift of a signed number brings its sign in: only what was there before may stay.
        bits = bits ^ ((bits >> shift) & (2 ** (32 - shift) - 1))
        if factor is not None:
            bits = bits * _signed(factor)
    return bits


def _signed(number: int) -> int:
    return number - 2**32 if number >= 2**31 else number
