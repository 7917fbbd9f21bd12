"""A whole benchmark on a small tree, through real engines."""

import csv
import html
import io
import json
import os
import re
import signal
from dataclasses import astuple, replace
from itertools import islice
from multiprocessing import active_children
from threading import Event

import onnx
import pytest

from dinoflow_deploy.bench import benchmark
from dinoflow_deploy.bench.benchmark import BenchOptions, run_benchmark
from dinoflow_deploy.bench.engine_process import EngineProcess, EngineSource
from dinoflow_deploy.bench.report import Report
from dinoflow_deploy.bench.results import BenchResult
from dinoflow_deploy.bench.speed import measure_speed
from dinoflow_deploy.bench.tables import csv_text, markdown, parts, tables
from dinoflow_deploy.cli.tables import print_parts
from dinoflow_deploy.datasets.scenes.synthetic_tree import write_synthetic_tree
from dinoflow_deploy.errors import EngineError, FileFormatError, InputError
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.progress import NoProgress
from tests.cli.terminal import check_drawn, printed
from tests.forked import forked_workers
from tests.processes import blocks_interrupts
from tests.small_bundles import difference_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trees")
    write_synthetic_tree("sintel", folder / "sintel", pairs=4, size=(64, 96), seed=1)
    write_synthetic_tree("kitti", folder / "kitti", pairs=2, size=(64, 96), seed=2)
    return BenchOptions(
        models=("nano",),
        backends=("onnxruntime", "pytorch"),
        device="cpu",
        datasets={"sintel-clean": str(folder / "sintel"), "kitti-2015": str(folder / "kitti")},
        size=(64, 96),
        rounds=2,
        seconds=0.05,
    )


@pytest.fixture(scope="module")
def result(options):
    with forked_workers():
        return run_benchmark(options, NoProgress())


def test_engines_agree_and_every_figure_is_there(result):
    assert not result.partial
    assert list(result.engines) == ["nano onnxruntime", "nano pytorch"]
    for dataset, pairs in zip(result.datasets, (4, 2), strict=True):
        assert (dataset.pairs, dataset.evaluated, dataset.partial) == (pairs, pairs, False)
        first, second = dataset.engines
        assert (
            first.accuracy.occluded.pixels + first.accuracy.visible.pixels == first.accuracy.everything.pixels
        )
        assert first.accuracy.everything.epe == pytest.approx(second.accuracy.everything.epe, abs=1e-4)
        assert 0 <= second.difference.mean_px <= second.difference.p99_px <= second.difference.max_px < 1e-3


def test_speed_adds_up(result):
    first, second = result.speed
    assert (first.ratio, first.ratio_range) == (1, (1, 1))
    assert second.ratio_range[0] <= second.ratio <= second.ratio_range[1]
    for speed in result.speed:
        assert speed.calls >= 2
        stages = (speed.prepare, speed.infer, speed.finish)
        assert sum(stage.mean for stage in stages) == pytest.approx(speed.total.mean)
        assert speed.total.p50 <= speed.total.p90 <= speed.total.p99
        assert speed.pairs_per_second == pytest.approx(1000 / speed.total.mean)
        assert speed.device_bytes is None
        # Python alone takes some; no small model needs gigabytes.
        assert 10 << 20 < speed.peak_host_bytes < 4 << 30


def test_the_result_survives_json(result, tmp_path):
    (tmp_path / "result.json").write_text(result.to_json())
    assert BenchResult.read(tmp_path / "result.json") == result


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2}'])
def test_a_file_that_is_no_result_is_refused(tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"other\.json is no result of dinoflow-deploy bench"):
        BenchResult.read(tmp_path / "other.json")


def test_csv_holds_the_figures(result):
    rows = list(csv.DictReader(io.StringIO(csv_text(result))))
    found = {(row["where"], row["engine"], row["quantity"]): row["value"] for row in rows}
    accuracy = result.datasets[1].engines[1].accuracy
    assert float(found["kitti-2015 (synthetic)", "nano pytorch", "image_epe"]) == accuracy.image_epe
    assert float(found["64x96", "nano pytorch", "ratio"]) == result.speed[1].ratio
    assert found["64x96", "nano pytorch", "device_bytes"] == ""


def test_a_synthetic_tree_says_so_and_nothing_published_stands_beside_it(result):
    text = markdown(result)
    assert "**sintel-clean (synthetic): 4 of 4 pairs, measured**" in text
    assert "**kitti-2015 (synthetic): end-point difference in px to nano onnxruntime**" in text
    assert "RAFT" not in text
    assert "published" not in text
    # Its legend is that of both data sets' tables.
    assert text.count("EPE: end-point error in px") == 1
    assert [each["synthetic"] for each in json.loads(result.to_json())["datasets"]] == [True, True]


def test_tables_say_what_is_measured_and_what_published(result):
    result = replace(result, datasets=tuple(replace(each, synthetic=False) for each in result.datasets))
    text = markdown(result)
    assert "**sintel-clean: 4 of 4 pairs, measured**" in text
    assert "**kitti-2015: published by the model's card, not measured here**" in text
    assert re.search(r"\| DinoFlow ViT-S +\| +19\.79 \| +61\.6% \|", text)
    for table in tables(result):
        assert {len(row) for row in table.rows} == {len(table.header)}
    epe = result.datasets[0].engines[0].accuracy.everything.epe
    assert f"| {epe:.3f} |" in text


class StopAfter(NoProgress):
    """Sets the event after some pairs, as Ctrl-C does."""

    def __init__(self, pairs: int) -> None:
        self.left, self.event = pairs, Event()

    def advance(self, amount: float = 1.0, **figures: float) -> None:
        self.left -= amount
        if self.left <= 0:
            self.event.set()


@pytest.mark.parametrize("pairs", [1, 3, 5])
def test_an_interrupted_run_is_marked_and_resumes_to_the_same_figures(options, result, tmp_path, pairs):
    stopping = StopAfter(pairs)
    part = run_benchmark(options, stopping, stop=stopping.event)
    assert part.partial
    assert sum(dataset.evaluated for dataset in part.datasets) == pairs
    assert part.speed == ()
    assert "Partial" in markdown(part)
    (tmp_path / "part.json").write_text(part.to_json())
    with forked_workers():
        whole = run_benchmark(options, NoProgress(), before=BenchResult.read(tmp_path / "part.json"))
    assert not whole.partial
    for resumed, straight in zip(whole.datasets, result.datasets, strict=True):
        for one, other in zip(resumed.engines, straight.engines, strict=True):
            assert (one.accuracy, one.difference) == (other.accuracy, other.difference)


@pytest.mark.parametrize("stage", ["measure_speed", "evaluate"])
def test_what_is_known_is_saved_when_an_error_ends_the_run(options, monkeypatch, stage):
    short = replace(
        options, backends=("onnxruntime",), datasets={"kitti-2015": options.datasets["kitti-2015"]}
    )
    found = benchmark.evaluate

    def broken(*arguments, **settings):
        if stage == "evaluate":
            yield from islice(found(*arguments, **settings), 1)
        raise KeyboardInterrupt  # a second Ctrl-C

    monkeypatch.setattr(benchmark, stage, broken)
    saved = []
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(short, NoProgress(), save=saved.append)
    (last,) = saved
    assert last.partial
    assert last.datasets[0].evaluated == (1 if stage == "evaluate" else 2)
    saved.clear()
    with pytest.raises(InputError, match="other settings"):
        run_benchmark(replace(short, limit=1), NoProgress(), save=saved.append, before=last)
    assert saved == [], "what was to be resumed is still there"


def test_another_run_is_not_resumed(options, result, tmp_path):
    other = BenchOptions(models=("nano",), device="cpu", datasets=options.datasets, limit=1)
    with pytest.raises(InputError, match=r"other settings \(backends, limit differ\)"):
        run_benchmark(other, NoProgress(), before=result)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": ()}, "at least one model"),
        ({"batch": 0}, "batch is 0: it must be 1 or more"),
        ({"limit": 0}, "limit is 0"),
        ({"seconds": 0.0}, "seconds is 0"),
        ({"size": (8, 64)}, "8x64 are below 16x16"),
        ({"precision": "fp8"}, "the precision 'fp8' is not one of fp32, fp16, bf16"),
        ({"speed": False}, "nothing to measure"),
    ],
)
def test_options_are_checked(change, message):
    with pytest.raises(InputError, match=message):
        BenchOptions(**{"models": ("nano",), **change})


def test_the_same_engine_twice_is_refused():
    with pytest.raises(InputError, match="given twice"):
        BenchOptions(models=("nano", "nano", "nano")).sources()


def test_another_precision_is_refused(options):
    wanted = BenchOptions(models=("nano",), backends=("onnxruntime",), precision="fp16")
    with pytest.raises(InputError, match=r"computes in fp32, and --precision asks for fp16: export"):
        run_benchmark(wanted, NoProgress())


def test_a_file_that_does_not_say_its_precision_is_not_taken_for_another():
    """An fp16 or bf16 file takes float32 images too."""
    file = str(builtin_models()["nano"].bundle / "model.onnx")
    wanted = BenchOptions(models=(file,), backends=("onnxruntime",), device="cpu", precision="fp32")
    with pytest.raises(InputError, match="does not say what it computes in: pass a bundle"):
        run_benchmark(wanted, NoProgress())


@pytest.fixture(scope="module")
def with_failures(options, tmp_path_factory):
    """One model that is not there, one that takes no frames of the data sets, and the real one."""
    small = tmp_path_factory.mktemp("models") / "small.onnx"
    onnx.save(difference_model(shape=(1, 3, 32, 32)), small)
    models = ("absent", str(small), "nano")
    return run_benchmark(replace(options, models=models, backends=("onnxruntime",), rounds=1), NoProgress())


def test_an_engine_that_fails_is_named_and_the_others_go_on(with_failures, result):
    where = [(each.engine, each.where) for each in with_failures.failures]
    label = "small.onnx onnxruntime"
    assert where == [
        ("absent onnxruntime", "loading"),
        (label, "sintel-clean"),
        (label, "kitti-2015"),
        (label, "speed"),
    ]
    assert all("64x96" in each.reason for each in with_failures.failures[1:])
    for dataset, whole in zip(with_failures.datasets, result.datasets, strict=True):
        (engine,) = dataset.engines
        assert engine.accuracy == whole.engines[0].accuracy
        assert not dataset.partial
    assert [(each.engine, each.ratio) for each in with_failures.speed] == [("nano onnxruntime", 1)]


def test_every_table_says_what_failed(with_failures, tmp_path):
    text = markdown(with_failures)
    assert text.count("| small.onnx onnxruntime |") == 3 + 3
    assert text.count("| absent onnxruntime     |") == 3 + 1
    assert "no file, folder or built-in model 'absent'" in text
    for table in tables(with_failures):
        assert {len(row) for row in table.rows} == {len(table.header)}
    check_drawn(printed(lambda: print_parts(parts(with_failures))), parts(with_failures))
    rows = list(csv.DictReader(io.StringIO(csv_text(with_failures))))
    assert next(row["where"] for row in rows if row["quantity"] == "failed") == "loading"
    assert with_failures.failures[1].reason in html.unescape(Report().html(with_failures))
    (tmp_path / "result.json").write_text(with_failures.to_json())
    assert BenchResult.read(tmp_path / "result.json") == with_failures


def test_none_that_can_be_loaded_is_an_error_that_names_all():
    wanted = BenchOptions(models=("absent", "missing"), device="cpu")
    with pytest.raises(EngineError, match=r"none of the engines can be loaded: absent: .*; missing: "):
        run_benchmark(wanted, NoProgress())


class KillAt(NoProgress):
    """Kills a process of an engine after some turns."""

    def __init__(self, turns: int) -> None:
        self.turns = turns

    def advance(self, amount: float = 1.0, **figures: float) -> None:
        self.turns -= 1
        if self.turns == 0:
            min(active_children(), key=lambda process: process.pid or 0).kill()


def test_an_engine_that_dies_in_its_second_turn_does_not_stop_the_other():
    source = EngineSource("nano", "onnxruntime", "cpu", {})
    settings = {"batch": 1, "rounds": 3, "seconds": 0.0, "progress": KillAt(2), "stop": Event()}
    first, second, third = measure_speed({"one": source, "two": source}, (64, 64), **settings)
    assert [each.engine for each in first.results] == ["one", "two"]
    for known in (second, third):
        assert [(each.engine, each.ratio) for each in known.results] == [("two", 1)]
        ((label, where, reason),) = [astuple(each) for each in known.failures]
        assert (label, where) == ("one", "speed")
        assert "died of SIGKILL" in reason
    assert third.results[0].calls == 3


def test_an_engine_that_cannot_run_says_why_from_its_process():
    with pytest.raises(InputError, match="no file, folder or built-in model 'nothing'"):
        EngineProcess(EngineSource("nothing", "auto", "cpu", {}), (64, 64), 1)


def test_an_engine_that_fails_as_nobody_foresaw_says_so_from_its_process(capfd):
    with pytest.raises(EngineError, match="the engine failed: unexpected TypeError: '<' not supported"):
        EngineProcess(EngineSource("nano", "onnxruntime", "cpu", {"intra_op_threads": "2"}), (64, 64), 1)
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (signal.SIGKILL, "died of SIGKILL, most often for want of memory: take smaller"),
        (signal.SIGSEGV, "died of SIGSEGV, most often a defect of a library"),
    ],
)
def test_an_engine_whose_process_dies_says_of_what(number, message):
    engine = EngineProcess(EngineSource("nano", "onnxruntime", "cpu", {}), (64, 64), 1)
    os.kill(engine.pid, number)
    with pytest.raises(EngineError, match=message):
        engine.compute(0.0)


def test_a_batch_beyond_memory_is_one_line(capfd):
    with pytest.raises(EngineError, match=r"no memory for 1000000000000 pairs of 64x64: measure less"):
        EngineProcess(EngineSource("nano", "onnxruntime", "cpu", {}), (64, 64), 10**12)
    assert capfd.readouterr().err == ""


def test_ctrl_c_does_not_reach_an_engine_s_process():
    """It ends when it is told to, not with an error that nobody understands."""
    engine = EngineProcess(EngineSource("nano", "onnxruntime", "cpu", {}), (64, 64), 1)
    try:
        pid = engine.pid
        assert blocks_interrupts(pid)
        os.kill(pid, signal.SIGINT)
        assert len(engine.compute(0.0)) == 1
    finally:
        engine.kill()


def test_settings_are_json(result):
    assert json.loads(json.dumps(result.settings)) == result.settings
    assert json.loads(json.dumps(result.engines)) == result.engines
