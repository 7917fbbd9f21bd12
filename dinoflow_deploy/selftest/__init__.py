"""Whether everything works on this machine: exports, builds, compares and measures, case by case.

Heavy modules load when a name is first used.
"""

from typing import TYPE_CHECKING

from dinoflow_deploy.lazy import lazy_names

if TYPE_CHECKING:
    from dinoflow_deploy.selftest.cases import Case, SelfTestOptions
    from dinoflow_deploy.selftest.results import CaseResult, SelfTestResult
    from dinoflow_deploy.selftest.run import run_selftest

__all__ = ["Case", "CaseResult", "SelfTestOptions", "SelfTestResult", "run_selftest"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Case": "selftest.cases",
        "CaseResult": "selftest.results",
        "SelfTestOptions": "selftest.cases",
        "SelfTestResult": "selftest.results",
        "run_selftest": "selftest.run",
    },
)
