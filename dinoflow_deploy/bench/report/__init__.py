"""One self-contained HTML page of a benchmark."""

from dinoflow_deploy.bench.report.page import PAGE_NAME, Report

__all__ = ["PAGE_NAME", "Report"]
