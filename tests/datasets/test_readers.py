"""What is particular to each data set."""

from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from dinoflow_deploy.datasets import (
    FlyingChairs,
    FlyingThings,
    FlyingThingsSubset,
    Hd1k,
    Kitti2015,
    PairsFile,
    Sintel,
    Spring,
    open_dataset,
)
from dinoflow_deploy.errors import FileFormatError, InputError
from tests.datasets import trees
from tests.datasets.trees import HEIGHT, WIDTH, Tree, all_shown

ROWS = np.arange(HEIGHT)[:, None].repeat(WIDTH, 1)


def written(tree: Tree) -> Path:
    tree.write()
    return tree.root


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("sintel-clean", "Sintel"),
        ("sintel-final", "MPI-Sintel"),
        ("kitti-2015", "KITTI"),
        ("kitti-2015", "KittiFlow"),
        ("kitti-2012", "KITTI-2012"),
        ("flyingchairs", "FlyingChairs_release"),
        ("flyingchairs", "FlyingChairs"),
        ("things-clean", "FlyingThings3D"),
        ("things-subset-clean", "FlyingThings3D_subset"),
        ("hd1k", "hd1k"),
        ("hd1k", "HD1k"),
        ("spring", "spring"),
    ],
)
def test_the_folder_above_will_do(tmp_path: Path, name: str, folder: str) -> None:
    written(trees.TREES[name](tmp_path / folder))
    assert open_dataset(name, tmp_path).pairs == open_dataset(name, tmp_path / folder).pairs


def test_both_kitti_years_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    written(trees.kitti_tree(tmp_path / "KITTI-2012", "colored_0"))
    with pytest.raises(InputError, match="looked for training/image_2 and training/flow_occ"):
        open_dataset("kitti-2015", tmp_path)
    written(trees.kitti_tree(tmp_path / "KITTI"))
    assert "image_2" in str(open_dataset("kitti-2015", tmp_path).pairs[0].frame1)
    assert "colored_0" in str(open_dataset("kitti-2012", tmp_path).pairs[0].frame1)


def test_sintel_masks(tmp_path: Path) -> None:
    root = written(trees.sintel(tmp_path))
    sample = Sintel(root)[0]
    np.testing.assert_array_equal(sample.valid, ROWS >= 1)
    np.testing.assert_array_equal(sample.occluded, ROWS < 3)
    for folder in ("occlusions", "invalid"):
        (root / "training" / folder).rename(root / "training" / f"no-{folder}")
    sample = Sintel(root)[0]
    assert sample.occluded is None
    assert sample.valid.all()


def test_sintel_scene_without_any_flow_is_not_overlooked(tmp_path: Path) -> None:
    root = written(trees.sintel(tmp_path))
    for path in (root / "training/flow/bamboo_2").glob("frame_*.flo"):
        path.unlink()
    with pytest.raises(
        FileFormatError, match=r"2 files are missing.*leave out the pairs that need them, 2 of 5"
    ):
        Sintel(root)
    dataset = Sintel(root, allow_missing=True)
    assert all_shown(dataset) == [(1, 1, 2), (1, 2, 3), (1, 3, 4)]
    assert [path.name for path in dataset.missing] == ["frame_0001.flo", "frame_0002.flo"]


def test_kitti_occlusion_is_what_noc_leaves_out(tmp_path: Path) -> None:
    root = written(trees.kitti_tree(tmp_path))
    sample = Kitti2015(root)[0]
    np.testing.assert_array_equal(sample.valid, ROWS < 8)
    np.testing.assert_array_equal(sample.occluded, (ROWS >= 5) & (ROWS < 8))
    (root / "training/flow_noc").rename(root / "training/away")
    assert Kitti2015(root)[0].occluded is None


def test_chairs_split_file_under_either_name_and_place(tmp_path: Path) -> None:
    root = written(trees.chairs(tmp_path))
    published = root / "FlyingChairs_train_val.txt"
    for place in (published, root / "chairs_split.txt", root / "data/chairs_split.txt"):
        published = published.rename(place)
        assert all_shown(FlyingChairs(root)) == [(1, 1, 2), (3, 1, 2), (4, 1, 2)]
        assert all_shown(FlyingChairs(root, split="val")) == [(2, 1, 2)]
        assert len(FlyingChairs(root, split="all")) == 4


def test_chairs_split_file_is_checked(tmp_path: Path) -> None:
    root = written(trees.chairs(tmp_path))
    split = root / "FlyingChairs_train_val.txt"
    split.write_text("1\n2\n1\n")
    with pytest.raises(
        FileFormatError, match=r"train_val\.txt has 3 lines but the data set goes up to pair 00004"
    ):
        FlyingChairs(root)
    split.write_text("1\n2\nx\n1\n")
    with pytest.raises(FileFormatError, match="line 3 is 'x'"):
        FlyingChairs(root)
    split.write_text("1\n2\n1\n1\n1\n")
    with pytest.raises(FileFormatError, match=r"3 files are missing: .*00005_img1.ppm"):
        FlyingChairs(root)


def test_chairs_without_a_split_file_says_what_it_does_instead(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(1, 73):
        for end in ("img1.ppm", "img2.ppm", "flow.flo"):
            (tmp_path / f"data/{number:05d}_{end}").touch()
    train, val = (FlyingChairs(tmp_path, split=split) for split in ("train", "val"))
    assert (len(train), [pair.name[-5:] for pair in val.pairs]) == (70, ["00036", "00072"])
    assert not {pair.name for pair in train.pairs} & {pair.name for pair in val.pairs}
    assert "every 36th pair" in train.notes[0]
    assert "not the published split; train has 70 pairs" in train.notes[0]


def test_things_cameras_directions_and_parts(tmp_path: Path) -> None:
    for camera in ("left", "right"):
        written(trees.things(tmp_path, camera=camera))
    expected = trees.things(tmp_path).expected
    both = FlyingThings(tmp_path, cameras=("left", "right"))
    assert all_shown(both) == sorted(2 * expected)
    assert len(FlyingThings(tmp_path, cameras=["right"])) == len(expected)
    past = FlyingThings(tmp_path, directions=["past"])
    assert all_shown(past) == sorted(pair for pair in expected if pair[2] < pair[1])
    with pytest.raises(InputError, match="holds no TEST part"):
        FlyingThings(tmp_path, split="test")
    written(trees.things(tmp_path, part="TEST"))
    assert "TEST" in FlyingThings(tmp_path, split="test")[0].name


def test_things_png_is_preferred_and_webp_found(tmp_path: Path) -> None:
    root = written(trees.things(tmp_path, suffix=".webp", frames="frames_cleanpass_webp"))
    assert FlyingThings(root).pairs[0].frame1.suffix == ".webp"
    (root / "frames_cleanpass_webp").rename(root / "frames_cleanpass")
    assert FlyingThings(root).pairs[0].frame1.suffix == ".webp"
    written(trees.things(tmp_path))
    assert all_shown(FlyingThings(root)) == sorted(trees.things(root).expected)
    with pytest.raises(
        InputError, match="looked for frames_finalpass or frames_finalpass_webp and optical_flow"
    ):
        FlyingThings(root, render_pass="final")


def test_one_lost_things_flow_shifts_no_pair(tmp_path: Path) -> None:
    """Readers that sort and zip give every later frame its neighbour's flow here."""
    root = written(trees.things(tmp_path))
    (root / "optical_flow/TRAIN/A/0000/into_future/left/OpticalFlowIntoFuture_0007_L.pfm").unlink()
    expected = [pair for pair in trees.things(root).expected if pair != (1, 7, 8)]
    assert all_shown(FlyingThings(root, allow_missing=True)) == sorted(expected)


def test_things_subset_occlusions_are_optional(tmp_path: Path) -> None:
    root = written(trees.things_subset(tmp_path))
    np.testing.assert_array_equal(FlyingThingsSubset(root)[0].occluded, ROWS < 2)
    (root / "train/flow_occlusions").rename(root / "train/away")
    assert FlyingThingsSubset(root)[0].occluded is None
    with pytest.raises(InputError, match="looked for val/image_clean and val/flow"):
        FlyingThingsSubset(root, split="val")


def test_hd1k_grey_frames(tmp_path: Path) -> None:
    tree = trees.hd1k(tmp_path)
    written(tree)
    path = Hd1k(tmp_path).pairs[0].frame1
    grey = np.full((HEIGHT, WIDTH), 77, np.uint8)
    cv2.imwrite(str(path), grey)
    np.testing.assert_array_equal(Hd1k(tmp_path)[0].frame1, np.full((HEIGHT, WIDTH, 3), 77))


def test_spring_four_vectors_of_each_pixel(tmp_path: Path) -> None:
    written(trees.spring(tmp_path))
    fine = np.random.default_rng(0).normal(size=(2 * HEIGHT, 2 * WIDTH, 2)).astype(np.float32)
    fine[5, 8, 0] = np.nan  # lower left quarter of pixel (2, 4)
    fine[6, 2] = np.nan  # upper left quarter of pixel (3, 1)
    pair = Spring(tmp_path).pairs[0]
    with h5py.File(pair.flow, "w") as file:
        file["flow"] = fine
    sample = Spring(tmp_path)[0]
    expected = fine[::2, ::2].copy()
    expected[3, 1] = 0
    np.testing.assert_array_equal(sample.flow, expected)
    assert np.argwhere(~sample.valid).tolist() == [[3, 1]]
    assert sample.subpixel_flow is not None
    fine[5, 8] = np.nan
    for i in range(2):
        for j in range(2):
            np.testing.assert_array_equal(sample.subpixel_flow[i, j], fine[i::2, j::2])


def test_spring_directions_and_cameras(tmp_path: Path) -> None:
    root = written(trees.spring(tmp_path))
    assert all_shown(Spring(root, cameras=["left"], directions=["past"])) == [
        (1, 2, 1),
        (1, 3, 2),
        (23, 2, 1),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cameras": []}, r"cameras is \[\]; give a list of one or more of left, right"),
        ({"cameras": "left"}, "cameras is 'left'; give a list"),
        ({"cameras": ["top"]}, "cameras is 'top'; give one of left, right"),
        ({"directions": ["past", "past"]}, "directions is .* give a list"),
        ({"split": "val"}, "split is 'val'; give one of train, test"),
        ({"render_pass": "albedo"}, "render_pass is 'albedo'; give one of clean, final"),
    ],
)
def test_options_are_checked(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FlyingThings(tmp_path, **options)


def test_pairs_names_occlusion_and_absolute_paths(tmp_path: Path) -> None:
    root = written(trees.pairs(tmp_path))
    path = root / "pairs.csv"
    dataset = PairsFile(root)
    np.testing.assert_array_equal(dataset[0].occluded, ROWS < 2)
    assert dataset[0].name == "pairs/line=2"
    fields = ("mine", f"{root}/flow/3.flo", "my images/8.png", f"../{root.name}/my images/3.jpg.png")
    rows = f"\ufeffname,flow,frame2,frame1\r\n{','.join(fields)}"
    path.rename(root / "other.csv").write_text(rows, encoding="utf-8")
    dataset = PairsFile(root / "other.csv")
    assert all_shown(dataset) == [(4, 3, 4)]
    assert (dataset[0].name, dataset[0].occluded) == ("mine", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"has the columns \(none\): its first line must name frame1, frame2, flow"),
        ("a.png,b.png,c.flo\n", "has the columns a.png, b.png, c.flo"),
        ("frame1,frame2,flow,ocluded\n", "has the columns"),
        ("frame1,frame2,flow,flow\n", "has the columns"),
        ("frame1,frame2,flow\na.png,b.png\n", "line 2: frame1, frame2, flow must all be given"),
        ("frame1,frame2,flow\na.png,,c.flo\n", "line 2"),
        ("frame1,frame2,flow\na,b,c,d\n", "line 2"),
        ('frame1,frame2,flow\n"a,b,c\n', "after line 1: no table of pairs"),
        (b"frame1,frame2,flow\n\xff\xfe\n", "no table of pairs"),
        ("frame1,frame2,flow\na.png,b.png,c.flo\n", "3 files are missing: .*a.png"),
    ],
)
def test_malformed_tables_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    (tmp_path / "pairs.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FileFormatError, match=message) as raised:
        PairsFile(tmp_path)
    assert "pairs.csv" in str(raised.value)


def test_a_table_without_pairs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("frame1,frame2,flow\n")
    with pytest.raises(InputError, match="no frame pair"):
        PairsFile(tmp_path)


def test_unknown_names_and_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"'sintel': did you mean sintel-final or sintel-clean.* there are .* pairs"
    ):
        open_dataset("sintel", tmp_path)
    with pytest.raises(InputError, match="'xyzzy': there are sintel-clean"):
        open_dataset("xyzzy", tmp_path)
    with pytest.raises(
        InputError, match="takes no option camera: it has allow_missing, cameras, directions, split"
    ):
        open_dataset("things-clean", tmp_path, camera="left")
    with pytest.raises(InputError, match="takes no option render_pass"):
        open_dataset("sintel-clean", tmp_path, render_pass="final")
