"""Which of a file's streams is read."""

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from dinoflow_deploy.errors import VideoError


def choose_stream(container: InputContainer, name: str) -> tuple[VideoStream, str | None]:
    """The video stream that the file marks as default, or else FFmpeg's own choice; never a cover picture.

    Args:
        container: An opened file.
        name: What the user called it.

    Returns:
        The stream, and a sentence that names the others if there are any.

    Raises:
        VideoError: There is none, or it cannot be decoded.
    """
    streams = [
        stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise VideoError(f"{name} has no video stream (it holds: {kinds})")
    marked = [stream for stream in streams if stream.disposition & Disposition.default]
    candidates = marked or streams
    # av_find_best_stream; it may choose a cover picture.
    best = container.streams.best("video")
    chosen = best if best in candidates else candidates[0]
    if chosen.codec_context is None or not chosen.codec_context.width:
        raise VideoError(
            f"{name} cannot be decoded: its header is damaged, or its codec is not known to FFmpeg"
        )
    others = [stream for stream in streams if stream is not chosen]
    if not others:
        return chosen, None
    why = "marked as default" if marked == [chosen] else "FFmpeg's choice"
    left_out = ", ".join(_describe(stream) for stream in others)
    return chosen, f"of {len(streams)} video streams, {_describe(chosen)} is read ({why}), not {left_out}"


def _describe(stream: VideoStream) -> str:
    if not stream.codec_context:  # the codec is not known to FFmpeg
        return f"stream {stream.index}"
    return f"stream {stream.index} ({stream.name}, {stream.width}x{stream.height})"
