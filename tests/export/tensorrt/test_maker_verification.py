"""A plan's parity: the plans run on the model, whose flow may be made to differ."""

import sys
from pathlib import Path

import pytest

from dinoflow_deploy.engines import Bundle
from dinoflow_deploy.errors import ExportError, MissingPackageError
from dinoflow_deploy.export import ExportOptions, export_bundle, onnx_maker
from dinoflow_deploy.export.from_bundle import build_from_bundle
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.tensorrt.plan_info import PlanInfo
from tests.export.conftest import Exported, GetExport
from tests.export.plugin.conftest import StandIn
from tests.tensorrt_model.flavours import TENSORRT_11
from tests.tensorrt_model.module import TensorRT

pytestmark = [
    pytest.mark.slow,
    # Comparing is the same with both.
    pytest.mark.parametrize("tensorrt", [TENSORRT_11], ids=["11.4"], indirect=True),
]

OPTIONS = PlanOptions(plugin="none")


def test_from_a_bundle_the_reference_is_its_onnx_file(
    tensorrt: TensorRT, nano: Exported, tmp_path: Path
) -> None:
    report = build_from_bundle(nano.folder, tmp_path / "out", OPTIONS).artefacts[-1]
    parity = report.info.parity
    assert parity is not None
    assert parity.reference == "onnxruntime fp32 on cpu"
    assert parity.engine == f"tensorrt TensorRT {tensorrt.__version__}"
    assert (parity.pairs, parity.tolerance_px) == (2, 1e-3)
    assert parity.max_px < 1e-4
    assert [row.height for row in report.parity] == [64]
    assert report.not_run is None
    assert Bundle.open(tmp_path / "out").manifest.all_of(PlanInfo) == (report.info,)


def test_a_bf16_reference_is_emulated_and_said_to_be(
    tensorrt: TensorRT, get_export: GetExport, tmp_path: Path
) -> None:
    bundle = get_export("nano", "bf16", False).folder
    tensorrt.state.shift_px = 0.05
    parity = build_from_bundle(bundle, tmp_path / "out", OPTIONS).artefacts[-1].info.parity
    assert parity is not None
    assert parity.reference == "onnxruntime bf16 on cpu, bfloat16 emulated"
    assert parity.max_px == pytest.approx(0.05 * 2**0.5, rel=1e-3)
    assert parity.tolerance_px > 1


def test_from_weights_the_reference_is_pytorch(
    tensorrt: TensorRT, nano: Exported, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
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
    tensorrt: TensorRT, nano: Exported, tmp_path: Path
) -> None:
    tensorrt.state.shift_px = 0.01
    with pytest.raises(
        ExportError, match=r"the flow of tensorrt TensorRT .* is not that of onnxruntime fp32"
    ):
        build_from_bundle(nano.folder, tmp_path / "out", OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_what_verifying_needs_is_asked_for_before_building(
    tensorrt: TensorRT,
    stand_in: StandIn,
    get_export: GetExport,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    bundle, options = get_export("nano", "bf16", False).folder, PlanOptions(plugin="cpp")
    for module in ("cuda.bindings.runtime", "onnxruntime", "onnx"):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, module, None)
            package = module.partition(".")[0]
            with pytest.raises(MissingPackageError, match=rf"--no-verify.* needs the package '{package}'"):
                build_from_bundle(bundle, tmp_path / "out", options)
    assert stand_in.calls == []
