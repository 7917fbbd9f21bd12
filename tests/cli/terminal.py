"""A command on a real terminal, of a width that the test chooses."""

import fcntl
import os
import re
import struct
import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Thread

import typer
from rich.cells import cell_len

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.tables import Part, Table

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run_on_terminal(*arguments: object, columns: int = 80) -> str:
    """What a command prints on a terminal, without colours."""
    return _CONTROL.sub("", run_coloured(*arguments, columns=columns))


def run_coloured(*arguments: object, columns: int = 80) -> str:
    """What a command prints on a terminal, as it comes."""
    with terminal(columns) as shown, suppress(typer.Exit):
        app([str(argument) for argument in arguments], standalone_mode=False)
    return shown[0]


@contextmanager
def terminal(columns: int) -> Iterator[list[str]]:
    """Make standard output a pseudo-terminal; what was printed is in the list afterwards."""
    controller, device = os.openpty()
    fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    received: list[bytes] = []
    reader = Thread(target=_read_all, args=(controller, received))
    kept, before, shown = os.dup(1), sys.stdout, []
    os.dup2(device, 1)
    os.close(device)
    reader.start()
    try:
        with open(1, "w", encoding="utf-8", closefd=False) as sys.stdout:
            yield shown
    finally:
        sys.stdout = before
        # The last one of the terminal: its reader ends.
        os.dup2(kept, 1)
        os.close(kept)
        reader.join()
        os.close(controller)
    text = b"".join(received).decode()
    shown.append(text.replace("\r\n", "\n"))


def printed(show: Callable[[], None], columns: int = 80) -> str:
    """What a function prints on a terminal, without what moves the cursor or colours."""
    with terminal(columns) as shown:
        show()
    return _CONTROL.sub("", shown[0])


def check_drawn(text: str, shown: Sequence[Part], columns: int = 80) -> None:
    """No line is too long, and every number and every word is there as it is."""
    assert max(map(cell_len, text.splitlines())) <= columns
    assert "|" not in text
    assert "**" not in text
    assert "…" not in text
    words = text.split()
    for table in (part for part in shown if isinstance(part, Table)):
        for row in (table.header, *table.rows):
            for cell in row[table.text_columns :]:
                assert set(cell.split()) <= set(words)
        for row in table.rows:
            for cell in row[: table.text_columns]:
                # Long ones are folded within their column.
                assert set(cell.split()) <= set(words) or len(cell) > columns // 4


def _read_all(controller: int, received: list[bytes]) -> None:
    try:
        while part := os.read(controller, 1 << 16):
            received.append(part)
    except OSError:
        pass  # how Linux says that the terminal's other end is closed
