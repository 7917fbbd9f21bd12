"""What ``dinoflow-deploy export --error-table`` prints."""

from typing import TYPE_CHECKING

from dinoflow_deploy.cli.tables import print_parts
from dinoflow_deploy.export.source import ModelSource
from dinoflow_deploy.tables import Table

if TYPE_CHECKING:
    from dinoflow_deploy.export.precision_study.error_table import ErrorTable, FlowError

_BLOCK_LEGEND = (
    "One block in low precision, the rest in fp32. largest: magnitude of a value in it (fp16 ends at 65504); "
    "score: of an attention score. error: RMS of the error of its output over that of the output. px: "
    "end-point difference of the flow. everything: as it is exported."
)
_ISLAND_LEGEND = (
    "px: of the flow, mean and largest. alone: this part in low precision, the rest in fp32. switched: the "
    "exported model with this part in the other type."
)


def print_error_tables(source: ModelSource, size: str | None) -> None:
    """Measure a model in fp16 and bf16 and print both tables.

    Args:
        source: The model.
        size: ``"HEIGHTxWIDTH"`` of the frames in px, or ``None`` for the usual one.
    """
    from dinoflow_deploy.cli.progress import TerminalProgress
    from dinoflow_deploy.system.optional import require

    require("torch", "measuring what low precision costs")
    from dinoflow_deploy.export.options import parse_inputs
    from dinoflow_deploy.export.precision_study.error_table import DEFAULT_SIZE, measure_errors

    inputs = None if size is None else parse_inputs(size, "1")
    height, width = (inputs.height.min, inputs.width.min) if inputs else DEFAULT_SIZE
    with TerminalProgress() as progress:
        table = measure_errors(source.load(), (height, width), progress)
    print_parts(error_tables(table))


def error_tables(table: "ErrorTable") -> list[Table]:
    """Blocks, and the parts whose type is a choice of its own."""
    height, width = table.size
    where = f"{table.model}, {height}x{width}, mean flow {table.flow_px:.3g} px"
    blocks = tuple(
        (
            block.name,
            f"{block.largest:.3g}",
            "-" if block.score is None else f"{block.score:.3g}",
            *(
                cell
                for name in block.flow
                for cell in (f"{block.relative[name]:.1e}", *_cells(block.flow[name]))
            ),
        )
        for block in table.blocks
    )
    islands = tuple(
        (
            island.name,
            "fp32" if island.is_float32 else "low",
            *(
                cell
                for name in island.alone
                for cell in (*_cells(island.alone[name]), *_cells(island.switched[name]))
            ),
        )
        for island in table.islands
    )
    return [
        Table(f"blocks: {where}", _block_header(table), blocks, _BLOCK_LEGEND),
        Table(f"parts: {where}", _island_header(table), islands, _ISLAND_LEGEND),
    ]


def _block_header(table: "ErrorTable") -> tuple[str, ...]:
    columns = (
        f"{name} {figure}" for name in table.blocks[0].flow for figure in ("error", "mean px", "max px")
    )
    return ("block", "largest", "score", *columns)


def _island_header(table: "ErrorTable") -> tuple[str, ...]:
    columns = (
        f"{name} {kind}" for name in table.islands[0].alone for kind in ("alone", "max", "switched", "max")
    )
    return ("part", "exported", *columns)


def _cells(error: "FlowError") -> tuple[str, str]:
    return f"{error.mean_px:.2g}", f"{error.max_px:.2g}"
