"""What every command prints on a terminal; what it prints into a pipe is tested with the command."""

from dataclasses import replace

import pytest

from dinoflow_deploy import selftest
from dinoflow_deploy.bench import benchmark
from dinoflow_deploy.bench.results import BenchResult, Failure, Latency, SpeedResult
from dinoflow_deploy.bench.tables import parts
from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.cli.error_table import error_tables
from dinoflow_deploy.cli.export_report import print_report
from dinoflow_deploy.cli.tables import print_parts
from dinoflow_deploy.datasets.scenes.synthetic_tree import write_synthetic_tree
from dinoflow_deploy.doctor import examination
from dinoflow_deploy.export.bundle_output import BundleOutput
from dinoflow_deploy.export.onnx_report import OnnxReport
from dinoflow_deploy.export.precision_study import error_table
from dinoflow_deploy.export.precision_study.error_table import BlockError, ErrorTable, FlowError, IslandError
from dinoflow_deploy.export.report import ExportReport, ParityRow
from dinoflow_deploy.inspection import inspect_artifact, report_lines
from dinoflow_deploy.selftest import tables as selftest_tables
from dinoflow_deploy.selftest.cases import Case
from dinoflow_deploy.selftest.results import CaseResult, SelfTestResult
from dinoflow_deploy.tables import Listing, Table, markdown
from tests.cli.terminal import check_drawn, printed, run_coloured, run_on_terminal
from tests.cli.test_doctor import HEALTHY
from tests.inspection.conftest import NANO

WIDE = Table(
    "wide",
    ("name", *(f"column{place}" for place in range(12))),
    tuple(
        (f"{name} onnxruntime", *(f"{1000 * row + place}.{place}" for place in range(12)))
        for row, name in enumerate(("nano", "runs/a-long-name/best.safetensors", "[bold]"), start=1)
    ),
    "what they mean",
)
LATENCY = Latency(12345.6, 12345.7, 12345.8, 12345.9)


@pytest.mark.parametrize("columns", [40, 80, 100, 300])
def test_a_table_that_is_too_wide_is_drawn_in_pieces(columns: int) -> None:
    text = printed(lambda: print_parts([WIDE]), columns)
    check_drawn(text, [WIDE], columns)
    # One piece where there is room, and the names before the numbers in each.
    pieces = text.count("name ")
    assert (pieces == 1) == (columns == 300)
    assert text.count("[bold]") == pieces
    lines = text.splitlines()
    header = next(line for line in lines if "column0" in line)
    row = next(line for line in lines if "1000.0" in line)
    assert header.index("column0") + len("column0") == row.index("1000.0") + len("1000.0")


def test_a_sentence_is_folded_within_its_column() -> None:
    reason = "the file is not there, " * 8
    table = Table("failed", ("engine", "where", "reason"), (("nano", "loading", reason),), text_columns=3)
    text = printed(lambda: print_parts([table]), 60)
    check_drawn(text, [table], 60)
    assert "nano" in text
    assert text.count("the file") >= 7


def test_a_legend_is_said_once_below_the_last_table_that_has_it() -> None:
    given = [WIDE, replace(WIDE, title="second"), Table("third", ("name", "a"), (("b", "1"),), "others")]
    for text in (markdown(given), printed(lambda: print_parts(given), 80)):
        assert text.count("what they mean") == 1
        assert text.index("second") < text.index("what they mean") < text.index("third")


def test_what_a_name_holds_does_not_steer_the_terminal() -> None:
    text = printed(
        lambda: print_parts([Table("a\x1b[31m", ("b",), (("c\x07",),)), Listing("d", ("[red]e\x1b]0;f",))]),
        80,
    )
    assert r"a\x1b[31m" in text
    assert r"c\x07" in text
    assert r"- [red]e\x1b]0;f" in text


@pytest.mark.parametrize("no_color", [True, False])
def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch, no_color: bool) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(examination, "examine", lambda: HEALTHY)
    # Cyan, of the command to copy.
    assert ("\x1b[36m" in run_coloured("doctor")) != no_color


def test_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    first = SpeedResult(
        *("nano onnxruntime", 448, 1024, 1, 2, 9),
        *(LATENCY, LATENCY, LATENCY, LATENCY),
        *(0.081, 1.0, (1.0, 1.0), 1.25, 15.5, 3 << 30, None),
    )
    second = replace(first, engine="runs/mine/best.safetensors pytorch", ratio=0.51, ratio_range=(0.49, 0.53))
    failure = Failure("absent onnxruntime", "loading", "there is no file, folder or built-in model 'absent'")
    result = BenchResult({}, {}, {}, (), (first, second), True, {}, (failure,))
    monkeypatch.setattr(benchmark, "run_benchmark", lambda *_, **__: result)
    check_drawn(run_on_terminal("bench"), parts(result))


def test_selftest(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    machine = {"processor": "AMD EPYC " * 9, "cores": 2, "system": "S", "gpus": [], "gpu_problem": None}
    parity = Bundle.open(NANO.bundle).manifest.onnx.parity
    result = SelfTestResult(
        {"machine": machine, "versions": {f"package{place}": "1.2.3" for place in range(12)}},
        {"size": [448, 1024]},
        (
            CaseResult(Case("nano", "fp32", "onnxruntime", "cpu"), "passed", parity=parity, seconds=1234.5),
            CaseResult(Case("nano", "fp16", "onnxruntime", "cuda"), "skipped", "there is no GPU " * 7),
        ),
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(selftest, "run_selftest", lambda *_, **__: result)
    text = run_on_terminal("selftest")
    check_drawn(text, selftest_tables.parts(result))
    assert "- nano-fp16-onnxruntime-cuda-dynamic: there is no GPU" in text
    assert "| nano-fp32-onnxruntime-cpu-dynamic |" in (tmp_path / "dinoflow-selftest.md").read_text()


def test_export_error_table(monkeypatch: pytest.MonkeyPatch) -> None:
    error = dict.fromkeys(("fp16", "bf16"), FlowError(0.00731, 1234.5))
    found = ErrorTable(
        *("nano", (128, 192), 15.3),
        (BlockError("transformer block 2", 35.1, None, {"fp16": 1e-3, "bf16": 1e-2}, error),),
        (IslandError("sampling positions", True, error, error),),
    )
    monkeypatch.setattr(error_table, "measure_errors", lambda *_: found)
    check_drawn(run_on_terminal("export", "--model", "nano", "--error-table"), error_tables(found))


def test_export_of_a_bundle_and_a_plan(tmp_path) -> None:
    manifest = Bundle.open(NANO.bundle).manifest
    rows = [ParityRow(1, 128, 192, 20.44, 8.3e-06, 2.4e-05, 2.8e-05)]
    artefact = replace(OnnxReport.of(manifest), nodes=498, parity=tuple(rows))
    text = printed(lambda: print_report(ExportReport(BundleOutput(tmp_path), manifest, (artefact,))), 80)
    lines = text.partition("next ")[0].splitlines()
    assert max(map(len, lines)) <= 80
    folded = " ".join(text.split())
    assert "parity onnxruntime CPUExecutionProvider against pytorch fp32 on cpu: end-point" in folded
    row = next(line for line in lines if "128x192" in line)
    header = next(line for line in lines if "batch " in line and "size" in line)
    assert header.index("flow") + len("flow") == row.index("20.44") + len("20.44")


def test_inspect() -> None:
    text = run_on_terminal("inspect", "nano")
    assert max(map(len, text.splitlines())) <= 80
    said = "".join(line for _, line in report_lines(inspect_artifact("nano")))
    assert "".join(said.split()) == "".join("".join(line[11:] for line in text.splitlines()).split())


def test_plugin_show() -> None:
    text = run_on_terminal("plugin", "show", "--flavour", "rtx", columns=60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.startswith("compiled  ")


def test_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    report = replace(HEALTHY, python=f"3.11.7 ({'/folder' * 12}/python)")
    monkeypatch.setattr(examination, "examine", lambda: report)
    lines = run_on_terminal("doctor").splitlines()
    command = "      pip install 'h5py[mpi]>=3'"
    assert command in lines
    assert max(map(len, lines)) <= 80


def test_data_check(tmp_path) -> None:
    write_synthetic_tree("kitti", tmp_path / "kitti", pairs=2, size=(64, 96), seed=1)
    lines = run_on_terminal("data", "check", "kitti-2015", tmp_path / "kitti", "--workers", "1", columns=60)
    lines = lines.splitlines()
    assert max(map(len, lines)) <= 60
    assert any(line.startswith("  flow ") for line in lines)
    assert "2 pairs of synthetic scenes, all read" in " ".join(lines)
