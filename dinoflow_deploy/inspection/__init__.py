"""What an artefact is: a bundle, an ONNX file, a TensorRT plan or a model's weights, without running it.

``inspect_artifact(path)`` gives a ``Report``; ``report_lines(report)`` says the same to a person. No torch is
needed, ``onnx`` only for what stands in a graph, TensorRT only for the layers of a plan.
"""

from dinoflow_deploy.inspection.artifact import inspect_artifact
from dinoflow_deploy.inspection.report import Report
from dinoflow_deploy.inspection.text import report_lines

__all__ = ["Report", "inspect_artifact", "report_lines"]
