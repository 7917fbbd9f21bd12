"""FFmpeg's filters on decoded frames, through PyAV."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction

import av
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame

from dinoflow_deploy.errors import InputError, VideoError

DEINTERLACE = ("auto", "on", "off")


class FilterGraph:
    """Filters for frames like the first one.

    Args:
        picture: A frame of the kind that will be pushed.
        link: Adds the filters to a graph, between its source and its sink.
        time_base: Seconds per unit of the frames' timestamps.

    Raises:
        av.error.FFmpegError: FFmpeg has no such filter or argument, or it cannot take these frames.
        ValueError: PyAV's way to say the same.
    """

    def __init__(
        self,
        picture: VideoFrame,
        link: Callable[[Graph, FilterContext, FilterContext], object],
        time_base: Fraction,
    ) -> None:
        self.kind = kind_of(picture)
        self._time_base = time_base
        self._graph = Graph()
        source = self._graph.add(
            "buffer",
            video_size=f"{picture.width}x{picture.height}",
            pix_fmt=picture.format.name,
            time_base=str(time_base),
            pixel_aspect="1/1",  # it does not matter to these filters
            colorspace=str(int(picture.colorspace)),
            range=str(int(picture.color_range)),
        )
        link(self._graph, source, self._graph.add("buffersink"))
        self._graph.configure()

    def push(self, picture: VideoFrame) -> Iterator[VideoFrame]:
        """Give a frame to the filters and take what they have ready."""
        picture.time_base = self._time_base
        self._graph.vpush(picture)
        yield from self._ready()

    def finish(self) -> Iterator[VideoFrame]:
        """Say that no more frames come and take those that are left."""
        self._graph.vpush(None)
        yield from self._ready()

    def _ready(self) -> Iterator[VideoFrame]:
        while True:
            try:
                picture = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if picture.pts is not None and picture.time_base is not None:
                # A filter may count in another unit.
                picture.pts = round(picture.pts * picture.time_base / self._time_base)
                picture.time_base = self._time_base
            yield picture


class FilterChain(FilterGraph):
    """Filters one after the other.

    Args:
        picture: As in :class:`FilterGraph`.
        filters: Name and arguments of each filter, in FFmpeg's syntax.
        time_base: Likewise.
    """

    def __init__(
        self, picture: VideoFrame, filters: Sequence[tuple[str, str]], time_base: Fraction = Fraction(1, 1000)
    ) -> None:
        super().__init__(
            picture,
            lambda graph, source, sink: graph.link_nodes(
                source, *(graph.add(*each) for each in filters), sink
            ),
            time_base,
        )


def kind_of(picture: VideoFrame) -> tuple[object, ...]:
    """What must be equal for frames to go through one chain."""
    return (
        *(picture.width, picture.height, picture.format.name),
        *(int(picture.colorspace), int(picture.color_range)),
    )


class Deinterlacer:
    """Makes full frames of interlaced ones by FFmpeg's ``bwdif``: one for each, at the same time.

    Args:
        mode: ``"auto"`` for the frames that are marked as interlaced, ``"on"`` for all, ``"off"`` for none.
        time_base: Seconds per unit of the frames' timestamps.

    Attributes:
        interlaced: Whether a frame was marked as interlaced.

    Raises:
        InputError: There is no such mode.
    """

    def __init__(self, mode: str, time_base: Fraction) -> None:
        if mode not in DEINTERLACE:
            raise InputError(f"deinterlace is '{mode}': choose one of {', '.join(DEINTERLACE)}")
        self.interlaced = False
        self._mode = mode
        self._time_base = time_base

    def apply(self, pictures: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """The frames, deinterlaced where the mode says so.

        Raises:
            VideoError: FFmpeg cannot deinterlace frames of this format.
        """
        chain: FilterChain | None = None
        for picture in pictures:
            self.interlaced = self.interlaced or picture.interlaced_frame
            if self._mode == "off" or (self._mode == "auto" and not self.interlaced):
                yield picture
                continue
            if chain is not None and chain.kind != kind_of(picture):
                yield from chain.finish()
                chain = None
            chain = chain or self._chain(picture)
            yield from chain.push(picture)
        if chain is not None:
            yield from chain.finish()

    def _chain(self, picture: VideoFrame) -> FilterChain:
        which = "all" if self._mode == "on" else "interlaced"
        try:
            return FilterChain(picture, [("bwdif", f"mode=send_frame:deint={which}")], self._time_base)
        except (av.error.FFmpegError, ValueError) as error:
            raise VideoError(
                f"frames of {picture.format.name} cannot be deinterlaced ({error}): set deinterlace to 'off'"
            ) from error

    def note(self) -> str | None:
        """What the user should know of what was done."""
        if self._mode == "on":
            return "every frame was deinterlaced (bwdif)"
        if not self.interlaced:
            return None
        if self._mode == "off":
            return "the clip is interlaced and was not deinterlaced: what moves is combed"
        return "the clip is interlaced: it was deinterlaced (bwdif); deinterlace 'off' leaves it as it is"
