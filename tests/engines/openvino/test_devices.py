from collections.abc import Callable
from types import SimpleNamespace

import pytest

from dinoflow_deploy.engines import backend, load_engine
from dinoflow_deploy.engines.backends import find_backend
from dinoflow_deploy.engines.devices import Device
from dinoflow_deploy.engines.openvino import backend as row_module
from dinoflow_deploy.engines.openvino import devices
from dinoflow_deploy.errors import DeviceError, InputError, MissingPackageError
from dinoflow_deploy.system import optional
from dinoflow_deploy.system.gpus import Gpu
from tests.small_bundles import WriteBundle, WriteOnnx

NAMES = {"CPU": "a CPU", "GPU.0": "Iris", "GPU.1": "Arc", "NPU": "AI Boost"}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have OpenVINO find these devices."""

    def find(*names: str) -> None:
        monkeypatch.setattr(
            devices,
            "core",
            lambda: SimpleNamespace(available_devices=names, get_property=lambda name, _: NAMES[name]),
        )

    return find


def test_names_are_those_that_openvino_has(found: Callable[..., None]) -> None:
    found("CPU", "GPU.0", "GPU.1", "NPU", "NVIDIA")
    assert {str(ours): name for ours, name in devices.found_devices().items()} == {
        "cpu": "CPU",
        "intel-gpu": "GPU.0",
        "intel-gpu:1": "GPU.1",
        "intel-npu": "NPU",
    }
    assert devices.choose_device(Device("auto")) == (Device("cpu"), "CPU")
    assert devices.choose_device(Device("intel-gpu", 1)) == (Device("intel-gpu", 1), "GPU.1")


def test_one_that_is_missing_lists_those_that_are_there(found: Callable[..., None]) -> None:
    found("CPU", "GPU.0")
    for name in ("intel-npu", "intel-gpu:1"):
        with pytest.raises(DeviceError, match=rf"'{name}', but cpu \(a CPU\), intel-gpu \(Iris\): use one"):
            devices.choose_device(Device.parse(name, row_module.DEVICES))


def test_a_device_of_another_backend_is_refused(write_onnx: WriteOnnx) -> None:
    with pytest.raises(InputError, match=r"'cuda' is of no kind .* use auto, cpu, intel-gpu, intel-npu"):
        load_engine(write_onnx(), "openvino", "cuda")
    with pytest.raises(InputError, match=r"'intel-gpu' is of no kind that .* use auto, cpu, cuda"):
        load_engine(write_onnx(), "onnxruntime", "intel-gpu")


def test_the_probe_tries_what_is_there() -> None:
    answers = row_module.probe()
    assert answers["OpenVINO device cpu"] is None
    assert answers.keys() <= find_backend("openvino").probe.needed
    assert "openvino" in find_backend("openvino").probe.repair("OpenVINO device cpu")


def test_the_probe_says_what_went_wrong() -> None:
    assert "TPU" in devices.device_problem("TPU")


@pytest.mark.parametrize(
    ("device", "gpu", "cuda", "missing", "chosen"),
    [
        ("cpu", False, False, (), "openvino"),
        ("auto", False, False, (), "openvino"),
        ("auto", True, False, (), "openvino"),
        ("auto", True, True, ("onnxruntime",), "openvino"),
        ("auto", True, True, (), "onnxruntime"),
        ("cpu", True, True, (), "openvino"),
        ("cuda", True, True, (), "onnxruntime"),
        ("intel-gpu", True, True, (), "openvino"),
        ("intel-npu", False, False, ("openvino",), "openvino"),
        ("cpu", False, False, ("openvino",), "onnxruntime"),
        ("cpu", False, False, ("onnx",), "onnxruntime"),
    ],
)
def test_what_auto_takes(
    device: str,
    gpu: bool,
    cuda: bool,
    missing: tuple[str, ...],
    chosen: str,
    write_bundle: WriteBundle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpus = (Gpu("any", None, "9.0", "580"),) if gpu else ()
    monkeypatch.setattr(row_module, "list_gpus", lambda: (gpus, None))
    monkeypatch.setattr(row_module, "is_installed", lambda name: name not in missing)
    monkeypatch.setattr(
        "dinoflow_deploy.engines.onnxruntime.providers.provider_problem",
        lambda name: None if cuda else "no driver",
    )
    taken = []
    monkeypatch.setattr(backend.Backend, "load", lambda row, *_, **__: taken.append(row.name))
    load_engine(write_bundle(), device=device)
    assert taken == [chosen]


def test_what_is_missing_is_named_with_its_extra(
    write_bundle: WriteBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_bundle()
    for missing, wanted in (("openvino", "backend 'openvino'"), ("onnx", "reading a model for OpenVINO")):
        monkeypatch.setattr(optional, "is_installed", lambda name, missing=missing: name != missing)
        with pytest.raises(MissingPackageError, match=rf"{wanted} needs .*'{missing}'.* pip install .*openv"):
            load_engine(folder, "openvino")
