"""How much memory a model takes for frames of a size, by rules measured with benchmarks/pair_memory.py."""

from dataclasses import dataclass
from typing import Final

from dinoflow_deploy.bundles.input_range import STRIDE
from dinoflow_deploy.engines.base import EngineDescription

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


RULES: Final = {
    ("nano", "onnxruntime"): MemoryRule(heads=4, beside_scores=138, decoder=480),
    ("small", "onnxruntime"): MemoryRule(heads=6, beside_scores=213, decoder=820),
    # From 4 megapixels on the scores lead, and only they count.
    ("vits16", "onnxruntime"): MemoryRule(heads=6, beside_scores=0, decoder=3024),
    # Its attention holds no scores. What is freed in pieces is not all given back, most of it of small
    # frames: these are what large ones take.
    ("nano", "pytorch"): MemoryRule(heads=0, beside_scores=0, decoder=560),
    ("small", "pytorch"): MemoryRule(heads=0, beside_scores=0, decoder=1100),
    ("vits16", "pytorch"): MemoryRule(heads=0, beside_scores=0, decoder=3650),
}
"""By model and backend, on the CPU; the figures are in ``benchmarks/results/pair_memory*.json``."""


def estimated_memory(engine: EngineDescription, height: int, width: int) -> int | None:
    """Memory that a pair of frames takes beside the loaded model.

    Args:
        engine: What computes.
        height: Height of the frames in pixels.
        width: Their width.

    Returns:
        Bytes; ``None`` where no rule was measured.

    Raises:
        InputError: The frames are outside the engine's range.
    """
    rule = RULES.get((engine.model, engine.backend))
    if rule is None or engine.device != "cpu" or engine.precision != "fp32":
        return None
    padding = engine.inputs.padding(height, width)
    return rule.bytes_for(padding.padded_height, padding.padded_width)
