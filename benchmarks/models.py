"""Models to measure the speed of, in the two forms that engines take."""

from dataclasses import dataclass
from pathlib import Path

from dinoflow_deploy.models.builtin import builtin_models


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The same model in two forms.

    Attributes:
        name: Its backbone.
        weights: The complete model, ``.safetensors``.
        bundle: The exported model, float32, for frames of any size.
    """

    name: str
    weights: Path
    bundle: Path

    def source(self, backend: str) -> Path:
        """The form that a backend runs; for a package of PyTorch's compiler, ``compiled`` makes one."""
        return self.weights if backend == "pytorch" else self.bundle

    def compiled(self, size: tuple[int, int], device: str, folder: Path) -> Path:
        """A bundle with a package of PyTorch's compiler for one pair of one size, which takes minutes.

        Args:
            size: Height and width in pixels.
            device: ``"cpu"`` or ``"cuda"``.
            folder: Where to put it.
        """
        from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
        from dinoflow_deploy.export import ExportOptions, ModelSource, PackageOptions, export_bundle
        from dinoflow_deploy.export.shapes import RequestedShapes

        bundle = folder / f"{self.name}-{size[0]}x{size[1]}-{device}"
        inputs = InputRange(*map(AxisRange.fixed, (1, *size)))
        options = ExportOptions(inputs=inputs, verify=False)
        package = PackageOptions(device, RequestedShapes.of(inputs), verify=False)
        export_bundle(ModelSource(str(self.weights)), bundle, options, target=package)
        return bundle


def model_files(name: str, folder: Path) -> ModelFiles:
    """A built-in model; any other is made with random weights, on which speed does not depend.

    Args:
        name: A backbone's, such as ``"nano"`` or ``"vits16"``.
        folder: Where to put what is made.
    """
    builtin = builtin_models().get(name)
    if builtin:
        return ModelFiles(name, builtin.weights, builtin.bundle)
    made = ModelFiles(name, folder / f"{name}.safetensors", folder / name)
    _make(made)
    return made


def _make(files: ModelFiles) -> None:
    import torch

    from dinoflow_deploy.export import ExportOptions, export_bundle
    from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, save_model

    torch.manual_seed(0)
    model = FlowModel(FlowModelConfig(files.name)).eval()
    save_model(model, files.weights)
    # Parity is the tests' business, and of no use to random weights.
    export_bundle(model, files.bundle, ExportOptions(verify=False))
