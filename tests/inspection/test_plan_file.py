import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.bundles.manifest import FileInfo, Manifest
from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.inspection import inspect_artifact, report_lines
from dinoflow_deploy.tensorrt.plan_header import HEADER_BYTES, PlanHeader
from dinoflow_deploy.tensorrt.plan_info import PlanInfo
from tests.inspection.rtx_plans import small_plan

trt = pytest.importorskip("tensorrt_rtx_bindings")

WritePlan = Callable[..., Path]
INSPECT = """
import json, sys
from dinoflow_deploy.inspection import inspect_artifact
print(json.dumps(inspect_artifact(sys.argv[1]).to_dict()))
"""


@pytest.fixture
def write_plan(tmp_path: Path) -> WritePlan:
    def write(*capabilities: str, name: str = "small.plan") -> Path:
        path = tmp_path / name
        path.write_bytes(small_plan(trt, capabilities))
        return path

    return write


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        (("SM75",), ("7.5",)),
        (("SM80",), ("8.0",)),
        (("SM86",), ("8.6",)),
        (("SM89",), ("8.9",)),
        (("SM120",), ("12.0",)),
        (("SM121",), ("12.1",)),
        (("SM121", "SM80"), ("8.0", "12.1")),
    ],
)
def test_the_header_says_version_and_compute_capabilities(
    capabilities: tuple[str, ...], expected: tuple[str, ...], write_plan: WritePlan
) -> None:
    path = write_plan(*capabilities)
    report = inspect_artifact(path)
    (plan,) = report.plans
    assert report.kind == "plan"
    assert plan.header == PlanHeader("rtx", trt.__version__, expected)
    assert plan.recorded is None
    assert report.files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert report.files[0].bytes == path.stat().st_size
    assert not report.files[0].recorded


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
@pytest.mark.parametrize("count", [1, 2])
def test_a_plan_that_holds_libraries_says_the_same(count: int, tmp_path: Path) -> None:
    """As one with the C++ plugin does."""
    libraries = tuple(str(tmp_path / f"lib{number}.so") for number in range(count))
    for library in libraries:
        compile_empty = ["cc", "-shared", "-fPIC", "-x", "c", "/dev/null", "-o", library]
        subprocess.run(compile_empty, check=True)
    path = tmp_path / "holds.plan"
    path.write_bytes(small_plan(trt, ("SM89",), libraries))
    (plan,) = inspect_artifact(path).plans
    assert plan.header == PlanHeader("rtx", trt.__version__, ("8.9",))


def test_a_compute_capability_without_a_name_is_a_bit(write_plan: WritePlan) -> None:
    path = write_plan("SM89")
    content = bytearray(path.read_bytes())
    content[32:36] = (1 << 3 | 1 << 6).to_bytes(4, "little")
    path.write_bytes(content)
    (plan,) = inspect_artifact(path).plans
    assert plan.header == PlanHeader("rtx", trt.__version__, ("8.9", "unknown (bit 6)"))


def test_the_header_is_as_long_as_tensorrt_says() -> None:
    assert trt.Runtime(trt.Logger(trt.Logger.ERROR)).engine_header_size == HEADER_BYTES


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"\0"])
def test_a_cut_plan_is_named(change: Callable[[bytes], bytes], write_plan: WritePlan) -> None:
    path = write_plan("SM89")
    content = path.read_bytes()
    path.write_bytes(change(content))
    with pytest.raises(FileFormatError, match=rf"small\.plan is damaged: .* header says {len(content)}"):
        inspect_artifact(path)


@pytest.mark.parametrize("length", [0, 40, 63])
def test_a_file_too_short_for_a_plan_is_named(length: int, tmp_path: Path) -> None:
    (tmp_path / "short.plan").write_bytes(b"x" * length)
    with pytest.raises(FileFormatError, match=rf"short\.plan is no TensorRT plan: {length} bytes"):
        inspect_artifact(tmp_path / "short.plan")


@pytest.mark.parametrize(("at", "value"), [(0, ord("f")), (8, 1), (24, 11), (28, 0)])
def test_nothing_is_read_from_a_header_of_another_layout(at: int, value: int, write_plan: WritePlan) -> None:
    path = write_plan("SM89")
    content = bytearray(path.read_bytes())
    content[at] = value
    path.write_bytes(content)
    report = inspect_artifact(path)
    assert report.plans[0].header is None
    assert report.left_out[0].what == "the header of small.plan"


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="there is an NVIDIA driver")
def test_without_a_gpu_the_layers_are_left_out_with_the_reason(write_plan: WritePlan) -> None:
    """In a process of its own, since TensorRT talks to the first logger that it is given."""
    done = subprocess.run(
        [sys.executable, "-c", INSPECT, write_plan("SM89")], capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout)
    assert report["plans"][0]["engine"] is None
    assert report["left_out"] == [
        {
            "what": "layers, tensors and memory of small.plan",
            "reason": f"TensorRT-RTX {trt.__version__} cannot load it here: it finds no NVIDIA GPU, or its "
            "driver is too old",
        }
    ]
    assert done.stderr == ""


def add_plan(folder: Path, capabilities: tuple[str, ...] = ("SM89",), **recorded: object) -> PlanInfo:
    """Put a plan into a bundle and its manifest."""
    path = folder / "rtx.plan"
    path.write_bytes(small_plan(trt, capabilities))
    manifest = Manifest.read(folder / "manifest.json")
    plan = PlanInfo(
        file=path.name,
        flavour="rtx",
        version=trt.__version__,
        compute_capabilities=("8.9",),
        gpu=None,
        driver=None,
        inputs=manifest.onnx.inputs,
        plugin="cpp",
        hardware_compatibility="none",
        optimization_level=3,
        tools={},
        key="0" * 64,
        parity=None,
    )
    plan = replace(plan, **recorded)
    manifest = replace(
        manifest,
        files=manifest.files | {path.name: FileInfo.of(path)},
        artefacts=(*manifest.artefacts, plan.artefact()),
    )
    (folder / "manifest.json").write_text(manifest.to_json())
    return plan


def test_a_bundle_shows_its_plans(nano_bundle: Path) -> None:
    recorded = add_plan(nano_bundle)
    report = inspect_artifact(nano_bundle)
    (plan,) = report.plans
    assert plan.recorded == recorded
    assert plan.header == PlanHeader("rtx", trt.__version__, ("8.9",))
    assert [file.name for file in report.files] == ["manifest.json", "model.onnx", "rtx.plan"]
    text = [line for _, line in report_lines(report)]
    assert f"header: TensorRT-RTX {trt.__version__}, for 8.9" in text
    assert "hardware compatibility none, optimization level 3" in text
    assert "local correlation by the plugin cpp" in text
    assert "the plan was not run after it was built" in text
    assert "built on a machine without a GPU" in text
    built = replace(plan, recorded=replace(recorded, gpu="NVIDIA L4", driver="580.65.06"))
    text = [line for _, line in report_lines(replace(report, plans=(built,)))]
    assert "built on NVIDIA L4, driver 580.65.06" in text


def test_a_plan_shows_its_own_range_and_operator(nano_bundle: Path) -> None:
    """And not those of the ONNX file beside it, which takes more and holds a node."""
    add_plan(nano_bundle, inputs=InputRange(*map(AxisRange.fixed, (1, 448, 1024))), plugin="none")
    lines = list(report_lines(inspect_artifact(nano_bundle / "rtx.plan")))
    text = [line for _, line in lines]
    assert "takes batch 1, height 448, width 1024" in text
    assert "local correlation in standard operators" in text
    assert "nano, fp32" in text
    assert not any("2048" in line or "LocalCorrelation" in line or "opset" in line for line in text)
    assert not {"shapes", "operator", "parity"} & {label for label, _ in lines}
    whole = [line for _, line in report_lines(inspect_artifact(nano_bundle))]
    assert any("2048" in line for line in whole)
    assert any("LocalCorrelation" in line for line in whole)


def test_a_plan_in_a_bundle_is_checked_against_its_manifest(nano_bundle: Path) -> None:
    recorded = add_plan(nano_bundle)
    path = nano_bundle / "rtx.plan"
    report = inspect_artifact(path)
    assert report.plans[0].recorded == recorded
    assert report.manifest is not None
    assert report.manifest.model.name == "nano"
    assert report.files[0].recorded
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"rtx\.plan is not the file that was exported"):
        inspect_artifact(path)


def test_a_plan_beside_a_manifest_that_does_not_list_it(nano_bundle: Path) -> None:
    (nano_bundle / "mine.plan").write_bytes(small_plan(trt, ("SM89",)))
    report = inspect_artifact(nano_bundle / "mine.plan")
    assert report.manifest is None
    assert report.left_out[0].reason == "it does not list mine.plan"
    (nano_bundle / "manifest.json").write_text("{}")
    report = inspect_artifact(nano_bundle / "mine.plan")
    assert "not the manifest of a bundle" in report.left_out[0].reason


def test_everything_goes_into_json(nano_bundle: Path) -> None:
    recorded = add_plan(nano_bundle)
    content = json.loads(json.dumps(inspect_artifact(nano_bundle).to_dict()))
    assert content["plans"][0]["recorded"] == json.loads(json.dumps(asdict(recorded)))
