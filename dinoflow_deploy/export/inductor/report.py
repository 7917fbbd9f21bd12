"""What came of compiling a package."""

from dataclasses import dataclass

from dinoflow_deploy.engines.inductor.package_info import PackageInfo
from dinoflow_deploy.export.report import ArtefactReport, Lines, parity_lines, shapes_text


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageReport(ArtefactReport):
    """What came of compiling a package.

    Attributes:
        info: What the manifest says of it.
    """

    info: PackageInfo

    def lines(self) -> Lines:
        """What it is: file, torch, machine, shapes, parity."""
        info = self.info
        yield "package", f"{info.file}, {self.bytes / 1e6:.1f} MB, {self.origin}"
        yield "", f"AOTInductor of torch {info.torch}, {self._machine()}"
        yield "", shapes_text(info.inputs)
        yield from parity_lines(info.parity, self.parity, f"package not run: {self.not_run}")

    def next_command(self, bundle: str) -> str:
        """Run it."""
        return f"dinoflow-deploy video in.mp4 --model {bundle} --backend inductor"

    def _machine(self) -> str:
        info = self.info
        if info.gpu is None:
            return f"for the CPU, as {info.processor}"
        return f"for compute capability {info.compute_capability}, on {info.gpu}, with {info.processor}"
