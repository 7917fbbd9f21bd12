"""Which kinds of artefact a bundle holds."""

from pathlib import Path

from dinoflow_deploy.bundles.manifest import MANIFEST_NAME, Manifest
from dinoflow_deploy.errors import FileFormatError


def artefact_kinds(folder: Path) -> tuple[str, ...]:
    """The kinds of artefact in a bundle, from its manifest alone: ``"onnx"``, ``"plan"``.

    Nothing if it is not a bundle or damaged, which ``Bundle.open`` reports.
    """
    try:
        manifest = Manifest.read(folder / MANIFEST_NAME)
    except (OSError, FileFormatError):
        return ()
    return tuple(dict.fromkeys(artefact.kind for artefact in manifest.artefacts))
