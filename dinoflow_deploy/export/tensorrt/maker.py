"""The target TensorRT: a plan of a bundle's ONNX file."""

import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Event
from typing import Any, ClassVar

from dinoflow_deploy.bundles.artefact import ArtefactInfo
from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.manifest import Manifest
from dinoflow_deploy.engines.tensorrt.engine import TensorRTEngine
from dinoflow_deploy.export.draft import Draft
from dinoflow_deploy.export.parity import verify_artefact
from dinoflow_deploy.export.report import ParityRow
from dinoflow_deploy.export.target import Maker, OnnxFacts
from dinoflow_deploy.export.tensorrt import preparation
from dinoflow_deploy.export.tensorrt.build import BuiltPlan, build_plan
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.tensorrt.preparation import Preparation
from dinoflow_deploy.export.tensorrt.report import PlanReport
from dinoflow_deploy.progress import Progress
from dinoflow_deploy.tensorrt.plan_info import PlanInfo


def prepare(options: PlanOptions, onnx: OnnxFacts) -> "PlanMaker":
    """Refuse what can be refused before a plan is built.

    Raises:
        InputError, MissingPackageError, DeviceError, EngineError, ExportError: As ``preparation.prepare``.
    """
    return PlanMaker(preparation.prepare(options, onnx))


class PlanMaker(Maker):
    """Builds a plan."""

    info: ClassVar[type[ArtefactInfo]] = PlanInfo

    def __init__(self, prepared: Preparation) -> None:
        self._prepared = prepared

    @property
    def file(self) -> str:
        """Name of the plan of this flavour."""
        return self._prepared.toolchain.flavour.plan_name

    def make(self, draft: Draft, progress: Progress, cancel: Event) -> PlanReport:
        """Build it, and run it where this machine can."""
        prepared = self._prepared
        progress.note(f"building a plan with {prepared.toolchain.title}: {prepared.inputs}")
        began = time.monotonic()
        built = build_plan(draft.bundle.onnx_path, prepared, progress, cancel)
        seconds = time.monotonic() - began
        size = draft.write(self.file, built.content).bytes
        info = self._info(built, draft)
        rows: list[ParityRow] = []
        draft.put(info)
        if prepared.not_run_reason is None:
            with TensorRTEngine(draft.bundle, flavour=info.flavour) as engine:
                parity, rows = verify_artefact(engine, draft, progress)
            info = replace(info, parity=parity)
            draft.put(info)
        return PlanReport(
            info=info,
            bytes=size,
            seconds=seconds,
            plugin=prepared.plugin,
            layers=built.layers,
            warnings=built.warnings,
            parity=tuple(rows),
            not_run=prepared.not_run_reason,
        )

    def differences(self, found: Manifest) -> Iterator[str]:
        """How a bundle's plan differs from the one that would be built."""
        info: PlanInfo | None = self.found(found)
        if info is None:
            yield f"it holds no plan for {self._prepared.toolchain.flavour.title}"
            return
        wanted = self._known()
        differing = [name for name, value in wanted.items() if getattr(info, name) != value]
        for name in differing:
            old, new = _text(getattr(info, name)), _text(wanted[name])
            yield f"its plan has {name.replace('_', ' ')} {old}, not {new}"
        if not differing and info.key != self._prepared.key(found.files[found.onnx.file].sha256):
            yield (
                "its plan has another optimization level or workspace, another build of the plugin, or was "
                "built by another release of this package"
            )
        if self._prepared.not_run_reason is None and info.parity is None:
            yield "its plan was not verified"

    def reused(self, bundle: Bundle) -> PlanReport:
        """The report of a plan that was not built."""
        info: PlanInfo = self.found(bundle.manifest)
        return PlanReport(
            info=info,
            bytes=bundle.manifest.files[info.file].bytes,
            plugin=self._prepared.plugin,
            not_run=self._prepared.not_run_reason if info.parity is None else None,
            reused=True,
        )

    def _known(self) -> dict[str, Any]:
        """What the manifest will say of the plan, as far as it is known before it is built."""
        toolchain = self._prepared.toolchain
        return {
            "version": toolchain.version,
            "compute_capabilities": toolchain.compute_capabilities,
            "gpu": toolchain.gpu.name if toolchain.gpu else None,
            "inputs": self._prepared.inputs,
            "plugin": self._prepared.plugin.name,
            "hardware_compatibility": self._prepared.options.hardware_compatibility,
        }

    def _info(self, built: BuiltPlan, draft: Draft) -> PlanInfo:
        gpu, onnx = self._prepared.toolchain.gpu, draft.manifest.onnx
        return PlanInfo(
            file=self.file,
            flavour=self._prepared.toolchain.flavour.name,
            driver=gpu.driver if gpu else None,
            optimization_level=built.optimization_level,
            tools={},
            key=self._prepared.key(draft.files[onnx.file].sha256),
            parity=None,
            **self._known(),
        )


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
