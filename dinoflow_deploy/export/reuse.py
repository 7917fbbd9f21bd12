"""Whether a bundle on disk already is what would be made."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.bundles.bundle import MANIFEST_NAME, ONNX_NAME, Bundle, Manifest
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.export.key import VERIFIER, with_key
from dinoflow_deploy.export.options import ExportOptions


def may_be_reused(output: Path, *, overwrite: bool) -> bool:
    """Whether there is a bundle that the caller does not want to replace in any case."""
    return not overwrite and (output / MANIFEST_NAME).is_file()


def reuse(output: Path, differences: Callable[[Manifest], Iterable[str]]) -> Bundle:
    """The bundle at the output, if nothing of it need be made again.

    Args:
        output: A bundle's folder.
        differences: Gives what is not as wanted, one sentence each, from the bundle's manifest.

    Raises:
        InputError: It is another one, or damaged; the message lists what differs.
    """
    try:
        bundle = Bundle.open(output)
    except FileFormatError as error:
        raise InputError(f"{error}; pass --overwrite to replace the bundle") from error
    differing = list(differences(bundle.manifest))
    if differing:
        raise InputError(
            f"{output} exists and is another bundle: {'; '.join(differing)}. Pass --overwrite to replace "
            "it, or choose another folder"
        )
    return bundle


def export_differences(found: Manifest, expected: Manifest, options: ExportOptions) -> Iterator[str]:
    """How a bundle differs from what an export of weights would write.

    Args:
        found: The bundle's manifest.
        expected: What the manifest would be, but for files, plans, parity and key.
        options: Of the export.
    """
    differing = list(manifest_differences(found, expected))
    yield from differing
    if found.key is None:
        yield "it was exported before bundles had keys, so that nobody knows whether it would be the same"
    elif not differing and found.key != with_key(replace(expected, files=found.files), options).key:
        yield f"its {ONNX_NAME} was exported by another state of this package, or changed afterwards"
    if options.verify and found.parity is None:
        yield f"its {ONNX_NAME} was not verified"


def manifest_differences(found: Manifest, expected: Manifest) -> Iterator[str]:
    """How what a bundle says of its model differs from what is expected."""
    # As it would be read again: JSON knows no tuples.
    expected = Manifest.from_json(expected.to_json(), Path(MANIFEST_NAME))
    for name, shown in _SHOWN.items():
        old, new = getattr(found, name), getattr(expected, name)
        if old != new:
            yield f"its {name} is {shown(old)}, not {shown(new)}"
    for tool in sorted((found.tools.keys() | expected.tools.keys()) - {VERIFIER}):
        if found.tools.get(tool) != expected.tools.get(tool):
            yield f"its {tool} was {found.tools.get(tool)}, not {expected.tools.get(tool)}"


_SHOWN: Final[dict[str, Callable[[Any], str]]] = {
    "model": lambda model: f"{model.name} with weights {model.weights_sha256[:12]}",
    "precision": str,
    "inputs": str,
    "operator": lambda operator: f"radius {operator.radius}{', inline' if operator.inline else ''}",
    "opset": str,
}
