"""``dinoflow-deploy export`` from the outside."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.engines import Bundle
from dinoflow_deploy.train.model import save_model
from tests.export.conftest import Exported, GetExport

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "dinoflow_deploy", "export"]


@pytest.fixture
def weights(nano: Exported, tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_model(nano.model, path)
    return path


def test_writes_the_same_bytes_in_another_process_and_says_what_it_wrote(
    weights: Path, get_export: GetExport, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    done = subprocess.run(
        [*COMMAND, "--model", str(weights), "--output", str(folder)],
        capture_output=True,
        text=True,
        # Another order of sets and dictionaries of strings, where any is relied on.
        env=os.environ | {"PYTHONHASHSEED": "12345"},
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "model.onnx").read_bytes() == get_export("nano", "fp32", True).path.read_bytes()
    manifest = Bundle.open(folder).manifest
    assert manifest.onnx.parity is not None
    assert manifest.onnx.parity.max_px <= 1e-3
    assert manifest.onnx.parity.pairs == 6
    for part in (
        "nano, fp32, opset 20",
        "batch 1..16, height 64..2048, width 64..2048",
        "as dinoflow::LocalCorrelation",
        "limits: max 0.001, mean 0.0001 of the flow; it is ",
        "128x192",
        f"dinoflow-deploy video in.mp4 --model {folder}",
    ):
        assert part in done.stdout
    assert "Warning" not in done.stderr
    assert "torchvision" not in done.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_an_interrupted_export_leaves_nothing(
    weights: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    output = tmp_path / "made" / "bundle"
    arguments = ["--model", str(weights), "--output", str(output), "--size", "64x64", "--batch", "1"]
    # Also where the tests themselves run with Ctrl-C ignored, as a shell's background jobs do.
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True, **heeds) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("tracing"):
                process.send_signal(number)
                break
        process.communicate()
    assert process.returncode == code
    assert not output.exists()
    if number != signal.SIGKILL:
        assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--precision", "int8"], 2, "int8"),
        (["--size", "100x128"], 1, "a height of 100 is not a multiple of 16"),
        (["--size", "128x128", "--dynamic"], 2, "--size fixes what --dynamic leaves open"),
        (["--opset", "23"], 1, "opset 23 is outside 20 to 22"),
        (["--batch", "0"], 1, "the batch '0' is neither"),
        (["--rename", "old"], 2, "OLD=NEW"),
        (["--overwrite"], 1, "holds more than a bundle ('file')"),
        ([], 1, "pass --overwrite to replace it"),
    ],
)
def test_refuses(arguments: list[str], code: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(app, ["export", "--model", "nano", "--output", str(tmp_path), *arguments])
    assert done.exit_code == code, done.output
    assert message in " ".join(done.output.replace("│", " ").split())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_wrong_model_is_said_before_an_output_that_exists(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(app, ["export", "--model", "absent.safetensors", "--output", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: there is no file absent.safetensors: give one, or a model's name")


def test_bf16_says_how_it_was_verified_and_where_it_runs(weights: Path, tmp_path: Path) -> None:
    arguments = ["--model", str(weights), "--output", str(tmp_path / "bundle"), "--precision", "bf16"]
    result = CliRunner().invoke(app, ["export", *arguments, "--size", "64x64", "--batch", "1"])
    assert result.exit_code == 0, result.output
    assert "nano, bf16, opset 22" in result.stdout
    assert "CPUExecutionProvider, bfloat16 emulated against pytorch fp32" in result.stdout
    assert "runs with TensorRT; ONNX Runtime's CPU has no bfloat16" in result.stdout
    run = CliRunner().invoke(app, ["bench", "--model", str(tmp_path / "bundle"), "--device", "cpu"])
    assert run.exit_code == 1
    assert "bfloat16" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_missing_package_is_named_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for missing in ("torch", "onnx", "onnxscript"):
        monkeypatch.setattr(
            "dinoflow_deploy.system.optional.is_installed", lambda name, lacks=missing: name != lacks
        )
        done = CliRunner().invoke(app, ["export", "--model", "nano", "--output", str(tmp_path / "out")])
        assert done.exit_code == 1, done.output
        assert f"exporting needs the package '{missing}', which is not installed: pip install" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_empty_model_is_not_the_current_folder(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", "--model", "", "--output", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "the name is empty; . is the current folder" in done.stderr
