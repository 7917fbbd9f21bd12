"""What is said of a model that is not there."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


def unknown_model(source: str, known: Mapping[str, Iterable[str]]) -> str:
    """The message for a name that is neither a file nor known.

    Args:
        source: What was asked for.
        known: Names of models by their kind, such as "built-in".
    """
    named = "; ".join(f"{kind}: {', '.join(names) or 'none'}" for kind, names in known.items())
    close = get_close_matches(source, [name for names in known.values() for name in names], n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"there is no file, folder or built-in model '{source}' ({named}){hint}"
