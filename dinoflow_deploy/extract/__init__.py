"""The flow of many clips: found, shared out to workers, written with a manifest, resumed.

    from dinoflow_deploy.extract import FlowChoices, extract

    report = extract(["videos/"], Path("flow/"), choices=FlowChoices(max_side=512))

Importing this package is cheap: what decodes and computes is loaded when first used.
"""

from typing import TYPE_CHECKING

from dinoflow_deploy.lazy import lazy_names

if TYPE_CHECKING:
    from dinoflow_deploy.extract.choices import FlowChoices
    from dinoflow_deploy.extract.engine_choice import EngineChoice
    from dinoflow_deploy.extract.report import ExtractReport
    from dinoflow_deploy.extract.row import ClipRow
    from dinoflow_deploy.extract.run import extract

__all__ = ["ClipRow", "EngineChoice", "ExtractReport", "FlowChoices", "extract"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ClipRow": "extract.row",
        "EngineChoice": "extract.engine_choice",
        "ExtractReport": "extract.report",
        "FlowChoices": "extract.choices",
        "extract": "extract.run",
    },
)
