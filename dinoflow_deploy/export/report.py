"""What came of making an artefact, as data and as lines for a person."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.bundles.manifest import Manifest
from dinoflow_deploy.bundles.parity import Parity

if TYPE_CHECKING:
    from dinoflow_deploy.export.output import Output

Lines = Iterator[tuple[str, str]]
"""Pairs of a label and a text."""


@dataclass(frozen=True, slots=True)
class ParityRow:
    """End-point difference at one input shape, in px.

    Attributes:
        batch: Pairs in one call.
        height: Height of the frames.
        width: Their width.
        flow_px: Mean length of the reference's flow.
        mean_px: Mean difference.
        p99_px: 99th percentile.
        max_px: Largest difference; not a number if the export's flow holds one that is not.
    """

    batch: int
    height: int
    width: int
    flow_px: float
    mean_px: float
    p99_px: float
    max_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactReport:
    """What came of making an artefact.

    Attributes:
        info: What the manifest says of it.
        bytes: Its size.
        seconds: Time that it took; 0 where it was there already.
        warnings: What its builder warned of, each once.
        parity: Difference to the reference at each shape that was compared.
        not_run: Why it was not run and compared; ``None`` where it was.
        reused: Whether it was there already, with the same key, and was not made again.
    """

    info: Any
    bytes: int
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    parity: tuple[ParityRow, ...] = ()
    not_run: str | None = None
    reused: bool = False

    @property
    def origin(self) -> str:
        """Where it comes from: built now, or reused."""
        return "reused: it was there already" if self.reused else f"built in {self.seconds:.1f} s"

    def lines(self) -> Lines:
        """What it is: file, size, shapes, parity."""
        yield self.info.kind, f"{self.info.file}, {self.bytes / 1e6:.1f} MB, {self.origin}"
        yield "", shapes_text(self.info.inputs)
        yield from parity_lines(self.info.parity, self.parity, f"{self.info.kind} not run: {self.not_run}")

    @property
    def warner(self) -> str:
        """What gave the warnings."""
        return str(self.info.kind)

    def next_command(self, bundle: str) -> str:
        """The command to go on with, and what there is to say of it on further lines.

        Args:
            bundle: Path of the bundle, quoted for a shell.
        """
        return f"dinoflow-deploy video in.mp4 --model {bundle}"


def shapes_text(inputs: InputRange) -> str:
    """Shapes in words."""
    if all(axis.is_static for axis in (inputs.batch, inputs.height, inputs.width)):
        return str(inputs)
    return f"{inputs}, tuned for batch {inputs.batch.opt}, {inputs.height.opt}x{inputs.width.opt}"


def parity_lines(parity: Parity | None, rows: Sequence[ParityRow], otherwise: str) -> Lines:
    """A comparison as a table, shape by shape; ``otherwise`` where there was none."""
    if parity is None:
        yield "parity", otherwise
        return
    yield "parity", f"{parity.engine} against {parity.reference}: end-point difference in px"
    yield "", f"{'batch':>5}  {'size':>9}  {'flow':>7}  {'mean':>8}  {'99%':>8}  {'max':>8}"
    for row in rows:
        yield "", _figures(str(row.batch), f"{row.height}x{row.width}", row)
    yield "", _figures(f"{parity.pairs}", "all", parity)
    if parity.relative is not None:
        limits = f"max {parity.tolerance_px:g}, mean {parity.relative_tolerance:g} of the flow"
        yield "", f"limits: {limits}; it is {parity.relative:.2g} at most"


def _figures(batch: str, size: str, figures: Parity | ParityRow) -> str:
    flow = "" if figures.flow_px is None else f"{figures.flow_px:.2f}"
    return (
        f"{batch:>5}  {size:>9}  {flow:>7}  {figures.mean_px:>8.2g}  {figures.p99_px:>8.2g}  "
        f"{figures.max_px:>8.2g}"
    )


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export made.

    Attributes:
        output: Where the bundle went.
        manifest: What it says about itself.
        artefacts: What came of each artefact, the ONNX file first.
        reused: Whether the bundle was there already, the same in everything, and was left as it is.
    """

    output: "Output"
    manifest: Manifest
    artefacts: tuple[ArtefactReport, ...]
    reused: bool = False

    @property
    def folder(self) -> Path:
        """The bundle."""
        return self.output.folder
