import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.selftest import export_command
from dinoflow_deploy.selftest.cases import Case
from dinoflow_deploy.selftest.export_command import ExportCommand

pytestmark = pytest.mark.slow

SIZE = (448, 1024)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (
            Case("nano", "fp16", "onnxruntime", "cuda"),
            "dinoflow-deploy export --model nano --precision fp16 --output here",
        ),
        (
            Case("vits16", "bf16", "tensorrt", "cuda", "aot", static=True),
            "dinoflow-deploy export --model vits16 --precision bf16 --size 448x1024 --batch 1 "
            "--target tensorrt --flavour tensorrt --plugin aot --output here",
        ),
        (
            Case("nano", "fp32", "rtx", "cpu", "none"),
            "dinoflow-deploy export --model nano --precision fp32 --target tensorrt --flavour rtx "
            "--plugin none --min 64x64,1 --opt 448x1024,1 --max 1088x1920,1 --compute-capability 89 "
            "--output here",
        ),
    ],
)
def test_is_what_a_user_types(case: Case, text: str) -> None:
    assert ExportCommand.of(case, SIZE).text("here") == text


def test_the_range_holds_the_size_that_is_measured() -> None:
    words = ExportCommand.of(Case("nano", "fp16", "tensorrt", "cuda", "none"), (2048, 512)).arguments
    assert words[words.index("--max") + 1] == "2048x1920,1"


@pytest.mark.parametrize(
    ("code", "said", "message"),
    [
        (1, "tracing\nerror: TensorRT refused it:\nno kernel", r"^TensorRT refused it: no kernel$"),
        (2, "Usage: ...\nno such option", r"^exit code 2: Usage: \.\.\. no such option$"),
        (-11, "building", r"^the process died of SIGSEGV; it last said: building$"),
    ],
)
def test_a_failure_is_told_in_the_commands_words(monkeypatch, code: int, said: str, message: str) -> None:
    done = subprocess.CompletedProcess([], code, "", said)
    monkeypatch.setattr(export_command, "_done", lambda _: done)
    with pytest.raises(ExportError, match=message):
        ExportCommand.of(Case("nano", "fp16", "onnxruntime", "cpu"), SIZE).run(Path("w"), Path("here"))


@pytest.mark.parametrize("code", [130, -2])
def test_ctrl_c_is_no_failure(monkeypatch, code: int) -> None:
    done = subprocess.CompletedProcess([], code, "", "interrupted")
    monkeypatch.setattr(export_command, "_done", lambda _: done)
    with pytest.raises(KeyboardInterrupt):
        ExportCommand.of(Case("nano", "fp16", "onnxruntime", "cpu"), SIZE).run(Path("w"), Path("here"))


def test_the_command_line_knows_every_option(monkeypatch) -> None:
    """Refused for its value alone, which is checked after the names of options."""

    def run_here(command: list[str]) -> subprocess.CompletedProcess[str]:
        assert command[:3] == [sys.executable, "-m", "dinoflow_deploy"]
        done = CliRunner().invoke(app, command[3:])
        return subprocess.CompletedProcess(command, done.exit_code, done.stdout, done.stderr)

    monkeypatch.setattr(export_command, "_done", run_here)
    command = ExportCommand.of(Case("nano", "fp16", "rtx", "cpu", "none"), SIZE)
    with pytest.raises(ExportError, match="there is no file absent"):
        command.run(Path("absent"), Path("nowhere"))
