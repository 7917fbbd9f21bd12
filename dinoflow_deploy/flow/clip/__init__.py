"""The flow of a clip in one video file: Matroska, FFV1, 16-bit grey.

``docs/flow-video.md`` specifies it, for readers without this package.
"""
