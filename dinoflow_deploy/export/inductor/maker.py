"""The target inductor: a package of PyTorch's ahead-of-time compiler."""

import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Event
from typing import Any, ClassVar, Final

from dinoflow_deploy.bundles.artefact import ArtefactInfo
from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.bundles.manifest import Manifest
from dinoflow_deploy.engines.inductor.engine import InductorEngine
from dinoflow_deploy.engines.inductor.package_info import PACKAGE_NAME, PackageInfo
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.draft import Draft
from dinoflow_deploy.export.inductor.compilation import compile_model
from dinoflow_deploy.export.inductor.options import PackageOptions
from dinoflow_deploy.export.inductor.program import Form
from dinoflow_deploy.export.inductor.report import PackageReport
from dinoflow_deploy.export.inductor.toolchain import Toolchain, find_toolchain
from dinoflow_deploy.export.key import code_sha256, sha256_of
from dinoflow_deploy.export.option import decisive
from dinoflow_deploy.export.parity import verify_artefact
from dinoflow_deploy.export.report import ParityRow
from dinoflow_deploy.export.target import Maker, OnnxFacts
from dinoflow_deploy.progress import Progress

_SOURCES: Final = ("export/inductor", "export/kernels", "export/lowering.py", "train/model")
"""Files and folders of this package whose code decides what is compiled."""


def prepare(options: PackageOptions, onnx: OnnxFacts) -> "PackageMaker":
    """Refuse what can be refused before anything is traced: the source, shapes, packages and the machine.

    Raises:
        InputError: The source is a bundle, or the shapes are not among those of the ONNX file.
        MissingPackageError, ExportError, DeviceError: As ``find_toolchain``.
    """
    if onnx.is_reference:
        raise InputError(
            "a package is compiled from weights, which a bundle does not hold: give as --model what it was "
            "exported from, a model's name or its .safetensors file"
        )
    return PackageMaker(
        options, options.shapes.within(onnx.inputs, "package"), find_toolchain(options.device)
    )


class PackageMaker(Maker):
    """Compiles a package.

    Args:
        options: What was asked for.
        inputs: Shapes that it will take.
        toolchain: What compiles it, and for what.
    """

    info: ClassVar[type[ArtefactInfo]] = PackageInfo

    def __init__(self, options: PackageOptions, inputs: InputRange, toolchain: Toolchain) -> None:
        self._options = options
        self._inputs = inputs
        self._toolchain = toolchain

    @property
    def file(self) -> str:
        """Name of the package."""
        return PACKAGE_NAME

    def make(self, draft: Draft, progress: Progress, cancel: Event) -> PackageReport:
        """Compile it, and run it."""
        progress.note(f"compiling a package for {self._toolchain.title}: {self._inputs}")
        began = time.monotonic()
        size = draft.write(self.file, self._compiled(draft, progress, cancel)).bytes
        seconds = time.monotonic() - began
        info = self._info(draft.manifest)
        rows: list[ParityRow] = []
        draft.put(info)
        if self._options.verify:
            with InductorEngine(draft.bundle) as engine:
                parity, rows = verify_artefact(engine, draft, progress)
            info = replace(info, parity=parity)
            draft.put(info)
        return PackageReport(
            info=info, bytes=size, seconds=seconds, parity=tuple(rows), not_run=self._not_run(info)
        )

    def differences(self, found: Manifest) -> Iterator[str]:
        """How a bundle's package differs from the one that would be compiled."""
        info: PackageInfo | None = self.found(found)
        if info is None:
            yield "it holds no package of PyTorch's compiler"
            return
        wanted = self._known()
        differing = [name for name, value in wanted.items() if getattr(info, name) != value]
        for name in differing:
            old, new = _text(getattr(info, name)), _text(wanted[name])
            yield f"its package has {name.replace('_', ' ')} {old}, not {new}"
        if not differing and info.key != self._key(found):
            yield "its package was compiled by another state of this package"
        if self._options.verify and info.parity is None:
            yield "its package was not verified"

    def reused(self, bundle: Bundle) -> PackageReport:
        """The report of a package that was not compiled."""
        info: PackageInfo = self.found(bundle.manifest)
        size = bundle.manifest.files[info.file].bytes
        return PackageReport(info=info, bytes=size, not_run=self._not_run(info), reused=True)

    def _compiled(self, draft: Draft, progress: Progress, cancel: Event) -> bytes:
        assert draft.weights is not None, "refused before"
        progress.start("compiling, which takes minutes", None, "")
        form = Form(
            draft.precision,
            self._inputs,
            draft.manifest.onnx.model_input,
            self._toolchain.machine.device,
        )
        compiled = compile_model(draft.weights, form, self._toolchain, cancel)
        progress.finish()
        return compiled

    def _known(self) -> dict[str, Any]:
        """What the manifest will say of the package, as far as it is known before it is compiled."""
        machine = self._toolchain.machine
        return {
            "device": machine.device,
            "torch": machine.torch,
            "compute_capability": machine.compute_capability,
            "gpu": self._toolchain.gpu,
            "processor": machine.processor,
            "extensions": machine.extensions,
            "inputs": self._inputs,
        }

    def _info(self, manifest: Manifest) -> PackageInfo:
        return PackageInfo(
            file=self.file,
            tools={},
            key=self._key(manifest),
            parity=None,
            model_input=manifest.onnx.model_input,
            **self._known(),
        )

    def _key(self, manifest: Manifest) -> str:
        """Over everything that decides the package; weights and precision are in the ONNX file."""
        known = {
            "onnx": manifest.files[manifest.onnx.file].sha256,
            "options": decisive(self._options),
            "code": code_sha256(_SOURCES),
        }
        return sha256_of(known | self._known())

    def _not_run(self, info: PackageInfo) -> str | None:
        return "--no-verify" if info.parity is None else None


def _text(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
