"""The C++ plugin, compiled and taken by the real parser: TensorRT-RTX's, which is TensorRT's.

Skipped where TensorRT's headers are not found; TENSORRT_ROOT says where they are.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dinoflow_deploy.export.plugin.nvcc import Nvcc

pytest.importorskip("tensorrt_rtx_bindings")

TYPES = ("FLOAT", "FLOAT16", "BFLOAT16")


@pytest.fixture(scope="module")
def outcomes(real_nvcc: Nvcc, real_headers: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    environment = {
        **os.environ,
        "CUDACXX": str(real_nvcc.path),
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
    }
    command = [sys.executable, "-m", "tests.export.plugin.parse_with_plugin"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, Any] = json.loads(done.stdout)["results"]
    return outcomes


@pytest.mark.parametrize("kind", TYPES)
def test_the_plugin_is_taken_in_every_type(outcomes: dict[str, Any], kind: str) -> None:
    dynamic, static = outcomes[f"{kind} dynamic"], outcomes[f"{kind} static"]
    assert (dynamic["plugins"], dynamic["shape"]) == (1, [-1, 81, -1, -1])
    assert (static["plugins"], static["shape"]) == (1, [2, 289, 7, 5])


@pytest.mark.parametrize("name", [*(f"{kind} dynamic" for kind in TYPES), "nano"])
def test_the_plan_holds_the_library(outcomes: dict[str, Any], name: str) -> None:
    assert outcomes[name]["holds_library"]


def test_the_builtin_model_builds_with_the_plugin(outcomes: dict[str, Any]) -> None:
    assert outcomes["nano"]["plugins"] == 1
    assert outcomes["nano"]["shape"] == [-1, 2, -1, -1]


def test_the_plugin_takes_the_operator_of_older_bundles(outcomes: dict[str, Any]) -> None:
    assert outcomes["older bundle"]["plugins"] == 1


@pytest.mark.parametrize("name", ["no radius", "radius 9"])
def test_a_node_without_a_good_radius_is_refused(outcomes: dict[str, Any], name: str) -> None:
    assert "refused" in outcomes[name]


def test_the_operators_body_where_a_plugin_was_wanted_is_an_error(outcomes: dict[str, Any]) -> None:
    assert "was not taken" in outcomes["other namespace"]["unchecked"]


def test_none_takes_the_operators_body(outcomes: dict[str, Any]) -> None:
    assert outcomes["none"]["plugins"] == 0
    assert not outcomes["none"]["holds_library"]
    assert outcomes["none"]["shape"] == [-1, 81, -1, -1]
