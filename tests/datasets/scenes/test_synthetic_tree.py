import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.datasets import FlowDataset, SceneConfig, SyntheticScenes, open_dataset
from dinoflow_deploy.datasets.checking.check import check_dataset
from dinoflow_deploy.datasets.scenes.synthetic_tree import TREE_LAYOUTS, write_synthetic_tree
from dinoflow_deploy.errors import InputError
from tests.datasets.warping import warp_errors

SIZE = (48, 64)
SEED = 1  # other tests' seed, whose textures this process may have already


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def warped_well(dataset: FlowDataset) -> bool:
    """Whether each second frame, sampled along the flow, is nearer to the first than unsampled."""
    here = still = 0.0
    for sample in dataset:
        warped = warp_errors(sample.frame1, sample.frame2, sample.flow)
        unmoved = warp_errors(sample.frame1, sample.frame2, np.zeros_like(sample.flow))
        counted = sample.valid if sample.occluded is None else sample.valid & ~sample.occluded
        here += float(np.median(warped[counted]))
        still += float(np.median(unmoved[counted]))
    return here < 0.3 * still


@pytest.fixture(scope="module", params=sorted(TREE_LAYOUTS))
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("synthetic") / request.param
    assert write_synthetic_tree(request.param, folder, pairs=4, size=SIZE, seed=SEED) == 4
    return request.param, folder


def test_what_is_written_is_sound(tree: tuple[str, Path]) -> None:
    layout, folder = tree
    for name in TREE_LAYOUTS[layout].names:
        report = check_dataset(name, folder)
        assert report.ok
        assert sum(part.pairs for part in report.parts) == 4
        assert all(part.faults == {} for part in report.parts)
        assert report.parts[0].sizes == {"48x64": report.parts[0].pairs}
        assert report.parts[0].notes == ()


def test_the_same_seed_writes_the_same_bytes(tree: tuple[str, Path], tmp_path: Path) -> None:
    layout, folder = tree
    write_synthetic_tree(layout, tmp_path / "again", pairs=4, size=SIZE, seed=SEED)
    assert contents(tmp_path / "again") == contents(folder)


def test_chairs_are_the_scenes_of_the_seed(tmp_path: Path) -> None:
    write_synthetic_tree("chairs", tmp_path, pairs=3, size=SIZE, seed=SEED)
    scenes = SyntheticScenes(SceneConfig(*SIZE, 12), SEED, 3)
    for number, scene in enumerate(scenes, start=1):
        stem = tmp_path / f"data/{number:05d}"
        np.testing.assert_array_equal(cv2.imread(f"{stem}_img1.ppm")[..., ::-1], scene.frame1)
        np.testing.assert_array_equal(cv2.imread(f"{stem}_img2.ppm")[..., ::-1], scene.frame2)
        np.testing.assert_array_equal(cv2.readOpticalFlow(f"{stem}_flow.flo"), scene.flow)
    assert (tmp_path / "FlyingChairs_train_val.txt").read_text() == "1\n1\n2\n"


def test_things_have_ten_frames_and_flow_at_each_in_both_directions(tmp_path: Path) -> None:
    assert write_synthetic_tree("things", tmp_path, pairs=19, size=(32, 40), seed=SEED) == 20
    numbers = [f"{k:04d}" for k in range(6, 16)]
    for scene, expected in (("A/0000", numbers), ("A/0001", numbers[:2])):
        for render_pass in ("clean", "final"):
            frames = sorted((tmp_path / f"frames_{render_pass}pass/TRAIN" / scene / "left").iterdir())
            assert [path.name for path in frames] == [f"{number}.png" for number in expected]
        for direction in ("Future", "Past"):
            flows = tmp_path / "optical_flow/TRAIN" / scene / f"into_{direction.lower()}/left"
            names = sorted(path.name for path in flows.iterdir())
            assert names == [f"OpticalFlowInto{direction}_{number}_L.pfm" for number in expected]
    for directions in (["future"], ["past"]):
        dataset = open_dataset("things-clean", tmp_path, directions=directions)
        assert len(dataset) == 10
        assert warped_well(dataset)


def test_sintel_scenes_passes_and_occlusions(tmp_path: Path) -> None:
    assert write_synthetic_tree("sintel", tmp_path, pairs=12, size=(32, 40), seed=SEED) == 12
    clean, final = (open_dataset(f"sintel-{name}", tmp_path) for name in ("clean", "final"))
    names = [pair.name for pair in clean.pairs]
    assert names[0] == "sintel-clean/synthetic_1/frame_0001"
    assert names[-1] == "sintel-clean/synthetic_2/frame_0002"
    assert warped_well(clean)
    assert len(list((tmp_path / "training/invalid/synthetic_1").iterdir())) == 11
    assert len(list((tmp_path / "training/occlusions/synthetic_1").iterdir())) == 10
    np.testing.assert_array_equal(clean[3].flow, final[3].flow)
    assert not np.array_equal(clean[3].frame1, final[3].frame1)
    assert not np.array_equal(clean[0].frame1, clean[10].frame1)


def test_kitti_truth_is_sparse_and_below_the_horizon(tmp_path: Path) -> None:
    write_synthetic_tree("kitti", tmp_path, pairs=3, size=(60, 80), seed=SEED)
    samples = list(open_dataset("kitti-2015", tmp_path))
    scenes = SyntheticScenes(SceneConfig(60, 80, 15), SEED, 3)
    for sample, scene in zip(samples, scenes, strict=True):
        assert not sample.valid[:21].any()
        assert 0.2 < sample.valid[21:].mean() < 0.3
        assert np.abs(sample.flow - scene.flow)[sample.valid].max() <= 1 / 128
        assert sample.occluded is not None
        assert scene.occluded is not None
        np.testing.assert_array_equal(sample.occluded, scene.occluded & sample.valid)
    assert not np.array_equal(samples[0].valid, samples[1].valid)


def test_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kitti"

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("dinoflow_deploy.datasets.scenes.synthetic_tree.write_flow", fail)
        with pytest.raises(OSError, match="disk full"):
            write_synthetic_tree("kitti", folder, pairs=1, size=(32, 32), seed=SEED)
    assert list(tmp_path.iterdir()) == []
    write_synthetic_tree("kitti", folder, pairs=1, size=(32, 32), seed=SEED)
    before = contents(folder)
    with pytest.raises(InputError, match="--overwrite"):
        write_synthetic_tree("chairs", folder, pairs=1, size=(32, 32), seed=SEED)
    assert contents(folder) == before
    write_synthetic_tree("chairs", folder, pairs=1, size=(32, 32), seed=SEED, overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == [
        "FlyingChairs_train_val.txt",
        "data",
        "synthetic.json",
    ]
    made = json.loads((folder / "synthetic.json").read_text())
    assert (made["layout"], made["pairs"], made["seed"]) == ("chairs", 1, SEED)


def test_what_was_written_here_is_told_from_the_real_thing_beside_it(tmp_path: Path) -> None:
    write_synthetic_tree("sintel", tmp_path / "Sintel", pairs=1, size=(32, 32), seed=SEED)
    write_synthetic_tree("kitti", tmp_path / "apart", pairs=1, size=(32, 32), seed=SEED)
    # By the folder above it, and through a link.
    (tmp_path / "link").symlink_to("Sintel")
    for root in (tmp_path, tmp_path / "link"):
        assert open_dataset("sintel-clean", root).synthetic
    (tmp_path / "real").mkdir()
    (tmp_path / "apart/training").rename(tmp_path / "real/training")
    assert not open_dataset("kitti-2015", tmp_path / "real").synthetic
    (tmp_path / "real/synthetic.json").write_text('{"holds": ["Sintel"]}')
    assert not open_dataset("kitti-2015", tmp_path / "real").synthetic
    (tmp_path / "real/synthetic.json").write_text('{"holds": ["training"]}')
    assert open_dataset("kitti-2015", tmp_path / "real").synthetic


@pytest.mark.parametrize("mark", [None, "no JSON", "[]", '{"holds": ["training"]}'])
def test_nothing_but_synthetic_data_is_replaced(tmp_path: Path, mark: str | None) -> None:
    # As of the published Sintel, in the same layout.
    (tmp_path / "sintel/training").mkdir(parents=True)
    (tmp_path / "sintel/thesis.tex").write_text("keep me")
    if mark is not None:
        (tmp_path / "sintel/synthetic.json").write_text(mark)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="which data synth did not write"):
        write_synthetic_tree("sintel", tmp_path / "sintel", pairs=1, size=(32, 32), overwrite=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "spring"}, "layout is 'spring'; give one of chairs, things, sintel, kitti"),
        ({"pairs": 0}, "pairs is 0; give 1 to 99999"),
        ({"pairs": 100_000}, "pairs is 100000"),
        ({"seed": -1}, "seed is -1"),
        ({"size": (8, 64)}, "height is 8; give a value from 16"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, options: dict[str, object], message: str) -> None:
    arguments = {"layout": "chairs", "output": tmp_path / "a", "pairs": 1, **options}
    with pytest.raises(InputError, match=message):
        write_synthetic_tree(**arguments)
    assert list(tmp_path.iterdir()) == []
