"""Where data sets are looked for, and what is said when they are not there."""

import shutil

import pytest

from dinoflow_deploy.errors import InputError, ModelError
from dinoflow_deploy.train.data_folder import DataFolder
from tests.train.data_recipe import write_trees


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A hub cache of its own, with one repository in it; nothing is asked of a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    repository = tmp_path / "hub/datasets--someone--corpus"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("0" * 40)
    return snapshot


@pytest.mark.parametrize("place", [".", "corpus"])
def test_a_repository_on_the_hub_is_looked_through(tmp_path, cache, place) -> None:
    write_trees(tmp_path / "trees")
    shutil.copytree(tmp_path / "trees", cache / place, dirs_exist_ok=True)
    data = DataFolder("hub:someone/corpus")
    assert len(data.open("flyingchairs", None, None)) == 13
    assert len(data.open("things-final", None, None)) == 18


def test_a_repository_in_another_layout_says_what_it_holds(cache) -> None:
    (cache / "data-00000.tar").write_bytes(b"")
    (cache / "parts").mkdir()
    with pytest.raises(InputError) as refused:
        DataFolder("hub:someone/corpus").open("flyingchairs", None, None)
    message = str(refused.value)
    assert message.startswith("hub:someone/corpus holds no flyingchairs in a layout known here (")
    assert "at its top it has data-00000.tar, parts" in message


def test_a_repository_that_cannot_be_fetched_says_why(cache) -> None:
    with pytest.raises(
        ModelError, match=r"datasets/someone/other is not in the local hub cache .*pass a folder"
    ):
        DataFolder("hub:someone/other")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hub:someone", "'hub:someone' is no data set on the hub: it is written hub:owner/name"),
        ("hub:a/b/c", "no data set on the hub"),
        ("/nowhere", "--dataset /nowhere: no such folder"),
    ],
)
def test_what_is_neither_folder_nor_repository_is_refused(source, message) -> None:
    with pytest.raises(InputError, match=message):
        DataFolder(source)


def test_a_root_of_its_own_comes_first(tmp_path) -> None:
    trees = write_trees(tmp_path)
    assert len(DataFolder(None).open("flyingchairs", str(trees), "val")) == 1
    with pytest.raises(InputError, match="holds no FlyingThings3D"):
        DataFolder(str(tmp_path / "FlyingChairs")).open("things-clean", None, None)


def test_a_root_in_a_recipe_may_lie_in_the_home_folder(tmp_path, monkeypatch) -> None:
    write_trees(tmp_path / "trees")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(DataFolder(None).open("flyingchairs", "~/trees", None)) == 13
