"""Compile a model, in a process that can be ended."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any, Final

import torch

from dinoflow_deploy.engines.pytorch.module_engine import use_float32
from dinoflow_deploy.errors import BuildCancelledError, ExportError
from dinoflow_deploy.export.inductor.program import Form, program_of
from dinoflow_deploy.export.inductor.toolchain import Toolchain
from dinoflow_deploy.system.dataclass_reader import from_json
from dinoflow_deploy.system.own_process import call_until
from dinoflow_deploy.train.model import FlowModel

_SETTINGS: Final[dict[str, Any]] = {
    # As many threads as torch has where the package runs, not as it had where it was compiled.
    "cpp.dynamic_threads": True,
    # They would be used once.
    "aot_inductor.precompile_headers": False,
}
_CACHES: Final = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton"}
_MODEL: Final = "model.pt"
_COMPILED: Final = "compiled.pt2"
_SAID: Final = 500


def compile_model(model: FlowModel, form: Form, toolchain: Toolchain, cancel: Event) -> bytes:
    """Compile a model.

    What compilers keep is kept in a temporary folder, unless the user names another place by
    ``TORCHINDUCTOR_CACHE_DIR`` and ``TRITON_CACHE_DIR``.

    Args:
        model: The model.
        form: What it is to take, and to compute in and on.
        toolchain: What compiles it, and for what.
        cancel: Ends it soon after it is set.

    Returns:
        The package.

    Raises:
        ExportError: PyTorch's compiler cannot compile it.
        BuildCancelledError: ``cancel`` was set.
    """
    function = f"{__name__}:{compile_saved.__name__}"
    with TemporaryDirectory(prefix="dinoflow-inductor-") as folder:
        torch.save(model, Path(folder, _MODEL))
        caches = {name: f"{folder}/{place}" for name, place in _CACHES.items() if name not in os.environ}
        environment = {**toolchain.environment, **caches}
        _, problem = call_until(cancel, function, folder, json.dumps(asdict(form)), environment=environment)
        if cancel.is_set():
            raise BuildCancelledError("the compilation was cancelled")
        if problem is not None:
            # A C++ compiler's own words come behind its command line.
            said = (problem.partition("Output:")[2] or problem).strip()
            raise ExportError(f"PyTorch cannot compile the package for {toolchain.title}: {said[:_SAID]}")
        return Path(folder, _COMPILED).read_bytes()


def compile_saved(folder: str, form: str) -> None:
    """Compile the model that ``compile_model`` left in a folder, in this process.

    Args:
        folder: The folder.
        form: A ``Form`` as JSON.

    Raises:
        ExportError: torch cannot export the model.
    """
    wanted = from_json(Form, json.loads(form), "form")
    if wanted.precision == "fp32":
        use_float32()
    # Any class of a model, from a file that this package has just written.
    model = torch.load(Path(folder, _MODEL), weights_only=False)
    program = program_of(model, wanted)
    torch._inductor.aoti_compile_and_package(
        program, package_path=str(Path(folder, _COMPILED)), inductor_configs=dict(_SETTINGS)
    )
