import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dinoflow_deploy.bundles.manifest import Manifest
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.inspection import inspect_artifact, report_lines
from tests.inspection.conftest import NANO

WITHOUT_ONNX = """
import json, sys
sys.modules["onnx"] = None
from dinoflow_deploy.inspection import inspect_artifact
print(json.dumps(inspect_artifact(sys.argv[1]).to_dict()))
"""


def test_a_built_in_name_stands_for_its_bundle() -> None:
    report = inspect_artifact("nano")
    assert report == inspect_artifact(NANO.bundle) == inspect_artifact(NANO.bundle / "manifest.json")
    assert report.kind == "bundle"
    assert report.manifest == Manifest.read(NANO.bundle / "manifest.json")
    assert report.left_out == ()
    assert {file.name: file.recorded for file in report.files} == {"manifest.json": False, "model.onnx": True}
    assert report.bytes == sum(path.stat().st_size for path in NANO.bundle.iterdir())
    assert json.loads(json.dumps(report.to_dict()))["bytes"] == report.bytes


def test_the_difference_through_each_engine_is_shown() -> None:
    lines = [text for _, text in report_lines(inspect_artifact("nano"))]
    limits = {"onnxruntime CPUExecutionProvider": "0.001", "openvino CPU in fp32": "0.0025"}
    for engine, limit in limits.items():
        first = lines.index(f"{engine} against pytorch fp32 on cpu, 6 pairs, end-point difference:")
        assert lines[first + 1].endswith(f"limit {limit} px")


def test_a_file_that_the_manifest_does_not_list_is_shown(nano_bundle: Path) -> None:
    (nano_bundle / "notes.txt").write_text("mine")
    assert inspect_artifact(nano_bundle).unlisted == ("notes.txt",)


def test_every_damaged_and_missing_file_is_named_at_once(nano_bundle: Path) -> None:
    path = nano_bundle / "manifest.json"
    content = json.loads(path.read_text())
    content["files"]["rtx.plan"] = {"bytes": 1, "sha256": "0" * 64}
    path.write_text(json.dumps(content))
    model = nano_bundle / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(FileFormatError) as caught:
        inspect_artifact(nano_bundle)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{model} is not the file that was exported")
    assert lines[1].startswith(f"{nano_bundle / 'rtx.plan'} is missing")


def test_a_plan_that_is_no_file_of_the_bundle_is_refused(nano_bundle: Path) -> None:
    path = nano_bundle / "manifest.json"
    content = json.loads(path.read_text())
    content["artefacts"].append(content["artefacts"][0] | {"file": "rtx.plan", "kind": "plan"})
    path.write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match=r"manifest\.json: 'artefacts' names rtx\.plan, which"):
        inspect_artifact(nano_bundle)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"is not a bundle: it holds no manifest\.json"):
        inspect_artifact(tmp_path)


def test_what_is_not_known_is_refused_with_what_is(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(InputError, match=r"clip\.mp4 is nothing that is known.* \.onnx, .*, \.plan"):
        inspect_artifact(tmp_path / "clip.mp4")
    with pytest.raises(
        InputError,
        match=r"no file, folder or built-in model 'nanno' \(built-in: nano, small; published: vits16\); "
        r"did you mean 'nano'\?",
    ):
        inspect_artifact("nanno")


@pytest.mark.parametrize("name", ["pipe.onnx", "pipe.plan", "pipe.safetensors", "pipe/manifest.json"])
def test_a_pipe_is_not_waited_for(name: str, tmp_path: Path) -> None:
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="is neither a file nor a folder"):
        inspect_artifact(tmp_path / name)


@pytest.mark.parametrize("name", ["a.plan", "a.engine", "a.trt", "A.PLAN"])
def test_every_name_of_a_plan_is_known(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(bytes(200))
    assert inspect_artifact(tmp_path / name).kind == "plan"


def test_names_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"~no-such-user/model\.onnx: "):
        inspect_artifact("~no-such-user/model.onnx")
    path = tmp_path / "\udcff.onnx"
    path.write_bytes((NANO.bundle / "model.onnx").read_bytes())
    with pytest.raises(InputError, match=r"udcff\.onnx' is not UTF-8: rename"):
        inspect_artifact(path)


def test_a_manifest_nested_without_end_is_refused(nano_bundle: Path) -> None:
    (nano_bundle / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(FileFormatError, match=r"manifest\.json is not JSON"):
        inspect_artifact(nano_bundle)


def test_without_onnx_the_manifest_is_shown_and_the_rest_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ONNX, "nano"], capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout)
    assert report["graph"] is None
    assert report["manifest"]["artefacts"][0]["details"]["operator"]["radius"] == 4
    assert report["files"][1]["recorded"] is True
    (left_out,) = report["left_out"]
    assert "nodes" in left_out["what"]
    assert "needs the package 'onnx', which is not installed: pip install" in left_out["reason"]
    # A machine that only looks at a model is not told to download torch.
    assert "torch" not in left_out["reason"]


@pytest.mark.parametrize(
    ("inline", "expected"),
    [(True, "inline, in standard operators"), (False, "one node dinoflow::LocalCorrelation")],
)
def test_without_the_node_in_a_graph_the_operator_is_the_manifests(inline: bool, expected: str) -> None:
    report = inspect_artifact("nano")
    assert report.manifest is not None
    onnx = report.manifest.onnx
    changed = replace(onnx, operator=replace(onnx.operator, inline=inline)).artefact()
    manifest = replace(report.manifest, artefacts=(changed,))
    assert report.graph is not None
    for graph in (None, replace(report.graph, operators=())):
        lines = list(report_lines(replace(report, graph=graph, manifest=manifest)))
        assert ("operator", f"local correlation of radius 4: {expected}") in lines


def test_without_onnx_an_onnx_file_by_itself_is_an_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ONNX, NANO.bundle / "model.onnx"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "MissingPackageError: looking into an ONNX file needs the package 'onnx'" in done.stderr
