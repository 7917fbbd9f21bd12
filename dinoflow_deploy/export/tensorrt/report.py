"""What came of building a plan."""

from dataclasses import dataclass

from dinoflow_deploy.export.plugin.plugin_choice import PluginChoice
from dinoflow_deploy.export.report import ArtefactReport, Lines, parity_lines, shapes_text
from dinoflow_deploy.tensorrt.flavours import find_flavour
from dinoflow_deploy.tensorrt.plan_info import PlanInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport(ArtefactReport):
    """What came of building a plan.

    Attributes:
        info: What the manifest says of it.
        plugin: What computes the local correlation, and why.
        layers: Number of layers by the type that they give, before TensorRT fuses any; ``None`` where it was
            there already.
    """

    info: PlanInfo
    plugin: PluginChoice
    layers: dict[str, int] | None = None

    def lines(self) -> Lines:
        """What it is: file, TensorRT, machine, shapes, plugin, layers, parity."""
        info = self.info
        yield "plan", f"{info.file}, {self.bytes / 1e6:.1f} MB, {self.origin}"
        yield "", f"{find_flavour(info.flavour).title} {info.version}, {self._machine()}"
        yield "", shapes_text(info.inputs)
        yield "", f"optimization level {info.optimization_level}"
        yield "plugin", f"{info.plugin}: {self.plugin.reason}"
        if self.layers:
            counts = ", ".join(f"{count} {name}" for name, count in self.layers.items())
            yield "layers", f"{counts} (before TensorRT fuses them; other: integers and Booleans)"
        yield from parity_lines(info.parity, self.parity, f"plan not run: {self.not_run}")

    @property
    def warner(self) -> str:
        """What gave the warnings."""
        return "TensorRT"

    def next_command(self, bundle: str) -> str:
        """Run it, here or on a machine with such a GPU."""
        where = "" if self.info.gpu else ", on a machine with such a GPU"
        return f"dinoflow-deploy video in.mp4 --model {bundle} --backend tensorrt{where}"

    def _machine(self) -> str:
        info = self.info
        text = f"for compute capability {', '.join(info.compute_capabilities)}"
        if info.gpu is not None:
            text += f", built on {info.gpu} with driver {info.driver}"
        if info.hardware_compatibility != "none":
            text += f", hardware compatibility {info.hardware_compatibility}"
        return text
