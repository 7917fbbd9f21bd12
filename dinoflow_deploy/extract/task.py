"""What a worker is given: a clip, and where its flow goes."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Task:
    """A clip to compute.

    Attributes:
        path: The clip.
        name: Its place within what was named.
        folder: The manifest's folder, absolute.
        file: Its flow, within that.
        rgb_file: Its pictures, likewise; ``None`` where none are wanted.
    """

    path: str
    name: str
    folder: str
    file: str
    rgb_file: str | None

    @property
    def target(self) -> Path:
        """Where its flow goes."""
        return Path(self.folder, self.file)

    @property
    def rgb_target(self) -> Path | None:
        """Where its pictures go."""
        return None if self.rgb_file is None else Path(self.folder, self.rgb_file)

    def flow_bytes(self) -> int | None:
        """Size of its flow, of a folder that of its files; ``None`` where there is none."""
        try:
            if not self.target.is_dir():
                return self.target.stat().st_size
            return sum(file.stat().st_size for file in self.target.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return None

    def to_json(self) -> str:
        """The task as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Task":
        """Read what :meth:`to_json` wrote."""
        return cls(**json.loads(text))
