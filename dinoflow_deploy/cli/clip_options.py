"""Which frames of a clip are used: options of every command that reads clips."""

from typing import Annotated

import typer

StartOption = Annotated[int, typer.Option(metavar="N", help="First frame used, counted from 0.")]
FramesOption = Annotated[
    int | None, typer.Option(metavar="N", help="Most frames used; N frames give N-1 of flow.")
]
StrideOption = Annotated[
    int, typer.Option(metavar="N", help="Use every Nth frame: flow is between frames N apart.")
]
