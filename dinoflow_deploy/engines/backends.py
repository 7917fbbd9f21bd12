"""The backends: which there are, what each one runs, and the class that does it."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.engines.base import FlowEngine
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.optional import require


@dataclass(frozen=True, slots=True)
class Backend:
    """One way of running a model.

    Attributes:
        name: What ``load_engine`` and ``--backend`` take.
        runs: Kinds of source that it runs: ``"bundle"``, ``"onnx"``, ``"safetensors"``, ``"plan"``.
        package: The package that it needs.
        module: Where its engine is defined; imported only when it is used.
        engine: Name of the class, made with ``(path, device=..., convert_colors=..., **options)``.
        options: Further keyword arguments of the class.
    """

    name: str
    runs: tuple[str, ...]
    package: str
    module: str
    engine: str
    options: tuple[str, ...]

    def load(self, path: Path, *, device: str, convert_colors: bool, options: dict[str, Any]) -> FlowEngine:
        """Make the engine.

        Raises:
            InputError: The backend has no such option.
            MissingPackageError: Its package is not installed.
        """
        for name in options:
            if name not in self.options:
                raise InputError(
                    f"the backend '{self.name}' has no option '{name}': it takes {', '.join(self.options)}"
                )
        require(self.package, f"the backend '{self.name}'")
        engine = getattr(import_module(self.module), self.engine)
        made: FlowEngine = engine(path, device=device, convert_colors=convert_colors, **options)
        return made


BACKENDS: Final = (
    Backend(
        name="onnxruntime",
        runs=("bundle", "onnx"),
        package="onnxruntime",
        module="dinoflow_deploy.engines.onnxruntime",
        engine="OnnxRuntimeEngine",
        options=("intra_op_threads",),
    ),
    Backend(
        name="pytorch",
        runs=("safetensors",),
        package="torch",
        module="dinoflow_deploy.engines.pytorch",
        engine="PyTorchEngine",
        options=("precision",),
    ),
)
"""In the order in which "auto" prefers them."""
