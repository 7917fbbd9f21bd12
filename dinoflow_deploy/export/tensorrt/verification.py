"""A plan's flow against that of the model it was built from."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from dinoflow_deploy.bundles.bundle import Manifest, PlanInfo
from dinoflow_deploy.engines.base import FlowEngine
from dinoflow_deploy.engines.loading import load_engine
from dinoflow_deploy.export.cpu_engine import EMULATED, cpu_engine
from dinoflow_deploy.export.parity import ParityRow, verify
from dinoflow_deploy.progress import Progress


def compare(
    folder: Path,
    manifest: Manifest,
    plan: PlanInfo,
    reference: Callable[[], AbstractContextManager[FlowEngine]] | None,
    progress: Progress,
) -> tuple[PlanInfo, list[ParityRow]]:
    """Run a plan and compare its flow, within the tolerance of the bundle's precision.

    Args:
        folder: Bundle that holds the plan.
        manifest: Its manifest.
        plan: The plan's entry.
        reference: What it is compared with; ``None``: the bundle's ONNX file on ONNX Runtime's CPU provider.
        progress: Told of each shape.

    Returns:
        The entry with the figures, and one row per shape.

    Raises:
        ExportError: The flow differs by more than the tolerance.
        EngineError: The plan does not load or run.
    """
    made = reference() if reference else cpu_engine(folder, manifest.precision)
    with made as compared, load_engine(folder, "tensorrt", flavour=plan.flavour) as engine:
        parity, rows = verify(engine, compared, manifest.precision, progress)
    if reference is None and manifest.precision == "bf16":
        parity = replace(parity, reference=f"onnxruntime bf16 on cpu{EMULATED}")
    return replace(plan, parity=parity), rows
