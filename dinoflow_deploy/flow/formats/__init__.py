"""One file per flow format: ``decode(bytes) -> flow`` and, where we write it, ``encode(flow) -> bytes``.

Flow here is float32 ``[H, W, 2]`` in pixels. ``encode`` takes NaN for unknown pixels; ``decode`` gives
whatever the file holds, NaN where the format has a mask. ``decode`` raises FileFormatError with what is wrong
with the bytes; the caller adds the file's name.
"""
