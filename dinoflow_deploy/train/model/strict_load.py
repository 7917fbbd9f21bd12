"""Loading a state dict whole, or refusing it with the list of what does not fit."""

from torch import Tensor, nn

from dinoflow_deploy.errors import ModelError

_LISTED = 12


def load_strictly(module: nn.Module, tensors: dict[str, Tensor], source: str, advice: str = "") -> None:
    """Load every tensor of a module.

    Args:
        module: Receives the values; left untouched when anything does not fit.
        tensors: Values by name.
        source: Where they come from, for the message.
        advice: What the message ends with.

    Raises:
        ModelError: Names are missing or unexpected, or shapes differ; the message lists them.
    """
    expected = module.state_dict()
    missing = sorted(expected.keys() - tensors.keys() - _counters(expected))
    unexpected = sorted(tensors.keys() - expected.keys())
    reshaped = [
        f"{name} {tuple(tensors[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & tensors.keys())
        if tensors[name].shape != expected[name].shape
    ]
    if missing or unexpected or reshaped:
        parts = [
            _listing("missing", missing),
            _listing("unexpected", unexpected),
            _listing("of another shape", reshaped),
        ]
        listed = "; ".join(part for part in parts if part)
        raise ModelError(f"{source} does not fit {type(module).__name__}: {listed}. {advice}".rstrip())
    # The only names still absent are BatchNorm's counters, which inference does not read.
    module.load_state_dict(tensors, strict=False)


def _counters(expected: dict[str, Tensor]) -> set[str]:
    return {name for name in expected if name.endswith(".num_batches_tracked")}


def _listing(label: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{len(names)} {label} ({', '.join(names[:_LISTED])}{more})"
