import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dinoflow_deploy.bundles.manifest import FileInfo
from dinoflow_deploy.bundles.parity import Parity
from dinoflow_deploy.engines import Bundle, Manifest
from dinoflow_deploy.errors import FileFormatError, InputError
from tests.small_bundles import WriteBundle, make_manifest

Change = Callable[[dict[str, Any]], object]


def onnx_of(content: dict[str, Any]) -> dict[str, Any]:
    """The entry of the ONNX file."""
    entry: dict[str, Any] = content["artefacts"][0]
    return entry


def test_a_bundle_opens_with_what_was_written(write_bundle: WriteBundle) -> None:
    folder = write_bundle()
    bundle = Bundle.open(folder)
    assert bundle.manifest == make_manifest({"model.onnx": FileInfo.of(folder / "model.onnx")})
    assert bundle.onnx_path == folder / "model.onnx"


def test_the_manifest_keeps_its_figures_and_is_the_same_every_time() -> None:
    parity = Parity("PyTorch fp32 on cpu", "onnxruntime CPUExecutionProvider", 8, 1e-3, 1e-5, 2e-5, 3.5e-4)
    plain = make_manifest({"model.onnx": FileInfo(3, "0" * 64)})
    manifest = replace(plain, artefacts=(replace(plain.artefacts[0], parity=parity),))
    text = manifest.to_json()
    assert Manifest.from_json(text, Path("manifest.json")) == manifest
    assert manifest.to_json() == text
    content = json.loads(text)
    assert content["format"] == "dinoflow-bundle"
    assert content["format_version"] == 2
    assert content["stride"] == 16
    assert content["normalisation"] == {"channel_order": "RGB", "range": [0.0, 1.0], "inside_model": True}
    assert onnx_of(content)["details"]["operator"]["plugin_namespace"] == "dinoflow"
    assert onnx_of(content)["parity"]["max_px"] == 3.5e-4


def test_the_digest_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    # The example of FIPS 180-2, appendix B.1.
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert FileInfo.of(tmp_path / "file") == FileInfo(3, digest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: onnx_of(content)["details"].pop("opset"), "'artefacts.model.onnx.opset' is missing"),
        (lambda content: onnx_of(content)["inputs"]["height"].pop("max"), "inputs.height.max' is missing"),
        (lambda content: content["model"].update(name=3), "'model.name' must be a string, not 3"),
        (lambda content: onnx_of(content)["details"].update(opset="20"), "must be a whole number, not '20'"),
        (lambda content: onnx_of(content)["details"].update(opset=True), "must be a whole number, not True"),
        (
            lambda content: onnx_of(content)["details"]["operator"].update(inline=0),
            "operator.inline' must be true or false, not 0",
        ),
        (lambda content: onnx_of(content).update(inputs=[1]), r"'artefacts\[0\].inputs' must be an object"),
        (lambda content: content["normalisation"].update(range=[0]), "'normalisation.range' needs 2 values"),
        (lambda content: onnx_of(content)["tools"].update(torch=2), "tools.torch' must be a string, not 2"),
        (
            lambda content: content["files"]["model.onnx"].pop("sha256"),
            "'files.model.onnx.sha256' is missing",
        ),
        (lambda content: onnx_of(content).update(parity={}), "parity.reference' is missing"),
        (lambda content: onnx_of(content)["inputs"]["height"].update(max=32), "height': a range of min 64"),
        (lambda content: onnx_of(content)["inputs"]["width"].update(min=70), "inputs': a width of 70"),
        (lambda content: content.update(precision="fp8"), "the precision 'fp8' is not one of"),
        (lambda content: content.update(stride=14), "a stride of 14"),
        (lambda content: content.update(format_version=3), "format_version 3 and this release reads 1 to 2"),
        (lambda content: content.pop("format_version"), "format_version None"),
        (lambda content: content.update(format="other"), "not the manifest of a bundle"),
        (lambda content: content["files"].update({"../x": {"bytes": 1, "sha256": ""}}), "leaves the bundle"),
        (lambda content: content.update(files={}), "names model.onnx, which 'files' does not list"),
        (lambda content: content.update(artefacts=[]), "lists 0 ONNX files where 1 is due"),
        (lambda content: content["artefacts"].append(onnx_of(content)), "'artefacts' names model.onnx twice"),
        (
            lambda content: content["artefacts"].append(onnx_of(content) | {"file": "../x.plan"}),
            r"'artefacts' names \.\./x\.plan, which 'files' does not",
        ),
        (
            lambda content: content["normalisation"].update(channel_order="BGR"),
            "'BGR, 0 to 1, normalised inside the model' is not supported: it must be 'RGB, 0 to 1, ",
        ),
        (
            lambda content: content["normalisation"].update(inside_model=False),
            "the normalisation 'RGB, 0 to 1' is not supported",
        ),
        (
            lambda content: content["normalisation"].update(range=[0, 255]),
            "the normalisation 'RGB, 0 to 255, normalised inside the model' is not supported",
        ),
    ],
)
def test_a_wrong_manifest_names_file_and_key(change: Change, message: str, write_bundle: WriteBundle) -> None:
    path = write_bundle() / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match=message) as caught:
        Bundle.open(path.parent)
    assert str(path) in str(caught.value)


def test_a_detail_does_not_take_the_place_of_what_was_checked(write_bundle: WriteBundle) -> None:
    folder = write_bundle()
    content = json.loads((folder / "manifest.json").read_text())
    onnx_of(content)["details"] |= {"file": "../elsewhere.onnx", "key": 3}
    (folder / "manifest.json").write_text(json.dumps(content))
    bundle = Bundle.open(folder)
    assert bundle.onnx_path == folder / "model.onnx"
    assert bundle.manifest.onnx.key is None


def test_keys_of_later_releases_are_ignored(write_bundle: WriteBundle) -> None:
    path = write_bundle() / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tuned_for": {"sm_90": "fast.bin"}}))
    assert Bundle.open(path.parent).manifest.onnx.opset == 20


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"[" * 100_000])
def test_a_file_that_is_no_manifest_is_refused(content: bytes, write_bundle: WriteBundle) -> None:
    folder = write_bundle()
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"manifest\.json"):
        Bundle.open(folder)


def test_missing_and_changed_files_are_refused(write_bundle: WriteBundle) -> None:
    folder = write_bundle()
    model = folder / "model.onnx"
    content = model.read_bytes()
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(FileFormatError, match=r"model\.onnx is not the file that was exported"):
        Bundle.open(folder)
    model.write_bytes(content[:-1])
    with pytest.raises(FileFormatError, match=f"{len(content) - 1} bytes.*{len(content)}"):
        Bundle.open(folder)
    model.unlink()
    with pytest.raises(FileFormatError, match=r"model\.onnx is missing"):
        Bundle.open(folder)


def test_a_folder_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"not a bundle: it holds no manifest\.json"):
        Bundle.open(tmp_path)


def test_a_manifest_cannot_be_made_wrong() -> None:
    with pytest.raises(InputError, match="precision 'int8'"):
        make_manifest({"model.onnx": FileInfo(3, "0" * 64)}, precision="int8")
