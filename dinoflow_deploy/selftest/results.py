"""What a self-test found, and its JSON form."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from dinoflow_deploy.bench.results import SpeedResult
from dinoflow_deploy.bundles.parity import Parity
from dinoflow_deploy.selftest.cases import Case

FORMAT: Final = 1
OUTCOMES: Final = ("passed", "failed", "skipped")


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one case.

    Attributes:
        case: Which.
        outcome: ``"passed"``, ``"failed"`` or ``"skipped"``.
        reason: Why it failed or was skipped.
        command: The export or build, as it can be typed; empty where nothing was exported.
        seconds: The export or build took, tracing and comparing included.
        model_bytes: Length of what is run: the plan, or the ONNX file.
        parity: Difference to PyTorch in float32 on the CPU.
        speed: The engine, then with a CUDA graph where it has one shape.
    """

    case: Case
    outcome: str
    reason: str = ""
    command: str = ""
    seconds: float | None = None
    model_bytes: int | None = None
    parity: Parity | None = None
    speed: tuple[SpeedResult, ...] = ()


@dataclass(frozen=True, slots=True)
class SelfTestResult:
    """What a whole run found.

    Attributes:
        environment: Machine and versions.
        settings: What was asked for.
        results: One for each case.
        partial: Whether the run was interrupted.
        format: Version of this form.
    """

    environment: dict[str, Any]
    settings: dict[str, Any]
    results: tuple[CaseResult, ...] = field(default=())
    partial: bool = False
    format: int = FORMAT

    @property
    def counts(self) -> dict[str, int]:
        """How many cases passed, failed, and were skipped."""
        counted = Counter(result.outcome for result in self.results)
        return {outcome: counted[outcome] for outcome in OUTCOMES}

    @property
    def nothing_tried(self) -> bool:
        """Whether it ran to its end and every case was skipped, which is no success."""
        return not self.partial and self.counts["passed"] + self.counts["failed"] == 0

    def to_json(self) -> str:
        """The result as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"
