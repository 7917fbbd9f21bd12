"""What came of a run."""

from dataclasses import dataclass
from typing import Any

from dinoflow_deploy.extract.row import ClipRow


@dataclass(frozen=True, slots=True)
class ExtractReport:
    """The outcome of :func:`~dinoflow_deploy.extract.extract`.

    Attributes:
        output: The folder.
        clips: Clips that were named.
        done: Those whose flow was computed now.
        skipped: Those that were done before.
        failures: Those without flow: of this run, and of earlier ones if they were not tried again.
        pairs: Pairs of frames that were computed now, of clips that are done.
        seconds: How long it took.
        model: The model, as it was named.
        model_sha256: SHA-256 that stands for it.
        workers: How many worked, and where: ``"2 processes"``.
        interrupted: Whether the user ended it: clips are left over.
    """

    output: str
    clips: int
    done: int
    skipped: int
    failures: tuple[ClipRow, ...]
    pairs: int
    seconds: float
    model: str
    model_sha256: str
    workers: str
    interrupted: bool

    @property
    def pairs_per_second(self) -> float:
        """Pairs per second, loading the engine included."""
        return self.pairs / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        failures = [{"path": row.path, "error": row.error} for row in self.failures]
        return {
            "output": self.output,
            "clips": self.clips,
            "done": self.done,
            "skipped": self.skipped,
            "failed": len(failures),
            "left": self.clips - self.done - self.skipped - len(failures),
            "pairs": self.pairs,
            "seconds": self.seconds,
            "pairs_per_second": self.pairs_per_second,
            "model": self.model,
            "model_sha256": self.model_sha256,
            "workers": self.workers,
            "interrupted": self.interrupted,
            "failures": failures,
        }
