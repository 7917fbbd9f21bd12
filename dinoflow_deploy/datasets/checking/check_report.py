"""What a check of a data set found."""

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dinoflow_deploy.datasets.checking.pixel_totals import PixelTotals
from dinoflow_deploy.datasets.sample import FlowSample


@dataclass(slots=True)
class Fault:
    """What is wrong with a file.

    Attributes:
        kind: "missing", "damaged" or "size".
        message: Names the file and the fault.
        pairs: How many of the pairs that were read it spoils; 0 for a missing file.
    """

    kind: str
    message: str
    pairs: int = 0


@dataclass(slots=True)
class PartReport:
    """What was found in one part of a data set.

    Attributes:
        name: Of the part.
        published: Pairs in the complete data set; None where that is not known.
        pairs: Pairs whose files are all there.
        read: Pairs that were read, those with faults included.
        absent: Why the part could not be opened; empty where it could.
        faults: What is wrong, by message.
        without_truth: Names of pairs without a single valid pixel.
        sizes: How many of the pairs read without fault have which size, as "HEIGHTxWIDTH".
        totals: Over the pairs read without fault.
        notes: Of the data set.
        synthetic: Whether these are synthetic scenes in the data set's layout, which nothing is published of.
    """

    name: str
    published: int | None
    pairs: int = 0
    read: int = 0
    absent: str = ""
    faults: dict[str, Fault] = field(default_factory=dict)
    without_truth: list[str] = field(default_factory=list)
    sizes: Counter[str] = field(default_factory=Counter)
    totals: PixelTotals = field(default_factory=PixelTotals)
    notes: tuple[str, ...] = ()
    synthetic: bool = False

    def add_fault(self, kind: str, message: str, pairs: int = 1) -> None:
        """Note a fault; the same file's fault in another pair is the same fault."""
        self.faults.setdefault(message, Fault(kind, message)).pairs += pairs

    def add_sample(self, sample: FlowSample, totals: PixelTotals) -> None:
        """Count a sample without fault."""
        self.totals.add(totals)
        self.sizes["{}x{}".format(*sample.valid.shape)] += 1
        if not totals.valid:
            self.without_truth.append(sample.name)

    def to_dict(self) -> dict[str, Any]:
        """All of it for JSON."""
        flat = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        faults = [dataclasses.asdict(fault) for fault in self.faults.values()]
        return flat | {"faults": faults, "sizes": dict(self.sizes), "totals": self.totals.to_dict()}


@dataclass(slots=True)
class CheckReport:
    """What was found in a data set.

    Attributes:
        name: Of the data set.
        root: Folder that was checked.
        parts: One report for each part.
        ok: Whether nothing is wrong; missing files count unless they were allowed.
        samples: Some random samples, for a picture.
    """

    name: str
    root: str
    parts: list[PartReport]
    ok: bool
    samples: list[FlowSample]

    @property
    def synthetic(self) -> bool:
        """Whether a part of it is of synthetic scenes."""
        return any(part.synthetic for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """All of it but the samples, for JSON."""
        parts = [part.to_dict() for part in self.parts]
        return {
            "name": self.name,
            "root": self.root,
            "ok": self.ok,
            "synthetic": self.synthetic,
            "parts": parts,
        }
