"""JSON, tables and pages that an option names: in a file, a pipe, or alone on standard output."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from itertools import combinations
from pathlib import Path

import typer

from dinoflow_deploy.atomic import atomic_file, check_file, descriptor_of, is_special
from dinoflow_deploy.errors import InputError, OutputElsewhereError


class TextOutput:
    """A text that is written at the end of the work, or again and again during it.

    Args:
        path: A file, pipe or device; ``/dev/stdout`` is standard output.
        overwrite: Whether a file that exists is replaced.
        inputs: Files and folders that are read, and never written over.

    Attributes:
        path: Where it is written.

    Raises:
        InputError: It could not be written (:func:`~dinoflow_deploy.atomic.check_file`).
    """

    def __init__(self, path: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
        check_file(path, overwrite=overwrite, inputs=inputs)
        self.path = path
        self._overwrite = overwrite
        self._stdout = sys.stdout if descriptor_of(path) == 1 else None
        self._written: tuple[int, int, int] | None = None
        self._elsewhere: OutputElsewhereError | None = None

    @property
    def is_stdout(self) -> bool:
        """Whether it is standard output."""
        return self._stdout is not None

    @property
    def is_file(self) -> bool:
        """Whether what is written can be read again and replaced."""
        return not is_special(self.path)

    def save(self, text: str) -> None:
        """Write what is known so far, if it goes to a file, where the next text replaces it."""
        if not self.is_file:
            return
        before = self._elsewhere
        self._replace(text)
        if self._elsewhere is not before:
            typer.echo(f"warning: {self._elsewhere}", err=True)

    def write(self, text: str) -> None:
        """Write the final text.

        Raises:
            OutputElsewhereError: Something has taken the file's name since the beginning: the text is beside
                it.
        """
        if self._stdout is not None:
            typer.echo(text, file=self._stdout, nl=False)
            return
        if self.path.is_fifo() and descriptor_of(self.path) is None:
            typer.echo(f"{self.path} is a pipe: waiting until something reads it", err=True)
        self._replace(text)
        if self._elsewhere is not None:
            raise self._elsewhere

    def _replace(self, text: str) -> None:
        try:
            with atomic_file(self.path, overwrite=self._overwrite or self._is_mine()) as partial:
                # Names that are no UTF-8 are shown escaped, as on the terminal.
                partial.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OutputElsewhereError as error:
            self._elsewhere, self.path = error, error.kept
        self._written = _identity(self.path)

    def _is_mine(self) -> bool:
        return self._written is not None and self.path.exists() and _identity(self.path) == self._written


def open_texts(
    *paths: Path | None, overwrite: bool, inputs: Sequence[Path] = ()
) -> tuple[TextOutput | None, ...]:
    """The outputs of options, ``None`` for those that were not given.

    Raises:
        InputError: One could not be written.
    """
    return tuple(
        None if path is None else TextOutput(path, overwrite=overwrite, inputs=inputs) for path in paths
    )


def reserve(context: typer.Context, *outputs: TextOutput | None, others: Iterable[Path] = ()) -> None:
    """Refuse two outputs of one name; where one is standard output, all else that is printed goes to stderr.

    Args:
        context: Of the command.
        outputs: The texts that it writes.
        others: What else it writes.

    Raises:
        InputError: Two are the same.
    """
    given = [output for output in outputs if output is not None]
    for one, other in combinations([*(output.path for output in given), *others], 2):
        if one.resolve() == other.resolve():
            raise InputError(f"{one} is named for two outputs: give one of them another name")
    if any(output.is_stdout for output in given):
        context.with_resource(redirect_stdout(sys.stderr))


def write_texts(texts: Sequence[tuple[TextOutput | None, str]]) -> None:
    """Write final texts; one that cannot be written does not keep the others from it.

    Raises:
        InputError: Several are not where they were to be; the error of the one, if it is one.
    """
    errors: list[InputError | OSError] = []
    for output, text in texts:
        try:
            if output is not None:
                output.write(text)
        except (InputError, OSError) as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise InputError("; ".join(map(str, errors))) from errors[0]


def _identity(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    # With the time, since the inode of a file that has gone is given to the next one.
    return status.st_dev, status.st_ino, status.st_mtime_ns
