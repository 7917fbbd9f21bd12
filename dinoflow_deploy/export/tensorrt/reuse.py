"""Whether a bundle's plan already is what would be built."""

from collections.abc import Iterator
from typing import Any

from dinoflow_deploy.bundles.bundle import ONNX_NAME, Bundle, Manifest, PlanInfo
from dinoflow_deploy.export.tensorrt.preparation import Preparation
from dinoflow_deploy.export.tensorrt.report import PlanReport


def reused_report(bundle: Bundle, prepared: Preparation) -> PlanReport:
    """The report of a plan that was not built."""
    plan = _plan_of(bundle.manifest, prepared)
    assert plan is not None
    return PlanReport(
        plan=plan,
        door=prepared.door,
        bytes=bundle.manifest.files[plan.file].bytes,
        not_run=prepared.not_run_reason if plan.parity is None else None,
        reused=True,
    )


def _plan_of(manifest: Manifest, prepared: Preparation) -> PlanInfo | None:
    flavour = prepared.target.flavour.name
    return next((plan for plan in manifest.plans if plan.flavour == flavour), None)


def plan_differences(found: Manifest, prepared: Preparation) -> Iterator[str]:
    """How a bundle's plan differs from the one that would be built."""
    plan, target = _plan_of(found, prepared), prepared.target
    if plan is None:
        yield f"it holds no plan for {target.flavour.title}"
        return
    wanted = {
        "version": target.version,
        "compute_capabilities": target.compute_capabilities,
        "gpu": target.gpu.name if target.gpu else None,
        "inputs": prepared.inputs,
        "plugin": prepared.door.name,
        "hardware_compatibility": prepared.options.hardware_compatibility,
    }
    differing = [name for name, value in wanted.items() if getattr(plan, name) != value]
    for name in differing:
        old, new = _text(getattr(plan, name)), _text(wanted[name])
        yield f"its plan has {name.replace('_', ' ')} {old}, not {new}"
    if not differing and plan.key != prepared.key(found.files[ONNX_NAME].sha256):
        yield "its plan has another optimization level or workspace, or another build of the plugin"
    if prepared.not_run_reason is None and plan.parity is None:
        yield "its plan was not verified"


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
