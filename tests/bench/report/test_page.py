"""The page holds what was measured, needs nothing from outside, and opens in a browser."""

import base64
import dataclasses
import html.parser
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.bench.benchmark import BenchOptions, Shown, run_benchmark
from dinoflow_deploy.bench.report import PAGE_NAME, Report
from dinoflow_deploy.bench.report.pictures import draw_pair
from dinoflow_deploy.bench.results import BenchResult, Example
from dinoflow_deploy.bench.tables import tables
from dinoflow_deploy.datasets import FlowSample
from dinoflow_deploy.datasets.scenes.synthetic_tree import write_synthetic_tree
from dinoflow_deploy.progress import NoProgress
from tests.forked import forked_workers

pytestmark = pytest.mark.slow

VOID = {"meta", "img", "br", "link", "input", "hr"}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def reported(tmp_path_factory) -> tuple[Report, BenchResult]:
    folder = tmp_path_factory.mktemp("trees")
    write_synthetic_tree("sintel", folder / "sintel", pairs=5, size=(64, 96), seed=1)
    write_synthetic_tree("kitti", folder / "kitti", pairs=2, size=(64, 96), seed=2)
    options = BenchOptions(
        models=("nano",),
        backends=("onnxruntime", "pytorch"),
        device="cpu",
        datasets={"sintel-clean": str(folder / "sintel"), "kitti-2015": str(folder / "kitti")},
        size=(64, 96),
        rounds=2,
        seconds=0.05,
    )
    report = Report()
    with forked_workers():
        return report, run_benchmark(options, NoProgress(), show=report.show)


class Page(html.parser.HTMLParser):
    """Text and addresses of a page, whose tags must be balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.headings: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells.append(data)
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)


def test_the_tables_are_those_of_the_terminal(reported) -> None:
    report, result = reported
    page = Page(report.html(result))
    expected = [cell for table in tables(result) for row in (table.header, *table.rows) for cell in row]
    assert page.cells == expected
    titles = {
        "sintel-clean (synthetic)",
        "kitti-2015 (synthetic)",
        "speed",
        "environment",
        "Latency distribution",
    }
    assert titles <= set(page.headings)
    assert page.headings.count("Error against displacement") == 2


def test_nothing_comes_from_outside(reported) -> None:
    report, result = reported
    text = report.html(result)
    # For each of three pairs of each data set: frame, truth, and flow and error of two engines.
    addresses = Page(text).addresses
    assert len(addresses) == 2 * 3 * 6
    assert all(address.startswith("data:image/") for address in addresses)
    assert not re.search(r"https?://|@import|<script|<link|url\(", text)


def test_pictures_are_of_the_pairs_that_are_named(reported) -> None:
    report, result = reported
    page = Page(report.html(result))
    for dataset in result.datasets:
        worst, median, best = dataset.examples
        assert [each.kind for each in dataset.examples] == ["worst", "median", "best"]
        assert worst.epe >= median.epe >= best.epe
        for each in dataset.examples:
            assert any(
                heading.startswith(f"{each.kind.capitalize()} pair: {each.pair}") for heading in page.headings
            )
    for address in page.addresses:
        data = np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8)
        assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (64, 96, 3)


def test_examples_are_chosen_by_the_first_engines_error(reported) -> None:
    state = reported[1].state["sintel-clean"]["pair_epe"]
    assert [each.epe for each in reported[1].datasets[0].examples] == [
        max(state),
        sorted(state)[2],
        min(state),
    ]
    assert [each.index for each in reported[1].datasets[0].examples] == [
        state.index(max(state)),
        state.index(sorted(state)[2]),
        state.index(min(state)),
    ]


def test_an_interrupted_run_says_so_and_speed_may_be_missing(reported) -> None:
    report, result = reported
    text = report.html(dataclasses.replace(result, partial=True, speed=()))
    page = Page(text)
    assert "Partial: the run was interrupted." in text
    assert "speed" not in page.headings
    speed_alone = Page(Report().html(dataclasses.replace(result, datasets=())))
    assert "sintel-clean (synthetic)" not in speed_alone.headings
    assert speed_alone.addresses == []


def test_names_are_text(reported) -> None:
    _, result = reported
    evil = '<script>alert(1)</script>&"'
    speed = tuple(dataclasses.replace(each, engine=evil) for each in result.speed)
    text = Report().html(dataclasses.replace(result, engines={evil: {}}, speed=speed))
    assert "<script" not in text
    assert Page(text).cells.count(evil) == 2


def test_errors_and_unknown_truth_are_drawn_apart() -> None:
    truth = np.zeros((20, 30, 2), np.float32)
    valid = np.ones((20, 30), np.bool_)
    valid[:, :10] = False
    flow = np.zeros_like(truth)
    flow[:, 20:, 0] = 4
    frame = np.zeros((20, 30, 3), np.uint8)
    sample = FlowSample(frame, frame, truth, valid, None, "pair")
    pictures = draw_pair(Shown("set", Example("worst", "pair", 0, 2.0), sample, {"a": flow}))
    assert pictures.max_error == pytest.approx(4)
    assert pictures.epe["a"] == pytest.approx(2)
    data = np.frombuffer(base64.b64decode(pictures.errors["a"].partition(",")[2]), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert (image[:, :10] == 128).all()
    assert image[:, 10:20].max() < 10
    assert image[:, 20:].sum(axis=-1).min() > 500


# Says in the page's own text what a person would see: pictures that did not load, and what overflows.
_LOOK = """<script>addEventListener("load", () => { const root = document.documentElement;
const broken = [...document.images].filter(image => !image.naturalWidth).length;
const wide = [...document.querySelectorAll("body *")].filter(
    each => !each.closest(".wide, pre, svg") &&
        each.getBoundingClientRect().right > root.clientWidth + 1).length;
document.title = `images ${document.images.length} broken ${broken} wide ${wide}`; })</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH (Debian: apt install chromium)")
@pytest.mark.parametrize("width", [1280, 400])
def test_it_opens_in_a_browser(reported, tmp_path, width) -> None:
    report, result = reported
    path = tmp_path / PAGE_NAME
    path.write_text(report.html(result).replace("</body>", f"{_LOOK}</body>"))
    dom = browse(f"--window-size={width},2000", "--virtual-time-budget=5000", "--dump-dom", path)
    assert "<title>images 36 broken 0 wide 0</title>" in dom
    assert dom.count("<svg") == 3


def browse(*arguments: str | Path) -> str:
    address = Path(arguments[-1]).as_uri()
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    return subprocess.run(
        [*command, *map(str, arguments[:-1]), address],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
