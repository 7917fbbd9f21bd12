"""A target in one module, and the backend that runs it: a file by which an engine multiplies all flow."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any, ClassVar

import numpy as np

from dinoflow_deploy.bundles.artefact import ArtefactInfo
from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.manifest import Manifest
from dinoflow_deploy.engines.backend import Backend
from dinoflow_deploy.engines.base import EngineDescription, FlowEngine
from dinoflow_deploy.engines.kinds import Kind
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.draft import Draft
from dinoflow_deploy.export.key import sha256_of
from dinoflow_deploy.export.option import Option, decisive, option, setting
from dinoflow_deploy.export.report import ArtefactReport
from dinoflow_deploy.export.target import Maker, OnnxFacts, SharedOptions, Target
from dinoflow_deploy.progress import Progress


@dataclass(frozen=True, slots=True)
class ToyOptions:
    factor: float = option(1.0, Option("--toy-factor", "What all flow is multiplied by.", metavar="X"))
    colour: str = option("red", Option("--toy-colour", "Of the toy.", choices=("red", "blue")))
    hurry: bool = option(
        False, Option("--toy-hurry", "Make it quickly."), outside_key="it changes how long making it takes"
    )
    verify: bool = setting(True, outside_key="comparing changes nothing")

    def __post_init__(self) -> None:
        if self.factor <= 0:
            raise InputError(f"the toy's factor {self.factor:g} is not above 0")

    @classmethod
    def from_command(cls, shared: SharedOptions, own: dict[str, Any]) -> "ToyOptions":
        return cls(verify=shared.verify, **own)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyInfo(ArtefactInfo):
    kind: ClassVar[str] = "toy"

    factor: float
    colour: str


class ToyEngine(FlowEngine):
    """Runs the ONNX file beside the toy, and multiplies."""

    def __init__(self, source: Any, *, device: str = "auto", convert_colors: bool = False) -> None:
        from dinoflow_deploy.engines.onnxruntime.engine import OnnxRuntimeEngine

        bundle = source if isinstance(source, Bundle) else Bundle.open(source)
        (self._info,) = bundle.manifest.all_of(ToyInfo)
        self._inner = OnnxRuntimeEngine(bundle, device="cpu")
        found = self._inner.describe()
        described = EngineDescription(
            model=found.model,
            backend="toy",
            device="cpu",
            provider=f"a {self._info.colour} toy",
            precision=found.precision,
            source=found.source,
            inputs=self._info.inputs,
        )
        super().__init__(described, convert_colors=convert_colors)

    def _run(self, images1: Any, images2: Any) -> Any:
        return self._inner._run(images1, images2) * np.float32(self._info.factor)


class ToyMaker(Maker):
    info: ClassVar[type[ArtefactInfo]] = ToyInfo
    file = "toy.json"
    made = 0

    def __init__(self, options: ToyOptions, onnx: OnnxFacts) -> None:
        self.options, self.onnx = options, onnx

    def make(self, draft: Draft, progress: Progress, cancel: Event) -> ArtefactReport:
        from dinoflow_deploy.export.parity import verify_artefact

        ToyMaker.made += 1
        written = draft.write(self.file, json.dumps({"colour": self.options.colour}).encode())
        info = self._info(draft.files[draft.manifest.onnx.file].sha256)
        draft.put(info)
        if self.options.verify:
            with ToyEngine(draft.bundle) as engine:
                verify_artefact(engine, draft, progress)
        not_run = None if self.options.verify else "--no-verify"
        return ArtefactReport(info=info, bytes=written.bytes, seconds=0.5, not_run=not_run)

    def differences(self, found: Manifest) -> Iterator[str]:
        info = self.found(found)
        if info is None:
            yield "it holds no toy"
        elif info.key != self._info(found.files[found.onnx.file].sha256).key:
            yield f"its toy is {info.colour} and multiplies by {info.factor:g}"

    def reused(self, bundle: Bundle) -> ArtefactReport:
        info = self.found(bundle.manifest)
        return ArtefactReport(info=info, bytes=bundle.manifest.files[self.file].bytes, reused=True)

    def _info(self, onnx_sha256: str) -> ToyInfo:
        return ToyInfo(
            file=self.file,
            inputs=self.onnx.inputs,
            tools={"toymaker": "1.0"},
            key=sha256_of({"options": decisive(self.options), "onnx": onnx_sha256}),
            parity=None,
            factor=self.options.factor,
            colour=self.options.colour,
        )


BACKEND = Backend(
    name="toy",
    title="Toy",
    runs=(Kind(ToyInfo.kind, "a toy"),),
    devices=("cpu",),
    engine=f"{__name__}:ToyEngine",
)
TOY = Target(
    name="toy",
    help="toy for one that multiplies",
    title="a toy",
    options=ToyOptions,
    panel="Toys",
    prepare=f"{__name__}:ToyMaker",
    batch="1",
)
