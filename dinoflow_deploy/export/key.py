"""What decides an ONNX file, as one hash: a bundle with the same key need not be exported again."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import dinoflow_deploy
from dinoflow_deploy.bundles.bundle import ONNX_NAME, Manifest
from dinoflow_deploy.export.options import ExportOptions

_NOT_DECISIVE: Final = ("verify", "overwrite")
"""Options that change no byte of the file; any other is part of the key, new ones too."""
_SOURCES: Final = ("export", "train/model")
"""Folders of this package whose code decides what is exported."""


def with_key(manifest: Manifest, options: ExportOptions) -> Manifest:
    """A manifest with the key of its ONNX file.

    The key is over the weights, the model's configuration, every option, the versions of the tools, the code
    of the exporter and of the model, and the file that came of it.

    Args:
        manifest: Lists the file.
        options: What it was exported with.
    """
    chosen = {name: value for name, value in asdict(options).items() if name not in _NOT_DECISIVE}
    decisive = {
        "model": asdict(manifest.model),
        "options": chosen,
        "tools": {name: version for name, version in manifest.tools.items() if name != VERIFIER},
        "code": _code_sha256(),
        "onnx": manifest.files[ONNX_NAME].sha256,
    }
    return replace(manifest, key=sha256_of(decisive))


VERIFIER: Final = "onnxruntime"
"""A tool that only verifies has no part in the file."""


def sha256_of(decisive: dict[str, Any]) -> str:
    """SHA-256 of JSON values."""
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _code_sha256() -> str:
    package, digest = Path(dinoflow_deploy.__file__).parent, hashlib.sha256()
    for path in sorted(path for folder in _SOURCES for path in (package / folder).glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
