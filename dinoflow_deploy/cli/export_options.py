"""Which options of ``dinoflow-deploy export`` go together, and the shapes that they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import typer

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.cli.target_options import parameter_names
from dinoflow_deploy.cli.values import refuse_options
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.options import parse_inputs
from dinoflow_deploy.export.shapes import RequestedShapes, parse_profile
from dinoflow_deploy.export.target import Target

_OF_SOURCE: Final = ("head", "backbone_weights", "rename")
_OF_ERROR_TABLE: Final = ("model", *_OF_SOURCE, "size", "error_table")


def check_given(
    context: typer.Context, chosen: Target, targets: Sequence[Target], *, is_bundle: bool
) -> None:
    """Refuse options that have no meaning here, in place of ignoring them.

    Args:
        context: Of the command.
        chosen: The target.
        targets: All targets, the ONNX file first.
        is_bundle: Whether the model is a bundle, whose ONNX file is there.

    Raises:
        InputError: A bundle is to be exported to what it already holds.
        typer.BadParameter: An option is for something else.
    """
    onnx, *others = targets
    if is_bundle and chosen is onnx:
        made = ", or ".join(f"{target.title} by --target {target.name}" for target in others)
        raise InputError(
            f"{context.params['model']} is a folder, and a bundle is exported already: make of it {made}"
        )
    for target in others:
        if target is not chosen:
            refuse_options(context, parameter_names([target]), f"is for --target {target.name}")
    if is_bundle:
        refuse_options(
            context,
            (*_OF_SOURCE, *parameter_names([onnx])),
            "is for exporting weights: the bundle's ONNX file is taken as it is",
        )


def check_given_for_error_table(context: typer.Context) -> None:
    """Refuse what ``--error-table`` would ignore.

    Raises:
        typer.BadParameter: An option is for exporting.
    """
    others = (name for name in context.params if name not in _OF_ERROR_TABLE)
    refuse_options(context, others, "has no meaning here: --error-table exports nothing; leave it out")


@dataclass(frozen=True, slots=True)
class Shapes:
    """The options about shapes, checked against each other.

    Attributes:
        size: ``--size``.
        dynamic: ``--dynamic``.
        minimum: ``--min``.
        optimum: ``--opt``.
        maximum: ``--max``.
        batch: ``--batch``.
    """

    size: str | None
    dynamic: bool
    minimum: str | None
    optimum: str | None
    maximum: str | None
    batch: str | None

    def __post_init__(self) -> None:
        if self.size is not None and self.dynamic:
            raise typer.BadParameter("--size fixes what --dynamic leaves open: give one of them")
        corners = (self.minimum, self.optimum, self.maximum)
        given = [corner is not None for corner in corners]
        if any(given) and not all(given):
            raise typer.BadParameter("--min, --opt and --max make one range: give all three")
        if any(given):
            self._refuse_beside_range()

    def _refuse_beside_range(self) -> None:
        for name, is_given in (
            ("--size", self.size is not None),
            ("--dynamic", self.dynamic),
            ("--batch", self.batch is not None),
        ):
            if is_given:
                raise typer.BadParameter(
                    f"--min, --opt and --max give a range of their own: leave out {name}"
                )

    def of_file(self, default_batch: str) -> InputRange:
        """Shapes that the ONNX file takes; ``default_batch`` is what no ``--batch`` means."""
        return self._range() or parse_inputs(self.size, self.batch or default_batch)

    def requested(self) -> RequestedShapes:
        """What is asked of an artefact's shapes."""
        given = self._range()
        if given is not None:
            return RequestedShapes.of(given)
        inputs = parse_inputs(self.size, self.batch or "1")
        sides = self.size is not None or self.dynamic
        return RequestedShapes(
            batch=inputs.batch if self.batch is not None else None,
            height=inputs.height if sides else None,
            width=inputs.width if sides else None,
        )

    def _range(self) -> InputRange | None:
        if self.minimum is None or self.optimum is None or self.maximum is None:
            return None
        return parse_profile(self.minimum, self.optimum, self.maximum)


def parse_renames(pairs: list[str]) -> dict[str, str]:
    """Names by name of ``["OLD=NEW", ...]``.

    Raises:
        typer.BadParameter: One is not written so.
    """
    renames = {}
    for pair in pairs:
        old, separator, new = pair.partition("=")
        if not (old and separator and new):
            raise typer.BadParameter(f"--rename takes OLD=NEW, not '{pair}'")
        renames[old] = new
    return renames
