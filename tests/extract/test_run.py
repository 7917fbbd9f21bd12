"""Runs over a folder: what they leave, and what the next one does. Clips are computed in this process."""

import errno
import json
import os
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
import pyarrow.parquet
import pytest

from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.extract import source_state
from dinoflow_deploy.flow import FlowClip, read_flow, write_flow
from dinoflow_deploy.system.locks import file_lock
from dinoflow_deploy.video import VideoWriter
from tests.video.clips import cut, decode, write_clip


def lines(folder: Path) -> dict[str, dict]:
    """The manifest by names, each of which it holds once."""
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert len({row["name"] for row in rows}) == len(rows)
    table = pyarrow.parquet.read_table(folder / "manifest.parquet").to_pylist()
    assert table == rows
    return {row["name"]: row for row in rows}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


ABOUT = {".extract.lock", "extract.json", "manifest.jsonl", "manifest.parquet"}


def expected_flow(clip: Path) -> np.ndarray:
    """What the model computes, from its definition and by another decoder's route."""
    frames = np.stack(decode(clip)).astype(np.float32)
    return (frames[1:] - frames[:-1])[..., :2]


def test_each_clip_has_its_flow_and_its_row(extract_here, clips, tmp_path, here) -> None:
    report = extract_here()
    assert (report.clips, report.done, report.skipped, report.failures) == (3, 3, 0, ())
    assert (report.pairs, report.workers, report.interrupted) == (3 + 4 + 5, "here", False)
    folder = tmp_path / "flow"
    assert files(folder) == ABOUT | {"a.mp4.mkv", "b.mp4.mkv", "sub/a.mp4.mkv"}
    rows = lines(folder)
    for name, row in rows.items():
        flow = expected_flow(clips / name)
        length = np.linalg.norm(flow.astype(np.float64), axis=-1)
        with FlowClip(folder / row["file"]) as kept:
            assert np.array_equal([field for field, _ in kept], flow)
            assert (kept.source, kept.model) == (name, "difference")
        assert row["path"] == str(clips / name)
        assert (row["width"], row["height"], row["pairs"], row["frames"]) == (
            96,
            64,
            len(flow),
            len(flow) + 1,
        )
        assert row["flow_mean"] == pytest.approx(length.mean(), rel=1e-6)
        assert row["flow_p99"] == pytest.approx(np.percentile(length, 99), abs=1 / 16)
        assert row["source_bytes"] == (clips / name).stat().st_size
        assert (row["model"], row["backend"], row["precision"]) == ("difference", "onnxruntime", "fp32")
        assert row["seconds"] == pytest.approx((len(flow) - 1) * 1001 / 30000)


@pytest.mark.parametrize("flow_format", ["flo", "npy", "png"])
def test_files_of_pairs_and_pictures(extract_here, clips, tmp_path, flow_format: str) -> None:
    report = extract_here(format=flow_format, rgb_max_flow=9.0, start=1, stride=2)
    assert report.done == 3
    folder = tmp_path / "flow"
    flow = np.stack(decode(clips / "sub/a.mp4")[1::2]).astype(np.float32)
    flow = (flow[1:] - flow[:-1])[..., :2]
    found = sorted((folder / f"sub/a.mp4.{flow_format}").iterdir())
    assert [path.name for path in found] == [f"{number:06d}.{flow_format}" for number in (1, 3)]
    # The model's multiplication rounds.
    assert np.allclose([read_flow(path)[0] for path in found], flow, rtol=0, atol=1e-4)
    assert len(decode(folder / "sub/a.mp4.rgb.mp4")) == 2
    assert lines(folder)["sub/a.mp4"]["rgb_file"] == "sub/a.mp4.rgb.mp4"


def test_pictures_have_the_shape_of_the_pixels_of_the_clip(extract_here, clips, tmp_path) -> None:
    step = Fraction(1, 25)
    wide = Fraction(4, 3)
    with VideoWriter(clips / "wide.mp4", rate=1 / step, time_base=step, pixel_aspect=wide) as writer:
        for number in range(3):
            writer.write(np.full((32, 48, 3), number, np.uint8), number)
    assert extract_here(rgb_max_flow=9.0).done == 4
    with av.open(str(tmp_path / "flow/wide.mp4.rgb.mp4")) as video:
        assert video.streams.video[0].sample_aspect_ratio == wide


def test_the_next_run_does_what_is_left(extract_here, clips, tmp_path, here) -> None:
    extract_here()
    before = lines(tmp_path / "flow")
    assert (extract_here().skipped, len(here)) == (3, 1)
    write_clip(clips / "new.mp4", frames=3)
    write_clip(clips / "b.mp4", frames=7)
    (tmp_path / "flow/a.mp4.mkv").unlink()
    report = extract_here()
    assert (report.done, report.skipped) == (3, 1)
    assert sorted(here[1].computed) == ["a.mp4", "b.mp4", "new.mp4"]
    rows = lines(tmp_path / "flow")
    assert rows["b.mp4"]["pairs"] == 6
    assert rows["a.mp4"]["file_sha256"] == before["a.mp4"]["file_sha256"]
    # A file that is no longer whole counts as not done.
    cut(tmp_path / "flow/new.mp4.mkv", tmp_path / "flow/new.mp4.mkv")
    assert (extract_here().done, here[2].computed) == (1, ["new.mp4"])


def test_a_folder_of_flow_counts_as_done_with_all_its_files(extract_here, tmp_path, here) -> None:
    extract_here(format="npy")
    assert extract_here(format="npy").skipped == 3
    folder = tmp_path / "flow"
    lost = folder / "a.mp4.npy/000001.npy"
    data = lost.read_bytes()
    lost.unlink()
    (folder / "b.mp4.npy/000000.npy").write_bytes(b"half")
    report = extract_here(format="npy")
    assert (report.done, report.skipped, here[1].computed) == (2, 1, ["a.mp4", "b.mp4"])
    assert lost.read_bytes() == data


def test_of_a_clip_that_ends_early_nothing_is_kept(extract_here, clips, tmp_path) -> None:
    cut(write_clip(clips / "whole.mkv", frames=60), clips / "cut.mkv")
    (row,) = extract_here().failures
    assert "cut.mkv is damaged: it ends after " in row.error
    assert row.error.endswith("; no flow of it is kept: repair it, or cut off what is damaged")
    assert "cut.mkv.mkv" not in files(tmp_path / "flow")


def test_a_pipe_is_not_waited_for(extract_here, clips, tmp_path) -> None:
    os.mkfifo(clips / "p.mp4")
    report = extract_here()
    (row,) = report.failures
    assert (report.done, row.path) == (3, str(clips / "p.mp4"))
    assert row.error == f"{row.path} is no file, but a pipe, a device or a folder: extract takes files"


def test_clips_that_fail_stop_no_other(extract_here, clips, tmp_path, here) -> None:
    cut(clips / "b.mp4", clips / "cut.mp4")
    (clips / "no.mp4").write_bytes(b"no video")
    shutil.copy(clips / "a.mp4", clips / "z.mp4")
    write_clip(clips / "one.mp4", frames=1)
    report = extract_here()
    assert (report.clips, report.done) == (7, 4)
    reasons = {Path(row.path).name: row.error for row in report.failures}
    assert "is not a video that FFmpeg can read" in reasons["no.mp4"]
    assert "flow needs at least two" in reasons["one.mp4"]
    assert set(reasons) == {"cut.mp4", "no.mp4", "one.mp4"}
    rows = lines(tmp_path / "flow")
    assert {name: row["error"] for name, row in rows.items() if row["error"]} == reasons
    assert not any(name.startswith(("cut", "no.", "one")) for name in files(tmp_path / "flow"))

    report = extract_here()
    assert (report.done, len(report.failures), len(here)) == (0, 3, 1), "they are not tried again"
    write_clip(clips / "no.mp4", frames=3)
    assert (extract_here().done, here[1].computed) == (1, ["no.mp4"]), "but where they have changed"
    assert len(extract_here(retry_failed=True).failures) == 2
    assert sorted(here[2].computed) == ["cut.mp4", "one.mp4"]


def test_frames_that_do_not_suit_the_engine_fail_their_clip(extract_here, clips) -> None:
    write_clip(clips / "b.mp4", frames=3, size=(8, 8))
    report = extract_here()
    (row,) = report.failures
    assert (report.done, Path(row.path).name) == (2, "b.mp4")
    assert "8x8" in row.error


def test_a_missing_clip_of_a_list_is_its_own_failure(extract_here, clips, tmp_path, here) -> None:
    (clips / "list.txt").write_text("a.mp4\nnowhere.mp4\n\nsub/a.mp4\n")
    report = extract_here(inputs=[str(clips / "list.txt")])
    assert (report.clips, report.done) == (3, 2)
    (row,) = report.failures
    assert row.error == f"{clips}/nowhere.mp4: No such file or directory: check the name"
    assert len(extract_here(inputs=[str(clips / "list.txt")]).failures) == 1
    assert len(here) == 1
    write_clip(clips / "nowhere.mp4", frames=3)
    assert extract_here(inputs=[str(clips / "list.txt")]).done == 1


def test_two_clips_of_one_name_have_two_files(extract_here, clips, tmp_path) -> None:
    one, other = str(clips / "a.mp4"), str(clips / "sub/a.mp4")
    report = extract_here(inputs=[one, other])
    rows = lines(tmp_path / "flow")
    assert report.done == len(rows) == 2
    by_path = {row["path"]: row for row in rows.values()}
    assert (by_path[one]["file"], by_path[one]["pairs"]) == ("a.mp4.mkv", 3)
    assert by_path[other]["pairs"] == 5
    # The other way round they keep their places.
    assert extract_here(inputs=[other, one]).skipped == 2
    assert extract_here(inputs=[other]).skipped == 1


def test_a_clip_that_changes_meanwhile_fails(extract_here, clips, monkeypatch) -> None:
    state, asked = source_state.SourceState.of, []

    def changing(path: Path) -> source_state.SourceState:
        asked.append(path)
        found = state(path)
        return source_state.SourceState(found.files, found.bytes + len(asked), found.mtime_ns)

    monkeypatch.setattr("dinoflow_deploy.extract.clip_flow.SourceState.of", changing)
    report = extract_here()
    assert report.done == 0
    assert all("was changed while it was read" in row.error for row in report.failures)


def test_what_is_stopped_is_left_for_the_next_run(extract_here, tmp_path, here) -> None:
    stop = Event()

    class Stopping:
        def start(self, *_): ...
        def note(self, _): ...
        def finish(self): ...

        def advance(self, amount=1.0, **_):
            stop.set()

    report = extract_here(stop=stop, progress=Stopping())
    assert (report.done, report.interrupted, report.to_dict()["left"]) == (1, True, 2)
    assert len(lines(tmp_path / "flow")) == 1
    assert extract_here().done == 2


def test_a_folder_of_another_model_or_options_is_refused(
    extract_here, engine, tmp_path, write_bundle
) -> None:
    extract_here()
    before = {name: (tmp_path / "flow" / name).read_bytes() for name in files(tmp_path / "flow")}
    with pytest.raises(InputError, match=r"flow holds flow with other options \(--max-side none, here 48\)"):
        extract_here(max_side=48)
    with pytest.raises(InputError, match=r"--max-flow none, here 5.0"):
        extract_here(rgb_max_flow=5.0)
    with pytest.raises(InputError, match=r"--precision none, here fp32"):
        extract_here(engine=replace(engine, precision="fp32"))
    other = write_bundle("other", output="flow", inputs=None)
    (other / "manifest.json").write_text((other / "manifest.json").read_text().replace('"none"', '"some"'))
    with pytest.raises(InputError, match=r"flow holds flow of another model \(.*model, SHA-256 [0-9a-f]{12}"):
        extract_here(engine=type(engine)(str(other), "onnxruntime", "cpu"))
    assert {name: (tmp_path / "flow" / name).read_bytes() for name in files(tmp_path / "flow")} == before


def test_a_folder_of_a_run_that_came_to_nothing_takes_other_options(extract_here, tmp_path, here) -> None:
    stop = Event()
    stop.set()
    assert extract_here(max_side=48, stop=stop).done == 0
    assert "manifest.jsonl" in files(tmp_path / "flow")
    assert extract_here(max_side=64).done == 3
    with pytest.raises(InputError, match=r"flow with other options \(--max-side 64, here 48\)"):
        extract_here(max_side=48)


def test_a_batch_that_the_engine_does_not_take_is_no_fault_of_a_clip(extract_here, tmp_path) -> None:
    with pytest.raises(InputError, match=r"batch is 100000: difference takes 1 to \d+ pairs at once"):
        extract_here(batch=100_000)
    assert (tmp_path / "flow/manifest.jsonl").read_text() == ""


def test_a_folder_of_clips_that_failed_keeps_its_options(extract_here, clips, tmp_path) -> None:
    (clips / "no.avi").write_bytes(b"no video")
    assert len(extract_here(inputs=[str(clips / "no.avi")]).failures) == 1
    with pytest.raises(InputError, match=r"flow with other options \(--max-side none, here 48\)"):
        extract_here(max_side=48)


def test_a_folder_of_the_user_s_own_is_refused(extract_here, tmp_path) -> None:
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow/mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"flow exists, is not empty, and was not made by extract"):
        extract_here()
    assert files(tmp_path / "flow") == {"mine.txt"}
    shutil.rmtree(tmp_path / "flow")
    (tmp_path / "flow").write_text("mine")
    with pytest.raises(InputError, match=r"flow exists and is not a folder"):
        extract_here()


def test_a_second_run_is_refused(extract_here, tmp_path) -> None:
    (tmp_path / "flow").mkdir()
    with (
        file_lock(tmp_path / "flow/.extract.lock"),
        pytest.raises(InputError, match=r"flow is being written by another run"),
    ):
        extract_here()
    assert extract_here().done == 3


def test_a_damaged_manifest_is_named_with_its_line(extract_here, tmp_path, here) -> None:
    extract_here()
    manifest = tmp_path / "flow/manifest.jsonl"
    first, second, third = manifest.read_text().splitlines(keepends=True)
    # What was killed within a line is no damage: that clip is not done.
    manifest.write_text(first + second + third[:100])
    assert (extract_here().done, len(lines(tmp_path / "flow"))) == (1, 3)
    manifest.write_text(first + second[:100] + "\n" + third)
    with pytest.raises(FileFormatError, match=r"manifest.jsonl, line 2, is damaged: .* delete the line"):
        extract_here()
    manifest.write_text(first + third)
    assert extract_here().done == 1
    (tmp_path / "flow/extract.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"extract.json is damaged"):
        extract_here()
    (tmp_path / "flow/extract.json").write_text('{"format_version": 9}')
    with pytest.raises(FileFormatError, match=r"its format_version is 9, not 1"):
        extract_here()


def test_what_a_killed_worker_left_is_swept(extract_here, tmp_path) -> None:
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow/.abcd1234.partial.mkv").write_bytes(b"half")
    (tmp_path / "flow/.abcd1235.partial").mkdir()
    extract_here()
    assert files(tmp_path / "flow") == ABOUT | {"a.mp4.mkv", "b.mp4.mkv", "sub/a.mp4.mkv"}
    assert not (tmp_path / "flow/.abcd1235.partial").exists()


def test_names_that_are_no_text_are_kept(extract_here, clips, tmp_path) -> None:
    strange = clips / "\udcff.mp4"
    (clips / "a.mp4").rename(strange)
    report = extract_here(inputs=[str(strange)])
    assert report.done == 1
    assert (tmp_path / "flow/\udcff.mp4.mkv").is_file()
    table = pyarrow.parquet.read_table(tmp_path / "flow/manifest.parquet").to_pylist()
    assert table[0]["name"] == "\\udcff.mp4"
    assert extract_here(inputs=[str(strange)]).skipped == 1


def test_a_full_disk_ends_the_run_and_keeps_what_is_done(extract_here, tmp_path, monkeypatch) -> None:
    written = []

    def write(path: Path, flow: np.ndarray) -> None:
        written.append(path)
        # The first clip has three pairs.
        if len(written) > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write_flow(path, flow)

    monkeypatch.setattr("dinoflow_deploy.extract.sinks.write_flow", write)
    with pytest.raises(InputError, match=r"b.mp4.flo cannot be written: No space left on device; make room"):
        extract_here(format="flo")
    assert set(lines(tmp_path / "flow")) == {"a.mp4"}
    assert {path.name for path in (tmp_path / "flow").iterdir()} == ABOUT | {"a.mp4.flo"}
    monkeypatch.setattr("dinoflow_deploy.extract.sinks.write_flow", write_flow)
    report = extract_here(format="flo")
    assert (report.done, report.skipped) == (2, 1)
