"""``dinoflow-deploy export --target tensorrt`` from the outside, with TensorRT-RTX, which builds anywhere."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.cli.app import app
from dinoflow_deploy.engines import Bundle
from dinoflow_deploy.export.options import parse_inputs
from dinoflow_deploy.tensorrt.plan_info import PlanInfo
from tests.tensorrt_model.flavours import TENSORRT_11
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT

pytestmark = pytest.mark.slow

RTX = ["--plugin", "none", "--flavour", "rtx", "--compute-capability", "89", "--optimization-level", "0"]
COMMAND = [sys.executable, "-m", "dinoflow_deploy", "export", "--target", "tensorrt"]


def run(*arguments: str | Path):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


@pytest.fixture
def rtx() -> None:
    pytest.importorskip("tensorrt_rtx_bindings")


@pytest.mark.usefixtures("rtx", "set_gpus")
def test_weights_become_a_plan_and_the_same_command_reuses_it(tmp_path: Path) -> None:
    folder = tmp_path / "my bundle"
    arguments = ["--target", "tensorrt", "--model", "nano", "--precision", "fp16", "--output", folder, *RTX]
    done = run(*arguments, "--size", "64x112")
    assert done.exit_code == 0, done.output
    manifest = Bundle.open(folder).manifest
    (plan,) = manifest.all_of(PlanInfo)
    # A plan's batch is one, unless another is asked for.
    expected = parse_inputs("64x112", "1")
    assert (plan.inputs, manifest.onnx.inputs, manifest.precision) == (expected, expected, "fp16")
    for part in (
        f"bundle   {folder}",
        "model    nano, fp16, opset 20",
        "parity   onnxruntime CPUExecutionProvider against pytorch fp32 on cpu",
        "plan     rtx.plan, ",
        "MB, built in ",
        "for compute capability 8.9",
        "         batch 1, height 64, width 112\n",
        "optimization level 0",
        "plugin   none: ",
        " fp16, ",
        "parity   plan not run: no GPU",
        f"next     dinoflow-deploy video in.mp4 --model '{folder}' --backend tensorrt",
    ):
        assert part in done.stdout
    assert "building with TensorRT-RTX: 100/100 %" in done.stderr
    # Not a remark of TensorRT-RTX's own on its defaults.
    assert "warning" not in done.stderr
    again = run(*arguments, "--size", "64x112")
    assert again.exit_code == 0, again.output
    assert "reused: it was there already" in again.stdout
    assert "tracing" not in again.stderr
    other = run(*arguments, "--size", "64x64")
    assert other.exit_code == 1
    assert "its inputs is batch 1, height 64, width 112, not batch 1, height 64, width 64" in other.stderr


@pytest.mark.usefixtures("rtx")
def test_a_bundle_becomes_a_plan_without_torch_and_onnx(nano_bundle: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'onnxscript', 'onnxruntime'): sys.modules[name] = None\n"
        "from dinoflow_deploy.cli.app import main\n"
        "main()\n"
    )
    shapes = ["--min", "64x64,1", "--opt", "128x192", "--max", "256x256,2"]
    arguments = ["--model", nano_bundle, "--output", tmp_path / "out", *RTX, *shapes]
    command = [sys.executable, "-c", code, *COMMAND[3:], *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    bundle = Bundle.open(tmp_path / "out")
    assert bundle.onnx_path.read_bytes() == (nano_bundle / "model.onnx").read_bytes()
    assert bundle.manifest.onnx.parity == Bundle.open(nano_bundle).manifest.onnx.parity
    (plan,) = bundle.manifest.all_of(PlanInfo)
    assert plan.file == "rtx.plan"
    assert plan.inputs == InputRange(AxisRange(1, 1, 2), AxisRange(64, 128, 256), AxisRange(64, 192, 256))
    assert "batch 1..2, height 64..256, width 64..256, tuned for batch 1, 128x192" in done.stdout
    assert "model.onnx, 4.7 MB, local correlation as" in done.stdout


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "terminated"),
    ],
)
def test_a_signal_during_the_build_leaves_nothing(
    number: signal.Signals, code: int, word: str, nano_bundle: Path, tmp_path: Path
) -> None:
    output = tmp_path / "made" / "bundle"
    arguments = ["--model", str(nano_bundle), "--output", str(output), *RTX, "--no-verify"]
    heeds = {"preexec_fn": lambda: signal.signal(number, signal.SIG_DFL)}
    with subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True, **heeds) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("building with"):
                process.send_signal(number)
                break
        said = process.communicate()[1]
    assert process.returncode == code, said
    assert word in said
    assert "Traceback" not in said
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--min", "64x64"], 2, "--min, --opt and --max make one range: give all three"),
        (["--min", "64x64", "--opt", "64x64", "--max", "64x64", "--size", "64x64"], 2, "leave out --size"),
        (["--min", "64x64", "--opt", "64x64", "--max", "64x64", "--batch", "1"], 2, "leave out --batch"),
        (["--min", "64x64", "--opt", "64x64", "--max", "64x64", "--dynamic"], 2, "leave out --dynamic"),
        (["--min", "64x64", "--opt", "64x72", "--max", "64x96"], 1, "a width of 72 is not a multiple of 16"),
        # As of shell variables that are not set.
        (["--min", ""], 2, "--min, --opt and --max make one range: give all three"),
        (["--flavour", "rtx", "--compute-capability", ""], 1, "'' is not written like 8.9 or 89"),
        (["--flavour", "lean"], 2, "lean"),
        (["--optimization-level", "7"], 1, "the optimization level 7 is outside 0 to 5"),
        (["--workspace", "-1"], 1, "a workspace of -1 GiB is not above 0"),
        (["--workspace", "inf"], 1, "a workspace of inf GiB is not above 0 and at most"),
        (["--flavour", "rtx", "--timing-cache", "x"], 1, "TensorRT-RTX keeps no timing cache"),
        (["--compute-capability", "89"], 1, "compute capabilities are for TensorRT-RTX"),
        (["--flavour", "rtx", "--compute-capability", "8"], 1, "'8' is not written like 8.9 or 89"),
    ],
)
def test_refuses_settings_before_looking_for_packages(
    arguments: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dinoflow_deploy.system.optional.is_installed", lambda package: False)
    output = tmp_path / "out"
    for model in ("nano", tmp_path):
        done = run("--target", "tensorrt", "--model", model, "--output", output, *arguments)
        assert done.exit_code == code, done.output
        assert message in " ".join(done.output.replace("│", " ").split())
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--plugin", "cpp"], 2, "--plugin is for --target tensorrt"),
        (["--workspace", "2"], 2, "--workspace is for --target tensorrt"),
        (["--flavour", "tensorrt"], 2, "--flavour is for --target tensorrt"),
        (["--target", "tensorrt", "--precision", "fp32"], 2, "--precision is for exporting weights"),
        (["--target", "tensorrt", "--head", "x"], 2, "--head is for exporting weights"),
        ([], 1, "is a folder, and a bundle is exported already: make of it a plan by"),
        (["--target", "tensorrt"], 1, "is not a bundle: it holds no manifest.json"),
    ],
)
def test_refuses_options_that_have_no_meaning(
    arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    model = "nano" if message.endswith("--target tensorrt") else tmp_path
    done = run("--model", model, "--output", tmp_path / "out", *arguments)
    assert done.exit_code == code, done.output
    assert message in " ".join(done.output.replace("│", " ").split())


def test_refuses_packages_then_the_machine_before_any_work(
    monkeypatch: pytest.MonkeyPatch, set_gpus: Callable[..., None], tmp_path: Path
) -> None:
    monkeypatch.setattr("dinoflow_deploy.export.from_weights._loaded", lambda _: pytest.fail("loaded"))
    arguments = ["--target", "tensorrt", "--model", "nano", "--output", tmp_path / "out"]
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    done = run(*arguments)
    assert done.exit_code == 1
    assert "error: building a plan needs the package 'tensorrt', which is not installed" in done.stderr
    monkeypatch.setitem(sys.modules, "tensorrt", TensorRT(Machine(), TENSORRT_11))
    done = run(*arguments)
    assert done.exit_code == 1
    assert "error: TensorRT builds plans on the GPU that runs them, and nvidia-smi finds none" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_warning_is_printed(tensorrt: TensorRT, nano_bundle: Path, tmp_path: Path) -> None:
    tensorrt.state.warnings = [f"warning\nnumber {number}" for number in range(7)]
    arguments = ["--target", "tensorrt", "--model", nano_bundle, "--output", tmp_path / "out", "--no-verify"]
    arguments += ["--plugin", "none"]
    done = run(*arguments, "--hardware-compatibility", "ampere-plus")
    assert done.exit_code == 0, done.output
    assert "warning: TensorRT: warning number 4\nwarning: and 2 more of TensorRT\n" in done.stderr
    assert "built on NVIDIA GH200 480GB with driver 580.65.06" in done.stdout
    assert "hardware compatibility ampere-plus" in done.stdout
    assert "parity   plan not run: --no-verify" in done.stdout
    for more, said in ([], "reused: it was there already"), (["--overwrite"], "built in"):
        again = run(*arguments, "--hardware-compatibility", "ampere-plus", *more)
        assert again.exit_code == 0, again.output
        assert said in again.stdout
