"""From a path to a report."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from dinoflow_deploy.bundles.manifest import MANIFEST_NAME, FileInfo
from dinoflow_deploy.engines.onnxruntime.packages import require_onnx
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.inspection.bundle import inspect_bundle
from dinoflow_deploy.inspection.plan_file import inspect_plan
from dinoflow_deploy.inspection.report import FileDetails, LeftOut, ModelDetails, Report
from dinoflow_deploy.inspection.safetensors_file import read_model
from dinoflow_deploy.inspection.training_run import CHECKPOINT_NAME, is_run, model_files, read_checkpoint
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.models.published import PublishedModel, find_published, published_models
from dinoflow_deploy.models.unknown_model import unknown_model
from dinoflow_deploy.system.user_folders import expand_home

PLAN_SUFFIXES: Final = (".plan", ".engine", ".trt")


def inspect_artifact(source: str | Path, *, allow_host_code: bool = False) -> Report:
    """Find out what an artefact is, without running it.

    Args:
        source: Folder or ``manifest.json`` of a bundle, folder of a training run, an ``.onnx``, ``.plan``
            (``.engine``, ``.trt``) or ``.safetensors`` file, or the name of a built-in model, which stands
            for its bundle, or of a published one, which is looked for in the hub's cache.
        allow_host_code: Let TensorRT load native code that a plan carries, such as an embedded plugin. It
            then runs here: only for plans whose origin you trust.

    Raises:
        InputError: There is no such file, it is of another kind, or its name is not UTF-8.
        ModelError: A published model is not in the hub's cache; says how to get it.
        FileFormatError: A file is damaged, missing from its bundle, or not what its name says.
        MissingPackageError: It is an ONNX file by itself, and ``onnx`` is not installed.
    """
    published = find_published(source)
    if published is not None:
        return _inspect_published(published)
    path = _locate(source)
    if is_run(path):
        return _inspect_run(path)
    if path.is_dir():
        return inspect_bundle(path, allow_host_code=allow_host_code)
    if path.suffix.lower() in PLAN_SUFFIXES:
        return inspect_plan(path, allow_host_code=allow_host_code)
    return _INSPECTORS[path.suffix.lower()](path)


def _locate(source: str | Path) -> Path:
    models = builtin_models()
    if isinstance(source, str) and source in models:
        return models[source].bundle
    path = Path(expand_home(str(source)))
    if not path.exists():
        raise InputError(unknown_model(str(source), {"built-in": models, "published": published_models()}))
    if not (path.is_file() or path.is_dir()):
        # A pipe would be waited for, and a device may have no end.
        raise InputError(f"{path} is neither a file nor a folder: copy what it gives to a file")
    if not _is_text(path):
        raise InputError(f"the name {str(path)!r} is not UTF-8: rename the file or folder")
    if path.name == MANIFEST_NAME:
        return path.parent
    known = (*_INSPECTORS, *PLAN_SUFFIXES)
    if not path.is_dir() and path.suffix.lower() not in known:
        raise InputError(
            f"{path} is nothing that is known here: give the folder of a bundle, or a file that ends in "
            f"{', '.join(known)}"
        )
    return path


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _inspect_onnx(path: Path) -> Report:
    require_onnx("looking into an ONNX file")
    from dinoflow_deploy.inspection.onnx_graph import read_graph

    graph = read_graph(path)
    external = [path.parent / name for name in graph.external_files]
    return Report(path=str(path), kind="onnx", files=_files(path, *external), graph=graph)


def _inspect_safetensors(path: Path) -> Report:
    # First, since it says what is wrong with a damaged file.
    model = read_model(path)
    training = read_checkpoint(path)
    kind = "checkpoint" if training else "safetensors"
    return Report(path=str(path), kind=kind, model=model, training=training, files=_files(path))


def _inspect_run(folder: Path) -> Report:
    checkpoint = folder / CHECKPOINT_NAME
    files = _files(checkpoint, *model_files(folder))
    return Report(path=str(folder), kind="run", training=read_checkpoint(checkpoint), files=files)


def _inspect_published(published: PublishedModel) -> Report:
    paths = published.cached()
    weights = [each for path in paths for each in read_model(path).weights]
    made = f"dinoflow-deploy export --model {published.name} --output {published.name}-bundle makes one"
    return Report(
        path=published.name,
        kind="published",
        model=ModelDetails({"backbone": published.name}, tuple(weights)),
        files=_files(*paths),
        left_out=(LeftOut("shapes, precision and parity, which a bundle has", made),),
    )


def _files(*paths: Path) -> tuple[FileDetails, ...]:
    return tuple(FileDetails.of(path.name, FileInfo.of(path), recorded=False) for path in paths)


_INSPECTORS: Final[dict[str, Callable[[Path], Report]]] = {
    ".onnx": _inspect_onnx,
    ".safetensors": _inspect_safetensors,
}
