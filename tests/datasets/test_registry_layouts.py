"""What holds for every data set, on small trees in the exact layouts."""

import pickle
from pathlib import Path

import pytest

from dinoflow_deploy.datasets import FlowDataset, open_dataset
from dinoflow_deploy.datasets.registry import DATASETS
from dinoflow_deploy.errors import FileFormatError, InputError, SizeMismatchError
from tests.datasets.trees import HEIGHT, TREES, WIDTH, Tree, all_shown, shown

NAMES = sorted(TREES)


@pytest.fixture
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Tree]:
    name = request.param
    tree = TREES[name](tmp_path)
    tree.write()
    return name, tree


every_layout = pytest.mark.parametrize("written", NAMES, indirect=True)


def test_every_name_has_a_layout() -> None:
    assert set(NAMES) == set(DATASETS)


@every_layout
def test_pairs_are_matched_by_name(written: tuple[str, Tree]) -> None:
    name, tree = written
    dataset = open_dataset(name, tree.root)
    assert len(dataset) == len(tree.expected)
    assert all_shown(dataset) == sorted(tree.expected)
    assert len({pair.name for pair in dataset.pairs}) == len(dataset)
    assert dataset[0].name == dataset.pairs[0].name
    assert (dataset.missing, dataset.notes) == ((), ())
    assert shown(dataset[-1]) == shown(dataset[len(dataset) - 1])
    with pytest.raises(IndexError):
        dataset[len(dataset)]


@every_layout
def test_any_missing_file_is_named_and_moves_no_other_pair(written: tuple[str, Tree]) -> None:
    name, tree = written
    whole = open_dataset(name, tree.root)
    for path in sorted({path for pair in whole.pairs for path in pair.files()}):
        path.unlink()
        with pytest.raises(FileFormatError, match=r"1 file is missing: .*; restore") as raised:
            open_dataset(name, tree.root)
        assert str(path) in str(raised.value)
        partial = open_dataset(name, tree.root, allow_missing=True)
        assert partial.missing == (path,)
        assert partial.pairs == tuple(pair for pair in whole.pairs if path not in pair.files())
        tree.rewrite(path)


@every_layout
def test_files_that_no_pair_needs_may_be_missing(written: tuple[str, Tree]) -> None:
    name, tree = written
    dataset = open_dataset(name, tree.root)
    used = {path for pair in dataset.pairs for path in pair.files()}
    for path in set(tree.files) - used:
        if path.suffix not in (".txt", ".csv"):
            path.unlink()
    assert open_dataset(name, tree.root).pairs == dataset.pairs


@every_layout
def test_a_truncated_file_is_named_when_its_sample_is_read(written: tuple[str, Tree]) -> None:
    name, tree = written
    dataset = open_dataset(name, tree.root)
    pair = dataset.pairs[1]
    for path in set(pair.files()):
        data = path.read_bytes()
        for kept in (0, 7, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:kept])
            with pytest.raises(FileFormatError) as raised:
                dataset[1]
            assert str(raised.value).startswith(f"{path}: ")
        others = [k for k, other in enumerate(dataset.pairs) if path not in other.files()]
        shown(dataset[others[0]])
        path.write_bytes(data)


@every_layout
def test_a_file_of_another_size_is_named_with_its_neighbour(written: tuple[str, Tree]) -> None:
    name, tree = written
    dataset = open_dataset(name, tree.root)
    pair = dataset.pairs[0]
    for path in set(pair.files()):
        for size in ((HEIGHT + 2, WIDTH), (HEIGHT, WIDTH - 1)):
            tree.rewrite(path, *size)
            with pytest.raises(SizeMismatchError, match=f"{HEIGHT}x{WIDTH}") as raised:
                dataset[0]
            assert str(path) in str(raised.value)
            assert sum(str(other) in str(raised.value) for other in set(pair.files())) == 2
        tree.rewrite(path)


@every_layout
def test_a_wrong_root_says_what_was_looked_for_and_what_is_there(
    written: tuple[str, Tree], tmp_path: Path
) -> None:
    name, tree = written
    wrong = tmp_path / "wrong"
    (wrong / "holiday").mkdir(parents=True)
    (wrong / "photo.jpg").touch()
    with pytest.raises(InputError, match=r"looked for|no table of pairs") as raised:
        open_dataset(name, wrong)
    assert str(wrong) in str(raised.value)
    if name != "pairs":
        assert "found holiday/, photo.jpg" in str(raised.value)
        file = min(tree.files)
        with pytest.raises(InputError, match="it is a file"):
            open_dataset(name, file)
    with pytest.raises(InputError, match=r"there is no such folder|no table of pairs"):
        open_dataset(name, tmp_path / "nowhere")


@every_layout
def test_folders_without_pairs_are_refused(written: tuple[str, Tree]) -> None:
    name, tree = written
    for path in tree.files:
        if path.suffix not in (".csv", ".txt"):
            path.unlink()
    for allow_missing in (False, True):
        with pytest.raises((InputError, FileFormatError), match=r"no frame pair|no pair is complete"):
            open_dataset(name, tree.root, allow_missing=allow_missing)


@every_layout
def test_another_process_reads_the_same(written: tuple[str, Tree]) -> None:
    name, tree = written
    dataset = open_dataset(name, tree.root)
    copy: FlowDataset = pickle.loads(pickle.dumps(dataset))
    assert copy.pairs == dataset.pairs
    assert shown(copy[0]) == shown(dataset[0])
