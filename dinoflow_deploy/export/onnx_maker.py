"""The ONNX file of a bundle, from PyTorch."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from threading import Event
from typing import Any, ClassVar, Final

import onnx

import dinoflow_deploy
from dinoflow_deploy.bundles.artefact import ArtefactInfo
from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.manifest import Manifest, ModelInfo
from dinoflow_deploy.bundles.onnx_info import ONNX_NAME, OnnxInfo, OperatorInfo
from dinoflow_deploy.export.cpu_engine import EMULATED, cpu_engine, further_engines
from dinoflow_deploy.export.draft import Draft
from dinoflow_deploy.export.graph.onnx_model import export_onnx
from dinoflow_deploy.export.key import VERIFIERS, with_key
from dinoflow_deploy.export.onnx_report import OnnxReport
from dinoflow_deploy.export.options import ExportOptions
from dinoflow_deploy.export.parity import verify_artefact
from dinoflow_deploy.export.report import ParityRow
from dinoflow_deploy.export.reuse import info_differences, model_differences
from dinoflow_deploy.export.target import Maker
from dinoflow_deploy.progress import Progress
from dinoflow_deploy.train.model import FlowModel, model_sha256

_TOOLS: Final = ("torch", "onnx", "onnxscript", "onnx-ir")


def model_info(model: FlowModel) -> ModelInfo:
    """What a manifest says of a model."""
    return ModelInfo(model.config.name, model_sha256(model), model.config.to_dict())


def _verified(info: OnnxInfo, draft: Draft, progress: Progress) -> tuple[OnnxInfo, list[ParityRow]]:
    """What is known of a file once it was run, and the first engine's differences by shape."""
    with cpu_engine(draft.bundle) as engine:
        parity, rows = verify_artefact(engine, draft, progress)
    if draft.precision == "bf16":
        parity = replace(parity, engine=parity.engine + EMULATED)
    further = tuple(verify_artefact(engine, draft, progress)[0] for engine in further_engines(draft.bundle))
    ran = {each.engine.split()[0] for each in (parity, *further)}
    tools = info.tools | {name: version(name) for name in VERIFIERS if name in ran}
    return replace(info, parity=parity, further_parity=further, tools=tools), rows


@dataclass(frozen=True, slots=True)
class OnnxMaker(Maker):
    """Exports a model.

    Attributes:
        model: The model.
        described: What a manifest says of it.
        options: What to export it as.
    """

    info: ClassVar[type[ArtefactInfo]] = OnnxInfo

    model: FlowModel
    described: ModelInfo
    options: ExportOptions

    @property
    def file(self) -> str:
        """Name of the file."""
        return ONNX_NAME

    def make(self, draft: Draft, progress: Progress, cancel: Event) -> OnnxReport:
        """Trace the model, write the file, and run it on the CPU."""
        del cancel
        progress.note(f"exporting {self.described.name}: {self.options.precision}, {self.options.inputs}")
        exported = export_onnx(self.model, self.options, progress)
        written = draft.write(self.file, exported.SerializeToString(deterministic=True))
        info = with_key(self._info(), self.described, self.options, written.sha256)
        rows: list[ParityRow] = []
        draft.put(info)
        if self.options.verify:
            info, rows = _verified(info, draft, progress)
            draft.put(info)
        nodes = len(exported.graph.node)
        return OnnxReport(
            info=info,
            bytes=written.bytes,
            model=draft.model,
            precision=draft.precision,
            nodes=nodes,
            parity=tuple(rows),
        )

    def differences(self, found: Manifest) -> Iterator[str]:
        """How a bundle's model and ONNX file differ from what an export would write."""
        wanted = self._info()
        differing = [
            *model_differences(found, self.described, self.options.precision),
            *info_differences(found.onnx, wanted),
        ]
        yield from differing
        if found.onnx.key is None:
            yield "it was exported before bundles had keys, so that nobody knows whether it would be the same"
        elif not differing and found.onnx.key != self._key(found, wanted):
            yield f"its {self.file} was exported by another state of this package, or changed afterwards"
        if self.options.verify and found.onnx.parity is None:
            yield f"its {self.file} was not verified"

    def reused(self, bundle: Bundle) -> OnnxReport:
        """The report of a file that was not exported again."""
        nodes = len(onnx.load(bundle.onnx_path).graph.node)
        return replace(OnnxReport.of(bundle.manifest), nodes=nodes, reused=True)

    def _key(self, found: Manifest, wanted: OnnxInfo) -> str | None:
        return with_key(wanted, self.described, self.options, found.files[found.onnx.file].sha256).key

    def _info(self) -> OnnxInfo:
        """What the manifest will say of the file, but for what comes of it."""
        tools: dict[str, Any] = {"dinoflow-deploy": dinoflow_deploy.__version__}
        return OnnxInfo(
            file=self.file,
            inputs=self.options.inputs,
            tools=tools | {name: version(name) for name in _TOOLS},
            key=None,
            parity=None,
            opset=self.options.opset,
            operator=OperatorInfo(radius=self.model.config.head_config.radius, inline=self.options.plain),
            model_input=self.options.model_input,
        )
