"""Where the data sets of a recipe lie: a folder, or a repository on the Hugging Face hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dinoflow_deploy.datasets import FlowDataset, open_dataset
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.system.hub import HUB_PREFIX, fetch_dataset
from dinoflow_deploy.system.user_folders import expand_home

_SHOWN = 8


class DataFolder:
    """Opens data sets by name in one folder, or each in its own.

    Args:
        source: A folder that holds the data sets under their usual names (or the one data set itself), or
            ``hub:owner/name``, which is fetched; None where a recipe names the roots.

    Raises:
        InputError: There is no such folder, or the reference is malformed.
        ModelError: The hub refuses or cannot be reached.
    """

    def __init__(self, source: str | None) -> None:
        self.source = source
        self.folders: Sequence[Path] = ()
        if source is None:
            return
        if source.startswith(HUB_PREFIX):
            fetched = fetch_dataset(source)
            # Its layout is not known beforehand: the data sets may lie one folder down.
            self.folders = (fetched, *sorted(path for path in fetched.iterdir() if path.is_dir()))
        elif Path(source).is_dir():
            self.folders = (Path(source),)
        else:
            raise InputError(f"--dataset {source}: no such folder; on the hub: {HUB_PREFIX}owner/name")

    def open(self, name: str, root: str | None, split: str | None) -> FlowDataset:
        """Open a data set.

        Args:
            name: As ``open_dataset`` takes it.
            root: Its own folder, where it has one.
            split: Part of it; by default the first.

        Raises:
            InputError: It is not there, or there is no folder to look in.
            FileFormatError: Files are missing.
        """
        options: dict[str, Any] = {} if split is None else {"split": split}
        if root is not None:
            return open_dataset(name, expand_home(root), **options)
        if not self.folders:
            raise InputError(
                f"the recipe trains on {name}: pass --dataset DIR, the folder that holds it, or give root in "
                "the recipe"
            )
        refusals = []
        for folder in self.folders:
            try:
                return open_dataset(name, folder, **options)
            except InputError as error:
                refusals.append(error)
        if len(self.folders) == 1:
            raise refusals[0]
        found = ", ".join(sorted(path.name for path in self.folders[0].iterdir())[:_SHOWN]) or "nothing"
        raise InputError(
            f"{self.source} holds no {name} in a layout known here ({refusals[0]}); at its top it has "
            f"{found}: arrange it in one of the layouts that docs/commands/data.md shows, and pass that "
            "folder"
        ) from refusals[0]
