"""The Dockerfile cannot be built without a Docker engine; what it names must at least be there."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_copies_what_the_build_reads_and_nothing_else() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", TEXT, re.MULTILINE) for name in line.split()}
    read = {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"], "dinoflow_deploy"}
    assert copied == let_in == read


def test_installs_extras_that_exist_but_not_a_second_tensorrt() -> None:
    (extras,) = re.findall(r"'\.\[(.+)\]'", TEXT)
    assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()
    assert "tensorrt" not in extras.split(",")
    assert "cuda-python" in TEXT, "what the extra would have brought besides"


def test_pins_the_torch_that_the_makefile_pins() -> None:
    (pinned,) = re.findall(r"^TORCH \?= (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert f"'{pinned}'" in TEXT
    assert f"'{pinned}'" in (ROOT / "docs/gh200.md").read_text()


def test_runs_the_command() -> None:
    (name,) = PROJECT["scripts"]
    assert f'ENTRYPOINT ["{name}"]' in TEXT
