"""Whether a bundle on disk already is what would be made, plan included."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.engines.bundle import MANIFEST_NAME, ONNX_NAME, Bundle, Manifest, PlanInfo
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.export.tensorrt.preparation import Preparation
from dinoflow_deploy.export.tensorrt.report import PlanReport

# A tool that only verifies has no part in the file.
_VERIFIES: Final = "onnxruntime"


def may_be_reused(output: Path, *, overwrite: bool) -> bool:
    """Whether there is a bundle that the caller does not want to replace in any case."""
    return not overwrite and (output / MANIFEST_NAME).is_file()


def reuse(output: Path, expected: Manifest, prepared: Preparation, *, verified: bool) -> Bundle:
    """The bundle at the output, if its plan need not be built again.

    Args:
        output: A bundle's folder.
        expected: What its manifest would be after an export, but for files (where the ONNX file is not known
            yet), plans and parity.
        prepared: The build that would follow.
        verified: Whether its ONNX file is to have been compared with PyTorch.

    Raises:
        InputError: It is another one; the message lists what differs.
    """
    try:
        bundle = Bundle.open(output)
    except FileFormatError as error:
        raise InputError(f"{error}; pass --overwrite to replace the bundle") from error
    differing = list(_differences(bundle.manifest, expected, prepared, verified))
    if differing:
        raise InputError(
            f"{output} exists and is another bundle: {'; '.join(differing)}. Pass --overwrite to replace "
            "it, or choose another folder"
        )
    return bundle


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


def _differences(found: Manifest, expected: Manifest, prepared: Preparation, verified: bool) -> Iterator[str]:
    # As it would be read again: JSON knows no tuples.
    expected = Manifest.from_json(expected.to_json(), Path(MANIFEST_NAME))
    for name, shown in _SHOWN.items():
        old, new = getattr(found, name), getattr(expected, name)
        if old != new:
            yield f"its {name} is {shown(old)}, not {shown(new)}"
    for tool in sorted((found.tools.keys() | expected.tools.keys()) - {_VERIFIES}):
        if found.tools.get(tool) != expected.tools.get(tool):
            yield f"its {tool} was {found.tools.get(tool)}, not {expected.tools.get(tool)}"
    if ONNX_NAME in expected.files and found.files[ONNX_NAME] != expected.files[ONNX_NAME]:
        yield f"its {ONNX_NAME} is another file"
    if verified and found.parity is None:
        yield f"its {ONNX_NAME} was not verified"
    yield from _plan_differences(found, prepared)


_SHOWN: Final[dict[str, Callable[[Any], str]]] = {
    "model": lambda model: f"{model.name} with weights {model.weights_sha256[:12]}",
    "precision": str,
    "inputs": str,
    "operator": lambda operator: f"radius {operator.radius}{', inline' if operator.inline else ''}",
    "opset": str,
}


def _plan_of(manifest: Manifest, prepared: Preparation) -> PlanInfo | None:
    flavour = prepared.target.flavour.name
    return next((plan for plan in manifest.plans if plan.flavour == flavour), None)


def _plan_differences(found: Manifest, prepared: Preparation) -> Iterator[str]:
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
