"""What ONNX Runtime says of the files beside a model that hold its weights, in this project's words."""

import re
from pathlib import Path
from typing import Final

# What releases 1.20 to 1.32 write; 1.24 asked in another order than the later ones.
_MISSING: Final = re.compile(
    r'External data path does not exist: "(?P<new>[^"]+)"'
    r"|cannot get file size: (?:No such file or directory|Is a directory) \[(?P<old>[^\]]+)\]"
    r"|Random-access reads require a regular file: (?P<folder>.+)$"
)
_OUTSIDE: Final = re.compile(
    r'External data path: "(?P<escaping>[^"]+)"|(?P<absolute>Absolute paths? not allowed)'
)
_CUT_OFF: Final = re.compile(
    r"External initializer: (?P<tensor>\S+) offset: (?P<start>\d+) size to read: (?P<size>\d+) "
    r"given file_length: (?P<length>\d+) are out of bounds"
)


def data_file_problem(said: str, model: Path) -> str | None:
    """Why a model's weights cannot be read.

    Args:
        said: What ONNX Runtime said when it was to load the model.
        model: The ONNX file.

    Returns:
        The reason and what to do; ``None`` where it is another one.
    """
    missing, outside = _MISSING.search(said), _OUTSIDE.search(said)
    named = missing[missing.lastgroup or 0] if missing else outside and outside["escaping"]
    # Of a model that is a link, ONNX Runtime says that a missing file is outside.
    if named and (missing or not (model.parent / named).exists()):
        return f"{model} keeps weights in {named}, which is missing: copy that file too, or export again"
    if outside:
        return (
            f"{model} keeps weights in {named or 'a file with an absolute path'}, outside its folder, where "
            "ONNX Runtime reads none: put the file itself, not a link, into that folder, or export again"
        )
    if found := _CUT_OFF.search(said):
        return (
            f"the file beside {model} that holds {found['tensor']} has {found['length']} bytes, where "
            f"{found['size']} from {found['start']} on are needed: copy both again"
        )
    return None
