"""The file of kernel timings that builds share.

The file holds TensorRT's own format and nothing else, so that other tools on the same machine can share it.
It is never lost in silence: a file that TensorRT does not take (another version, another GPU, damage) stops
the build before it starts, and nothing is written that is shorter than what is there.

A lock file beside it, ``FILE.lock``, keeps builds that run at once from reading half a file or from writing
over one another's timings: each reads the file again when it is done and adds its own.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from dinoflow_deploy.atomic import atomic_file, check_writable
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.tensorrt.toolchain import Toolchain
from dinoflow_deploy.system.locks import file_lock
from dinoflow_deploy.tensorrt.log import Log


def check_timing_cache(path: Path) -> None:
    """Refuse a path that could not be written when the build is done.

    Raises:
        InputError: It is no regular file, or its folder does not exist or is not to be written in.
    """
    if path.is_dir():
        raise InputError(f"the timing cache {path} is a folder: name a file")
    if path.exists() and not path.is_file():
        # A pipe or a device would be read without end.
        raise InputError(f"the timing cache {path} is no regular file: name one, which need not exist yet")
    check_writable(path)
    if not path.parent.is_dir():
        raise InputError(f"the timing cache {path} lies in no folder: create {path.parent} first")


def use_timing_cache(path: Path, config: Any, toolchain: Toolchain, log: Log) -> None:
    """Let a build start from what is known.

    Args:
        path: The file; it need not exist yet.
        config: TensorRT's builder configuration.
        toolchain: TensorRT and GPU.
        log: TensorRT's log.

    Raises:
        InputError: TensorRT does not take the file.
    """
    with _locked(path):
        content = path.read_bytes() if path.exists() else b""
    with log.listen() as messages:
        cache = config.create_timing_cache(content)
        # Timings of another GPU are refused too.
        taken = cache is not None and config.set_timing_cache(cache, False)
    said = [*messages.errors, *messages.warnings]
    if not taken or (content and said):
        raise InputError(
            f"the timing cache {path} is not of {toolchain.title} on this GPU: "
            f"{'; '.join(said) or 'not taken'}. Pass another file, or delete this one if nothing else uses it"
        )


def save_timing_cache(path: Path, config: Any, toolchain: Toolchain, log: Log) -> str | None:
    """Add what a build has learnt to the file.

    Returns:
        Why it was not added and the file left as it is, as a warning; ``None`` where it was.
    """
    learnt = config.get_timing_cache()
    with _locked(path), log.listen() as messages:
        content = path.read_bytes() if path.exists() else b""
        if content:
            there = config.create_timing_cache(content)
            taken = there is not None and learnt.combine(there, False)
            # TensorRT may well take an empty cache for one of another version, with a warning.
            said = [*messages.errors, *messages.warnings]
            if not taken or said:
                return _kept(path, toolchain, "; ".join(said) or "not taken")
        merged = bytes(learnt.serialize())
        if len(merged) < len(content):
            return _kept(path, toolchain, f"it would shrink from {len(content)} to {len(merged)} bytes")
        if merged != content:
            with atomic_file(path, overwrite=True) as partial:
                partial.write_bytes(merged)
    return None


def _kept(path: Path, toolchain: Toolchain, why: str) -> str:
    return f"the timing cache {path} was left as it is, since {toolchain.title} cannot add to it: {why}"


def _locked(path: Path) -> AbstractContextManager[None]:
    # Of the file itself, by whatever link a build names it.
    file = path.resolve()
    return file_lock(file.with_name(f"{file.name}.lock"))
