"""Empty libraries in place of TensorRT's, which need a GPU: enough for its Python bindings to be imported."""

import subprocess
from pathlib import Path

ENTRY_POINTS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
"""What the bindings link to; each gives a null pointer, so nothing of TensorRT can be made."""
LIBRARIES = ("libnvinfer.so", "libnvinfer_plugin.so", "libnvonnxparser.so")


def compile_stubs(compiler: str, folder: Path, major: int) -> None:
    """Write the libraries of a major version into a folder."""
    source = folder / "stub.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in ENTRY_POINTS))
    for library in LIBRARIES:
        command = [compiler, "-shared", "-fPIC", "-o", folder / f"{library}.{major}", source]
        subprocess.run(command, check=True, capture_output=True, text=True)
