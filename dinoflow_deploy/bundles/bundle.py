"""The bundle: a folder with an exported model and a manifest that describes it.

```
bundle/
    manifest.json    what ``Manifest`` says
    model.onnx       one file for every runtime
    tensorrt.plan    a TensorRT engine of it, where one was built; rtx.plan for TensorRT-RTX
    model.pt2        a package of PyTorch's compiler, where one was compiled
```
"""

from dataclasses import dataclass
from pathlib import Path

from dinoflow_deploy.bundles.manifest import MANIFEST_NAME, FileInfo, Manifest
from dinoflow_deploy.errors import FileFormatError


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk whose files are all there and unchanged.

    Attributes:
        folder: Where it lies.
        manifest: What it says about itself.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read the manifest and check every file against it.

        Raises:
            FileFormatError: The folder is not a bundle, or files are missing or not the exported ones.
        """
        path = folder / MANIFEST_NAME
        if not path.is_file():
            raise FileFormatError(f"{folder} is not a bundle: it holds no {MANIFEST_NAME}{_run_hint(folder)}")
        manifest = Manifest.read(path)
        problems = [problem_with(folder / name, recorded) for name, recorded in manifest.files.items()]
        if found := [problem for problem in problems if problem]:
            raise FileFormatError("\n".join(found))
        return cls(folder, manifest)

    @property
    def onnx_path(self) -> Path:
        """The ONNX file."""
        return self.folder / self.manifest.onnx.file


def _run_hint(folder: Path) -> str:
    """For the folder of a training run: its model."""
    best = folder / "best.safetensors"
    return f". Of a training run, give its model, {best}" if best.is_file() else ""


def problem_with(path: Path, recorded: FileInfo) -> str | None:
    """Why a file is not the one that a manifest lists; ``None`` where it is."""
    if not path.is_file():
        return f"{path} is missing from its bundle: copy the whole folder, or export again"
    found = FileInfo.of(path)
    if found == recorded:
        return None
    return (
        f"{path} is not the file that was exported: {found.bytes} bytes with SHA-256 {found.sha256[:12]} "
        f"where the manifest says {recorded.bytes} and {recorded.sha256[:12]}: copy it or export again"
    )
