"""A line of the manifest: what there is to know of a clip."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from dinoflow_deploy.system.dataclass_reader import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRow:
    """A clip whose flow was computed, or why it was not.

    Attributes:
        path: The clip.
        name: Its place within what was named, which is that of its flow in the folder.
        error: Why there is no flow; ``None`` where there is.
        source_files: Files that the clip is, when it was read: 1, or the images of a folder.
        source_bytes: Their size.
        source_mtime_ns: When the last of them was changed, in ns.
        width: Of the flow, in pixels.
        height: Likewise.
        frames: Frames used.
        pairs: Pairs of them, and so fields of flow.
        seconds: Time of the last frame used that a field begins at, from the first.
        flow_mean: Mean length of the flow, in pixels.
        flow_p99: 99th percentile of its length, to 1/16 px, at most 4096.
        file: The flow: a file, or a folder of files; within the manifest's folder.
        file_bytes: Its size.
        file_sha256: SHA-256 of the file; of a folder, that of a line ``SHA-256  NAME`` for each file.
        rgb_file: The pictures, where they were asked for.
        model: Name of the model.
        model_sha256: SHA-256 that stands for it.
        backend: What computed it.
        device: On what.
        precision: In what.
        compute_seconds: How long that took.
    """

    path: str
    name: str
    error: str | None = None
    source_files: int | None = None
    source_bytes: int | None = None
    source_mtime_ns: int | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    pairs: int | None = None
    seconds: float | None = None
    flow_mean: float | None = None
    flow_p99: float | None = None
    file: str | None = None
    file_bytes: int | None = None
    file_sha256: str | None = None
    rgb_file: str | None = None
    model: str | None = None
    model_sha256: str | None = None
    backend: str | None = None
    device: str | None = None
    precision: str | None = None
    compute_seconds: float | None = None

    @property
    def done(self) -> bool:
        """Whether there is flow."""
        return self.error is None

    def to_json(self) -> str:
        """The row on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "ClipRow":
        """Read a line.

        Raises:
            FileFormatError: It is none.
            ValueError: It is no JSON.
        """
        values: Any = json.loads(text)
        return from_json(cls, values)
