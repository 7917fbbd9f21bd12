"""Plans that TensorRT-RTX builds, and what TensorRT is told, by a stand-in."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.bundles.manifest import FileInfo
from dinoflow_deploy.engines import Bundle
from dinoflow_deploy.errors import BuildCancelledError, ExportError, InputError
from dinoflow_deploy.export.from_bundle import build_from_bundle
from dinoflow_deploy.export.options import parse_inputs
from dinoflow_deploy.export.plugin.plugin_choice import PluginChoice
from dinoflow_deploy.export.shapes import DEFAULT_SHAPES, RequestedShapes
from dinoflow_deploy.export.tensorrt import build as build_module
from dinoflow_deploy.export.tensorrt import preparation
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.tensorrt.plan_info import PlanInfo
from tests.export.conftest import GetExport
from tests.export.tensorrt import fake
from tests.export.tensorrt.conftest import RTX_OPTIONS, Recorder
from tests.export.tensorrt.fake import FakeTensorRT

pytestmark = pytest.mark.slow

SMALL = RequestedShapes.of(InputRange(DEFAULT_SHAPES.batch, *parse_inputs("64x128", "1").sides.values()))

OPTIONS = PlanOptions(plugin="none", verify=False)


@pytest.fixture
def rtx(set_gpus: Callable[..., None]) -> Any:
    return pytest.importorskip("tensorrt_rtx_bindings")


class TestRtx:
    @pytest.mark.parametrize(
        ("precision", "dynamic", "capabilities"),
        [("fp32", True, "8.9"), ("fp16", False, "8.9"), ("bf16", False, "8.9 12.0")],
    )
    def test_every_precision_builds(
        self,
        precision: str,
        dynamic: bool,
        capabilities: str,
        rtx: Any,
        get_export: GetExport,
        nano_bundle: Path,
        tmp_path: Path,
    ) -> None:
        source = nano_bundle if dynamic else get_export("nano", precision, False).folder
        wanted = tuple(capabilities.split())
        options = replace(RTX_OPTIONS, compute_capabilities=wanted)
        progress = Recorder()
        report = build_from_bundle(source, tmp_path / "out", options, progress)
        bundle = Bundle.open(tmp_path / "out")
        (plan,) = bundle.manifest.all_of(PlanInfo)
        made = report.artefacts[-1]
        assert plan == made.info
        assert (plan.file, plan.flavour, plan.version) == ("rtx.plan", "rtx", rtx.__version__)
        assert (plan.compute_capabilities, plan.gpu, plan.driver) == (wanted, None, None)
        assert plan.inputs == (DEFAULT_SHAPES if dynamic else bundle.manifest.onnx.inputs)
        assert (plan.plugin, plan.optimization_level) == ("none", 0)
        assert made.bytes == (tmp_path / "out" / "rtx.plan").stat().st_size
        # The weights are in it, in the precision of the file.
        assert made.bytes > 0.8 * (source / "model.onnx").stat().st_size
        assert made.layers is not None
        assert made.layers[precision] > 100
        assert (plan.parity, made.not_run, made.parity) == (
            None,
            "no GPU",
            (),
        )
        assert sum(progress.amounts) == pytest.approx(100)
        assert bundle.onnx_path.read_bytes() == (source / "model.onnx").read_bytes()

    def test_a_cancelled_build_leaves_nothing(self, rtx: Any, nano_bundle: Path, tmp_path: Path) -> None:
        cancel = Event()

        class Cancelling(Recorder):
            def advance(self, amount: float = 1.0, **figures: float) -> None:
                super().advance(amount)
                if sum(self.amounts) > 40:
                    cancel.set()

        progress = Cancelling()
        with pytest.raises(BuildCancelledError):
            build_from_bundle(nano_bundle, tmp_path / "out", RTX_OPTIONS, progress, cancel=cancel)
        assert 40 < sum(progress.amounts) < 100
        assert list(tmp_path.iterdir()) == []

    def test_what_tensorrt_cannot_build_arrives_with_its_reason(
        self, rtx: Any, nano_bundle: Path, tmp_path: Path
    ) -> None:
        options = replace(RTX_OPTIONS, workspace_gib=2**-10, shapes=SMALL)
        with pytest.raises(
            ExportError, match=r"TensorRT-RTX .* cannot build the plan \(--workspace 0\.000976562\): "
        ):
            build_from_bundle(nano_bundle, tmp_path / "out", options)
        assert list(tmp_path.iterdir()) == []


class TestTensorRT:
    """What the stand-in was told stands in its plans."""

    def build(self, bundle: Path, tmp_path: Path, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        options = PlanOptions(plugin="none", verify=False, **arguments)
        report = build_from_bundle(bundle, tmp_path / "out", options, overwrite=True)
        return report.artefacts[-1], json.loads((tmp_path / "out" / "tensorrt.plan").read_text())

    def test_by_default(self, tensorrt: FakeTensorRT, nano_bundle: Path, tmp_path: Path) -> None:
        report, told = self.build(nano_bundle, tmp_path)
        corners = [[1, 3, 64, 64], [1, 3, 448, 1024], [1, 3, 1088, 1920]]
        assert told == {
            "builder_optimization_level": 3,
            "profiling_verbosity": "DETAILED",
            # fp32 is fp32: no TF32.
            "flags": [],
            "pools": {},
            "profiles": [{"image1": corners, "image2": corners}],
        }
        plan = report.info
        assert (plan.file, plan.version) == ("tensorrt.plan", tensorrt.__version__)
        assert (plan.gpu, plan.driver) == ("NVIDIA GH200 480GB", "580.65.06")
        assert (plan.compute_capabilities, plan.hardware_compatibility) == (("9.0",), "none")
        assert (report.layers, report.not_run) == ({"fp16": 7}, "--no-verify")

    @pytest.mark.parametrize(
        ("level", "name"), [("same-cc", "SAME_COMPUTE_CAPABILITY"), ("ampere-plus", "AMPERE_PLUS")]
    )
    def test_every_setting(
        self, level: str, name: str, tensorrt: FakeTensorRT, nano_bundle: Path, tmp_path: Path
    ) -> None:
        report, told = self.build(
            nano_bundle,
            tmp_path,
            hardware_compatibility=level,
            optimization_level=5,
            workspace_gib=1.5,
            timing_cache=tmp_path / "timings",
            shapes=SMALL,
        )
        assert told["hardware_compatibility_level"] == name
        assert told["builder_optimization_level"] == 5
        assert told["pools"] == {"WORKSPACE": 3 * 2**29}
        assert told["profiles"][0]["image2"] == [[1, 3, 64, 128]] * 3
        assert (report.info.hardware_compatibility, report.info.optimization_level) == (level, 5)
        assert (tmp_path / "timings").is_file()

    def test_a_builder_that_does_not_start_says_why(
        self, tensorrt: FakeTensorRT, nano_bundle: Path, tmp_path: Path
    ) -> None:
        def fail(logger: Any) -> None:
            logger.log(tensorrt.ILogger.ERROR, "CUDA initialization failure with error: 100")
            raise TypeError("factory function returned nullptr")

        tensorrt.Builder = fail
        with pytest.raises(ExportError, match=r"does not start: CUDA initialization failure .*nullptr"):
            self.build(nano_bundle, tmp_path)

    def test_both_flavours_share_a_bundle(
        self, tensorrt: FakeTensorRT, nano_bundle: Path, tmp_path: Path
    ) -> None:
        pytest.importorskip("tensorrt_rtx_bindings")
        rtx = replace(RTX_OPTIONS, shapes=SMALL, verify=False)
        build_from_bundle(nano_bundle, tmp_path / "rtx", rtx)
        self.build(tmp_path / "rtx", tmp_path)
        # Built once more, over its own source: the other plan stays.
        build_from_bundle(tmp_path / "out", tmp_path / "out", OPTIONS, overwrite=True)
        manifest = Bundle.open(tmp_path / "out").manifest
        assert [plan.file for plan in manifest.all_of(PlanInfo)] == ["rtx.plan", "tensorrt.plan"]
        assert set(manifest.files) == {"model.onnx", "rtx.plan", "tensorrt.plan"}
        assert manifest.files["rtx.plan"] == FileInfo.of(tmp_path / "rtx" / "rtx.plan")


def test_the_plugin_is_opened_before_parsing_and_looked_for_after(
    tensorrt: FakeTensorRT, nano_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def record(name: str, result: Any = None) -> Callable[..., Any]:
        real = getattr(build_module, name)

        def call(*arguments: Any) -> Any:
            called.append(name)
            return real(*arguments) if result is None else result

        return call

    for name in ("register_plugin", "network_flags", "parse_onnx", "check_plugin_layer", "add_profile"):
        monkeypatch.setattr(build_module, name, record(name))
    build_from_bundle(nano_bundle, tmp_path / "out", OPTIONS)
    assert called == ["register_plugin", "network_flags", "parse_onnx", "check_plugin_layer", "add_profile"]

    def missing(network: Any, plugin: Any) -> None:
        raise ExportError("the plugin is not in the network")

    monkeypatch.setattr(build_module, "check_plugin_layer", missing)
    with pytest.raises(ExportError, match="not in the network"):
        build_from_bundle(nano_bundle, tmp_path / "other", OPTIONS)
    assert not (tmp_path / "other").exists()


def test_the_network_is_made_with_the_flags_of_the_door(
    tensorrt: FakeTensorRT, nano_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin, flags = PluginChoice("aot", "because", None, "a" * 64), tensorrt.NetworkDefinitionCreationFlag
    monkeypatch.setattr(preparation, "choose_plugin", lambda *_: plugin)
    monkeypatch.setattr(build_module, "register_plugin", lambda *_: None)
    monkeypatch.setattr(build_module, "check_plugin_layer", lambda *_: None)
    made: list[int] = []

    def create_network(builder: fake.Builder, bits: int) -> fake.INetworkDefinition:
        made.append(bits)
        return fake.INetworkDefinition(builder._trt)

    monkeypatch.setattr(fake.Builder, "create_network", create_network)
    build_from_bundle(nano_bundle, tmp_path / "out", OPTIONS)
    assert made == [1 << flags.STRONGLY_TYPED | 1 << flags.PREFER_AOT_PYTHON_PLUGINS]


@pytest.mark.parametrize(("level", "others"), [("none", []), ("ampere-plus", ["8.0", "9.0", "10.0", "12.0"])])
def test_the_plugin_is_to_run_wherever_the_plan_does(
    level: str,
    others: list[str],
    tensorrt: FakeTensorRT,
    nano_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def choose(wanted: str, trt: Any, flavour: Any, inputs: InputRange, capabilities: Any) -> PluginChoice:
        asked.extend(capabilities)
        return PluginChoice("none", "because")

    monkeypatch.setattr(preparation, "choose_plugin", choose)
    build_from_bundle(nano_bundle, tmp_path / "out", replace(OPTIONS, hardware_compatibility=level))
    assert asked == ["9.0", *others]


def test_a_plain_file_has_no_place_for_a_plugin(
    tensorrt: FakeTensorRT, nano_bundle: Path, tmp_path: Path
) -> None:
    manifest = Bundle.open(nano_bundle).manifest
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "model.onnx").write_bytes((nano_bundle / "model.onnx").read_bytes())
    onnx = replace(manifest.onnx, operator=replace(manifest.onnx.operator, inline=True))
    (plain / "manifest.json").write_text(replace(manifest, artefacts=(onnx.artefact(),)).to_json())
    with pytest.raises(InputError, match=r"the plugin 'cpp' cannot be had: .*--plain"):
        build_from_bundle(plain, tmp_path / "out", PlanOptions(plugin="cpp", verify=False))
    report = build_from_bundle(plain, tmp_path / "out", PlanOptions(verify=False)).artefacts[-1]
    assert report.info.plugin == "none"
    assert "--plain" in report.plugin.reason
