"""The wheel as a user without torch gets it: built, looked into, installed, run. Needs a package index."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from dinoflow_deploy import load_engine
from dinoflow_deploy.models.builtin import builtin_models
from tests.video.clips import decode, write_clip

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
LINKS = ("engines", "export", "train")


def run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with nothing of this process' Python in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def run_well(command: Sequence[str | Path], folder: Path) -> str:
    done = run(command, folder)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since setuptools writes into the folder that it builds from."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for folder in ("dinoflow_deploy", "tests", "benchmarks"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE", *LINKS):
        shutil.copy(ROOT / file, source / file, follow_symlinks=False)
    assert all((source / link / "__init__.py").is_file() for link in LINKS)
    run_well([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", built, source], source)
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs in a new virtual environment that holds the wheel with its extra "cpu"."""
    folder = tmp_path_factory.mktemp("environment")
    run_well([sys.executable, "-m", "venv", "--without-pip", folder], folder)
    pip = [sys.executable, "-m", "pip", "--python", folder, "--disable-pip-version-check"]
    # What is imported is compiled then: a small part of what is installed.
    run_well([*pip, "install", "--quiet", "--no-compile", f"{wheel}[cpu]"], folder)
    return folder / "bin"


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    package = ROOT / "dinoflow_deploy"
    wanted = {
        f"dinoflow_deploy/{path.relative_to(package)}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    metadata = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
    assert names - metadata == wanted
    assert "dinoflow_deploy/py.typed" in wanted
    assert "dinoflow_deploy/train/recipes/nano.toml" in wanted
    assert any(name.endswith("/LICENSE") for name in metadata)
    for file in ("model.safetensors", "bundle/manifest.json", "bundle/model.onnx"):
        assert f"dinoflow_deploy/models/nano/{file}" in names


def test_there_is_no_torch_and_no_generic_module(programs: Path, tmp_path: Path) -> None:
    code = (
        "from importlib import util\n"
        "names = 'torch', 'onnx', 'tests', 'benchmarks', 'export', 'engines', 'train', 'dinoflow_deploy'\n"
        "print(*[name for name in names if util.find_spec(name)])"
    )
    assert run_well([programs / "python", "-c", code], tmp_path).split() == ["dinoflow_deploy"]


def test_video_of_the_builtin_model(programs: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=6, size=(160, 96))
    arguments = ["--save-flow", "flow", "--flow-format", "npy", "--json", "report.json"]
    run_well([programs / "dinoflow-deploy", "video", "clip.mp4", "flow.mp4", *arguments], tmp_path)

    engine = json.loads((tmp_path / "report.json").read_text())["engine"]
    assert (engine["model"], engine["backend"]) == ("nano", "onnxruntime")
    assert str(programs.parent) in engine["source"]

    with av.open(str(tmp_path / "flow.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (160, 96)
    pictures = decode(tmp_path / "flow.mp4")
    assert len(pictures) == 5
    assert max(picture.std() for picture in pictures) > 1, "the picture is blank"

    frames = decode(clip)
    with load_engine(builtin_models()["nano"].bundle, "onnxruntime", "cpu") as here:
        for number, (first, second) in enumerate(pairwise(frames)):
            flow = np.load(tmp_path / "flow" / f"{number:06d}.npy")
            np.testing.assert_allclose(flow, here(first, second), atol=1e-2)


@pytest.mark.parametrize(
    "arguments",
    [["export", "--model", "nano", "--output", "bundle"], ["train", "--recipe", "nano", "--output", "run"]],
    ids=lambda arguments: arguments[0],
)
def test_what_needs_torch_says_so(programs: Path, tmp_path: Path, arguments: list[str]) -> None:
    done = run([programs / "dinoflow-deploy", *arguments], tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "pip install 'torch>=" in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert list(tmp_path.iterdir()) == []
