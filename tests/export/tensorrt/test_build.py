"""Plans that TensorRT-RTX builds, and what TensorRT is told, by the model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import onnx
import pytest

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.bundles.manifest import FileInfo
from dinoflow_deploy.engines import Bundle
from dinoflow_deploy.errors import BuildCancelledError, ExportError, InputError
from dinoflow_deploy.export.from_bundle import build_from_bundle
from dinoflow_deploy.export.options import parse_inputs
from dinoflow_deploy.export.plugin.build import build_library
from dinoflow_deploy.export.shapes import DEFAULT_SHAPES, RequestedShapes
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.tensorrt.flavours import TENSORRT
from dinoflow_deploy.tensorrt.plan_info import PlanInfo
from tests.export.conftest import GetExport
from tests.export.plugin.conftest import StandIn
from tests.export.tensorrt.conftest import RTX_OPTIONS, Recorder
from tests.tensorrt_model.fixtures import Install
from tests.tensorrt_model.flavours import RTX
from tests.tensorrt_model.module import TensorRT
from tests.tensorrt_model.plan import Plan

pytestmark = pytest.mark.slow

SMALL = RequestedShapes.of(InputRange(DEFAULT_SHAPES.batch, *parse_inputs("64x128", "1").sides.values()))

OPTIONS = PlanOptions(plugin="none", verify=False)


@pytest.fixture
def rtx(set_gpus: Callable[..., None]) -> Any:
    return pytest.importorskip("tensorrt_rtx_bindings")


class TestRtx:
    @pytest.mark.parametrize(
        ("precision", "dynamic", "capabilities"),
        [("fp32", True, "8.9"), ("bf16", False, "8.9 12.0")],
    )
    def test_plans_build(
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
    """What the modelled builder was told stands in its plans."""

    def build(self, bundle: Path, tmp_path: Path, **arguments: Any) -> tuple[Any, Plan]:
        options = PlanOptions(plugin="none", verify=False, **arguments)
        report = build_from_bundle(bundle, tmp_path / "out", options, overwrite=True)
        return report.artefacts[-1], Plan.from_bytes((tmp_path / "out" / "tensorrt.plan").read_bytes())

    def test_by_default(self, tensorrt: TensorRT, nano_bundle: Path, tmp_path: Path) -> None:
        report, told = self.build(nano_bundle, tmp_path)
        corners = [[1, 3, 64, 64], [1, 3, 448, 1024], [1, 3, 1088, 1920]]
        assert told.settings == {
            "builder_optimization_level": 3,
            "profiling_verbosity": "DETAILED",
            "hardware_compatibility_level": "NONE",
            # fp32 is fp32: no TF32.
            "flags": [],
            "pools": {},
            "network": ["STRONGLY_TYPED"],
        }
        assert told.profiles == ({"image1": corners, "image2": corners},)
        assert told.onnx == (nano_bundle / "model.onnx").read_bytes()
        plan = report.info
        assert (plan.file, plan.version) == ("tensorrt.plan", tensorrt.__version__)
        assert (plan.gpu, plan.driver) == ("NVIDIA GH200 480GB", "580.65.06")
        assert (plan.compute_capabilities, plan.hardware_compatibility) == (("9.0",), "none")
        assert report.not_run == "--no-verify"
        # The file's nodes, and those of its function.
        assert report.layers["fp32"] > 400
        assert report.layers.keys() == {"fp32", "other"}
        assert sum(report.layers.values()) == len(told.layers)

    @pytest.mark.parametrize(
        ("level", "name"), [("same-cc", "SAME_COMPUTE_CAPABILITY"), ("ampere-plus", "AMPERE_PLUS")]
    )
    def test_every_setting(
        self, level: str, name: str, tensorrt: TensorRT, nano_bundle: Path, tmp_path: Path
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
        assert told.settings["hardware_compatibility_level"] == name
        assert told.settings["builder_optimization_level"] == 5
        assert told.settings["pools"] == {"WORKSPACE": 3 * 2**29}
        assert told.profiles[0]["image2"] == [[1, 3, 64, 128]] * 3
        assert (report.info.hardware_compatibility, report.info.optimization_level) == (level, 5)
        assert (tmp_path / "timings").is_file()

    def test_a_builder_that_does_not_start_says_why(
        self, tensorrt: TensorRT, nano_bundle: Path, tmp_path: Path
    ) -> None:
        tensorrt.state.fail["Builder"] = "CUDA initialization failure with error: 100"
        with pytest.raises(ExportError, match=r"does not start: CUDA initialization failure .*nullptr"):
            self.build(nano_bundle, tmp_path)

    def test_both_flavours_share_a_bundle(
        self, tensorrt: TensorRT, install_tensorrt: Install, nano_bundle: Path, tmp_path: Path
    ) -> None:
        install_tensorrt(RTX)
        rtx = replace(RTX_OPTIONS, shapes=SMALL, verify=False)
        build_from_bundle(nano_bundle, tmp_path / "rtx", rtx)
        self.build(tmp_path / "rtx", tmp_path)
        # Built once more, over its own source: the other plan stays.
        build_from_bundle(tmp_path / "out", tmp_path / "out", OPTIONS, overwrite=True)
        manifest = Bundle.open(tmp_path / "out").manifest
        assert [plan.file for plan in manifest.all_of(PlanInfo)] == ["rtx.plan", "tensorrt.plan"]
        assert set(manifest.files) == {"model.onnx", "rtx.plan", "tensorrt.plan"}
        assert manifest.files["rtx.plan"] == FileInfo.of(tmp_path / "rtx" / "rtx.plan")


def plan_of(folder: Path) -> Plan:
    return Plan.from_bytes((folder / "tensorrt.plan").read_bytes())


def plugins_in(plan: Plan) -> int:
    return sum(layer["LayerType"] == "PLUGIN_V3" for layer in plan.layers)


def test_the_compiled_plugin_is_taken_and_in_the_plan(
    tensorrt: TensorRT, stand_in: StandIn, nano_bundle: Path, tmp_path: Path
) -> None:
    stand_in.set_headers(tensorrt.__version__.rpartition(".")[0])
    report = build_from_bundle(nano_bundle, tmp_path / "out", replace(OPTIONS, plugin="cpp")).artefacts[-1]
    plan = plan_of(tmp_path / "out")
    assert (plan.plugin, plugins_in(plan)) == ("library", 1)
    assert plan.libraries == (str(report.plugin.library),)
    assert plan.settings["network"] == ["STRONGLY_TYPED"]
    assert report.info.plugin == "cpp"


def test_a_plugin_that_tensorrt_does_not_load_or_take_leaves_nothing(
    tensorrt: TensorRT, stand_in: StandIn, nano_bundle: Path, tmp_path: Path
) -> None:
    stand_in.set_headers(tensorrt.__version__.rpartition(".")[0])
    options = replace(OPTIONS, plugin="cpp")
    tensorrt.state.fail["load_library"] = "wrong ELF class"
    with pytest.raises(ExportError, match=r"TensorRT did not load the plugin .*: wrong ELF class"):
        build_from_bundle(nano_bundle, tmp_path / "out", options)
    tensorrt.state.fail.clear()
    model = onnx.load(nano_bundle / "model.onnx")
    (node,) = (each for each in model.graph.node if each.op_type == "LocalCorrelation")
    next(each for each in node.attribute if each.name == "plugin_namespace").s = b"elsewhere"
    other = tmp_path / "other"
    other.mkdir()
    onnx.save(model, other / "model.onnx")
    files = {"model.onnx": FileInfo.of(other / "model.onnx")}
    manifest = replace(Bundle.open(nano_bundle).manifest, files=files)
    (other / "manifest.json").write_text(manifest.to_json())
    with pytest.raises(ExportError, match=r"the plugin \(cpp\) was not taken by TensorRT's parser"):
        build_from_bundle(other, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_the_ahead_of_time_plugin_is_in_the_plan_and_stays_registered(
    tensorrt: TensorRT, get_export: GetExport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With which tensorrt.plugin of 10.16 reads the radius.
    monkeypatch.setattr("numpy.__version__", "2.3.5")
    source = get_export("nano", "fp16", False).folder
    build_from_bundle(source, tmp_path / "out", replace(OPTIONS, plugin="aot"))
    plan = plan_of(tmp_path / "out")
    assert (plan.plugin, plan.kernel, plugins_in(plan)) == ("kernel", "local_correlation_fp16", 1)
    assert plan.settings["network"] == ["STRONGLY_TYPED", "PREFER_AOT_PYTHON_PLUGINS"]
    assert plan.libraries == ()
    with pytest.raises(ExportError, match="TensorRT took a plugin where none was wanted"):
        build_from_bundle(source, tmp_path / "none", OPTIONS)
    assert not (tmp_path / "none").exists()


def test_the_plugin_is_to_run_wherever_the_plan_does(
    tensorrt: TensorRT, stand_in: StandIn, nano_bundle: Path, tmp_path: Path
) -> None:
    """A library for Hopper alone serves a plan for this GPU, and none for all since Ampere."""
    stand_in.set_headers(tensorrt.__version__.rpartition(".")[0])
    hopper = build_library(TENSORRT, tensorrt.__version__, architectures=[90]).path
    libraries = []
    for level in ("none", "ampere-plus"):
        options = replace(OPTIONS, plugin="cpp", hardware_compatibility=level)
        build_from_bundle(nano_bundle, tmp_path / level, options)
        libraries += plan_of(tmp_path / level).libraries
    assert libraries[0] == str(hopper) != libraries[1]
    assert "code=sm_80" in stand_in.calls[-1]


def test_a_plain_file_has_no_place_for_a_plugin(
    tensorrt: TensorRT, nano_bundle: Path, tmp_path: Path
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
