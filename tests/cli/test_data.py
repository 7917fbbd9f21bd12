import json
import typing
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.cli.data import NAMES, Layout
from dinoflow_deploy.datasets.registry import DATASETS
from dinoflow_deploy.datasets.scenes.synthetic_tree import TREE_LAYOUTS
from tests.datasets import trees


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def test_help_names_what_there_is() -> None:
    assert NAMES.split(", ") == list(DATASETS)
    assert [layout.value for layout in Layout] == list(TREE_LAYOUTS)


def test_a_sound_data_set(tmp_path: Path) -> None:
    trees.sintel(tmp_path).write()
    result = run("check", "sintel-clean", tmp_path)
    assert result.exit_code == 0
    assert result.stdout == (
        "training: 5 pairs of 1041 published, all read\n"
        "  size      12x20 (5)\n"
        "  flow      u 1.0 to 3.0, v 1.0 to 1.0, longest 3.2, mean 2.09 px\n"
        "  truth     91.7 % of the pixels, 18.2 % of it occluded\n"
        "  missing   none\n"
        "  damaged   none\n"
        "  mis-sized none\n"
        "sintel-clean: all is well\n"
    )
    assert "5/5 pairs" in result.stderr


def test_a_broken_data_set(tmp_path: Path) -> None:
    tree = trees.kitti_tree(tmp_path)
    tree.write()
    damaged = tmp_path / "training/image_2/000003_10.png"
    damaged.write_bytes(damaged.read_bytes()[:50])
    missing = tmp_path / "training/flow_noc/000007_10.png"
    missing.unlink()
    report = tmp_path / "report.json"
    result = run("check", "kitti-2015", tmp_path, "--json", report)
    assert result.exit_code == 1
    assert f"  missing   1\n    {missing}: missing\n  damaged   1\n    {damaged}: " in result.stdout
    assert result.stdout.endswith("kitti-2015: BROKEN\n")
    found = json.loads(report.read_text())
    assert (found["ok"], found["name"]) == (False, "kitti-2015")
    assert [fault["kind"] for fault in found["parts"][0]["faults"]] == ["missing", "damaged"]
    damaged.write_bytes(tree.files[damaged](trees.HEIGHT, trees.WIDTH))
    assert run("check", "kitti-2015", tmp_path).exit_code == 1
    assert run("check", "kitti-2015", tmp_path, "--allow-missing").exit_code == 0


def test_many_faults_are_cut_short(tmp_path: Path) -> None:
    trees.spring(tmp_path).write()
    for path in tmp_path.rglob("frame_left_*.png"):
        path.write_bytes(b"")
    for path in tmp_path.rglob("flow_FW_right_*.flo5"):
        path.write_bytes(b"")
    for path in tmp_path.rglob("flow_BW_right_*.flo5"):
        path.write_bytes(b"")
    result = run("check", "spring", tmp_path, "--workers", 1)
    assert result.exit_code == 1
    assert "  damaged   11\n" in result.stdout
    assert "    and 1 more: --json FILE lists all\n" in result.stdout
    assert "  flow  " not in result.stdout


def test_notes_and_absent_parts_are_printed(tmp_path: Path) -> None:
    trees.chairs(tmp_path).write()
    (tmp_path / "FlyingChairs_train_val.txt").unlink()
    result = run("check", "flyingchairs", tmp_path)
    assert result.exit_code == 0
    assert "  note      no split file (FlyingChairs_train_val.txt or chairs_split.txt)" in result.stdout
    assert "val: not there (" in result.stdout


def test_limit_and_sheet(tmp_path: Path) -> None:
    trees.pairs(tmp_path).write()
    result = run("check", "pairs", tmp_path, "--limit", 2, "--sheet", tmp_path / "new/sheet.png")
    assert result.exit_code == 0
    assert "all: 3 pairs, 2 read" in result.stdout
    assert f"wrote {tmp_path}/new/sheet.png: 2 pairs" in result.stdout
    assert (tmp_path / "new/sheet.png").stat().st_size > 1000


def test_the_data_is_never_written_over(tmp_path: Path) -> None:
    tree = trees.sintel(tmp_path / "Sintel")
    tree.write()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / "link.png").symlink_to(next(path for path in before if path.suffix == ".png"))
    for target in (next(path for path in before if path.suffix == ".png"), tmp_path / "link.png"):
        for option in ("--sheet", "--json"):
            result = run("check", "sintel-clean", tmp_path / "Sintel", option, target, "--overwrite")
            assert result.exit_code == 1
            assert result.stderr.startswith(f"error: {target} lies in {tmp_path}/Sintel, which is an input")
            assert result.stdout == "", "refused before anything is read"
    assert {path: path.read_bytes() for path in before} == before


def test_the_files_of_a_table_are_never_written_over(tmp_path: Path) -> None:
    trees.pairs(tmp_path / "data").write()
    (tmp_path / "mine").mkdir()
    table = (tmp_path / "data/pairs.csv").read_text().splitlines()
    rows = [",".join(field and f"../data/{field}" for field in row.split(",")) for row in table[1:]]
    (tmp_path / "mine/pairs.csv").write_text("\n".join([table[0], *rows]) + "\n")
    for name in ("my images/8.png", "masks/3.png"):
        result = run("check", "pairs", tmp_path / "mine", "--sheet", tmp_path / "data" / name, "--overwrite")
        assert result.exit_code == 1
        assert f"{name} is an input" in result.stderr


def test_results_that_exist_are_replaced_only_if_asked(tmp_path: Path) -> None:
    trees.sintel(tmp_path / "Sintel").write()
    for option, file in (("--sheet", tmp_path / "sheet.png"), ("--json", tmp_path / "found.json")):
        file.write_bytes(b"precious")
        arguments = ("check", "sintel-clean", tmp_path / "Sintel", option, file)
        refused = run(*arguments)
        assert (refused.exit_code, file.read_bytes()) == (1, b"precious")
        assert f"{file} exists: pass --overwrite" in refused.stderr
        assert run(*arguments, "--overwrite").exit_code == 0
        assert file.read_bytes() != b"precious"
    twice = run("check", "sintel-clean", tmp_path / "Sintel", "--json", "a.png", "--sheet", "a.png")
    assert "error: a.png is named for two outputs" in twice.stderr


def test_json_on_standard_output_is_alone_there(tmp_path: Path) -> None:
    trees.sintel(tmp_path).write()
    result = run("check", "sintel-clean", tmp_path, "--json", "-")
    assert json.loads(result.stdout)["ok"] is True
    assert "sintel-clean: all is well" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing", "."), "no data set is called 'nothing'"),
        (("sintel-clean", "nowhere"), "nowhere holds no MPI-Sintel"),
        (("sintel-clean", ".", "--sheet", "a.txt"), "a.txt: a sheet is written as .png or .jpg"),
    ],
)
def test_errors_are_one_line(arguments: tuple[str, ...], message: str) -> None:
    result = run("check", *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_synth_cuts_textures_from_photographs(tmp_path: Path) -> None:
    photographs, folder = tmp_path / "photographs", tmp_path / "sintel"
    photographs.mkdir()
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 2] = np.arange(64)
    cv2.imwrite(str(photographs / "red.png"), red)
    options = ("synth", "--layout", "sintel", "--output", folder, "--pairs", 1, "--size", "32x48")
    assert run(*options, "--textures", photographs).exit_code == 0
    assert json.loads((folder / "synthetic.json").read_text())["photographs"] == str(photographs)
    assert run("check", "sintel-clean", folder).exit_code == 0
    refused = run(*options, "--textures", tmp_path / "nowhere", "--overwrite")
    assert refused.exit_code == 1
    assert "nowhere" in refused.stderr
    assert (folder / "synthetic.json").exists()


def test_synth_writes_what_check_finds_sound(tmp_path: Path) -> None:
    folder = tmp_path / "chairs"
    arguments: tuple[typing.Any, ...] = ("synth", "--layout", "chairs", "--output", folder, "--pairs", 2)
    result = run(*arguments, "--size", "32x48", "--seed", 1)
    assert result.exit_code == 0
    assert (
        result.stdout == f"wrote {folder}: 2 pairs\nnext: dinoflow-deploy data check flyingchairs {folder}\n"
    )
    checked = run("check", "flyingchairs", folder)
    assert checked.exit_code == 0
    assert "train: 1 pair of synthetic scenes, all read" in checked.stdout
    assert "val: 1 pair of synthetic scenes, all read" in checked.stdout
    assert "published" not in checked.stdout
    assert checked.stdout.endswith("flyingchairs (synthetic): all is well\n")
    found = json.loads(run("check", "flyingchairs", folder, "--json", "-").stdout)
    assert (found["synthetic"], found["parts"][0]["published"]) == (True, None)
    again = run(*arguments, "--size", "32x48")
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr


@pytest.mark.parametrize("size", ["32", "axb", "32x", "-4x5", "32x48x3"])
def test_a_malformed_size_is_wrong_usage(tmp_path: Path, size: str) -> None:
    result = run("synth", "--layout", "kitti", "--output", tmp_path / "a", "--size", size)
    assert result.exit_code == 2
    assert "448x1024" in result.stderr
    assert not (tmp_path / "a").exists()
