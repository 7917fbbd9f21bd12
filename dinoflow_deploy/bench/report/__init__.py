"""One self-contained HTML page of a benchmark."""

from dinoflow_deploy.bench.report.page import Report, report_path

__all__ = ["Report", "report_path"]
