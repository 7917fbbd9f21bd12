"""Where this package keeps what it can make again."""

import os
from pathlib import Path


def user_cache(name: str) -> Path:
    """A folder of the user's cache, which need not exist: ``XDG_CACHE_HOME``, else ``~/.cache``.

    Args:
        name: What is kept there.
    """
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A relative path is to be ignored, says the XDG base directory specification.
    return (chosen if chosen.is_absolute() else Path.home() / ".cache") / "dinoflow-deploy" / name
