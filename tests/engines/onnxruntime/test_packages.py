import pytest

from dinoflow_deploy.engines.onnxruntime import packages as onnx_packages

REQUIREMENTS = {"cpu": ["onnxruntime>=1"], "gpu": ["onnxruntime-gpu[cuda]>=1"]}


@pytest.mark.parametrize(
    ("installed", "fix"),
    [
        (
            {"onnxruntime": "1.32"},
            "pip uninstall --yes onnxruntime && pip install 'onnxruntime-gpu[cuda]>=1'",
        ),
        (
            {"onnxruntime": "1.32", "onnxruntime-gpu": "1.31"},
            "pip uninstall --yes onnxruntime onnxruntime-gpu && pip install 'onnxruntime-gpu[cuda]>=1'",
        ),
        ({"onnxruntime-gpu": "1.31"}, "pip install --upgrade 'onnxruntime-gpu[cuda]>=1'"),
    ],
)
def test_the_fix_fits_what_is_installed(
    installed: dict[str, str], fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name not in installed:
            raise onnx_packages.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(onnx_packages.metadata, "version", version)
    monkeypatch.setattr(onnx_packages, "requirements", lambda extra: REQUIREMENTS[extra])
    assert onnx_packages.installed_packages() == installed
    assert onnx_packages.cuda_fix() == fix


@pytest.mark.parametrize(
    ("installed", "command"),
    [
        ([], "pip install --force-reinstall 'onnxruntime>=1'"),
        (["onnxruntime"], "pip install --force-reinstall 'onnxruntime>=1'"),
        (["onnxruntime-gpu"], "pip install --force-reinstall 'onnxruntime-gpu[cuda]>=1'"),
        (
            ["onnxruntime", "onnxruntime-gpu"],
            "pip uninstall --yes onnxruntime onnxruntime-gpu && pip install 'onnxruntime-gpu[cuda]>=1'",
        ),
    ],
)
def test_a_repair_puts_no_second_package_beside_the_first(
    installed: list[str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_packages, "installed_packages", lambda: dict.fromkeys(installed, "1.31"))
    monkeypatch.setattr(onnx_packages, "requirements", lambda extra: REQUIREMENTS[extra])
    assert onnx_packages.repair() == command
