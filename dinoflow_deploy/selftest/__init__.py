"""Whether everything works on this machine: exports, builds, compares and measures, case by case."""

from dinoflow_deploy.selftest.cases import Case, SelfTestOptions
from dinoflow_deploy.selftest.results import CaseResult, SelfTestResult
from dinoflow_deploy.selftest.run import run_selftest

__all__ = ["Case", "CaseResult", "SelfTestOptions", "SelfTestResult", "run_selftest"]
