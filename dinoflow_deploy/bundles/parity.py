"""How far an artefact's flow is from that of the model that it was made from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parity:
    """How far an artefact's flow is from its reference: end-point difference in pixels.

    Attributes:
        reference: What it was compared with, for instance ``"PyTorch fp32 on cpu"``.
        engine: What ran the export, for instance ``"onnxruntime CPUExecutionProvider"``.
        pairs: Number of frame pairs.
        tolerance_px: The limit of the largest difference that the export had to keep.
        mean_px: Mean over all pixels.
        p99_px: 99th percentile.
        max_px: Largest difference.
        flow_px: Mean length of the reference's flow; this and the next two are ``None`` in a manifest
            that was written before they were measured.
        relative: Mean difference over mean length of the flow, at the shape where that is largest.
        relative_tolerance: The limit of that.
    """

    reference: str
    engine: str
    pairs: int
    tolerance_px: float
    mean_px: float
    p99_px: float
    max_px: float
    flow_px: float | None = None
    relative: float | None = None
    relative_tolerance: float | None = None
