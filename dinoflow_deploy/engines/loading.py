"""From what a user names to an engine."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.engines.backends import BACKENDS, TO_COMPARE, Backend, Source
from dinoflow_deploy.engines.base import FlowEngine
from dinoflow_deploy.engines.tensorrt.choice import planned_flavours
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.models.published import PUBLISHED_HEADS, find_published
from dinoflow_deploy.models.unknown_model import unknown_model
from dinoflow_deploy.system.user_folders import expand_home

# The last two are what other tools call a plan.
_SUFFIXES: Final = {
    ".onnx": "onnx",
    ".safetensors": "safetensors",
    ".plan": "plan",
    ".engine": "plan",
    ".trt": "plan",
}
_KINDS: Final = {
    "planned": "a bundle with a TensorRT plan",
    "bundle": "a bundle",
    "onnx": "an ONNX file",
    "safetensors": "a PyTorch model",
    "plan": "a TensorRT plan",
    "published": "the published model",
    "method": "no model but a method of OpenCV",
    "torchvision": "a model of torchvision",
}


def load_engine(
    source: str | Path,
    backend: str = "auto",
    device: str = "auto",
    *,
    convert_colors: bool = False,
    **options: Any,
) -> FlowEngine:
    """Load a model on a backend and a device.

    Args:
        source: Folder of a bundle, an ``.onnx``, ``.plan`` or ``.safetensors`` file, or the name of a
            built-in model. A built-in name wins over a file of that name: write ``./nano`` for the file.
            Or, where there is no such file, a published model, ``vits16``, or one to compare with:
            ``opencv-dis``, OpenCV's DIS; ``torchvision-raft-large`` and ``torchvision-raft-small``.
        backend: ``"tensorrt"``, ``"onnxruntime"``, ``"pytorch"``, ``"opencv"``, ``"torchvision"`` or
            ``"auto"``: the first of these that runs the source; for a bundle, TensorRT if the bundle holds a
            plan whose TensorRT is installed and there is a GPU, else ONNX Runtime.
            ``"onnxruntime-tensorrt"``, ONNX Runtime's TensorRT provider, is never chosen by ``"auto"``.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or ``"auto"``: CUDA where the backend can use it.
        convert_colors: Take grey ``[H, W]`` or ``[H, W, 1]`` and RGBA ``[H, W, 4]`` frames too.
        options: What one backend takes beyond this: ``intra_op_threads`` for onnxruntime, ``precision`` for
            pytorch; ``flavour``, ``cuda_graph`` and ``allow_host_code`` for tensorrt.

    Returns:
        The engine; its ``describe()`` says what "auto" chose. Close it, or use it in a ``with`` statement.

    Raises:
        InputError: The source, backend, device or option is not known, or they do not go together.
        FileFormatError: A file is damaged, or not what its name says.
        DeviceError: The device was asked for and cannot be had.
        ModelError: Weights do not fit, or those of a published model cannot be had.
        MissingPackageError: The backend's package is not installed.
    """
    forms = _forms(source)
    chosen, kind = _choose_backend(source, forms, backend, device)
    return chosen.load(forms[kind], device=device, convert_colors=convert_colors, options=options)


def check_source(source: str | Path, backend: str = "auto", device: str = "auto") -> None:
    """Refuse a name that :func:`load_engine` would refuse, without loading anything.

    Args:
        source: As of ``load_engine``.
        backend: Likewise.
        device: Likewise.

    Raises:
        InputError: There is no such model or backend, or they do not go together.
    """
    _choose_backend(source, _forms(source), backend, device)


def _forms(source: str | Path) -> dict[str, Source]:
    """The kinds of source that are there under this name, each with its path."""
    models = builtin_models()
    if isinstance(source, str) and source in models:
        return {**_bundle_forms(models[source].bundle), "safetensors": models[source].weights}
    published = find_published(source)
    if published is not None:
        return {"published": published}
    path = Path(expand_home(str(source)))
    if str(source) in TO_COMPARE and not path.exists():
        return {TO_COMPARE[str(source)]: str(source)}
    if path.is_dir():
        return _bundle_forms(path)
    if not path.exists():
        known: dict[str, Iterable[str]] = {
            "built-in": models,
            "published": PUBLISHED_HEADS,
            "to compare with": TO_COMPARE,
        }
        raise InputError(unknown_model(str(source), known))
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"{path} is not a model: it must be the folder of a bundle, or a file that ends in "
            f"{', '.join(_SUFFIXES)}"
        )
    return {_SUFFIXES[path.suffix.lower()]: path}


def _bundle_forms(folder: Path) -> dict[str, Source]:
    return {"planned": folder, "bundle": folder} if planned_flavours(folder) else {"bundle": folder}


def _choose_backend(
    source: str | Path, forms: dict[str, Source], name: str, device: str
) -> tuple[Backend, str]:
    names = [backend.name for backend in BACKENDS]
    if name not in ("auto", *names):
        raise InputError(f"the backend '{name}' is not known: use auto, {', '.join(names)}")
    fitting = [(backend, kind) for backend in BACKENDS for kind in backend.runs if kind in forms]
    if name == "auto":
        may = [each for each in fitting if each[0].may_be_chosen(forms[each[1]], device)]
        # Where none may, the only one is taken, which says what it lacks.
        return (may or fitting)[0]
    for backend, kind in fitting:
        if name == backend.name:
            return backend, kind
    raise InputError(_unfit(source, forms, name, list(dict.fromkeys(backend.name for backend, _ in fitting))))


def _unfit(source: str | Path, forms: dict[str, Source], name: str, others: list[str]) -> str:
    # A bundle with a plan is a bundle too: it is called what it is most.
    kinds = [kind for kind in forms if kind != "bundle" or "planned" not in forms]
    what = " or ".join(_KINDS[kind] for kind in kinds)
    hint = next(backend.hint for backend in BACKENDS if backend.name == name)
    advice = f"; or {hint.format(source=source)}" if hint and "bundle" in forms else ""
    if "published" in forms:
        advice = f"; or dinoflow-deploy export --model {source} --output NEW makes a bundle of it"
    return f"the backend '{name}' does not run {source}, which is {what}: use {', '.join(others)}{advice}"
