"""What decides an ONNX file, as one hash: a bundle with the same key need not be exported again."""

import hashlib
import json
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import Any, Final

import dinoflow_deploy
from dinoflow_deploy.bundles.manifest import ModelInfo
from dinoflow_deploy.bundles.onnx_info import OnnxInfo
from dinoflow_deploy.export.option import decisive
from dinoflow_deploy.export.options import ExportOptions

VERIFIERS: Final = ("onnxruntime", "openvino")
"""Tools that only verify have no part in the file."""
_SOURCES: Final = ("export/graph", "train/model")
"""Folders of this package whose code decides what is exported."""


def with_key(info: OnnxInfo, model: ModelInfo, options: ExportOptions, onnx_sha256: str) -> OnnxInfo:
    """What a manifest says of an ONNX file, with its key.

    The key is over the weights, the model's configuration, every option that is not declared outside it, the
    versions of the tools, the code of the exporter and of the model, and the file that came of it.

    Args:
        info: Of the file.
        model: What was exported.
        options: What it was exported with.
        onnx_sha256: Of the file.
    """
    of_file = {
        "model": model,
        "options": decisive(options),
        "tools": {name: version for name, version in info.tools.items() if name not in VERIFIERS},
        "code": _code_sha256(),
        "onnx": onnx_sha256,
    }
    return replace(info, key=sha256_of(of_file))


def sha256_of(values: dict[str, Any]) -> str:
    """SHA-256 of JSON values and dataclasses of them."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _code_sha256() -> str:
    package, digest = Path(dinoflow_deploy.__file__).parent, hashlib.sha256()
    for path in sorted(path for folder in _SOURCES for path in (package / folder).rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
