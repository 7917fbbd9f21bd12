"""A plan's parity. No plan runs here: in its place stands the ONNX file on ONNX Runtime's CPU provider."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinoflow_deploy.engines import Bundle, FlowEngine, load_engine
from dinoflow_deploy.errors import ExportError, MissingPackageError
from dinoflow_deploy.export import ExportOptions, export_bundle, onnx_maker
from dinoflow_deploy.export.cpu_engine import cpu_engine
from dinoflow_deploy.export.from_bundle import build_from_bundle
from dinoflow_deploy.export.tensorrt import maker, preparation
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.tensorrt.plan_info import PlanInfo
from tests.export.conftest import Exported, GetExport
from tests.export.tensorrt.fake import FakeTensorRT

pytestmark = pytest.mark.slow

OPTIONS = PlanOptions(plugin="none")


class Shifted(FlowEngine):
    """An engine whose flow is some pixels off."""

    def __init__(self, inner: FlowEngine, shift_px: float) -> None:
        super().__init__(replace(inner.describe(), backend="tensorrt", provider="stand-in"))
        self._inner, self._shift = inner, shift_px

    def _run(self, images1: np.ndarray, images2: np.ndarray) -> np.ndarray:
        return self._inner._run(images1, images2) + np.float32(self._shift)


@pytest.fixture
def loaded(tensorrt: FakeTensorRT, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], str]]:
    """Let plans be run by ``Shifted``, and record what is asked of the engine."""
    asked: list[tuple[list[str], str]] = []
    kept = []

    def run(bundle: Bundle, *, flavour: str) -> FlowEngine:
        asked.append(([plan.file for plan in bundle.manifest.all_of(PlanInfo)], flavour))
        made = cpu_engine(bundle)
        kept.append(made)
        return Shifted(made.__enter__(), shift_px=0.0 if bundle.manifest.precision == "fp32" else 0.05)

    monkeypatch.setattr(maker, "TensorRTEngine", run)
    monkeypatch.setattr(preparation, "require", lambda *_: None)
    return asked


def test_from_a_bundle_the_reference_is_its_onnx_file(
    loaded: list[Any], nano: Exported, tmp_path: Path
) -> None:
    report = build_from_bundle(nano.folder, tmp_path / "out", OPTIONS).artefacts[-1]
    parity = report.info.parity
    assert loaded == [(["tensorrt.plan"], "tensorrt")]
    assert parity is not None
    assert parity.reference == "onnxruntime fp32 on cpu"
    assert parity.engine == "tensorrt stand-in"
    assert (parity.max_px, parity.pairs, parity.tolerance_px) == (0, 2, 1e-3)
    assert [row.height for row in report.parity] == [64]
    assert report.not_run is None
    assert Bundle.open(tmp_path / "out").manifest.all_of(PlanInfo) == (report.info,)


def test_a_bf16_reference_is_emulated_and_said_to_be(
    loaded: list[Any], get_export: GetExport, tmp_path: Path
) -> None:
    bundle = get_export("nano", "bf16", False).folder
    parity = build_from_bundle(bundle, tmp_path / "out", OPTIONS).artefacts[-1].info.parity
    assert parity is not None
    assert parity.reference == "onnxruntime bf16 on cpu, bfloat16 emulated"
    assert parity.max_px == pytest.approx(0.05 * 2**0.5, rel=1e-3)
    assert parity.tolerance_px > 1


def test_from_weights_the_reference_is_pytorch(
    loaded: list[Any], nano: Exported, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(onnx_maker, "export_onnx", lambda *_: nano.onnx)
    options = ExportOptions(inputs=Bundle.open(nano.folder).manifest.onnx.inputs)
    report = export_bundle(nano.model, tmp_path / "out", options, target=OPTIONS)
    (plan,) = Bundle.open(tmp_path / "out").manifest.all_of(PlanInfo)
    assert plan.parity is not None
    assert plan.parity.reference == "pytorch fp32 on cpu"
    assert report.artefacts[-1].info == plan
    assert report.manifest.onnx.parity is not None
    assert 0 < plan.parity.max_px == pytest.approx(report.manifest.onnx.parity.max_px)


def test_a_plan_that_computes_something_else_is_not_written(
    loaded: list[Any], nano: Exported, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(bundle: Bundle, *, flavour: str) -> FlowEngine:
        return Shifted(load_engine(nano.folder, "onnxruntime", "cpu"), shift_px=0.01)

    monkeypatch.setattr(maker, "TensorRTEngine", run)
    with pytest.raises(ExportError, match=r"the flow of tensorrt stand-in is not that of onnxruntime fp32"):
        build_from_bundle(nano.folder, tmp_path / "out", OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_what_verifying_needs_is_asked_for_before_building(
    tensorrt: FakeTensorRT, get_export: GetExport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(absent: str) -> Callable[[str, str], None]:
        def require(module: str, purpose: str) -> None:
            if module == absent:
                raise MissingPackageError(f"{purpose} needs {module}")

        return require

    monkeypatch.setattr(preparation, "choose_plugin", lambda *_: pytest.fail("compiled"))
    bundle = get_export("nano", "bf16", False).folder
    for module in ("cuda.bindings.runtime", "onnxruntime", "onnx"):
        monkeypatch.setattr(preparation, "require", missing(module))
        with pytest.raises(MissingPackageError, match=rf"--no-verify.* needs {module}$"):
            build_from_bundle(bundle, tmp_path / "out", OPTIONS)
