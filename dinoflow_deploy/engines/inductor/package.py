"""From a bundle to the package that it holds."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.bundles.manifest import MANIFEST_NAME, Manifest
from dinoflow_deploy.bundles.model_input import IMAGES
from dinoflow_deploy.engines.inductor.package_info import PackageInfo
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.models.builtin import builtin_models


@dataclass(frozen=True, slots=True)
class Package:
    """A package in a bundle; by itself it is not run, since nothing would say what it is and whose.

    Attributes:
        path: The file.
        manifest: The bundle's manifest.
        info: What that says about it.
    """

    path: Path
    manifest: Manifest
    info: PackageInfo

    def rebuild(self, device: str) -> str:
        """The command that compiles it again.

        Args:
            device: ``"cuda"`` or ``"cpu"``.
        """
        words = ["--model", _model(self.manifest), "--precision", self.manifest.precision]
        words += _shapes(self.info.inputs)
        words += [] if self.info.model_input == IMAGES.name else ["--input", self.info.model_input]
        return f"dinoflow-deploy export {shlex.join(words)} --target inductor --device {device} --output NEW"


def find_package(source: Path | Bundle) -> Package:
    """The package of a bundle.

    Args:
        source: The bundle, or its folder, whose files are compared with the manifest first.

    Raises:
        FileFormatError: The bundle is damaged, or it is a file by itself.
        InputError: The bundle holds no package.
    """
    if isinstance(source, Path) and source.is_file():
        raise FileFormatError(
            f"{source} is no bundle: a package of PyTorch's compiler is native code, and is run from a "
            "bundle alone, whose manifest says what it is: name the folder"
        )
    bundle = source if isinstance(source, Bundle) else Bundle.open(source)
    info = package_info(bundle.manifest)
    if info is None:
        raise InputError(
            f"{bundle.folder} holds no package of PyTorch's compiler: dinoflow-deploy export --model "
            f"{_model(bundle.manifest)} --target inductor --output NEW compiles one"
        )
    return Package(bundle.folder / info.file, bundle.manifest, info)


def package_info(manifest: Manifest) -> PackageInfo | None:
    """What a manifest says of its package; ``None`` where it lists none."""
    return next(iter(manifest.all_of(PackageInfo)), None)


def _model(manifest: Manifest) -> str:
    """What ``--model`` has to be: a built-in model's name, where it is that very model."""
    builtin = builtin_models().get(manifest.model.name)
    if builtin and Manifest.read(builtin.bundle / MANIFEST_NAME).model == manifest.model:
        return manifest.model.name
    return "WEIGHTS"


def _shapes(inputs: InputRange) -> list[str]:
    if inputs.is_static:
        return ["--size", f"{inputs.height.min}x{inputs.width.min}", "--batch", str(inputs.batch.min)]
    axes = (inputs.batch, inputs.height, inputs.width)
    corners = {name: [getattr(axis, name) for axis in axes] for name in ("min", "opt", "max")}
    return [
        word
        for name, (batch, height, width) in corners.items()
        for word in (f"--{name}", f"{height}x{width},{batch}")
    ]
