"""Bundles of format version 1: one ONNX file described by the manifest itself, and a list of plans."""

from typing import Any, Final

_OF_ONNX: Final = ("inputs", "tools", "key", "parity")
_DETAILS_OF_ONNX: Final = ("opset", "operator")
_OF_PLANS: Final = ("file", "inputs", "key", "parity")


def from_version_1(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a manifest as version 2 writes it.

    A key that is missing stays missing, so that reading it says so.

    Args:
        content: Of a manifest of version 1.
    """
    onnx: dict[str, Any] = {"kind": "onnx", "file": "model.onnx", "key": None} | _taken(content, _OF_ONNX)
    onnx["details"] = _taken(content, _DETAILS_OF_ONNX)
    plans = content.get("plans", [])
    artefacts = [onnx, *map(_plan, plans)] if isinstance(plans, list) else plans
    kept = {
        name: value for name, value in content.items() if name not in ("plans", *_OF_ONNX, *_DETAILS_OF_ONNX)
    }
    return kept | {"format_version": 2, "artefacts": artefacts}


def _plan(plan: Any) -> Any:
    if not isinstance(plan, dict):
        return plan
    details = {name: value for name, value in plan.items() if name not in _OF_PLANS}
    return {"kind": "plan", "tools": {}} | _taken(plan, _OF_PLANS) | {"details": details}


def _taken(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}
