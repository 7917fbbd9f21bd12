"""The bundle on disk: whole, described, and not there when something goes wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from dinoflow_deploy.bundles.manifest import FileInfo
from dinoflow_deploy.engines import Bundle
from dinoflow_deploy.engines.openvino.engine import OpenVinoEngine
from dinoflow_deploy.engines.pytorch import PyTorchEngine
from dinoflow_deploy.errors import ExportError, InputError
from dinoflow_deploy.export import ExportOptions, ModelSource, export_bundle, onnx_maker, parity
from dinoflow_deploy.export.parity import Tolerance
from dinoflow_deploy.train.model import save_model
from tests.export.conftest import Exported

pytestmark = pytest.mark.slow


@pytest.fixture
def quick_options(nano: Exported, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ExportOptions]:
    """Options of the shared nano export, whose graph then takes the place of tracing once more."""
    monkeypatch.setattr(onnx_maker, "export_onnx", lambda *_: nano.onnx)
    inputs = Bundle.open(nano.folder).manifest.onnx.inputs
    return lambda **arguments: ExportOptions(inputs=inputs, **arguments)


def test_manifest_describes_the_bundle(
    nano: Exported, quick_options: Callable[..., ExportOptions], tmp_path: Path
) -> None:
    weights = tmp_path / "weights.safetensors"
    save_model(nano.model, weights)
    report = export_bundle(weights, tmp_path / "bundle", quick_options())
    manifest = Bundle.open(tmp_path / "bundle").manifest
    assert manifest == report.manifest
    assert manifest.model.name == "nano"
    assert manifest.model.weights_sha256 == FileInfo.of(weights).sha256
    assert manifest.model.config == nano.model.config.to_dict() | {
        "head": json.loads(json.dumps(nano.model.config.to_dict()["head"]))
    }
    assert (manifest.precision, manifest.onnx.opset) == ("fp32", 20)
    assert (manifest.onnx.operator.radius, manifest.onnx.operator.inline) == (4, False)
    assert {"torch", "onnx", "onnxscript", "onnxruntime", "dinoflow-deploy"} <= manifest.onnx.tools.keys()
    assert manifest.onnx.parity is not None
    assert 0 < manifest.onnx.parity.max_px <= 1e-3
    assert report.artefacts[0].nodes == len(nano.onnx.graph.node)
    assert [row.batch for row in report.artefacts[0].parity] == [2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "weights.safetensors"]


def test_openvino_is_compared_with_the_same_flow(
    nano: Exported,
    quick_options: Callable[..., ExportOptions],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    computed, run = [], PyTorchEngine._run
    monkeypatch.setattr(PyTorchEngine, "_run", lambda *given: (computed.append(1), run(*given))[1])
    report = export_bundle(nano.model, tmp_path / "bundle", quick_options())
    assert len(computed) == 1, "for both engines"
    onnx_info = Bundle.open(tmp_path / "bundle").manifest.onnx
    assert "openvino" in onnx_info.tools
    first, (second,) = onnx_info.parity, onnx_info.further_parity
    assert first is not None
    assert (first.engine, second.engine) == ("onnxruntime CPUExecutionProvider", "openvino CPU in fp32")
    assert (first.reference, first.flow_px) == (second.reference, second.flow_px)
    assert 0 < second.max_px <= second.tolerance_px == 2.5e-3
    assert second.max_px != first.max_px
    shown = [text for _, text in report.artefacts[0].lines()]
    assert "openvino CPU in fp32 against pytorch fp32 on cpu: end-point difference in px" in shown
    assert sum(f"{second.max_px:>8.2g}" in text for text in shown) == 1


def test_wrong_flow_of_openvino_alone_leaves_nothing(
    nano: Exported,
    quick_options: Callable[..., ExportOptions],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    run = OpenVinoEngine._run_file
    monkeypatch.setattr(OpenVinoEngine, "_run_file", lambda *given: run(*given) * 1.01)
    with pytest.raises(ExportError, match="the flow of openvino CPU in fp32 is not that of pytorch fp32"):
        export_bundle(nano.model, tmp_path / "bundle", quick_options())
    assert list(tmp_path.iterdir()) == []


def test_a_failed_verification_leaves_nothing(
    nano: Exported,
    quick_options: Callable[..., ExportOptions],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(parity.TOLERANCES, "fp32", Tolerance(0.0, 0.0, 0.0))
    with pytest.raises(ExportError, match="Nothing was written"):
        export_bundle(nano.model, tmp_path / "bundle", quick_options())
    assert list(tmp_path.iterdir()) == []


def test_without_verification_the_manifest_says_so(
    nano: Exported, quick_options: Callable[..., ExportOptions], tmp_path: Path
) -> None:
    report = export_bundle(nano.model, tmp_path / "bundle", quick_options(verify=False))
    assert report.manifest.onnx.parity is None
    assert report.artefacts[0].parity == ()
    assert report.manifest.onnx.further_parity == ()
    assert not {"onnxruntime", "openvino"} & report.manifest.onnx.tools.keys()


def test_an_existing_bundle_is_replaced_only_on_request(
    nano: Exported, quick_options: Callable[..., ExportOptions], tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"old")
    (folder / "manifest.json").write_text('{"format": "dinoflow-bundle", "files": {"old.plan": 1}}')
    (folder / "old.plan").write_bytes(b"old")
    with pytest.raises(InputError, match=r"has format_version None.*pass --overwrite"):
        export_bundle(nano.model, folder, quick_options())
    with pytest.raises(InputError, match="there is no file no-such-model"):
        # What could not be exported anyway is said first.
        export_bundle("no-such-model", folder, quick_options())
    assert (folder / "model.onnx").read_bytes() == b"old"
    export_bundle(nano.model, folder, quick_options(verify=False, overwrite=True))
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "model.onnx"]


def test_a_failure_keeps_the_old_bundle(
    nano: Exported,
    quick_options: Callable[..., ExportOptions],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "bundle"
    export_bundle(nano.model, folder, quick_options(verify=False))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def interrupted(*_: object) -> onnx.ModelProto:
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx_maker, "export_onnx", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_bundle(nano.model, folder, quick_options(overwrite=True))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (ModelSource("no/such/file.safetensors"), "there is no file no/such/file.safetensors"),
        (ModelSource("vits17"), "there is no file vits17.*vits16"),
        (ModelSource(__file__), "is not exported: give PyTorch weights"),
    ],
)
def test_refuses_what_is_no_model(source: ModelSource, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        export_bundle(source, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_a_complete_model_takes_no_further_weights(nano: Exported, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(nano.model, path)
    with pytest.raises(InputError, match="is a complete model and takes no --head"):
        ModelSource(str(path), head="head.safetensors").load()
