"""What came of building a plan."""

from dataclasses import dataclass

from dinoflow_deploy.bundles.bundle import PlanInfo
from dinoflow_deploy.export.parity import ParityRow
from dinoflow_deploy.export.plugin.correlation_choice import Door


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What came of building a plan.

    Attributes:
        plan: What the manifest says of it.
        door: What computes the local correlation, and why.
        bytes: Its size.
        seconds: Time that the build took.
        layers: Number of layers by the type that they give, before TensorRT fuses any.
        warnings: What TensorRT warned of, each once.
        parity: Difference to the reference at each shape that was compared.
        not_run: Why the plan was not run and compared; ``None`` where it was.
        reused: Whether it was there already, with the same key. Then it was not built, and ``seconds``,
            ``layers``, ``warnings`` and ``parity`` are empty.
    """

    plan: PlanInfo
    door: Door
    bytes: int
    seconds: float = 0.0
    layers: dict[str, int] | None = None
    warnings: tuple[str, ...] = ()
    parity: tuple[ParityRow, ...] = ()
    not_run: str | None = None
    reused: bool = False
