"""Whether a bundle on disk already is what would be made."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.manifest import MANIFEST_NAME, Manifest, ModelInfo
from dinoflow_deploy.bundles.onnx_info import OnnxInfo
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.export.bundle_folder import check_bundle_folder
from dinoflow_deploy.export.key import VERIFIERS
from dinoflow_deploy.export.target import Maker


def may_be_reused(output: Path, *, overwrite: bool) -> bool:
    """Whether there is a bundle that the caller does not want to replace in any case.

    Raises:
        InputError: There is none, and none could be written there.
    """
    if not overwrite and (output / MANIFEST_NAME).is_file():
        return True
    check_bundle_folder(output, overwrite=overwrite)
    return False


def reuse(output: Path, makers: Sequence[Maker], others: Callable[[Manifest], Iterator[str]]) -> Bundle:
    """The bundle at the output, if nothing of it need be made again.

    Args:
        output: A bundle's folder.
        makers: What would make its artefacts.
        others: Gives what else is not as wanted, one sentence each, from the bundle's manifest.

    Raises:
        InputError: It is another one, or damaged; the message lists what differs.
    """
    try:
        bundle = Bundle.open(output)
    except FileFormatError as error:
        raise InputError(f"{error}; pass --overwrite to replace the bundle") from error
    found = bundle.manifest
    differing = [*others(found), *(each for maker in makers for each in maker.differences(found))]
    if differing:
        raise InputError(
            f"{output} exists and is another bundle: {'; '.join(differing)}. Pass --overwrite to replace "
            "it, or choose another folder"
        )
    return bundle


def model_differences(found: Manifest, model: ModelInfo, precision: str) -> Iterator[str]:
    """How the model of a bundle differs from what is expected."""
    if found.model != model:
        yield f"its model is {_model(found.model)}, not {_model(model)}"
    if found.precision != precision:
        yield f"its precision is {found.precision}, not {precision}"


def info_differences(found: OnnxInfo, expected: OnnxInfo) -> Iterator[str]:
    """How what a bundle says of its ONNX file differs from what is expected."""
    for name, shown in _SHOWN.items():
        old, new = getattr(found, name), getattr(expected, name)
        if old != new:
            yield f"its {name} is {shown(old)}, not {shown(new)}"
    for tool in sorted((found.tools.keys() | expected.tools.keys()) - {*VERIFIERS}):
        if found.tools.get(tool) != expected.tools.get(tool):
            yield f"its {tool} was {found.tools.get(tool)}, not {expected.tools.get(tool)}"


def _model(model: ModelInfo) -> str:
    return f"{model.name} with weights {model.weights_sha256[:12]}"


_SHOWN: Final[dict[str, Callable[[Any], str]]] = {
    "inputs": str,
    "operator": lambda operator: f"radius {operator.radius}{', inline' if operator.inline else ''}",
    "opset": str,
    "model_input": str,
}
