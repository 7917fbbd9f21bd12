import json
import os
import signal
import subprocess
import sys
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from dinoflow_deploy import engines
from dinoflow_deploy.cli.app import app
from dinoflow_deploy.cli.video import Deinterlace, FlowFormat, Render
from dinoflow_deploy.engines import loading
from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.video.filters import DEINTERLACE
from dinoflow_deploy.video.options import FLOW_FORMATS
from dinoflow_deploy.video.render import RENDERERS
from tests.video.clips import ConstantEngine, cut, decode, remux, write_clip

pytestmark = pytest.mark.slow

CHECK_SOURCE = loading.check_source


@pytest.fixture(autouse=True)
def constant_engine(monkeypatch, tmp_path):
    """The command with a model whose flow is known, in an empty folder."""
    asked = []

    def load(model, *, backend, device, **options):
        asked.append((model, backend, device, *options.items()))
        return ConstantEngine()

    monkeypatch.setattr(engines, "load_engine", load, raising=False)
    monkeypatch.setattr(loading, "check_source", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    return asked


def video(*arguments):
    return CliRunner().invoke(app, ["video", *map(str, arguments)])


def test_a_clip_gives_a_file_beside_where_you_are(tmp_path, constant_engine):
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "in.mp4", sound=True)
    result = video("clips/in.mp4")
    assert result.exit_code == 0, result.stderr
    assert constant_engine == [("nano", "auto", "auto")]
    assert len(decode(tmp_path / "in-flow.mp4")) == 11
    assert result.stdout.startswith("wrote in-flow.mp4: 11 frames, 96x64, 29.97 fps, ")
    # Copied, it runs and replaces nothing.
    (following,) = [line for line in result.stdout.splitlines() if line.startswith("next: ")]
    arguments = following.removeprefix("next: dinoflow-deploy video ").split()
    assert video(*arguments).exit_code == 0
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == [
        "in-flow-side-by-side.mp4",
        "in-flow.mp4",
    ]
    assert "model: constant, fp32, test on cpu (none)" in result.stderr
    assert "nano is a built-in model" in result.stderr
    assert "note: the sound track is not copied" in result.stderr


@pytest.mark.parametrize("arguments", [("in.mp4", "out.mp4"), ("in.mp4", "-o", "out.mp4")])
def test_two_ways_to_name_the_output(tmp_path, arguments):
    write_clip(tmp_path / "in.mp4")
    assert video(*arguments).exit_code == 0
    assert (tmp_path / "out.mp4").is_file()


def test_a_wrong_model_is_said_before_an_output_that_exists(tmp_path, monkeypatch, constant_engine):
    monkeypatch.setattr(loading, "check_source", CHECK_SOURCE)
    write_clip(tmp_path / "in.mp4")
    (tmp_path / "out.mp4").write_bytes(b"mine")
    result = video("in.mp4", "--output", "out.mp4", "--model", "nanno")
    assert result.exit_code == 1
    assert "no file, folder or built-in model 'nanno'" in result.stderr
    assert "exists" not in result.stderr
    result = video("in.mp4", "--output", "out.mp4", "--model", "nano", "--backend", "tensorrt")
    assert "the backend 'tensorrt' does not run nano" in result.stderr
    assert "out.mp4 exists" in video("in.mp4", "--output", "out.mp4", "--model", "nano").stderr
    assert constant_engine == []


def test_the_model_is_passed_on(tmp_path, constant_engine):
    write_clip(tmp_path / "in.mp4")
    result = video("in.mp4", "--model", "my.onnx", "--backend", "onnxruntime", "--device", "cpu")
    assert constant_engine == [("my.onnx", "onnxruntime", "cpu")]
    assert "built-in" not in result.stderr


def test_flow_of_smaller_frames_at_full_size_says_both_sizes(tmp_path):
    write_clip(tmp_path / "in.mp4")
    result = video("in.mp4", "--max-side", 48, "--full-size", "--json", "r.json")
    assert result.exit_code == 0, result.stderr
    assert "11 frames, 96x64, 29.97 fps, flow 96x64 computed at 48x32, " in result.stdout
    assert "--max-side 48 --full-size" in result.stdout, "the next command computes the same"
    report = json.loads((tmp_path / "r.json").read_text())
    assert [report[f"{what}_width"] for what in ("flow", "computed")] == [96, 48]
    assert "flow 96x64" not in video("in.mp4", "small.mp4", "--max-side", 48).stdout
    result = video("in.mp4", "other.mp4", "--full-size")
    assert result.exit_code == 1
    assert "--max-side" in result.stderr


def test_flow_of_the_clip_goes_into_one_file(tmp_path):
    write_clip(tmp_path / "in.mp4", frames=3)
    result = video("in.mp4", "--no-video", "--save-flow", "flow.mkv")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0] == "wrote flow.mkv: flow of 2 pairs, 96x64"
    assert (tmp_path / "flow.mkv").is_file()
    result = video("in.mp4", "--save-flow", "other.mkv", "--flow-format", "npy")
    assert result.exit_code == 2
    assert "--flow-format is for files per pair" in result.stderr


class HalfEngine(ConstantEngine):
    """The left half stands still, and the right half goes 3 px to the right both ways, which cannot be."""

    def _run(self, images1, images2):
        flow = np.zeros((1, 2, *images1.shape[2:]), np.float32)
        flow[:, 0, :, flow.shape[3] // 2 :] = 3
        return flow


@pytest.fixture
def half_engine(monkeypatch):
    monkeypatch.setattr(engines, "load_engine", lambda *_, **__: HalfEngine())


def test_both_directions_and_occlusion_are_written_and_counted(tmp_path, half_engine):
    write_clip(tmp_path / "in.mp4", frames=3)
    result = video("in.mp4", "--backward", "--occlusion", "--save-flow", "flow", "--json", "r.json")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("wrote in-flow.mp4: 2 frames, 192x64, ")
    assert lines[1] == "wrote flow: forward and backward flow of 2 pairs, 96x64, masks of what is occluded"
    assert lines[2] == "50.0% of a frame, on average, is hidden in the next one or has left it"
    assert "in.mp4 --backward --occlusion --output" in lines[-1]
    report = json.loads(Path("r.json").read_text())
    assert (report["backward"], report["occluded"], report["save_flow"]) == (True, 0.5, "flow")
    assert len(list(Path("flow").iterdir())) == 8
    assert video("in.mp4", "--overwrite", "--occlusion", "--save-flow", "flow").exit_code == 0
    assert len(list(Path("flow").iterdir())) == 4


def test_flow_files_alone(tmp_path, half_engine):
    write_clip(tmp_path / "in.mp4", frames=3)
    given = ("in.mp4", "--max-side", "48", "--full-size")
    result = video(*given, "--save-flow", "flow", "--no-video", "--json", "r.json")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flow", "in.mp4", "r.json"]
    lines = result.stdout.splitlines()
    assert lines[0] == "wrote flow: flow of 2 pairs, 96x64 computed at 48x32"
    assert "full colour" not in result.stdout
    assert json.loads(Path("r.json").read_text())["output"] is None
    assert lines[-1] == f"next: dinoflow-deploy video {' '.join(given)} --output in-flow.mp4"
    assert video(*lines[-1].split()[3:]).exit_code == 0
    assert len(decode(tmp_path / "in-flow.mp4")) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 1, "nothing is written but flow files: name their folder"),
        (("--save-flow", "flow", "--output", "out.mp4"), 2, "--output is for a video"),
        (("--save-flow", "flow", "--render", "flow"), 2, "--render is for a video"),
        (("--save-flow", "flow", "--max-flow", "3"), 2, "--max-flow is for a video"),
        (("out.mp4", "--save-flow", "flow"), 2, "out.mp4 would be the video"),
    ],
)
def test_no_video_and_what_is_for_one_is_refused(tmp_path, constant_engine, arguments, code, message):
    write_clip(tmp_path / "in.mp4")
    result = video("in.mp4", *arguments, "--no-video")
    assert result.exit_code == code
    # Typer draws a frame around it.
    assert message in " ".join(result.stderr.replace("\u2502", " ").split())
    assert constant_engine == []
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_three_images_without_a_video_are_a_sequence(tmp_path):
    write_images(tmp_path, ["a.png", "b.png", "c.png"])
    result = video("a.png", "b.png", "c.png", "--no-video", "--save-flow", "flow")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in Path("flow").iterdir()) == ["000000.flo", "000001.flo"]


def test_a_cuda_graph_is_asked_of_the_engine_and_of_the_next_command(tmp_path, constant_engine):
    write_clip(tmp_path / "in.mp4")
    result = video("in.mp4", "--model", "bundle", "--backend", "tensorrt", "--cuda-graph")
    assert constant_engine == [("bundle", "tensorrt", "auto", ("cuda_graph", True))]
    assert "in.mp4 --model bundle --backend tensorrt --cuda-graph --output" in result.stdout


def test_the_next_command_computes_the_same(tmp_path, constant_engine):
    write_clip(tmp_path / "in.mp4")
    given = "--model my.onnx --device cpu --max-flow 2.5 --max-side 48 --start 1 --frames 9 --stride 2"
    result = video("in.mp4", *given.split(), "--json", "report.json")
    following = f"in.mp4 {given} --output in-flow-side-by-side.mp4 --render side-by-side\n"
    assert f"next: dinoflow-deploy video {following}" in result.stdout


def test_a_bare_stream_that_is_deinterlaced(tmp_path, constant_engine):
    clip = write_clip(tmp_path / "in.mkv", rate=Fraction(50))
    remux(clip, tmp_path / "in.h264", file_format="h264")
    result = video("in.h264")
    assert result.stdout.startswith("wrote in-flow.mp4: 11 frames, 96x64, 50 fps, ")
    assert "note: in.h264 holds no times: 50 fps is FFmpeg's guess; fps sets another rate" in result.stderr
    given = "--fps 10.0 --deinterlace on"
    result = video("in.h264", "--overwrite", *given.split())
    assert result.stdout.startswith("wrote in-flow.mp4: 11 frames, 96x64, 10 fps, ")
    assert result.stderr.splitlines()[-1] == "note: every frame was deinterlaced (bwdif)"
    assert f"next: dinoflow-deploy video in.h264 {given} --output" in result.stdout


def write_images(folder: Path, names: list[str]) -> list[Path]:
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((32, 48, 3), 20 * number, np.uint8))
    return [folder / name for name in names]


def test_two_images(tmp_path):
    write_images(tmp_path, ["a.png", "b.png"])
    result = video("a.png", "b.png")
    assert result.exit_code == 0
    assert result.stdout.startswith("wrote a-flow.png: 48x32, "), "a picture has no frame rate"
    assert cv2.imread("a-flow.png").shape == (32, 48, 3)
    assert video("a.png", "b.png", "other.png").exit_code == 0
    assert cv2.imread("other.png").shape == (32, 48, 3)
    # Now all three exist: a sequence, or an output to replace?
    result = video("a.png", "b.png", "other.png", "--overwrite")
    assert result.exit_code == 2
    assert "--output" in result.stderr
    assert video("a.png", "b.png", "-o", "other.png", "--overwrite").exit_code == 0


def test_images_that_the_shell_listed(tmp_path):
    paths = write_images(tmp_path, [f"{number}.png" for number in range(5)])
    assert video(*paths).exit_code == 0
    assert len(decode(tmp_path / "0-flow.mp4")) == 4
    assert video(*paths, "out.mp4", "--fps", "10").exit_code == 0
    assert len(decode(tmp_path / "out.mp4")) == 4


def test_everything_at_once(tmp_path):
    write_clip(tmp_path / "in.mp4", frames=30)
    result = video(
        "in.mp4",
        *("--render", "side-by-side", "--max-flow", "8", "--max-side", "48"),
        *("--save-flow", "flow", "--flow-format", "npy", "--json", "report.json"),
        *("--start", "3", "--frames", "4", "--stride", "5"),
    )
    assert result.exit_code == 0, result.stderr
    report = json.loads(Path("report.json").read_text())
    assert (report["pairs"], report["width"], report["height"], report["max_flow"]) == (3, 96, 32, 8.0)
    assert report["stage_seconds"]["engine"] > 0
    assert sorted(path.name for path in Path("flow").iterdir()) == ["000003.npy", "000008.npy", "000013.npy"]
    assert np.load("flow/000003.npy").shape == (32, 48, 2)
    assert "next:" not in result.stdout


@pytest.mark.parametrize("blocked", ["in-flow.mp4", "report.json", "flow/000000.flo"])
def test_outputs_that_exist_are_refused_before_a_model_is_loaded(tmp_path, constant_engine, blocked):
    write_clip(tmp_path / "in.mp4")
    (tmp_path / "flow").mkdir()
    (tmp_path / blocked).write_bytes(b"precious")
    arguments = ("in.mp4", "--json", "report.json", "--save-flow", "flow")
    result = video(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "--overwrite" in result.stderr
    assert constant_engine == []
    assert (tmp_path / blocked).read_bytes() == b"precious"
    assert video(*arguments, "--overwrite").exit_code == 0
    assert (tmp_path / blocked).read_bytes() != b"precious"


def test_a_truncated_clip_exits_3(tmp_path):
    cut(write_clip(tmp_path / "whole.mkv", frames=60), tmp_path / "cut.mkv")
    result = video("cut.mkv")
    assert result.exit_code == 3
    assert "warning: cut.mkv is damaged: " in result.stderr
    assert len(decode(tmp_path / "cut-flow.mp4")) > 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4"], "missing.mp4 is missing"),
        (["in.mp4", "out.mov"], "one of .mp4, .webm, .gif: name it 'out.mp4'"),
        (["in.mp4", "--stride", "0"], "stride is 0"),
        (["in.mp4", "--frames", "1"], "frames is 1"),
        (["in.mp4", "--start", "100"], "flow needs at least two"),
        (["in.mp4", "--max-flow", "-1"], "max-flow is -1"),
        (
            ["in.mp4", "--fps", "10"],
            "fps is for images and bare streams, which hold no times; in.mp4 keeps its own (29.97 fps)",
        ),
        (["in.mp4", "--fps", "1e6"], "fps is 1e+06: it must be from 0.01 to 1000"),
        (["in.mp4", "--fps", "inf"], "fps is inf: it must be from 0.01 to 1000"),
        (["in.mp4", "--fps", "nan"], "fps is nan: it must be"),
        (["in.mp4", "--fps", "0"], "fps is 0: it must be"),
        (["97"], "there is no camera 97"),
    ],
)
def test_errors_are_one_line(tmp_path, arguments, message):
    write_clip(tmp_path / "in.mp4")
    result = video(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr.splitlines()[-1]
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def test_a_pipe_is_said_to_be_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")

    def opened(inputs, **options):
        raise VideoError("nobody wrote")

    # Opening it for real would wait.
    monkeypatch.setattr("dinoflow_deploy.video.open_source", opened, raising=False)
    result = video("pipe")
    assert result.stderr.splitlines() == [
        "pipe is a pipe: waiting until something writes into it",
        "error: nobody wrote",
    ]


@pytest.mark.parametrize("arguments", [(), ("--overwrite",)])
@pytest.mark.parametrize("second", ["b.mp4", "b.mkv"])
def test_two_clips_are_told_from_a_clip_and_an_output(tmp_path, constant_engine, second, arguments):
    write_clip(tmp_path / "a.mp4")
    write_clip(tmp_path / second)
    before = (tmp_path / second).read_bytes()
    result = video("a.mp4", second, *arguments)
    if (second, arguments) == ("b.mp4", ("--overwrite",)):
        assert result.exit_code == 0, "asked for in so many words"
        return
    assert result.exit_code == 1
    assert f"error: {second} exists, and was taken for the output, which stands last" in result.stderr
    assert "--overwrite" not in result.stderr
    assert (tmp_path / second).read_bytes() == before
    assert constant_engine == []


def test_a_gif_is_an_output_and_an_input(tmp_path):
    write_clip(tmp_path / "in.mp4")
    result = video("in.mp4", "out.gif", "--legend")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("wrote out.gif: 11 frames, 96x64, 29.97 fps, ")
    assert "next: dinoflow-deploy video in.mp4 --output out-side-by-side.gif" in result.stdout
    assert video("out.gif", "again.webm").exit_code == 0
    assert len(decode(tmp_path / "again.webm")) == 10
    before = (tmp_path / "out.gif").read_bytes()
    result = video("in.mp4", "out.gif")
    assert "error: out.gif exists, and was taken for the output" in result.stderr
    assert (tmp_path / "out.gif").read_bytes() == before
    assert video("in.mp4", "out.gif", "--overwrite").exit_code == 0
    result = video("out.gif", "--output", "out.gif", "--overwrite")
    assert "out.gif is an input" in result.stderr


def test_a_window_that_cannot_be_had_is_said_before_a_model_is_loaded(tmp_path, monkeypatch, constant_engine):
    write_clip(tmp_path / "in.mp4")
    monkeypatch.setattr(cv2, "currentUIFramework", str)
    result = video("in.mp4", "--show")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "error: show needs windows, and the OpenCV installed is the headless one: "
    )
    assert constant_engine == []
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_an_output_that_appears_meanwhile_is_kept_and_all_that_was_made_is_too(tmp_path, monkeypatch):
    write_clip(tmp_path / "in.mp4")

    def appear(pair):
        (tmp_path / "out.mp4").write_bytes(b"of another run")

    monkeypatch.setattr(engines, "load_engine", lambda *_, **__: ConstantEngine(before=appear))
    result = video("in.mp4", "out.mp4", "--save-flow", "flow")
    assert result.exit_code == 1
    assert "error: out.mp4 was made by something else meanwhile, and is kept" in result.stderr
    assert str(tmp_path / "out-2.mp4") in result.stderr
    assert (tmp_path / "out.mp4").read_bytes() == b"of another run"
    assert len(decode(tmp_path / "out-2.mp4")) == 11
    assert len(list((tmp_path / "flow").iterdir())) == 11


def test_a_pipe_gets_the_film_and_stays(tmp_path):
    write_clip(tmp_path / "in.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    with subprocess.Popen(["cat", "pipe.mp4"], stdout=subprocess.PIPE) as reader:
        result = video("in.mp4", "pipe.mp4")
        (tmp_path / "got.mp4").write_bytes(reader.communicate()[0])
    assert result.exit_code == 0, result.stderr
    assert "pipe.mp4 is a pipe: it is written at the end" in result.stderr
    assert len(decode(tmp_path / "got.mp4")) == 11
    assert (tmp_path / "pipe.mp4").is_fifo()


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_json_on_standard_output_is_alone_there(tmp_path, name):
    write_clip(tmp_path / "in.mp4")
    result = video("in.mp4", "--json", name)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["pairs"] == 11
    assert "wrote in-flow.mp4: 11 frames" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in-flow.mp4", "in.mp4"]


def test_the_json_is_never_written_over_the_model(tmp_path, constant_engine):
    write_clip(tmp_path / "in.mp4")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/manifest.json").write_text("{}")
    result = video("in.mp4", "--model", "bundle", "--json", "bundle/manifest.json", "--overwrite")
    assert result.exit_code == 1
    assert "bundle/manifest.json lies in bundle, which is an input" in result.stderr
    assert constant_engine == []


def test_the_home_folder_stands_wherever_a_path_does(tmp_path, monkeypatch, constant_engine):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    write_clip(tmp_path / "home/in.mp4")
    names = ("--output=~/out.mp4", "--save-flow=~/flow", "--json=~/out.json", "--model=~/my.onnx")
    result = video("~/in.mp4", *names)
    assert result.exit_code == 0, result.stderr
    assert constant_engine == [(str(tmp_path / "home/my.onnx"), "auto", "auto")]
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert {path.name for path in (tmp_path / "home").iterdir()} == {"flow", "in.mp4", "out.json", "out.mp4"}


def test_the_longest_names_that_fit(tmp_path):
    clip = tmp_path / ("i" * 251 + ".mp4")
    write_clip(tmp_path / "in.mp4").rename(clip)
    result = video(clip.name)
    assert result.exit_code == 0, result.stderr
    following = result.stdout.split("next: dinoflow-deploy video ")[1].split()
    assert video(*following).exit_code == 0
    made = sorted(path.name for path in tmp_path.iterdir() if path != clip)
    assert [len(name) for name in made] == [255, 255]
    assert [name.lstrip("i") for name in made] == ["-side-by-side.mp4", "-flow.mp4"]


def test_wrong_usage_exits_2(tmp_path):
    assert video().exit_code == 2
    assert video("in.mp4", "--render", "hologram").exit_code == 2


@pytest.mark.parametrize(
    ("choices", "names"), [(Render, RENDERERS), (FlowFormat, FLOW_FORMATS), (Deinterlace, DEINTERLACE)]
)
def test_choices_are_those_of_the_library(choices: type[StrEnum], names):
    assert [choice.value for choice in choices] == list(names)


DRIVER = """
import signal, sys, time
from dinoflow_deploy import engines
from dinoflow_deploy.cli.app import main
from tests.video.clips import ConstantEngine

def stopping():
    # The command restores Python's own handler when the first signal arrives.
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler

def before(pair):
    if pair == 20:
        print("at pair 20", flush=True)
        while {waiting}:
            time.sleep(0.01)

engines.load_engine = lambda *names, **options: ConstantEngine(before=before)
main()
"""


@pytest.mark.parametrize("encoding", ["ascii:strict", "utf-8:strict"])
def test_a_name_that_the_terminal_cannot_show_ends_no_command(tmp_path, encoding):
    # Of bytes that are no UTF-8, and of a letter that is no ASCII.
    name = os.fsdecode(b"in\xff") + "\u00fc"
    write_clip(tmp_path / f"{name}.mp4")
    done = subprocess.run(
        [sys.executable, "-c", DRIVER.format(waiting="False"), "video", f"{name}.mp4", "--json", "r.json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert b"wrote in" in done.stdout
    assert len(decode(tmp_path / f"{name}-flow.mp4")) == 11
    assert json.loads((tmp_path / "r.json").read_bytes())["input"] == f"{name}.mp4"


def start(folder: Path, waiting: str, *arguments: str) -> subprocess.Popen[str]:
    """The command in a process of its own, with an engine that waits at pair 20 while told so."""
    write_clip(folder / "long.mp4", frames=300)
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER.format(waiting=waiting), "video", "long.mp4", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def send_at(number: int, command: subprocess.Popen[str], stream: TextIO, line: str) -> None:
    """Send a signal when a line is printed."""
    assert any(printed.startswith(line) for printed in stream)
    command.send_signal(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_completes_the_file(tmp_path, number):
    command = start(tmp_path, "not stopping()", "--save-flow", "flow", "--json", "r.json")
    send_at(number, command, command.stdout, "at pair 20")
    output, errors = command.communicate(timeout=60)
    assert command.returncode == 130, errors
    assert "stopping: completing the file" in errors
    assert "stopped; wrote long-flow.mp4: 21 frames" in output
    assert len(decode(tmp_path / "long-flow.mp4")) == 21
    assert len(list((tmp_path / "flow").iterdir())) == 21
    assert json.loads((tmp_path / "r.json").read_text())["interrupted"] is True
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flow", "long-flow.mp4", "long.mp4", "r.json"]


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_ctrl_c_twice_gives_up(tmp_path, number, code, word):
    command = start(tmp_path, "True")
    send_at(number, command, command.stdout, "at pair 20")
    send_at(number, command, command.stderr, "stopping")
    _, errors = command.communicate(timeout=60)
    assert command.returncode == code
    assert errors.endswith(f"{word}\n")
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["long.mp4"]
