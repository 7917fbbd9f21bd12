from pathlib import Path

import pytest

from dinoflow_deploy.system.user_cache import user_cache


def test_lies_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache("plugins") == tmp_path / "dinoflow-deploy" / "plugins"
    assert not user_cache("plugins").exists()


@pytest.mark.parametrize("chosen", ["", "relative"])
def test_lies_at_home_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chosen: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", chosen)
    assert user_cache("plugins") == tmp_path / ".cache" / "dinoflow-deploy" / "plugins"
