"""The backends: which there are, what each one runs, and the class that does it."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.engines.base import FlowEngine
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.models.published import PublishedModel
from dinoflow_deploy.system.optional import require

TO_COMPARE: Final = {
    "opencv-dis": "method",
    "torchvision-raft-large": "torchvision",
    "torchvision-raft-small": "torchvision",
}
"""What others have made, by the name that ``load_engine`` and ``--model`` take, and which kind of source it
is. Each has a backend of its own."""

Source = Path | PublishedModel | str
"""A file or folder, a published model, or a name of ``TO_COMPARE``."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One way of running a model.

    Attributes:
        name: What ``load_engine`` and ``--backend`` take.
        runs: Kinds of source that it runs: ``"bundle"``, ``"planned"`` (a bundle that holds a plan),
            ``"onnx"``, ``"safetensors"``, ``"plan"``, ``"published"``, ``"method"``, ``"torchvision"``.
        package: The package that it needs; ``None`` where the engine itself knows which.
        module: Where its engine is defined; imported only when it is used.
        engine: Name of the class, made with ``(source, device=..., convert_colors=..., **options)``.
        options: Further keyword arguments of the class.
        automatic: Whether "auto" may choose it: ``"always"``, ``"never"``, or ``"module:function"``, which is
            called with the path and the name of the device and says so.
        hint: What to do where it does not run a source, with ``{source}`` for the source.
    """

    name: str
    runs: tuple[str, ...]
    package: str | None
    module: str
    engine: str
    options: tuple[str, ...]
    automatic: str = "always"
    hint: str = ""

    def load(
        self, source: Source, *, device: str, convert_colors: bool, options: dict[str, Any]
    ) -> FlowEngine:
        """Make the engine.

        Raises:
            InputError: The backend has no such option.
            MissingPackageError: Its package is not installed.
        """
        for name in options:
            if name not in self.options:
                others = [backend.name for backend in BACKENDS if name in backend.options]
                elsewhere = f", and {', '.join(others)} takes '{name}'" if others else ""
                raise InputError(
                    f"the backend '{self.name}' has no option '{name}': it takes {', '.join(self.options)}"
                    f"{elsewhere}"
                )
        if self.package is not None:
            require(self.package, _purpose(self.name, source))
        engine = getattr(import_module(self.module), self.engine)
        made: FlowEngine = engine(source, device=device, convert_colors=convert_colors, **options)
        return made

    def may_be_chosen(self, path: Source, device: str) -> bool:
        """Whether "auto" may choose it for a source that it runs."""
        if ":" not in self.automatic:
            return self.automatic == "always"
        module, function = self.automatic.split(":")
        return bool(getattr(import_module(module), function)(path, device))


def _purpose(backend: str, source: Source) -> str:
    if not isinstance(source, PublishedModel):
        return f"the backend '{backend}'"
    how = f"dinoflow-deploy inspect {source.name} says how to get its weights"
    return f"running {source.name}, the published model ({how}),"


BACKENDS: Final = (
    Backend(
        name="tensorrt",
        runs=("planned", "plan"),
        package=None,
        module="dinoflow_deploy.engines.tensorrt.engine",
        engine="TensorRTEngine",
        options=("flavour", "cuda_graph", "allow_host_code"),
        automatic="dinoflow_deploy.engines.tensorrt.choice:can_run_here",
        hint="dinoflow-deploy export --model {source} --target tensorrt --output NEW builds a plan for it",
    ),
    Backend(
        name="onnxruntime",
        runs=("bundle", "onnx"),
        package="onnxruntime",
        module="dinoflow_deploy.engines.onnxruntime.engine",
        engine="OnnxRuntimeEngine",
        options=("intra_op_threads",),
    ),
    Backend(
        name="pytorch",
        runs=("safetensors", "published"),
        package="torch",
        module="dinoflow_deploy.engines.pytorch",
        engine="PyTorchEngine",
        options=("precision",),
    ),
    Backend(
        name="onnxruntime-tensorrt",
        runs=("bundle", "onnx"),
        package="onnxruntime",
        module="dinoflow_deploy.engines.onnxruntime.tensorrt_provider",
        engine="OnnxRuntimeTensorRTEngine",
        options=("intra_op_threads",),
        automatic="never",
    ),
    Backend(
        name="opencv",
        runs=("method",),
        package=None,
        module="dinoflow_deploy.engines.opencv_dis",
        engine="OpenCVDisEngine",
        options=(),
    ),
    Backend(
        name="torchvision",
        runs=("torchvision",),
        package="torch",
        module="dinoflow_deploy.engines.pytorch.torchvision_raft",
        engine="TorchvisionRaftEngine",
        options=(),
    ),
)
"""In the order in which "auto" prefers them."""
