import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes, render_clip
from dinoflow_deploy.datasets.scenes.photographs import (
    LARGEST_SIDE,
    SMALLEST_SIDE,
    PhotographPool,
    photograph_pool,
)
from dinoflow_deploy.errors import InputError
from tests.datasets.warping import assert_same, plain_config, warp_errors

SMALL = SceneConfig(64, 80, 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A red, a green and a grey photograph, one of them in a folder of its own."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "more").mkdir()
    shade = np.linspace(40, 220, 160, dtype=np.uint8)[None].repeat(120, 0)
    none = np.zeros_like(shade)
    cv2.imwrite(str(folder / "red.png"), np.dstack([none, none, shade]))
    cv2.imwrite(str(folder / "more/green.jpg"), np.dstack([none, shade, none]))
    cv2.imwrite(str(folder / "more/grey.png"), shade)
    (folder / "notes.txt").write_text("no image\n")
    return folder


def test_photographs_are_found_in_folders_and_others_left_out(folder: Path) -> None:
    names = [path.name for path in photograph_pool(folder).files]
    assert sorted(names) == ["green.jpg", "grey.png", "red.png"]


@pytest.mark.parametrize(("size", "expected"), [((20, 33), (20, 33)), ((600, 40), None)])
def test_textures_have_the_size_asked_for_up_to_the_photograph(
    folder: Path, size: tuple[int, int], expected: tuple[int, int] | None
) -> None:
    pool = photograph_pool(folder)
    for seed in range(8):
        texture = pool.texture(np.random.default_rng(seed), *size)
        assert texture.dtype == np.uint8
        # As high as the photograph lies or stands.
        assert texture.shape in ([(*expected, 3)] if expected else [(120, 40, 3), (160, 40, 3)])


def test_scenes_show_the_photographs(folder: Path) -> None:
    scenes = SyntheticScenes(plain_config(64, 80, 12, min_objects=0, max_objects=0), 1, 24, folder)
    colours = set()
    for sample in scenes:
        red, green, blue = sample.frame1.reshape(-1, 3).astype(float).std(axis=0)
        strongest = max(red, green, blue)
        colours.add((red > 0.6 * strongest, green > 0.6 * strongest, blue > 0.6 * strongest))
    assert colours == {(True, False, False), (False, True, False), (True, True, True)}


def test_their_share_can_be_chosen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = SceneConfig(64, 80, 12, photograph_probability=0)
    assert_same(SyntheticScenes(none, 1, 3, folder)[2], SyntheticScenes(SMALL, 1, 3)[2])
    cut, count = PhotographPool.background, []
    monkeypatch.setattr(PhotographPool, "background", lambda *args: (count.append(1), cut(*args))[1])
    for _ in SyntheticScenes(SceneConfig(32, 32, 4, photograph_probability=0.5), 1, 60, folder):
        pass
    assert 18 < len(count) < 42


def test_visible_pixels_match_along_the_flow(folder: Path) -> None:
    visible = []
    for sample in SyntheticScenes(plain_config(128, 128, 24.0), 1, 10, folder):
        assert sample.occluded is not None
        visible.append(warp_errors(sample.frame1, sample.frame2, sample.flow)[~sample.occluded].mean())
    assert np.mean(visible) < 1.5


def test_another_process_needs_the_files_alone(folder: Path) -> None:
    scenes = SyntheticScenes(SMALL, 1, 4, folder)
    sample = scenes[1]
    packed = pickle.dumps(scenes)
    assert len(packed) < 2000
    assert_same(pickle.loads(packed)[1], sample)


def test_clips_are_made_of_photographs_too(folder: Path) -> None:
    drawn, cut = (render_clip(SMALL, 1, 2, photographs=each) for each in (None, folder))
    assert cut.frames.shape == drawn.frames.shape
    assert not np.array_equal(cut.frames, drawn.frames)
    again = render_clip(SMALL, 1, 2, photographs=folder)
    np.testing.assert_array_equal(cut.frames, again.frames)


def test_large_photographs_are_shrunk(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "large.jpg"), np.full((300, 2 * LARGEST_SIDE, 3), 90, np.uint8))
    pool = photograph_pool(tmp_path)
    assert max(pool.texture(np.random.default_rng(0), 4000, 4000).shape) == LARGEST_SIDE


def test_a_panorama_stays_wide_enough(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wide.jpg"), np.full((40, 3 * LARGEST_SIDE, 3), 90, np.uint8))
    texture = photograph_pool(tmp_path).texture(np.random.default_rng(0), 4000, 4000)
    assert sorted(texture.shape[:2]) == [SMALLEST_SIDE, round(3 * LARGEST_SIDE * SMALLEST_SIDE / 40)]


def test_links_are_followed_but_not_in_circles(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, target in (("in/photographs", folder), ("in/up", tmp_path), ("in/itself", tmp_path / "in")):
        (tmp_path / name).symlink_to(target)
    found = [path.relative_to(tmp_path).as_posix() for path in photograph_pool(tmp_path).files]
    below = "in/photographs"
    assert found == [f"{below}/more/green.jpg", f"{below}/more/grey.png", f"{below}/red.png"]


def test_only_so_many_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinoflow_deploy.datasets.scenes.photographs._KEPT_BYTES", 100_000)
    pool, rng = PhotographPool(photograph_pool(folder).files), np.random.default_rng(0)
    for _ in range(12):
        pool.texture(rng, 32, 32)
    assert sum(each.nbytes for each in pool._kept.values()) <= 100_000


def test_fingerprint_follows_the_content(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes((folder / "red.png").read_bytes())
    one = PhotographPool((tmp_path / "red.png",)).fingerprint()
    assert one == PhotographPool((folder / "red.png",)).fingerprint()
    assert one != PhotographPool((folder / "more/grey.png",)).fingerprint()


def test_what_cannot_be_a_texture_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes((folder / "red.png").read_bytes()[:200])
    cv2.imwrite(str(tmp_path / "tiny.png"), np.zeros((200, 31, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "fine.png"), np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(InputError, match="cannot be textures, take them out:\n") as refusal:
        photograph_pool(tmp_path)
    assert "cut.png" in str(refusal.value)
    assert "tiny.png is 31x200: both sides must have 32 px" in str(refusal.value)
    assert "fine.png" not in str(refusal.value)


def test_no_photographs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no photograph for textures"):
        photograph_pool(tmp_path)
    with pytest.raises(InputError, match="nowhere"):
        photograph_pool(tmp_path / "nowhere")
