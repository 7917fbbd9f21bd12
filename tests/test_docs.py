"""The pages name what there is, and the site of them has no dead link; a fault fails the build."""

import dataclasses
import logging
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer.main
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from dinoflow_deploy.bundles.artefact import Artefact, ArtefactInfo
from dinoflow_deploy.bundles.input_range import AxisRange
from dinoflow_deploy.bundles.manifest import FileInfo, Manifest, ModelInfo, Normalisation
from dinoflow_deploy.bundles.onnx_info import OnnxInfo, OperatorInfo
from dinoflow_deploy.bundles.parity import Parity
from dinoflow_deploy.cli.app import app
from dinoflow_deploy.tensorrt.plan_info import PlanInfo

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# The hooks are no package: MkDocs loads them from their folder.
sys.path.insert(0, str(DOCS / "hooks"))

from command_options import options_of  # noqa: E402
from named_things import command_lines, problems  # noqa: E402
from record_tables import record_tables  # noqa: E402

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *sorted(DOCS.rglob("*.md")),
]


def fields_of(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


SPECIFIED = {
    "manifest.json": fields_of(Manifest),
    "model": fields_of(ModelInfo),
    "normalisation": fields_of(Normalisation),
    "artefacts": fields_of(Artefact),
    "inputs": fields_of(AxisRange),
    "parity": fields_of(Parity),
    "files": fields_of(FileInfo),
    "kind onnx": fields_of(OnnxInfo) - fields_of(ArtefactInfo),
    "operator": fields_of(OperatorInfo),
    "kind plan": fields_of(PlanInfo) - fields_of(ArtefactInfo),
}
"""Sections of the format's page, and the keys of their tables."""


def commands() -> list[str]:
    """All commands, those of groups by both words."""
    found = []
    for name, command in typer.main.get_command(app).commands.items():
        found += [f"{name} {each}" for each in getattr(command, "commands", ())] or [name]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    assert problems(page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_work_in_the_repository_too(page: Path) -> None:
    targets = re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", page.read_text())
    assert [each for each in targets if not (page.parent / each).exists()] == []


@pytest.mark.parametrize(
    ("markdown", "problem"),
    [
        ("`dinoflow_deploy/flow/nowhere.py`", "dinoflow_deploy/flow/nowhere.py is not in the repository"),
        ("`flow/nowhere.py`", "no file of the repository is called flow/nowhere.py"),
        ("`nowhere.py`", "no file of the repository is called nowhere.py"),
        ("see tests/nowhere", "tests/nowhere is not in the repository"),
        ("`dinoflow_deploy.nowhere`", "dinoflow_deploy.nowhere is no module and in none"),
        ("`dinoflow_deploy.flow.read_flo`", "dinoflow_deploy.flow.read_flo is no module and in none"),
        (
            "from dinoflow_deploy.flow import warp, read_flo",
            "dinoflow_deploy.flow.read_flo is no module and in none",
        ),
        ("```\ndinoflow-deploy video in.mp4 --rendering flow\n```", "video has no option --rendering"),
        ("```\ndinoflow-deploy data check ROOT \\\n    --limits 3\n```", "data check has no option --limits"),
        ("```\ndinoflow-deploy vidoe in.mp4\n```", "there is no command 'vidoe'"),
    ],
)
def test_what_is_not_there_is_found(markdown: str, problem: str) -> None:
    assert problems(markdown) == [problem]


@pytest.mark.parametrize(
    "markdown",
    [
        "`dinoflow_deploy/flow/files.py`, `flow/files.py`, `accuracy.py`, `tests/flow`, `RUN/x.npz`",
        "`dinoflow_deploy.flow`, `dinoflow_deploy.flow.read_flow`, `dinoflow_deploy/models/NAME/bundle`",
        "```\ndinoflow-deploy video in.mp4 --render flow  # not --rendering\n```",
    ],
)
def test_what_is_there_is_no_fault(markdown: str) -> None:
    assert problems(markdown) == []


def test_pages_that_the_sources_name_are_there() -> None:
    sources = [*(ROOT / "dinoflow_deploy").rglob("*.py"), ROOT / "Dockerfile"]
    named = {name for source in sources for name in re.findall(r"docs/[\w/.-]+\.md", source.read_text())}
    assert {"docs/commands/data.md", "docs/gh200.md"} <= named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_command_lines_are_seen() -> None:
    seen = {command for page in PAGES for command, _ in command_lines(page.read_text())}
    assert seen == set(commands())


def test_every_command_has_a_page_and_a_row() -> None:
    pages = {page.stem: page.read_text() for page in (DOCS / "commands").glob("*.md")}
    assert set(pages) == {name.partition(" ")[0] for name in commands()}
    shown = {name for text in pages.values() for name in re.findall(r"<!-- options: ([\w ]+) -->", text)}
    assert shown == set(commands())
    rows = re.findall(r"^\| \[`dinoflow-deploy (\w+)`\]", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(pages)


def test_options_are_those_of_the_command_line() -> None:
    table = options_of("export")
    assert "| Option | What it does |" in table
    assert "| TensorRT plans | What it does |" in table
    assert "--precision &#60;fp32&#124;fp16&#124;bf16&#62;</code> | Type of weights and computation." in table
    for command in commands():
        text = options_of(command)
        context = typer.Context(typer.main.get_command(app))
        group, _, word = command.partition(" ")
        found = context.command.commands[group]
        found = found.commands[word] if word else found
        for parameter in found.params:
            of_option = parameter.param_type_name == "option"
            assert (parameter.opts[-1] if of_option else parameter.metavar or parameter.name) in text


def test_tables_are_those_of_a_record() -> None:
    assert record_tables("accuracy.json", "real pair").startswith("| real pair motorcycle, 1 pair |   EPE |")
    assert "| DIS medium                   |  2.63 |" in record_tables("accuracy.json", "real pair")
    with pytest.raises(ValueError, match=r"^accuracy.json gives no table that begins with 'unreal'$"):
        record_tables("accuracy.json", "unreal")


def test_every_record_is_shown_or_named() -> None:
    text = (DOCS / "benchmarks.md").read_text()
    results = ROOT / "benchmarks/results"
    for record in results.rglob("*.json"):
        assert f"(../benchmarks/results/{record.relative_to(results)})" in text


def test_the_format_is_specified_key_by_key() -> None:
    text = (DOCS / "bundle-format.md").read_text()
    for section, fields in SPECIFIED.items():
        part = re.split(r"^##+ ", text.partition(f"# {section}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
        cells = re.findall(r"^\| (`.*?`) \|", part, re.MULTILINE)
        keys = [key for cell in cells for key in re.findall(r"`(\w+)`", cell)]
        assert sorted(keys) == sorted(fields), section


class Addresses(HTMLParser):
    """What a page loads, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a":
            self.links.append(values.get("href") or "")
        elif tag in ("script", "img") or (tag == "link" and values.get("rel") != "canonical"):
            self.loaded += [values[name] or "" for name in ("src", "href") if name in values]


@pytest.mark.slow
def test_the_site_is_whole_and_needs_no_network(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True))
    pages = sorted(tmp_path.rglob("*.html"))
    assert tmp_path / "commands/video.html" in pages
    for page in pages:
        addresses = Addresses()
        addresses.feed(page.read_text())
        assert not [each for each in addresses.loaded if re.match(r"(https?:)?//", each)], page
        if page.name == "404.html":  # its links are absolute, from wherever it is shown
            continue
        local = [each for each in addresses.loaded + addresses.links if not re.match(r"[a-z]+:|#|$", each)]
        for each in local:
            assert (page.parent / each.partition("#")[0].partition("?")[0]).exists(), f"{page}: {each}"
    text = (tmp_path / "benchmarks.html").read_text()
    assert "<!-- record" not in text
    assert "compile-graph-bf16" in text
    assert "--deinterlace" in (tmp_path / "commands/video.html").read_text()
    assert "dinoflow_deploy.engines.load_engine" in (tmp_path / "reference/engines.html").read_text()


def build_of(tmp_path: Path, **pages: str) -> None:
    """Build a site of these pages alone, strictly, with the hooks and plugins of the real one."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, text in pages.items():
        (docs / f"{name}.md").write_text(text)
    build(
        load_config(
            str(ROOT / "mkdocs.yml"),
            docs_dir=str(docs),
            site_dir=str(tmp_path / "site"),
            nav=[{"Page": "page.md"}],
            strict=True,
        )
    )


@pytest.mark.slow
def test_faults_fail_the_build(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.chdir(ROOT)
    page = (
        "# Page\n\n[gone](gone.md) ![gone](images/gone.png) [place](page.md#gone) [file](../gone.py)\n\n"
        "`dinoflow_deploy/gone.py`\n"
    )
    with pytest.raises(Abort, match=r"Aborted with \d+ warnings in strict mode!"):
        build_of(tmp_path, page=page, lost="# Lost\n")
    warned = "\n".join(each.message for each in caplog.records if each.levelno >= logging.WARNING)
    for target in ("'gone.md'", "'images/gone.png'", "'../gone.py'", "- lost.md", "#gone"):
        assert target in warned
    assert "page.md: dinoflow_deploy/gone.py is not in the repository" in warned


@pytest.mark.slow
def test_a_missing_name_in_the_reference_fails_the_build(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(Abort):
        build_of(tmp_path, page="# Page\n\n::: dinoflow_deploy.flow.gone\n")
    assert "dinoflow_deploy.flow.gone could not be found" in caplog.text
