import subprocess
import sys

from tests.small_bundles import WriteOnnx


def run_python(code: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_packages_without_torch_import_neither_it_nor_a_runtime() -> None:
    code = (
        "import sys, dinoflow_deploy, dinoflow_deploy.engines, dinoflow_deploy.flow, dinoflow_deploy.video\n"
        "print({'torch', 'onnxruntime', 'onnx'} & set(sys.modules))"
    )
    assert run_python(code) == "set()"


def test_running_an_onnx_file_imports_no_torch(write_onnx: WriteOnnx) -> None:
    code = (
        "import sys, numpy\n"
        "from dinoflow_deploy import load_engine\n"
        "frame = numpy.zeros((64, 64, 3), numpy.uint8)\n"
        "with load_engine(sys.argv[1]) as engine:\n"
        "    engine(frame, frame)\n"
        "print({'torch', 'onnx', 'safetensors'} & set(sys.modules))"
    )
    assert run_python(code, str(write_onnx())) == "set()"
