"""``export --target triton`` as a user meets it, on bundles of a model of three nodes."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dinoflow_deploy.atomic import folder as folder_module
from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.bundles.manifest import FileInfo
from dinoflow_deploy.cli.app import app
from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.engines.triton.interface import ServedModel
from dinoflow_deploy.errors import DinoFlowError
from dinoflow_deploy.export import TritonOptions, build_from_bundle
from dinoflow_deploy.models.builtin import builtin_models
from tests.export.triton.test_config import plan
from tests.small_bundles import DYNAMIC, WriteBundle, make_manifest

ONE_PAIR = InputRange(AxisRange.fixed(1), AxisRange(64, 448, 1088), AxisRange(64, 1024, 1920))
Write = Callable[..., Path]


def invoke(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["export", "--target", "triton", *map(str, arguments)])


def refusal(*arguments: str | Path) -> str:
    done = invoke(*arguments)
    assert done.exit_code != 0, done.output
    text = str(done.exception) if isinstance(done.exception, DinoFlowError) else done.output
    return " ".join(text.replace("│", " ").split())


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def folders_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_dir()}


@pytest.fixture
def write(write_bundle: WriteBundle) -> Write:
    """A bundle of weights that are told apart by a letter, perhaps with a plan."""

    def make(letter: str, inputs: InputRange = DYNAMIC, planned: str = "", precision: str = "fp32") -> Path:
        folder = write_bundle(f"bundle-{letter}{planned}", inputs)
        files = {"model.onnx": FileInfo.of(folder / "model.onnx")}
        plans = ()
        if planned:
            (folder / "tensorrt.plan").write_text(planned)
            files["tensorrt.plan"] = FileInfo.of(folder / "tensorrt.plan")
            plans = (plan("cpp", ONE_PAIR),)
        manifest = make_manifest(files, inputs, precision, plans)
        manifest = replace(manifest, model=replace(manifest.model, weights_sha256=letter * 64))
        (folder / "manifest.json").write_text(manifest.to_json())
        return folder

    return make


def test_a_bundle_becomes_two_models(write: Write, tmp_path: Path) -> None:
    bundle, output = write("a"), tmp_path / "repository"
    done = invoke("--model", bundle, "--output", output)
    assert done.exit_code == 0, done.output
    assert sorted(tree(output)) == [
        *("dinoflow/1/about.json", "dinoflow/1/model.py", "dinoflow/config.pbtxt"),
        *("dinoflow_network/1/LICENCES.md", "dinoflow_network/1/manifest.json"),
        *("dinoflow_network/1/model.onnx", "dinoflow_network/config.pbtxt"),
    ]
    made = Bundle.open(output / "dinoflow_network/1")
    source = Bundle.open(bundle).manifest
    assert made.manifest.artefacts == source.artefacts
    assert made.manifest.files.items() > source.files.items()
    served = ServedModel.from_json((output / "dinoflow/1/about.json").read_bytes(), "about")
    assert (served.network, served.artefact, served.inputs) == ("dinoflow_network", "onnx", DYNAMIC)
    assert (served.model, served.precision, served.weights_sha256) == ("difference", "fp32", "a" * 64)
    assert "under the licence of who trained them" in (made.folder / "LICENCES.md").read_text()
    lines = done.stdout.splitlines()
    assert lines[0] == f"triton   {output}: dinoflow version 1"
    assert lines[-2] == f"next     tritonserver --model-repository {output}"
    assert lines[-1].strip() == "dinoflow-deploy bench --model grpc://localhost:8001/dinoflow"
    # Every version is a bundle that runs without a server, too.
    with load_engine(made.folder, "onnxruntime", "cpu") as engine:
        assert engine.describe().model == "difference"


def test_versions_are_added_and_nothing_else_changes(write: Write, tmp_path: Path) -> None:
    output = tmp_path / "repository"
    for path, text in (("other/1/model.onnx", "other"), ("other/config.pbtxt", "o"), ("notes.txt", "n")):
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        (output / path).write_text(text)
    assert invoke("--model", write("a"), "--output", output).exit_code == 0
    config = output / "dinoflow/config.pbtxt"
    config.write_text(config.read_text().replace("count: 4", "count: 9"))
    before = tree(output)
    second = invoke("--model", write("b"), "--output", output)
    assert second.stdout.splitlines()[0] == f"triton   {output}: dinoflow version 2, beside 1"
    after = tree(output)
    assert after.items() > before.items()
    assert {name.split("/")[1] for name in after.keys() - before.keys()} == {"2"}
    other = invoke("--model", write("c"), "--output", output, "--name", "mine")
    assert other.exit_code == 0, other.output
    assert tree(output).items() > after.items()
    assert json.loads((output / "mine/1/about.json").read_text())["network"] == "mine_network"
    assert 'name: "mine"' in (output / "mine/config.pbtxt").read_text()
    assert 'name: "mine_network"' in (output / "mine_network/config.pbtxt").read_text()


def test_what_is_there_is_not_added_again_unless_it_is_damaged(write: Write, tmp_path: Path) -> None:
    output, bundle = tmp_path / "repository", write("a")
    assert invoke("--model", bundle, "--output", output).exit_code == 0
    before = tree(output)
    again = invoke("--model", bundle, "--output", output)
    assert "dinoflow version 1, reused: it was there already" in again.stdout
    assert tree(output) == before
    (output / "dinoflow_network/1/model.onnx").write_text("cut off")
    mended = invoke("--model", bundle, "--output", output)
    assert "dinoflow version 2, beside 1" in mended.stdout
    for number, lost in enumerate(
        ("dinoflow/config.pbtxt", "dinoflow_network/config.pbtxt", "dinoflow/4/model.py"), 3
    ):
        (output / lost).unlink()
        mended = invoke("--model", bundle, "--output", output)
        assert f"dinoflow version {number}, beside " in mended.stdout
        assert (output / lost).exists() == lost.endswith("config.pbtxt")


def test_the_numbers_of_versions_go_on_behind_the_largest(write: Write, tmp_path: Path) -> None:
    output = tmp_path / "repository"
    invoke("--model", write("a"), "--output", output)
    for folder in ("dinoflow/7", "dinoflow_network/9", "dinoflow/012", "dinoflow/.3.partial", "dinoflow/old"):
        (output / folder).mkdir()
    done = invoke("--model", write("b"), "--output", output)
    assert "dinoflow version 10, beside 1" in done.stdout


def test_a_plan_is_served_where_there_is_one(write: Write, tmp_path: Path) -> None:
    output = tmp_path / "repository"
    done = invoke("--model", write("a", planned="one"), "--output", output)
    assert done.exit_code == 0, done.output
    made = Bundle.open(output / "dinoflow_network/1")
    assert sorted(made.manifest.files) == ["LICENCES.md", "model.onnx", "model.plan"]
    assert (made.folder / "model.plan").read_text() == "one"
    assert "tensorrt_plan" in (output / "dinoflow_network/config.pbtxt").read_text()
    served = json.loads((output / "dinoflow/1/about.json").read_text())
    assert served["artefact"] == "plan"
    assert served["inputs"]["height"]["max"] == 1088
    assert "runs where the server has TensorRT 10.16.1.11, on compute capability 9.0" in done.stdout
    again = invoke("--model", write("a", planned="one"), "--output", output)
    assert "reused" in again.stdout
    other = invoke("--model", write("a", planned="two"), "--output", output)
    assert "dinoflow version 2, beside 1" in other.stdout
    onnx = refusal("--model", write("b", planned="x"), "--network", "onnx", "--output", output)
    assert "holds dinoflow in version 2 for TensorRT, images [ 1, 3, -1, -1 ], 1 pairs at once" in onnx
    assert "a version for ONNX Runtime, images [ 3, -1, -1 ], up to 16 pairs at once cannot share" in onnx
    beside = invoke(
        "--model", write("b", planned="x"), "--network", "onnx", "--name", "b", "--output", output
    )
    assert beside.exit_code == 0, beside.output


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--overwrite",), "--overwrite replaces a bundle, and a version is added to the model repository"),
        (("--name", "a/b"), "the name 'a/b' is none for a model of Triton"),
        (("--network", "plan"), "there is no TensorRT plan to serve: make a bundle with --target tensorrt"),
        (("--size", "64x64"), "a bundle is served as it is, with its shapes and its parity: leave out"),
        (("--no-verify",), "a bundle is served as it is, with its shapes and its parity: leave out"),
        (("--plugin", "none"), "--plugin is for --target tensorrt"),
    ],
)
def test_what_has_no_meaning_is_refused_before_anything_is_written(
    given: tuple[str, ...], message: str, write: Write, tmp_path: Path
) -> None:
    assert message in refusal("--model", write("a"), "--output", tmp_path / "repository", *given)
    assert not (tmp_path / "repository").exists()


def test_bf16_is_for_plans(write: Write, tmp_path: Path) -> None:
    output = tmp_path / "repository"
    text = refusal("--model", write("a", precision="bf16"), "--output", output)
    assert "ONNX Runtime has no bfloat16 convolution" in text
    weights = refusal("--model", "nano", "--precision", "bf16", "--output", output)
    assert "ONNX Runtime has no bfloat16 convolution" in weights
    planned = invoke("--model", write("b", planned="p", precision="bf16"), "--output", output)
    assert planned.exit_code == 0, planned.output


def test_a_repository_of_something_else_is_left_alone(write: Write, tmp_path: Path) -> None:
    bundle = write("a")
    (tmp_path / "file").write_text("mine")
    assert "exists and is not a folder" in refusal("--model", bundle, "--output", tmp_path / "file")
    assert "is a bundle, not a model repository" in refusal("--model", bundle, "--output", bundle)
    theirs = tmp_path / "theirs"
    (theirs / "dinoflow/1").mkdir(parents=True)
    (theirs / "dinoflow/config.pbtxt").write_text('name: "dinoflow"')
    (theirs / "dinoflow/1/model.onnx").write_text("theirs")
    before = tree(theirs)
    text = refusal("--model", bundle, "--output", theirs)
    assert f"holds another model called dinoflow or dinoflow_network ({theirs}/dinoflow/config.pbtxt" in text
    assert "give this one another --name" in text
    (theirs / "dinoflow_network/1").mkdir(parents=True)
    assert f"{theirs}/dinoflow/1/about.json cannot be read" in refusal("--model", bundle, "--output", theirs)
    assert tree(theirs) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("step", range(6))
def test_a_failure_leaves_what_was_there(
    step: int,
    beside: bool,
    error: Any,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever step fails: copying the front, the network's three files, or putting either in place."""
    output, steps = tmp_path / "repository", iter(range(10))
    if beside:
        build_from_bundle(write("a"), output, TritonOptions())
    before, folders, bundle = tree(output), folders_in(output), write("b")
    copyfile, keep_permissions = shutil.copyfile, folder_module.keep_permissions

    def copy(source: Path, target: Path) -> None:
        if output in Path(target).parents and next(steps) == step:
            raise error
        copyfile(source, target)

    def place(made: Path, *arguments: Any) -> None:
        if next(steps) == step:
            raise error
        keep_permissions(made, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", copy)
        patched.setattr(folder_module, "keep_permissions", place)
        with pytest.raises((KeyboardInterrupt, OSError, DinoFlowError)):
            build_from_bundle(bundle, output, TritonOptions())
    assert tree(output) == before
    assert folders_in(output) == folders
    report = build_from_bundle(bundle, output, TritonOptions())
    assert report.folder == output / f"dinoflow_network/{2 if beside else 1}"


def test_exports_at_once_take_a_number_each(write: Write, tmp_path: Path) -> None:
    output, bundles = tmp_path / "repository", [write(letter) for letter in "abcd"]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda bundle: build_from_bundle(bundle, output, TritonOptions()), bundles))
    assert sorted(report.folder.name for report in made) == ["1", "2", "3", "4"]
    for report, bundle in zip(made, bundles, strict=True):
        model = Bundle.open(report.folder).manifest.model
        assert model == Bundle.open(bundle).manifest.model
        about = json.loads((output / "dinoflow" / report.folder.name / "about.json").read_text())
        assert about["weights_sha256"] == model.weights_sha256


def test_licences_name_what_the_weights_are(tmp_path: Path) -> None:
    invoke("--model", builtin_models()["nano"].bundle, "--output", tmp_path / "repository")
    text = (tmp_path / "repository/dinoflow_network/1/LICENCES.md").read_text()
    assert "a built-in model of dinoflow-deploy: Apache License 2.0" in text
