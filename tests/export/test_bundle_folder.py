import os
from pathlib import Path

import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.bundle_folder import bundle_folder

OURS = '{"format": "dinoflow-bundle", "files": {"model.onnx": {}, "old.plan": {}}}'


def filled(folder: Path, manifest: str | None, *others: str) -> dict[str, bytes]:
    """Make a folder; gives what it holds."""
    folder.mkdir()
    for name in others:
        (folder / name).write_text(f"content of {name}")
    if manifest is not None:
        (folder / "manifest.json").write_text(manifest)
    return content(folder)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("manifest", "others"),
    [
        (OURS, ["model.onnx", "old.plan"]),
        ('{"format": "dinoflow-bundle", "format_version": 7, "files": 3}', ["model.onnx"]),
        ('{"format": "dinof', ["model.onnx", "tensorrt.plan", "rtx.plan"]),
        (None, []),
    ],
    ids=["a bundle", "of another version", "damaged", "empty"],
)
def test_a_bundle_is_replaced_whatever_its_state(
    tmp_path: Path, manifest: str | None, others: list[str]
) -> None:
    filled(tmp_path / "out", manifest, *others)
    with bundle_folder(tmp_path / "out", overwrite=True) as folder:
        (folder / "model.onnx").write_bytes(b"new")
    assert content(tmp_path / "out") == {"model.onnx": b"new"}


@pytest.mark.parametrize(
    ("manifest", "others", "named"),
    [
        (None, ["thesis.tex"], "thesis.tex"),
        (None, ["model.onnx"], "model.onnx"),
        (OURS, ["model.onnx", "notes.txt"], "notes.txt"),
        (OURS, ["model.onnx", ".git"], ".git"),
        ('{"manifest_version": 3}', ["model.onnx"], "manifest.json"),
        ("[]", [], "manifest.json"),
    ],
)
def test_what_no_bundle_holds_is_never_lost(
    tmp_path: Path, manifest: str | None, others: list[str], named: str
) -> None:
    before = filled(tmp_path / "out", manifest, *others)
    message = f"out holds more than a bundle \\('{named}'\\).*choose another folder"
    with pytest.raises(InputError, match=message):
        bundle_folder(tmp_path / "out", overwrite=True).__enter__()
    assert content(tmp_path / "out") == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_was_added_during_the_export_is_kept_and_so_is_the_export(tmp_path: Path) -> None:
    filled(tmp_path / "out", OURS, "model.onnx")
    export = bundle_folder(tmp_path / "out", overwrite=True)
    (export.__enter__() / "model.onnx").write_bytes(b"new")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"'notes\.txt'"):
        export.__exit__(None, None, None)
    assert set(content(tmp_path / "out")) == {"manifest.json", "model.onnx", "notes.txt"}
    assert content(tmp_path / "out-2") == {"model.onnx": b"new"}


def test_a_name_that_is_no_text_is_refused_before_the_work(tmp_path: Path) -> None:
    # What Python makes of bytes that are not UTF-8.
    odd = tmp_path / os.fsdecode(b"clip\xff")
    with pytest.raises(InputError, match=r"clip\\udcff' is not text in this locale: choose another folder"):
        bundle_folder(odd, overwrite=False).__enter__()
    assert list(tmp_path.iterdir()) == []
