import os
import re
import signal
import subprocess
import sys
from itertools import pairwise

import pytest
import typer
from typer.testing import CliRunner

from dinoflow_deploy import DinoFlowError, __version__
from dinoflow_deploy.cli import app as app_module
from dinoflow_deploy.cli.app import app

pytestmark = pytest.mark.slow

HEAVY = ("torch", "cv2", "av", "onnxruntime", "openvino", "onnx", "numpy", "tensorboard", "transformers")


@pytest.fixture
def raising(monkeypatch):
    """Registers a command that raises what it is given."""
    monkeypatch.setattr(app, "registered_commands", list(app.registered_commands))

    def register(error: BaseException) -> None:
        @app.command("raise")
        def command() -> None:
            raise error

    return register


def test_error_is_one_line_and_exit_code_1(raising):
    raising(DinoFlowError("radius is 9, at most 6 is supported: choose a smaller one"))
    result = CliRunner().invoke(app, ["raise"])
    assert result.exit_code == 1
    assert result.stderr == "error: radius is 9, at most 6 is supported: choose a smaller one\n"
    assert result.stdout == ""


def test_debug_shows_the_traceback(raising):
    raising(DinoFlowError("no"))
    result = CliRunner().invoke(app, ["--debug", "raise"])
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("error: no\n")


def test_interrupt_is_one_line_and_exit_code_130(raising):
    raising(KeyboardInterrupt())
    result = CliRunner().invoke(app, ["raise"])
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_operating_system_error_names_the_file(raising):
    raising(PermissionError(13, "Permission denied", "/root/clip.mp4"))
    result = CliRunner().invoke(app, ["raise"])
    assert result.exit_code == 1
    assert "Permission denied" in result.stderr
    assert "/root/clip.mp4" in result.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(13, "Permission denied", "a.mp4"),
            "a.mp4: Permission denied: choose another file or",
        ),
        (OSError(30, "Read-only file system", "a.mp4"), "a.mp4: Read-only file system: choose a folder on"),
        (OSError(28, "No space left on device"), "standard output, or the folder of temporary files "),
        (OSError(122, "Disk quota exceeded", "a"), "a: Disk quota exceeded: make room, or choose another"),
        (OSError(24, "Too many open files", "a"), "a: Too many open files: raise the limit (ulimit -n)"),
        (OSError(18, "Invalid cross-device link", "a", None, "b"), "a -> b: Invalid cross-device link\n"),
        (OSError("a library's own words"), "a library's own words\n"),
    ],
)
def test_an_error_of_the_system_says_where_and_what_to_do(raising, error, said):
    raising(error)
    result = CliRunner().invoke(app, ["raise"])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {said}")
    assert result.stderr.count("\n") == 1
    assert "Errno" not in result.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("arguments", [["inspect", "nano"], ["train", "--recipe", "nano", "--show"]])
def test_a_full_disk_behind_standard_output_is_one_line(arguments):
    command = [sys.executable, "-m", "dinoflow_deploy", *arguments]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard output, or the folder of temporary files ")
    assert "make room" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["video", "a.png", "--render", "x"], ["data", "synth", "-o", "a", "--layout", "x"]]
)
def test_wrong_usage_speaks_of_no_class_of_python(arguments):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "'x' is not one of" in " ".join(done.stderr.replace("│", "").split())
    assert "Value error" not in done.stderr


@pytest.mark.parametrize(
    ("given", "wrong"),
    [("abc", "'abc' is not a valid integer"), ("0", "'0' is not greater than or equal to 1")],
)
def test_a_wrong_number_is_named(given, wrong):
    done = CliRunner().invoke(app, ["data", "synth", "-o", "a", "--layout", "sintel", "--pairs", given])
    assert done.exit_code == 2
    assert f"Invalid value for '--pairs': {wrong} │" in " ".join(done.stderr.split())


def every_command():
    """The words that name each command and group, the program itself first."""
    root = typer.main.get_command(app)
    groups = {name: command for name, command in root.commands.items() if hasattr(command, "commands")}
    parts = [[name, part] for name, group in groups.items() for part in group.commands]
    return [[], *([name] for name in root.commands), *parts]


@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_help_shows_no_type_of_python_and_fits_80_columns(command):
    done = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"}, color=False)
    assert done.exit_code == 0
    assert not re.findall(r"list\[|<(?:bool|str|int|float)\b", done.stdout)
    assert "…" not in done.stdout  # an option's name cut off
    # A paragraph breaks where the next word has no room, not where a line of the source ends.
    text, _, _ = done.stdout.partition("╭")
    lines = [line.strip() for line in text.splitlines()]
    broken = [(a, b) for a, b in pairwise(lines) if a and b and len(a) + 1 + len(b.split()[0]) <= 78]
    assert broken == []


def test_opencv_does_not_speak_beside_the_error(tmp_path):
    """In a process of its own, as the command is: OpenCV asks once how loud it is to be."""
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P6 40 30 255\n" + bytes(99))  # of 3600
    code = (
        "from pathlib import Path; import sys; from dinoflow_deploy.cli import app as module\n"
        "def command(**_):\n"
        "    from dinoflow_deploy.images.image_files import decode_image\n"
        "    try: decode_image(Path(sys.argv[1]), 1)\n"
        "    except module.DinoFlowError as error: sys.exit(f'error: {error}')\n"
        "module.app = command; module.main()"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert done.stderr.startswith(f"error: {path}: cannot be decoded")
    assert done.stderr.count("\n") == 1


def test_every_command_keeps_freed_memory(monkeypatch, capsys):
    kept = []
    monkeypatch.setattr(app_module, "keep_freed_memory", lambda: kept.append(True))
    monkeypatch.setattr(sys, "argv", ["dinoflow-deploy", "--version"])
    with pytest.raises(SystemExit):
        app_module.main()
    assert kept == [True]


def test_defect_has_no_traceback_unless_asked(raising, monkeypatch):
    raising(ZeroDivisionError("division by zero"))
    monkeypatch.setattr(sys, "argv", ["dinoflow-deploy", "raise"])
    with pytest.raises(SystemExit) as stopped:
        app_module.main()
    assert "unexpected ZeroDivisionError: division by zero" in str(stopped.value)

    monkeypatch.setattr(sys, "argv", ["dinoflow-deploy", "--debug", "raise"])
    with pytest.raises(ZeroDivisionError):
        app_module.main()


@pytest.mark.parametrize("arguments", [["no-such-command"], ["--no-such-option"]])
def test_wrong_usage_exits_2(arguments):
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_exit_code_of_a_command_is_kept(raising):
    raising(typer.Exit(3))
    assert CliRunner().invoke(app, ["raise"]).exit_code == 3


def test_module_and_version():
    done = subprocess.run(
        [sys.executable, "-m", "dinoflow_deploy", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"dinoflow-deploy {__version__}\n")


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from dinoflow_deploy.cli.app import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        f"print(*[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_closed_pipe_is_quiet():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "dinoflow_deploy", "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        # Python ignores SIGPIPE; a parent that restored it must not change what is tested.
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN),
    )
    os.close(writer)
    assert done.stderr == b""
