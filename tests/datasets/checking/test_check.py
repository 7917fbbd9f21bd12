import json
import math
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.datasets import FlowDataset
from dinoflow_deploy.datasets.checking.check import check_dataset
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.progress import NoProgress
from tests.datasets import trees
from tests.datasets.trees import HEIGHT, TREES, WIDTH


class Recorder(NoProgress):
    def __init__(self) -> None:
        self.total = self.done = 0.0
        self.figures: dict[str, float] = {}

    def start(self, description: str, total: float | None, unit: str) -> None:
        self.total = total or 0

    def advance(self, amount: float = 1.0, **figures: float) -> None:
        self.done += amount
        self.figures = figures


@pytest.mark.parametrize("name", sorted(TREES))
def test_a_sound_data_set_is_found_sound(tmp_path: Path, name: str) -> None:
    tree = TREES[name](tmp_path)
    tree.write()
    recorder = Recorder()
    report = check_dataset(name, tmp_path, workers=2, progress=recorder)
    part = report.parts[0]
    assert report.ok
    assert part.faults == {}
    if name != "flyingchairs":
        assert recorder.done == recorder.total == part.pairs == part.read == len(tree.expected)
    assert dict(part.sizes) == {f"{HEIGHT}x{WIDTH}": part.read}
    assert recorder.figures == {"faults": 0}
    json.dumps(report.to_dict(), allow_nan=False)


def test_parts_are_counted_apart(tmp_path: Path) -> None:
    trees.chairs(tmp_path).write()
    train, val = check_dataset("flyingchairs", tmp_path).parts
    assert (train.name, train.pairs, train.published) == ("train", 3, 22232)
    assert (val.name, val.pairs, val.published) == ("val", 1, 640)


def test_a_part_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    trees.things(tmp_path).write()
    report = check_dataset("things-clean", tmp_path)
    assert report.ok
    assert [bool(part.absent) for part in report.parts] == [False, True]
    assert "no TEST part" in report.parts[1].absent
    with pytest.raises(InputError, match="holds no FlyingThings3D"):
        check_dataset("things-clean", tmp_path / "optical_flow")


def test_every_kind_of_fault_is_listed_once(tmp_path: Path) -> None:
    tree = trees.sintel(tmp_path)
    tree.write()
    scene = "training/{}/alley_1/frame_000{}.{}"
    truncated = tmp_path / scene.format("clean", 2, "png")  # second of one pair, first of another
    truncated.write_bytes(truncated.read_bytes()[:-20])
    (tmp_path / scene.format("flow", 3, "flo")).unlink()
    larger = tmp_path / "training/flow/bamboo_2/frame_0001.flo"
    tree.rewrite(larger, HEIGHT + 1, WIDTH)
    for allow_missing in (False, True):
        report = check_dataset("sintel-clean", tmp_path, allow_missing=allow_missing)
        (part,) = report.parts
        found = {
            (fault.kind, message.split()[0].rstrip(":"), fault.pairs)
            for message, fault in part.faults.items()
        }
        assert found == {
            ("damaged", str(truncated), 2),
            ("missing", str(tmp_path / scene.format("flow", 3, "flo")), 0),
            ("size", str(larger), 1),
        }
        assert (part.pairs, part.read, part.sizes.total(), report.ok) == (4, 4, 1, False)


def test_missing_files_may_be_allowed(tmp_path: Path) -> None:
    trees.hd1k(tmp_path).write()
    (tmp_path / "hd1k_flow_gt/flow_occ/000000_0001.png").unlink()
    assert not check_dataset("hd1k", tmp_path).ok
    report = check_dataset("hd1k", tmp_path, allow_missing=True)
    assert report.ok
    assert [fault.kind for fault in report.parts[0].faults.values()] == ["missing"]


def test_totals_over_pixels(tmp_path: Path) -> None:
    flow = np.zeros((2, 4, 2), np.float32)
    flow[0, :, 0] = (3, -7, 1e10, 5)
    flow[0, :, 1] = (4, 0, 0, -12)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((2, 4, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "hidden.png"), np.array([[255, 0, 255, 0], [0, 0, 0, 0]], np.uint8))
    cv2.writeOpticalFlow(str(tmp_path / "known.flo"), flow)
    cv2.writeOpticalFlow(str(tmp_path / "unknown.flo"), np.full((2, 4, 2), 1e10, np.float32))
    (tmp_path / "pairs.csv").write_text(
        "name,frame1,frame2,flow,occluded\nknown,a.png,a.png,known.flo,hidden.png\nnone,a.png,a.png,unknown.flo,\n"
    )
    (part,) = check_dataset("pairs", tmp_path).parts
    assert part.without_truth == ["none"]
    assert part.totals.to_dict() == {
        "valid_share": 7 / 16,
        "occluded_share": 1 / 7,
        "u_range": [-7, 5],
        "v_range": [-12, 4],
        "longest": 13,
        "mean_length": pytest.approx((5 + 7 + 13) / 7),
    }


def test_totals_of_nothing_valid(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((2, 4, 3), np.uint8))
    cv2.writeOpticalFlow(str(tmp_path / "a.flo"), np.full((2, 4, 2), math.nan, np.float32))
    (tmp_path / "pairs.csv").write_text("frame1,frame2,flow\na.png,a.png,a.flo\n")
    totals = check_dataset("pairs", tmp_path).parts[0].totals.to_dict()
    assert (totals["valid_share"], totals["u_range"], totals["mean_length"]) == (0, None, None)


def test_limit_spreads_over_the_set_and_still_lists_all_that_is_missing(tmp_path: Path) -> None:
    tree = trees.spring(tmp_path)
    tree.write()
    (tmp_path / "train/0023/flow_BW_right/flow_BW_right_0002.flo5").unlink()
    read: list[str] = []
    original = FlowDataset.__getitem__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            FlowDataset, "__getitem__", lambda self, k: read.append(self.pairs[k].name) or original(self, k)
        )
        (part,) = check_dataset("spring", tmp_path, limit=2, workers=1).parts
    assert (part.pairs, part.read, len(part.faults)) == (11, 2, 1)
    assert read == ["spring/0001/flow_FW_left_0001", "spring/0001/flow_FW_right_0002"]


def test_samples_are_kept_and_the_same_each_time(tmp_path: Path) -> None:
    trees.spring(tmp_path).write()
    first, again = (check_dataset("spring", tmp_path, samples=3, workers=n).samples for n in (1, 3))
    assert [sample.name for sample in first] == [sample.name for sample in again]
    assert len({sample.name for sample in first}) == 3
    assert first[0].subpixel_flow is None
    assert len(check_dataset("spring", tmp_path, samples=99).samples) == 12


def test_any_number_of_workers_finds_the_same(tmp_path: Path) -> None:
    trees.kitti_tree(tmp_path).write()
    (tmp_path / "training/image_2/000003_11.png").write_bytes(b"")
    reports = [check_dataset("kitti-2015", tmp_path, workers=n).to_dict() for n in (1, 2, 5)]
    assert reports[0] == reports[1] == reports[2]


def test_a_defect_in_a_reader_is_raised_and_stops_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.kitti_tree(tmp_path).write()
    monkeypatch.setattr(FlowDataset, "read", lambda *_: 1 / 0)
    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError):
        check_dataset("kitti-2015", tmp_path)
    assert set(threading.enumerate()) <= before


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    trees.chairs(tmp_path).write()
    for options in ({"workers": 0}, {"limit": 0}):
        with pytest.raises(InputError, match="give 1 or more"):
            check_dataset("flyingchairs", tmp_path, **options)
    with pytest.raises(InputError, match="no data set is called 'chairs'"):
        check_dataset("chairs", tmp_path)
    (tmp_path / "FlyingChairs_train_val.txt").write_text("7\n")
    with pytest.raises(FileFormatError, match="line 1 is '7'"):
        check_dataset("flyingchairs", tmp_path)
