"""A plan that is there already is not built again, and one that differs is never taken for it."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dinoflow_deploy.bundles.manifest import FileInfo
from dinoflow_deploy.engines import Bundle
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export import ExportOptions, ExportReport, export_bundle, onnx_maker
from dinoflow_deploy.export.from_bundle import build_from_bundle
from dinoflow_deploy.export.options import parse_inputs
from dinoflow_deploy.export.shapes import RequestedShapes
from dinoflow_deploy.export.tensorrt import toolchain as toolchain_module
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.tensorrt.plan_info import PlanInfo
from tests.export.conftest import Exported
from tests.export.plugin.conftest import StandIn
from tests.export.tensorrt.conftest import GH200, Recorder
from tests.tensorrt_model.module import TensorRT

pytestmark = pytest.mark.slow

PLAN = PlanOptions(plugin="none", verify=False)
Build = Callable[..., ExportReport]


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


class TestFromABundle:
    @pytest.fixture
    def build(self, tensorrt: TensorRT, nano_bundle: Path, tmp_path: Path) -> Build:
        def run(options: PlanOptions = PLAN, **arguments: Any) -> ExportReport:
            return build_from_bundle(nano_bundle, tmp_path / "out", options, **arguments)

        run()
        return run

    def test_the_same_again_is_reused(self, build: Build, tmp_path: Path) -> None:
        before = contents(tmp_path / "out")
        progress = Recorder()
        report = build(progress=progress)
        assert report.artefacts[-1].reused
        assert report.manifest == Bundle.open(tmp_path / "out").manifest
        assert report.manifest.all_of(PlanInfo) == (report.artefacts[-1].info,)
        assert (report.artefacts[-1].bytes, report.artefacts[-1].seconds) == (
            len(before["tensorrt.plan"][1]),
            0,
        )
        assert progress.stages == []
        assert contents(tmp_path / "out") == before

    def test_overwriting_builds_again(self, build: Build, tmp_path: Path) -> None:
        before = contents(tmp_path / "out")
        assert not build(overwrite=True).artefacts[-1].reused
        assert contents(tmp_path / "out") != before

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"optimization_level": 5}, "its plan has another optimization level or workspace"),
            ({"workspace_gib": 1.0}, "its plan has another optimization level or workspace"),
            ({"hardware_compatibility": "same-cc"}, "has hardware compatibility none, not same-cc"),
            (
                {"shapes": RequestedShapes.of(parse_inputs("64x64", "1"))},
                r"has inputs batch 1, height 64\.\.1088, width 64\.\.1920, not batch 1, height 64, width 64",
            ),
        ],
    )
    def test_another_setting_is_named(
        self, change: dict[str, Any], message: str, build: Build, tmp_path: Path
    ) -> None:
        before = contents(tmp_path / "out")
        with pytest.raises(InputError, match=rf"out exists and is another bundle: .*{message}.*--overwrite"):
            build(replace(PLAN, **change))
        assert contents(tmp_path / "out") == before

    def test_another_version_gpu_or_plugin_is_named(
        self, build: Build, tensorrt: TensorRT, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tensorrt.__version__ = "11.9.0.1"
        gpu = replace(GH200, name="NVIDIA B200", compute_capability="10.0")
        machine = replace(toolchain_module.describe_machine(), gpus=(gpu,))
        monkeypatch.setattr(toolchain_module, "describe_machine", lambda: machine)
        with pytest.raises(InputError) as caught:
            build(replace(PLAN, plugin="cpp"))
        for part in (
            "not 11.9.0.1",
            "its plan has compute capabilities 9.0, not 10.0",
            "its plan has gpu NVIDIA GH200 480GB, not NVIDIA B200",
            "its plan has plugin none, not cpp",
        ):
            assert part in str(caught.value)

    def test_another_onnx_file_is_named(self, build: Build, nano_bundle: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.mkdir()
        (other / "model.onnx").write_bytes((nano_bundle / "model.onnx").read_bytes() + b"more")
        files = {"model.onnx": FileInfo.of(other / "model.onnx")}
        manifest = replace(Bundle.open(nano_bundle).manifest, files=files)
        (other / "manifest.json").write_text(manifest.to_json())
        with pytest.raises(InputError, match=r"another bundle: its model\.onnx is another file\. Pass"):
            build_from_bundle(other, tmp_path / "out", PLAN)

    def test_a_plan_that_was_not_verified_is_none_that_was(self, build: Build) -> None:
        with pytest.raises(InputError, match="its plan was not verified"):
            build(replace(PLAN, verify=True))

    def test_a_damaged_plan_is_not_reused(self, build: Build, tmp_path: Path) -> None:
        (tmp_path / "out" / "tensorrt.plan").write_bytes(b"damaged")
        with pytest.raises(
            InputError, match=r"tensorrt\.plan is not the file that was exported.*--overwrite"
        ):
            build()

    def test_a_bundle_without_a_plan_and_a_folder_that_is_none(
        self, build: Build, nano_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        with pytest.raises(InputError, match="it holds no plan for TensorRT"):
            build_from_bundle(tmp_path / "out", nano_bundle, PLAN)
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "notes.txt").touch()
        # Before TensorRT is looked for.
        monkeypatch.setitem(sys.modules, "tensorrt", None)
        with pytest.raises(InputError, match="is not empty: pass --overwrite"):
            build_from_bundle(nano_bundle, tmp_path / "folder", PLAN)


class TestFromWeights:
    @pytest.fixture
    def export(
        self, tensorrt: TensorRT, nano: Exported, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> Callable[..., ExportReport]:
        traced = nano.onnx
        monkeypatch.setattr(onnx_maker, "export_onnx", lambda *_: traced)
        inputs = Bundle.open(nano.folder).manifest.onnx.inputs

        def run(model: Any = nano.model, plan: PlanOptions = PLAN, **arguments: Any) -> Any:
            options = ExportOptions(**{"inputs": inputs, "verify": False} | arguments)
            return export_bundle(model, tmp_path / "out", options, None, plan)

        run()
        monkeypatch.setattr(onnx_maker, "export_onnx", lambda *_: pytest.fail("traced again"))
        return run

    def test_the_same_weights_are_not_traced_again(
        self, export: Callable[..., Any], nano: Exported, tmp_path: Path
    ) -> None:
        before = contents(tmp_path / "out")
        report = export()
        assert report.artefacts[-1].reused
        assert report.artefacts[0].nodes == len(nano.onnx.graph.node)
        assert report.manifest == Bundle.open(tmp_path / "out").manifest
        assert contents(tmp_path / "out") == before

    def test_another_export_and_another_plan_are_named(self, export: Callable[..., Any]) -> None:
        with pytest.raises(InputError, match=r"its precision is fp32, not fp16; its plan has hardware"):
            export(plan=replace(PLAN, hardware_compatibility="same-cc"), precision="fp16")
