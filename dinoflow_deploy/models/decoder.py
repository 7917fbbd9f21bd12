"""The size of a flow decoder."""

from dataclasses import dataclass

from dinoflow_deploy.errors import ModelError


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """Size of the flow decoder.

    Attributes:
        width: Channels of the trunk, a multiple of ``groups``.
        radius: Reach of the cost volume in cells of the stride-16 grid: (2 radius + 1)^2 displacements.
        groups: Channel groups of DySample, each with its own sampling offsets.
        output_widths: Channels of the two hidden layers of the output convolution.
    """

    width: int = 256
    radius: int = 4
    groups: int = 4
    output_widths: tuple[int, int] = (128, 32)

    def __post_init__(self) -> None:
        """Check the sizes against each other."""
        if not 1 <= self.radius <= 8:
            raise ModelError(f"radius is {self.radius}: it must be from 1 to 8")
        if self.width % self.groups:
            raise ModelError(f"width is {self.width}: it must be a multiple of groups = {self.groups}")
