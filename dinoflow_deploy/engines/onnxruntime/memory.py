"""Memory of ONNX Runtime's sessions on the CPU."""

from functools import cache
from typing import Any, Final

import onnxruntime

from dinoflow_deploy.engines.onnxruntime.providers import CPU, PROBE, PROBE_INPUT

_AS_REQUESTED: Final = 1
_DEFAULT: Final = -1


def use_shared_arena(options: onnxruntime.SessionOptions) -> None:
    """Have a session on the CPU take its memory from the arena of this process.

    A session's own arena doubles with each block that it asks the system for, and can use little of it again:
    it reaches twice what a model needs. Without an arena every large block is asked for, cleared and given
    back again in each call, which costs time. The shared one asks for what is needed, and keeps it.

    Args:
        options: Changed.
    """
    _register()
    options.add_session_config_entry("session.use_env_allocators", "1")
    # It would plan one more block, of all that a call needs, beside what the arena already holds.
    options.enable_mem_pattern = False


def shrink_shared_arena() -> None:
    """Give back to the system what no session uses now."""
    run = onnxruntime.RunOptions()
    run.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    # ONNX Runtime does it at the end of a run, of whatever model.
    _probe().run(None, PROBE_INPUT, run)


@cache
def _register() -> None:
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    # Its first argument, the most memory, is 0 for any.
    arena = onnxruntime.OrtArenaCfg(0, _AS_REQUESTED, _DEFAULT, _DEFAULT)
    onnxruntime.create_and_register_allocator(memory, arena)


@cache
def _probe() -> Any:
    options = onnxruntime.SessionOptions()
    use_shared_arena(options)
    return onnxruntime.InferenceSession(PROBE, options, providers=[CPU])
