"""``~`` as shells read it, where no shell has: in ``--output=~/out.mp4``, in a recipe, in Python."""

import os

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
