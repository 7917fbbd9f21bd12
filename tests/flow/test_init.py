import subprocess
import sys


def test_flow_needs_neither_torch_nor_h5py() -> None:
    code = (
        "import sys, dinoflow_deploy.flow; "
        "print(sorted({'torch', 'h5py', 'onnxruntime', 'av'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
