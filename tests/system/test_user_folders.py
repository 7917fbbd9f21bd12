import pwd
from pathlib import Path

import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.system.user_folders import expand_home, user_cache


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~", "/homes/me"),
        ("~/frames/*.png", "/homes/me/frames/*.png"),
        ("./~", "./~"),
        ("./~/x", "./~/x"),
        ("a~", "a~"),
        ("a/~/b", "a/~/b"),
        ("rtsp://camera/~/x", "rtsp://camera/~/x"),
        ("hub:owner/name", "hub:owner/name"),
        ("", ""),
    ],
)
def test_a_tilde_at_the_start_is_the_home_folder(text: str, expected: str, monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/homes/me")
    assert expand_home(text) == expected


def test_users_are_those_of_the_system(monkeypatch) -> None:
    someone = pwd.getpwall()[-1]
    assert expand_home(f"~{someone.pw_name}/x") == str(Path(someone.pw_dir) / "x")
    monkeypatch.delenv("HOME")
    assert expand_home("~/x").endswith("/x")
    with pytest.raises(InputError, match=r"~no-such-user/x: there is no user 'no-such-user'; .*\./~no-such"):
        expand_home("~no-such-user/x")


def test_the_cache_lies_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache("plugins") == tmp_path / "dinoflow-deploy" / "plugins"
    assert not user_cache("plugins").exists()


@pytest.mark.parametrize("chosen", ["", "relative"])
def test_the_cache_lies_at_home_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chosen: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", chosen)
    assert user_cache("plugins") == tmp_path / ".cache" / "dinoflow-deploy" / "plugins"
