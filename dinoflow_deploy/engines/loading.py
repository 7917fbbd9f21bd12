"""From what a user names to an engine."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinoflow_deploy.bundles.artefact_kinds import artefact_kinds
from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.engines.backend import Backend, Source
from dinoflow_deploy.engines.backends import all_backends, all_kinds, compared_by_name, find_backend
from dinoflow_deploy.engines.base import FlowEngine
from dinoflow_deploy.engines.kinds import ONNX, PUBLISHED, SAFETENSORS
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.models.published import find_published, published_models
from dinoflow_deploy.models.unknown_model import unknown_model
from dinoflow_deploy.system.user_folders import expand_home


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is under a name.

    Attributes:
        title: What it is called in messages.
        artefacts: What can be run of it, by kind.
        is_bundle: Whether a bundle is among it.
    """

    title: str
    artefacts: dict[str, Source]
    is_bundle: bool = False


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
            ``opencv-dis``, OpenCV's DIS; ``torchvision-raft-large`` and ``torchvision-raft-small``. Or a
            model of a Triton server, ``grpc://HOST:8001/MODEL``.
        backend: Name of a backend, as :func:`~dinoflow_deploy.engines.backends.all_backends` lists them; or
            ``"auto"``: the first of these that runs the source and may be chosen. Of a bundle that is
            TensorRT if it holds a plan whose TensorRT is installed and there is a GPU; else inductor if it
            holds a package for such a GPU and for this PyTorch; else OpenVINO on the CPU, where it is
            installed and ONNX Runtime's CUDA does not work; else ONNX Runtime.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, with OpenVINO ``"intel-gpu"`` or ``"intel-npu"``, or
            ``"auto"``: CUDA where the backend can use it, else the CPU.
        convert_colors: Take grey ``[H, W]`` or ``[H, W, 1]`` and RGBA ``[H, W, 4]`` frames too.
        options: What one backend takes beyond this: ``intra_op_threads`` for onnxruntime and openvino,
            ``engine_precision`` for openvino, ``precision`` for pytorch; ``flavour``, ``cuda_graph`` and
            ``allow_host_code`` for tensorrt; ``cuda_graph`` for inductor; ``shared_memory``, ``timeout`` and
            ``retry_for`` for triton.

    Returns:
        The engine; its ``describe()`` says what "auto" chose. Close it, or use it in a ``with`` statement.

    Raises:
        InputError: The source, backend, device or option is not known, or they do not go together.
        EngineError: A server does not answer, or has no such model.
        FileFormatError: A file is damaged, or not what its name says.
        DeviceError: The device was asked for and cannot be had.
        ModelError: Weights do not fit, or those of a published model cannot be had.
        MissingPackageError: The backend's package is not installed.
    """
    chosen, artefact = choose(source, backend, device)
    _check_options(chosen, options)
    return chosen.load(artefact, device=device, convert_colors=convert_colors, options=options)


def check_source(source: str | Path, backend: str = "auto", device: str = "auto") -> None:
    """Refuse a name that :func:`load_engine` would refuse, without loading anything.

    Args:
        source: As of ``load_engine``.
        backend: Likewise.
        device: Likewise.

    Raises:
        InputError: There is no such model or backend, or they do not go together.
        FileFormatError: The manifest of a bundle is damaged or missing.
    """
    choose(source, backend, device)


def choose(source: str | Path, name: str = "auto", device: str = "auto") -> tuple[Backend, Source]:
    """What :func:`load_engine` would load, without loading it.

    Args:
        source: As of ``load_engine``.
        name: Of the backend, likewise.
        device: Likewise.

    Returns:
        The backend's row, and what it would run.

    Raises:
        InputError: There is no such model or backend, or they do not go together.
        FileFormatError: The manifest of a bundle is damaged or missing.
    """
    found = _find(source)
    wanted = None if name == "auto" else find_backend(name)
    fitting = [
        (backend, found.artefacts[kind.name])
        for backend in all_backends()
        for kind in backend.runs
        if kind.name in found.artefacts
    ]
    if wanted is None:
        # In turn, since asking may load a runtime. Where none may, the first is taken: it says what it lacks.
        return next((each for each in fitting if each[0].may_be_chosen(each[1], device)), fitting[0])
    for backend, artefact in fitting:
        if backend.name == wanted.name:
            return backend, artefact
    others = list(dict.fromkeys(backend.name for backend, _ in fitting))
    raise InputError(_unfit(source, found, wanted, others))


def _find(source: str | Path) -> _Found:
    models, compared = builtin_models(), compared_by_name()
    if isinstance(source, str) and source in models:
        bundle = _bundle(models[source].bundle)
        title = f"{bundle.title} or {SAFETENSORS.title}"
        return _Found(title, {**bundle.artefacts, SAFETENSORS.name: models[source].weights}, is_bundle=True)
    if "://" in str(source):
        return _elsewhere(str(source))
    published = find_published(source)
    if published is not None:
        return _Found(PUBLISHED.title, {PUBLISHED.name: published})
    path = Path(expand_home(str(source)))
    if str(source) in compared and not path.exists():
        kind = compared[str(source)]
        return _Found(kind.title, {kind.name: str(source)})
    if path.is_dir():
        return _bundle(path)
    if not path.exists():
        known: dict[str, Iterable[str]] = {
            "built-in": models,
            "published": published_models(),
            "to compare with": compared,
        }
        raise InputError(unknown_model(str(source), known))
    return _file(path)


def _elsewhere(address: str) -> _Found:
    kinds = {kind.scheme: kind for kind in all_kinds().values() if kind.scheme}
    kind = kinds.get(address.partition("://")[0])
    if kind is None:
        known = ", or ".join(f"{each.address} for {each.title}" for each in kinds.values())
        raise InputError(f"{address} is the address of nothing that runs a model: write {known}")
    return _Found(kind.title, {kind.name: address})


def _file(path: Path) -> _Found:
    by_suffix = {suffix: kind for kind in all_kinds().values() for suffix in kind.suffixes}
    kind = by_suffix.get(path.suffix.lower())
    if kind is None:
        raise InputError(
            f"{path} is not a model: it must be the folder of a bundle, or a file that ends in "
            f"{', '.join(by_suffix)}"
        )
    return _Found(kind.title, {kind.name: path})


def _bundle(folder: Path) -> _Found:
    kinds, known = artefact_kinds(folder), all_kinds()
    if not kinds:
        # Says what is wrong with it.
        Bundle.open(folder)
    runs = dict.fromkeys((kind for kind in kinds if kind in known), folder)
    if not runs:
        raise InputError(f"{folder} holds nothing that a backend runs: {', '.join(kinds) or 'no artefact'}")
    # Most bundles hold an ONNX file, which is no news.
    more = [known[kind].title for kind in runs if kind != ONNX.name]
    return _Found(f"a bundle with {' and '.join(more)}" if more else "a bundle", {**runs}, is_bundle=True)


def _check_options(backend: Backend, options: dict[str, Any]) -> None:
    for name in options:
        if not backend.takes(name):
            own = ", ".join(option.name for option in backend.options)
            others = ", ".join(other.name for other in all_backends() if other.takes(name))
            verb = "take" if "," in others else "takes"
            elsewhere = f", and {others} {verb} '{name}'" if others else ""
            raise InputError(
                f"the backend '{backend.name}' has no option '{name}': it takes {own or 'none'}{elsewhere}"
            )


def _unfit(source: str | Path, found: _Found, backend: Backend, others: list[str]) -> str:
    advice = ""
    if PUBLISHED.name in found.artefacts:
        advice = f"; or dinoflow-deploy export --model {source} --output NEW makes a bundle of it"
    elif backend.hint and found.is_bundle:
        advice = f"; or {backend.hint.format(source=source)}"
    return (
        f"the backend '{backend.name}' does not run {source}, which is {found.title}: use "
        f"{', '.join(others)}{advice}"
    )
