"""An export that is there already is not done again, and one that differs is never taken for it."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.bundles.manifest import FileInfo, Manifest
from dinoflow_deploy.cli.app import app
from dinoflow_deploy.engines import Bundle
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export import ExportOptions, ExportReport, export_bundle, key, onnx_maker
from dinoflow_deploy.export.options import parse_inputs
from dinoflow_deploy.train.model import save_model
from tests.export.conftest import Exported
from tests.export.lively import lively_model

INPUTS = parse_inputs("64x112", "2")
Export = Callable[..., ExportReport]


def write_manifest(manifest: Manifest, folder: Path) -> None:
    (folder / "manifest.json").write_text(manifest.to_json())


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def export(nano: Exported, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Export:
    """Exports to a folder that holds an export already; tracing once more fails."""
    monkeypatch.setattr(onnx_maker, "export_onnx", lambda *_: nano.onnx)

    def run(model: Any = nano.model, **changes: Any) -> ExportReport:
        return export_bundle(model, folder, ExportOptions(**{"inputs": INPUTS, "verify": False} | changes))

    assert not run().reused
    monkeypatch.setattr(onnx_maker, "export_onnx", lambda *_: pytest.fail("traced again"))
    return run


def test_the_same_again_is_left_as_it_is(export: Export, nano: Exported, folder: Path) -> None:
    before = contents(folder)
    report = export()
    assert report.reused
    (artefact,) = report.artefacts
    assert (artefact.nodes, artefact.parity) == (len(nano.onnx.graph.node), ())
    assert report.manifest == Bundle.open(folder).manifest
    assert contents(folder) == before


def test_overwriting_exports_again(export: Export, monkeypatch: pytest.MonkeyPatch, nano: Exported) -> None:
    monkeypatch.setattr(onnx_maker, "export_onnx", lambda *_: nano.onnx)
    assert not export(overwrite=True).reused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "another"}, r"its model is nano with weights \w{12}, not nano with weights \w{12}"),
        ({"precision": "fp16"}, "its precision is fp32, not fp16"),
        ({"opset": 21}, "its opset is 20, not 21"),
        ({"model_input": "frames"}, "its model_input is images, not frames"),
        ({"plain": True}, "its operator is radius 4, not radius 4, inline"),
        ({"inputs": parse_inputs("64x64", "1")}, "its inputs is batch 2, height 64, width 112, not"),
        ({"verify": True}, r"its model\.onnx was not verified"),
    ],
)
def test_another_export_is_named(changes: dict[str, Any], message: str, export: Export, folder: Path) -> None:
    before = contents(folder)
    changes = {"model": lively_model("nano", seed=1)} if "model" in changes else changes
    with pytest.raises(InputError, match=rf"out exists and is another bundle: .*{message}.*--overwrite"):
        export(**changes)
    assert contents(folder) == before


def test_every_option_but_those_that_change_no_byte_is_in_the_key(export: Export) -> None:
    manifest, options = export().manifest, ExportOptions(inputs=INPUTS)
    others: dict[str, Any] = {
        "precision": "fp16",
        "inputs": InputRange(INPUTS.batch, INPUTS.width, INPUTS.width),
        "opset": 22,
        "model_input": "frames",
        "plain": True,
        "verify": False,
        "overwrite": True,
    }
    changed = {field.name: replace(options, **{field.name: others[field.name]}) for field in fields(options)}

    def key_with(other: ExportOptions) -> str | None:
        sha256 = manifest.files["model.onnx"].sha256
        return key.with_key(manifest.onnx, manifest.model, other, sha256).key

    unlike = {name for name, other in changed.items() if key_with(other) != manifest.onnx.key}
    assert unlike == others.keys() - {"verify", "overwrite"}


def test_a_bundle_of_before_the_key_is_not_reused(export: Export, folder: Path) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    content["artefacts"][0]["key"] = None
    (folder / "manifest.json").write_text(json.dumps(content))
    assert Bundle.open(folder).manifest.onnx.key is None
    with pytest.raises(InputError, match=r"exported before bundles had keys.*--overwrite"):
        export()


def test_other_code_of_the_exporter_is_another_export(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key, "_SOURCES", ("export/graph",))
    with pytest.raises(InputError, match="exported by another state of this package, or changed afterwards"):
        export()


def test_another_version_of_a_tool_is_named(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    real = onnx_maker.version
    monkeypatch.setattr(onnx_maker, "version", lambda name: "99" if name == "onnx" else real(name))
    with pytest.raises(InputError, match=r"its onnx was 1\.\d+\.\d+, not 99"):
        export()


def with_another_graph(folder: Path, manifest: Manifest) -> None:
    """Change the file and, as one who knows how, what the manifest says of it."""
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b"more")
    write_manifest(replace(manifest, files={"model.onnx": FileInfo.of(folder / "model.onnx")}), folder)


def with_another_precision(folder: Path, manifest: Manifest) -> None:
    write_manifest(replace(manifest, precision="fp16"), folder)


def with_damage(folder: Path, _: Manifest) -> None:
    (folder / "model.onnx").write_bytes(b"damaged")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_another_graph, "or changed afterwards"),
        (with_another_precision, "its precision is fp16, not fp32"),
        (with_damage, r"model\.onnx is not the file that was exported"),
    ],
)
def test_what_was_changed_by_hand_is_not_reused(
    change: Callable[[Path, Manifest], None], message: str, export: Export, folder: Path
) -> None:
    change(folder, Bundle.open(folder).manifest)
    with pytest.raises(InputError, match=rf"{message}.*--overwrite"):
        export()


def test_the_command_says_that_it_is_reused(export: Export, nano: Exported, tmp_path: Path) -> None:
    save_model(nano.model, tmp_path / "model.safetensors")
    arguments = ["--model", str(tmp_path / "model.safetensors"), "--output", str(tmp_path / "out")]
    arguments += ["--size", "64x112", "--batch", "2", "--no-verify"]
    done = CliRunner().invoke(app, ["export", *arguments])
    assert done.exit_code == 0, done.output
    assert f"bundle   {tmp_path / 'out'}, reused: it was there already" in done.stdout
