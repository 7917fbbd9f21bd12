"""How much memory a model takes, by rules measured with benchmarks/pair_memory.py."""

from dataclasses import dataclass
from typing import Final

from dinoflow_deploy.bundles.input_range import STRIDE

_PREFIX: Final = 5  # CLS and register tokens
_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class MemoryRule:
    """What pairs take at the peak, in float32: the larger of attention and decoder, for each pair of a batch.

    Attributes:
        heads: Matrices of attention scores for each of the two images, tokens x tokens; 0 where they are
            never held whole.
        beside_scores: Bytes a pixel that are held beside them.
        decoder: Bytes a pixel in the decoder.
    """

    heads: int
    beside_scores: int
    decoder: int

    def bytes_for(self, height: int, width: int, batch: int = 1) -> int:
        """Bytes for a batch of pairs of frames of a size in multiples of 16."""
        tokens = height // STRIDE * (width // STRIDE) + _PREFIX
        scores = 2 * self.heads * tokens**2 * _BYTES
        pixels = height * width
        return batch * max(scores + self.beside_scores * pixels, self.decoder * pixels)
