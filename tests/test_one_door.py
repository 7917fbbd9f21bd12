"""Whatever is written goes through ``dinoflow_deploy.atomic``: no module writes to a path by itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dinoflow_deploy

FOLDER = Path(dinoflow_deploy.__file__).parent
DOORS = {"atomic_file", "atomic_folder", "bundle_folder", "synthetic_folder", "TemporaryDirectory"}
"""What gives a path to write to."""
METHODS = {
    *("write_text", "write_bytes", "touch", "rename", "hardlink_to", "symlink_to", "tofile"),
    *("imwrite", "save_file", "copyfile", "copytree", "copy2", "VideoWriter"),
}
FUNCTIONS = {
    *("shutil.copy", "shutil.move", "os.replace", "os.rename", "os.link", "onnx.save", "torch.save"),
    *("np.save", "np.savez", "np.savez_compressed"),
}
ELSEWHERE = {
    "datasets/scenes/synthetic_tree.py _write_chairs": "into the folder of synthetic_folder",
    "datasets/scenes/synthetic_tree.py _write_encoded": "into the folder of synthetic_folder",
    "export/cpu_engine.py _emulated": "into a temporary folder",
    "export/draft.py finish": "into the folder of bundle_folder",
    "export/draft.py rename_file": "into the folder of bundle_folder",
    "export/draft.py write": "into the folder of bundle_folder",
    "export/draft.py copy_of": "into the folder of bundle_folder",
    "export/plugin/library.py write_record": "into the folder of atomic_folder",
    "flow/formats/npy.py encode": "into memory",
    "flow/clip/writer.py __enter__": "to the path of atomic_file that it enters",
    "video/flow_folder.py _write_mask": "into the folder of open_flow_folder",
    "video/gif_writer.py __enter__": "to the path of atomic_file that it is made with",
    "video/gif_writer.py _set_delay": "to the path of atomic_file that it is made with",
    "video/png_writer.py write": "to the path of atomic_file that it is made with",
    "video/writer.py __enter__": "to the path of atomic_file that it is made with",
}
"""Functions that write to a path which none of their own blocks gives, and where they do."""


def test_no_module_writes_around_the_door() -> None:
    found = {
        f"{path.relative_to(FOLDER)} {function}"
        for path in FOLDER.rglob("*.py")
        if not path.is_relative_to(FOLDER / "atomic")
        for function in writers(path.read_text())
    }
    assert found == set(ELSEWHERE)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("path.write_text(text)", True),
        ("cv2.imwrite(str(path), image)", True),
        ("open(path, 'w')", True),
        ("path.open(mode='xb')", True),
        ("os.replace(path, target)", True),
        ("path.replace(target)", True),
        ("with atomic_file(path, overwrite=True) as partial: path.write_text(text)", True),
        ("with atomic_file(path, overwrite=True) as partial: partial.write_text(text)", False),
        ("with x, atomic_folder(path) as folder: shutil.copy(path, folder / 'a')", False),
        ("path.open('rb'); open(path); av.open(path); text.replace('w', 'a'); replace(value, name=1)", False),
    ],
)
def test_a_writer_is_found_however_it_writes(body: str, found: bool) -> None:
    assert list(writers(f"class C:\n    def f(self, path):\n        {body}")) == (["f"] if found else [])


def writers(source: str) -> Iterator[str]:
    """Functions that write to something which no block of their own gave them."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        given = {
            item.optional_vars.id
            for block in ast.walk(function)
            if isinstance(block, ast.With)
            for item in block.items
            if isinstance(item.context_expr, ast.Call)
            and isinstance(item.optional_vars, ast.Name)
            and ast.unparse(item.context_expr.func).rpartition(".")[2] in DOORS
        }
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and is_write(node)]
        if any(given.isdisjoint(names_in(call)) for call in calls):
            yield function.name


def is_write(call: ast.Call) -> bool:
    function = ast.unparse(call.func)
    name = function.rpartition(".")[2]
    if name == "open":
        return any(is_writing_mode(value) for value in (*call.args, *(each.value for each in call.keywords)))
    if name == "replace" and function not in ("replace", "os.replace"):
        # A path's takes one argument, a text's two, and that of dataclasses keywords.
        return len(call.args) == 1 and not call.keywords
    return name in METHODS or function in FUNCTIONS


def is_writing_mode(value: ast.expr) -> bool:
    text = value.value if isinstance(value, ast.Constant) else None
    return isinstance(text, str) and set(text) <= set("rwaxbt+") and bool(set(text) & set("wax+"))


def names_in(call: ast.Call) -> set[str]:
    return {node.id for node in ast.walk(call) if isinstance(node, ast.Name)}
