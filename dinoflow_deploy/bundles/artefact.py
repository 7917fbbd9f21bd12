"""What a bundle says of each thing that runs: one entry for an ONNX file, one for each plan, and so on."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.bundles.parity import Parity
from dinoflow_deploy.system.dataclass_reader import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One file of a bundle that an engine runs, as its manifest lists it.

    Attributes:
        kind: What it is, for instance ``"onnx"`` or ``"plan"``.
        file: Its name in the bundle, which no other artefact has.
        inputs: Shapes that it takes; min, opt and max are equal where it is static.
        tools: Version of each package that took part, by name.
        key: SHA-256 over everything that decides the file: the same key gives the same file, which need not
            be made again. ``None`` in bundles of before there were keys.
        parity: Difference to the reference; ``None`` if it was not verified.
        details: What only this kind has, as JSON values.
    """

    kind: str
    file: str
    inputs: InputRange
    tools: dict[str, str]
    key: str | None
    parity: Parity | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactInfo:
    """An artefact whose kind is known: its details are fields of a subclass.

    Attributes:
        kind: The kind of every such artefact.
        file: As of ``Artefact``, and so are the following.
        inputs: Shapes that it takes.
        tools: Versions of packages.
        key: Of everything that decides the file.
        parity: Difference to the reference.
    """

    kind: ClassVar[str]

    file: str
    inputs: InputRange
    tools: dict[str, str]
    key: str | None
    parity: Parity | None

    @classmethod
    def of(cls, artefact: Artefact) -> Self:
        """Read an artefact of this kind.

        Raises:
            FileFormatError: One of its details is missing or wrong.
        """
        # What every artefact has was checked, and no detail of that name takes its place.
        info: Self = from_json(cls, artefact.details | asdict(artefact), f"artefacts.{artefact.file}")
        return info

    def artefact(self) -> Artefact:
        """The entry in a manifest."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        shared = {each.name: values.pop(each.name) for each in fields(ArtefactInfo)}
        # As it would be read again: JSON knows no tuples and no dataclasses.
        details = json.loads(json.dumps(values, default=asdict))
        return Artefact(kind=self.kind, details=details, **shared)
