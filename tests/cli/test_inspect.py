import json
import re
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner, Result

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.inspection import inspect_artifact
from tests.inspection.conftest import NANO

PAGE = Path(__file__).parents[2] / "docs/commands/inspect.md"


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(app, ["inspect", *map(str, arguments)])


def test_a_bundle_on_one_screen() -> None:
    result = run("nano")
    assert result.exit_code == 0
    assert result.stderr == ""
    text = re.sub(r"\s+", " ", result.stdout)
    for expected in (
        "model nano, fp32, opset 20",
        "batch 1..16, height 64..2048, width 64..2048",
        "parity onnxruntime CPUExecutionProvider against pytorch fp32 on cpu",
        "as the manifest says",
        "input image1, fp32 [batch, 3, height, width]",
        "dinoflow::LocalCorrelation (radius 4, scale 0.176777, plugin_namespace dinoflow, plugin_version 1)",
        "torch 2.13.0",
    ):
        assert expected in text
    assert len(result.stdout.splitlines()) <= 40
    assert "Left out" not in text


def test_the_page_shows_what_is_printed() -> None:
    shown = PAGE.read_text().split("dinoflow-deploy inspect nano\n```\n\n```\n")[1].partition("```")[0]
    printed = [line.rstrip() for line in run("nano").stdout.splitlines()]
    # The first line holds the path of the package.
    assert shown.splitlines()[1:] == printed[1:]


@pytest.mark.parametrize("option", [["--json"], ["--json", "-"], ["--json=-"]])
def test_json_is_the_report(option: list[str]) -> None:
    result = run(*option, NANO.weights)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads(json.dumps(inspect_artifact(NANO.weights).to_dict()))


def test_a_long_path_is_not_cut(tmp_path: Path) -> None:
    long = tmp_path / ("n" * 150 + ".safetensors")
    long.symlink_to(NANO.weights)
    text = re.sub(r"\s+", "", run(long).stdout)
    assert f"{long},4.6MB" in text


def test_other_kinds_of_file(tmp_path: Path) -> None:
    model = onnx.load(NANO.bundle / "model.onnx")
    model.graph.output[0].name = "motion"
    model.graph.node[-1].output[0] = "motion"
    onnx.save(model, tmp_path / "foreign.onnx")
    result = run(tmp_path / "foreign.onnx")
    assert result.exit_code == 0
    assert "not a flow model" in result.stdout
    result = run(NANO.weights)
    assert re.search(r"backbone +nano\n", re.sub(r" +\n", "\n", result.stdout))
    assert "values in" in result.stdout


@pytest.mark.parametrize("name", ["gone.onnx", "text.onnx", "short.plan", "empty.safetensors", "other.txt"])
def test_an_error_is_one_message_that_names_the_file(name: str, tmp_path: Path) -> None:
    if name != "gone.onnx":
        (tmp_path / name).write_text("hello")
    result = run(tmp_path / name)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert name in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_what_is_left_out_is_on_a_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "foreign.plan").write_bytes(bytes(200))
    result = run(tmp_path / "foreign.plan")
    assert result.exit_code == 0
    before, _, after = result.stdout.partition("\nLeft out\n")
    assert "foreign.plan" in before
    assert "  the header of foreign.plan:\n      only that of TensorRT-RTX 1 is known here\n" in after
    # However long: it may hold a command to copy.
    _, layers = inspect_artifact(tmp_path / "foreign.plan").left_out
    assert len(layers.reason) > 100
    assert f"\n      {layers.reason}\n" in after


def test_names_do_not_steer_the_terminal(tmp_path: Path) -> None:
    name = "in\x1b]0;title\x07\u202e\x9b31m"
    x, y = (helper.make_tensor_value_info(each, TensorProto.FLOAT, [2]) for each in (name, "y"))
    graph = helper.make_graph([helper.make_node("Relu", [name], ["y"])], "g", [x], [y])
    opset = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10, producer_name=name)
    onnx.save(model, tmp_path / "model.onnx")
    result = run(tmp_path / "model.onnx")
    assert result.exit_code == 0
    assert r"in\x1b]0;title\x07\u202e\x9b31m, fp32 [2]" in result.stdout
    result = run(tmp_path / "\x1b[31m\udcff.onnx")
    assert r"\x1b[31m\udcff.onnx" in result.stderr
    (tmp_path / "\x1b.plan").write_bytes(bytes(200))
    for found in (run(tmp_path / "\x1b.plan"), result):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", found.output)
