"""ONNX Runtime's TensorRT provider: asked for rightly, and refused with the reason where it does not fit."""

import hashlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from dinoflow_deploy import load_engine
from dinoflow_deploy.engines.onnxruntime import engine as engine_module
from dinoflow_deploy.engines.onnxruntime import providers as onnx_providers
from dinoflow_deploy.engines.onnxruntime import tensorrt_provider as onnxruntime_tensorrt
from dinoflow_deploy.engines.onnxruntime.providers import CPU, CUDA, TENSORRT, plan_cache, provider_options
from dinoflow_deploy.engines.onnxruntime.tensorrt_provider import OnnxRuntimeTensorRTEngine
from dinoflow_deploy.errors import DeviceError, InputError
from dinoflow_deploy.models.builtin import builtin_models
from tests.small_bundles import WriteBundle

MakeFrames = Callable[..., np.ndarray]
WITHOUT_LIBRARY = (
    "Failed to load library libonnxruntime_providers_tensorrt.so with error: libnvinfer.so.10: cannot open "
    "shared object file: No such file or directory"
)


@pytest.fixture
def has_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of ONNX Runtime with all three providers."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])


def refusal(bundle: Path, device: str = "auto") -> str:
    with pytest.raises(DeviceError) as refused:
        load_engine(bundle, "onnxruntime-tensorrt", device)
    return str(refused.value)


def set_problem(monkeypatch: pytest.MonkeyPatch, problem: str | None) -> None:
    monkeypatch.setattr(onnxruntime_tensorrt, "provider_problem", lambda provider, index: problem)


def set_installed(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)


@pytest.mark.skipif(TENSORRT in onnxruntime.get_available_providers(), reason="this build has TensorRT")
def test_a_build_without_it_is_told(write_bundle: WriteBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one on this machine."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    message = refusal(write_bundle())
    assert f"ONNX Runtime {onnxruntime.__version__} cannot use TensorRT: this build" in message
    assert "does not hold TensorrtExecutionProvider.\nRun: pip " in message
    assert "onnxruntime-gpu" in message
    assert message.endswith("or use the backend 'tensorrt' with a plan, or 'onnxruntime'")


@pytest.mark.skipif(TENSORRT in onnxruntime.get_available_providers(), reason="this build has TensorRT")
def test_no_package_helps_on_aarch64(write_bundle: WriteBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    message = refusal(write_bundle())
    assert "The packages for aarch64 come without it: use the backend 'tensorrt' with a plan" in message
    assert "pip" not in message


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        ({"tensorrt-cu13": "11.4.0.106"}, "TensorRT 11.4.0.106 is installed"),
        ({}, "no TensorRT is installed"),
    ],
)
def test_another_version_of_tensorrt_than_it_is_built_for(
    has_provider: None,
    write_bundle: WriteBundle,
    monkeypatch: pytest.MonkeyPatch,
    installed: dict[str, str],
    said: str,
) -> None:
    set_problem(monkeypatch, WITHOUT_LIBRARY)
    set_installed(monkeypatch, installed)
    message = refusal(write_bundle())
    assert WITHOUT_LIBRARY in message
    assert f"It is built for TensorRT 10, and {said}: pip install 'tensorrt-cu13==10.*'; or use" in message


def test_another_failure_is_told_as_it_is(
    has_provider: None, write_bundle: WriteBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_problem(monkeypatch, "CUDA failure 100: no CUDA-capable device is detected")
    assert "no CUDA-capable device is detected.\nWith an NVIDIA GPU" in refusal(write_bundle())


def test_the_cpu_is_refused(write_bundle: WriteBundle) -> None:
    assert "NVIDIA GPUs only: for the device 'cpu' use the backend" in refusal(write_bundle(), "cpu")


def test_it_is_never_chosen_by_auto(
    has_provider: None, write_bundle: WriteBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_problem(monkeypatch, None)
    with load_engine(write_bundle(), device="cpu") as engine:
        assert engine.describe().backend == "openvino"
    with pytest.raises(InputError, match="'onnxruntime-tensorrt' has no option 'cuda_graph'"):
        load_engine(write_bundle("other"), "onnxruntime-tensorrt", cuda_graph=True)


@pytest.fixture
def cpu_in_its_place(has_provider: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """The CPU computes what TensorRT would; gives what the provider was asked for."""
    asked: list[tuple[str, int, str]] = []

    def options(provider: str, index: int, model: Path) -> list[str]:
        asked.append((provider, index, model.name))
        return [CPU]

    set_problem(monkeypatch, None)
    monkeypatch.setattr(engine_module, "provider_options", options)
    return asked


def test_it_runs_on_the_provider_and_says_so(
    cpu_in_its_place: list[tuple[str, int, str]],
    write_bundle: WriteBundle,
    frames: MakeFrames,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "nodes_elsewhere", lambda session, provider, path: [])
    first, second = frames(2, 50, 70)
    with load_engine(write_bundle(), "onnxruntime-tensorrt", "cuda:1") as engine:
        what = engine.describe()
        flow = engine(first, second)
    assert isinstance(engine, OnnxRuntimeTensorRTEngine)
    assert (what.backend, what.device, what.provider) == ("onnxruntime-tensorrt", "cuda:1", TENSORRT)
    assert cpu_in_its_place == [(TENSORRT, 1, "model.onnx")]
    np.testing.assert_allclose(flow, (second.astype(np.float32) - first)[..., :2], atol=1e-3)


def test_nodes_that_tensorrt_does_not_take_are_an_error(
    cpu_in_its_place: list[tuple[str, int, str]],
) -> None:
    """The session's own record, of nodes that are all on the CPU."""
    message = refusal(builtin_models()["nano"].bundle, "cuda")
    assert "nodes of " in message
    assert f"since {TENSORRT} leaves them: " in message


def test_plans_are_kept_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = builtin_models()["nano"].bundle / "model.onnx"
    ((name, options),) = provider_options(TENSORRT, 1, model)
    folder = tmp_path / "dinoflow-deploy" / "onnxruntime"
    own = folder / hashlib.sha256(model.read_bytes()).hexdigest()[:16]
    timing = {"trt_timing_cache_enable": "1", "trt_timing_cache_path": str(folder)}
    assert name == TENSORRT
    assert options == {
        "device_id": "1",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(own),
        **timing,
    }
    assert own.is_dir()
    # The probe, which is no file.
    assert provider_options(TENSORRT) == [(TENSORRT, {"device_id": "0", **timing})]
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert plan_cache() == Path.home() / ".cache" / "dinoflow-deploy" / "onnxruntime"


def test_models_that_differ_in_weights_alone_share_no_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider would take one for the other: microsoft/onnxruntime#6455."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folders = set()
    for weights in (b"1", b"2"):
        (tmp_path / "model.onnx").write_bytes(weights)
        ((_, options),) = provider_options(TENSORRT, 0, tmp_path / "model.onnx")
        folders.add(options["trt_engine_cache_path"])
    assert len(folders) == 2


def test_the_other_providers_are_asked_for_as_before() -> None:
    assert provider_options(CPU) == [(CPU, {})]
    assert provider_options(CUDA, 2) == [(CUDA, {"device_id": "2", "use_tf32": "0"})]


def test_libraries_of_tensorrt_are_loaded_and_one_that_fails_is_left_to_the_probe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[Any] = []

    def load(name: str) -> None:
        loaded.append(name)
        raise ImportError("libnvinfer.so.11: cannot open shared object file")

    monkeypatch.setattr(onnx_providers, "is_installed", lambda name: name == "tensorrt")
    monkeypatch.setattr(onnx_providers.importlib, "import_module", load)
    onnx_providers.preload_libraries(TENSORRT)
    assert loaded == ["tensorrt"]
    onnx_providers.preload_libraries(CUDA)
    assert loaded == ["tensorrt"]
