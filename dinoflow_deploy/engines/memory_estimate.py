"""How much memory a model takes for frames of a size, by rules that were measured."""

from dataclasses import dataclass
from typing import Final

from dinoflow_deploy.engines.base import EngineDescription
from dinoflow_deploy.engines.input_range import STRIDE

_PREFIX: Final = 5  # CLS and register tokens
_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class MemoryRule:
    """What one pair takes at the peak, in float32: the larger of attention and decoder.

    Attributes:
        heads: Matrices of attention scores for each of the two images, tokens x tokens.
        beside_scores: Bytes a pixel that are held beside them.
        decoder: Bytes a pixel in the decoder.
    """

    heads: int
    beside_scores: int
    decoder: int

    def bytes_for(self, height: int, width: int) -> int:
        """Bytes for frames of a size in multiples of 16."""
        tokens = height // STRIDE * (width // STRIDE) + _PREFIX
        scores = 2 * self.heads * tokens**2 * _BYTES
        pixels = height * width
        return max(scores + self.beside_scores * pixels, self.decoder * pixels)


RULES: Final = {
    # Growth of the process over two pairs, ONNX Runtime 1.32, MiB: 256x256 31, 448x1024 209, 544x960 254,
    # 720x1280 525, 1088x1920 2310.
    ("nano", "onnxruntime"): MemoryRule(heads=4, beside_scores=138, decoder=480),
    # Likewise: 448x1024 1323, 720x1280 2731. From 4 megapixels on the scores lead, and only they count.
    ("vits16", "onnxruntime"): MemoryRule(heads=6, beside_scores=0, decoder=3024),
}
"""By model and backend, on the CPU."""


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
