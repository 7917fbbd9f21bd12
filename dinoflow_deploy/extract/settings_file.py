"""What all flow in a folder was computed with: the file that makes it a folder of ``extract``."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from dinoflow_deploy.atomic import atomic_file
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.extract.choices import FlowChoices
from dinoflow_deploy.system.dataclass_reader import from_json

SETTINGS_NAME: Final = "extract.json"
LINES_NAME: Final = "manifest.jsonl"
TABLE_NAME: Final = "manifest.parquet"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the flow in a folder.

    Attributes:
        format_version: Of this file and of the manifest.
        model: The model as it was named.
        model_sha256: SHA-256 that stands for it.
        precision: What it was told to compute in; ``None`` for what it does by itself.
        choices: The rest.
    """

    format_version: int
    model: str
    model_sha256: str
    precision: str | None
    choices: FlowChoices

    @classmethod
    def of(cls, model: str, model_sha256: str, precision: str | None, choices: FlowChoices) -> "Settings":
        """Those of a run."""
        return cls(_VERSION, model, model_sha256, precision, choices)

    def check(self, folder: Path) -> None:
        """Refuse a folder whose flow was computed otherwise, or that holds something else.

        Raises:
            InputError: It does.
            FileFormatError: Its file of settings is damaged.
        """
        there = read_settings(folder)
        if there is None or self._agrees_with(there) or not _holds_flow(folder):
            return
        if there.model_sha256 != self.model_sha256:
            what = f"flow of another model ({there.model}, SHA-256 {there.model_sha256[:12]}...)"
        else:
            what = f"flow with other options ({_difference(there, self)})"
        raise InputError(f"{folder} holds {what}: choose another folder, or what it was made with")

    def write(self, folder: Path) -> None:
        """Write the file where it is missing, or is of a run that came to nothing."""
        there = read_settings(folder)
        if there is None or not self._agrees_with(there):
            with atomic_file(folder / SETTINGS_NAME, overwrite=True) as partial:
                partial.write_text(json.dumps(asdict(self), indent=2) + "\n")

    def _agrees_with(self, there: "Settings") -> bool:
        # A model may be called otherwise from elsewhere.
        return replace(there, model=self.model) == self


def read_settings(folder: Path) -> Settings | None:
    """The settings of a folder; ``None`` where there is none yet.

    Raises:
        InputError: The folder holds files and no settings, or is no folder.
        FileFormatError: The file is damaged, or of a later release.
    """
    path = folder / SETTINGS_NAME
    if not path.exists():
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} exists and is not a folder: choose another output")
        if folder.exists() and any(not each.name.startswith(".") for each in folder.iterdir()):
            raise InputError(
                f"{folder} exists, is not empty, and was not made by extract: choose another folder"
            )
        return None
    try:
        values = json.loads(path.read_text())
        if isinstance(values, dict) and values.get("format_version") != _VERSION:
            raise FileFormatError(f"its format_version is {values.get('format_version')}, not {_VERSION}")
        return from_json(Settings, values)
    except (ValueError, FileFormatError) as error:
        raise FileFormatError(f"{path} is damaged: {error}; choose another folder") from error


def _holds_flow(folder: Path) -> bool:
    """Whether there is more than the files of a run that ended before its first clip."""
    own = (SETTINGS_NAME, TABLE_NAME)
    there = [each for each in folder.iterdir() if not each.name.startswith(".") and each.name not in own]
    return any(each.name != LINES_NAME or each.stat().st_size > 0 for each in there)


def _difference(there: Settings, here: Settings) -> str:
    """The first difference as an option: ``--max-side 480, here none``."""
    ones, others = ({"precision": each.precision, **asdict(each.choices)} for each in (there, here))
    name = next(name for name, value in ones.items() if value != others[name])
    option = "--max-flow" if name == "rgb_max_flow" else f"--{name.replace('_', '-')}"
    one, other = ("none" if each[name] is None else each[name] for each in (ones, others))
    return f"{option} {one}, here {other}"
