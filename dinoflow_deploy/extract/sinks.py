"""Where the flow of a clip goes, field by field: a video file or a folder, and pictures beside it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TypeAlias

from dinoflow_deploy.atomic import atomic_file, atomic_folder
from dinoflow_deploy.extract.choices import FlowChoices
from dinoflow_deploy.extract.task import Task
from dinoflow_deploy.flow import FlowClipWriter, flow_to_rgb, write_flow
from dinoflow_deploy.video import FlowResult, FrameSource, VideoWriter

Sink: TypeAlias = Callable[[FlowResult], None]


@contextmanager
def open_sinks(task: Task, choices: FlowChoices, source: FrameSource, model: str) -> Iterator[Sink]:
    """What takes the results of a clip; its files appear when the block succeeds, in place of older ones.

    Args:
        task: Which files.
        choices: Their formats.
        source: The clip.
        model: Name of what computes the flow.
    """
    rate = Fraction(source.rate, choices.stride)
    with ExitStack() as stack:
        sinks: list[Sink] = []
        if task.rgb_target is not None and choices.rgb_max_flow is not None:
            sinks.append(stack.enter_context(_pictures(task.rgb_target, choices.rgb_max_flow, source, rate)))
        if choices.format == "mkv":
            writer = stack.enter_context(
                FlowClipWriter(task.target, model=model, source=task.name, rate=rate, overwrite=True)
            )
            sinks.append(lambda result: writer.write(result.flow, time=result.time))
        else:
            folder = stack.enter_context(atomic_folder(task.target, overwrite=True))
            sinks.append(
                lambda result: write_flow(folder / f"{result.index:06d}.{choices.format}", result.flow)
            )

        def write(result: FlowResult) -> None:
            for sink in sinks:
                sink(result)

        yield write


@contextmanager
def _pictures(target: Path, max_flow: float, source: FrameSource, rate: Fraction) -> Iterator[Sink]:
    with atomic_file(target, overwrite=True) as partial, ExitStack() as stack:
        # Made with the first frame: only then does the source know the shape of its pixels.
        writer = cache(
            lambda: stack.enter_context(
                VideoWriter(partial, rate=rate, time_base=source.time_base, pixel_aspect=source.pixel_aspect)
            )
        )

        def draw(result: FlowResult) -> None:
            picture = flow_to_rgb(result.flow, max_flow, beyond="clip")
            # Exact again: it was so many units of that base.
            writer().write(picture, round(Fraction(result.time) / source.time_base))

        yield draw
