"""Models as OpenVINO has compiled them, in the user's cache.

OpenVINO's own ``CACHE_DIR`` is not used: it writes in place, so that a process that is killed, or two at
once, leave a file that a later one reads; and the ONNX file would have to be read and inlined each time.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.atomic import atomic_file
from dinoflow_deploy.bundles.manifest import FileInfo
from dinoflow_deploy.engines.openvino.devices import VERSION, capabilities, core, full_name
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.system.user_folders import user_cache

KEPT: Final = 8
"""As many as are kept, those that were used last; each is as large as its ONNX file."""
_DIGEST: Final = hashlib.sha256().digest_size


def compile_model(
    read: Callable[[], tuple[Any, bool]], path: Path, device: str, settings: dict[str, str]
) -> Any:
    """Compile a model, or take it from the cache; where that cannot be written, it is compiled each time.

    Args:
        read: Reads the model, and says whether it was read from its file alone.
        path: Its ONNX file.
        device: OpenVINO's name of a device.
        settings: OpenVINO's properties.

    Returns:
        ``openvino.CompiledModel``.

    Raises:
        DinoFlowError: What ``read`` raises.
        RuntimeError: OpenVINO cannot compile it.
    """
    if "EXPORT_IMPORT" not in capabilities(device):
        return core().compile_model(read()[0], device, settings)
    file = user_cache("openvino") / _key(path, device, settings)
    compiled = _kept(file, device, settings)
    if compiled is None:
        model, is_whole = read()
        compiled = core().compile_model(model, device, settings)
        # Weights beside the file are not in its key.
        if is_whole:
            _keep(compiled, file)
    return compiled


def _key(path: Path, device: str, settings: dict[str, str]) -> str:
    """Changes with the model, OpenVINO, the device and what it is to compute in."""
    known = (FileInfo.of(path).sha256, VERSION, device, full_name(device), capabilities(device))
    return hashlib.sha256(repr((known, sorted(settings.items()))).encode()).hexdigest()


def _kept(file: Path, device: str, settings: dict[str, str]) -> Any:
    """What the cache holds; ``None`` if nothing, or not what was written."""
    try:
        with file.open("rb") as opened:
            digest, content = opened.read(_DIGEST), opened.read()
        if hashlib.sha256(content).digest() != digest:
            return None
        os.utime(file)
        return core().import_model(content, device, settings)
    except (OSError, RuntimeError):
        # Then it is compiled again, and if it cannot be, that says why.
        return None


def _keep(compiled: Any, file: Path) -> None:
    exported = BytesIO()
    compiled.export_model(exported)
    content = exported.getvalue()
    # It only saves time, and a full disk or a home without room is no reason not to compute.
    with suppress(InputError, OSError), atomic_file(file, overwrite=True) as partial:
        partial.write_bytes(hashlib.sha256(content).digest() + content)
    with suppress(OSError):
        last_used = sorted(file.parent.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)
        for old in last_used[KEPT:]:
            old.unlink()
