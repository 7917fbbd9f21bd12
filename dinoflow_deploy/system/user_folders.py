"""The user's folders: home, as ``~`` where no shell reads it (``--output=~/x``, a recipe), and the cache."""

import os
from pathlib import Path

from dinoflow_deploy.errors import InputError


def expand_home(path: str) -> str:
    """A path whose leading ``~`` or ``~user`` is replaced by the home folder.

    A file or folder whose own name begins with ``~`` is written ``./~name``.

    Args:
        path: What the user wrote. Not made from a ``Path``, which drops the ``./``.

    Raises:
        InputError: There is no such user.
    """
    expanded = os.path.expanduser(path)  # noqa: PTH111 - Path("./~") is Path("~")
    if path.startswith("~") and expanded == path:
        user = path.partition("/")[0]
        raise InputError(f"{path}: there is no user '{user[1:]}'; a file of that name is written ./{path}")
    return expanded


def user_cache(name: str) -> Path:
    """A folder of the user's cache, which need not exist: ``XDG_CACHE_HOME``, else ``~/.cache``.

    Args:
        name: What is kept there.
    """
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A relative path is to be ignored, says the XDG base directory specification.
    return (chosen if chosen.is_absolute() else Path.home() / ".cache") / "dinoflow-deploy" / name
