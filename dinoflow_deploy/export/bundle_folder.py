"""The folder that an export writes: a bundle is replaced on request, anything of the user's own never."""

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from dinoflow_deploy.atomic import atomic_folder, check_folder
from dinoflow_deploy.bundles.manifest import FORMAT, MANIFEST_NAME
from dinoflow_deploy.bundles.onnx_info import ONNX_NAME
from dinoflow_deploy.engines.inductor.package_info import PACKAGE_NAME
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.tensorrt.flavours import FLAVOURS


def bundle_folder(target: Path, *, overwrite: bool) -> AbstractContextManager[Path]:
    """Give a temporary folder; make it the bundle at ``target`` when the block succeeds.

    Raises:
        InputError: As ``check_bundle_folder``, before the block and, since exports take minutes, after it.
    """
    return atomic_folder(target, overwrite=overwrite, check_old=_check_old)


def check_bundle_folder(target: Path, *, overwrite: bool) -> None:
    """Refuse a folder that no bundle could be written to.

    Raises:
        InputError: As ``check_folder``; or its name is not text; or the folder holds what is no part of a
            bundle, which would be lost.
    """
    check_folder(target, overwrite=overwrite)
    _check_old(target)


def _check_old(target: Path) -> None:
    _check_name(target)
    _check_no_strangers(target)


def _check_name(target: Path) -> None:
    """Refuse a name that TensorRT and ONNX Runtime cannot be told: they take text."""
    try:
        str(target.resolve()).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{str(target.resolve())!r} is not text in this locale: choose another folder, or set "
            "LC_ALL=C.UTF-8 if the name is UTF-8"
        ) from error


def _check_no_strangers(target: Path) -> None:
    """Refuse a folder that holds anything of the user's own: it is replaced as a whole."""
    names = sorted(path.name for path in target.iterdir()) if target.is_dir() else []
    if not names:
        return
    listed = _listed(target / MANIFEST_NAME)
    strangers = [name for name in names if name not in listed]
    if strangers:
        raise InputError(
            f"{target} holds more than a bundle ('{strangers[0]}'), and is replaced as a whole: choose "
            "another folder"
        )


def _listed(path: Path) -> set[str]:
    """Names in a bundle, whatever its version and its damage; none in another tool's folder."""
    try:
        manifest: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        return set()
    except (ValueError, RecursionError):
        manifest = {"format": FORMAT}
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        return set()
    files = manifest.get("files")
    known = {MANIFEST_NAME, ONNX_NAME, PACKAGE_NAME, *(flavour.plan_name for flavour in FLAVOURS)}
    return known | set(files if isinstance(files, dict) else ())
