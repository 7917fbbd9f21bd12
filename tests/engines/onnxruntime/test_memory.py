import json
import subprocess
import sys

import numpy as np
import pytest

from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.models.registry import MODELS

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 544, 960
# Float32 scores of four heads for two images: the largest value of "nano".
SCORES = 2 * 4 * (HEIGHT // 16 * WIDTH // 16 + 5) ** 2 * 4
MEASURE = f"""
import json, re
import numpy as np
from pathlib import Path
from dinoflow_deploy.engines import load_engine

def kept(name):
    # Not getrusage: its maximum is also that of the process which started this one.
    return 1024 * int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

frame = np.zeros(({HEIGHT}, {WIDTH}, 3), np.uint8)
with load_engine("nano", backend="onnxruntime", device="cpu") as engine:
    engine(frame[:64, :64], frame[:64, :64])
    before = kept("VmRSS")
    for _ in range(2):
        engine(frame, frame)
    peak = kept("VmHWM")
print(json.dumps([before, peak, kept("VmRSS")]))
"""


def test_a_large_frame_takes_little_more_than_its_scores_and_closing_gives_them_back() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    before, peak, closed = json.loads(done.stdout)
    # 1.9 times the scores; 3.4 times with an arena of the session's own.
    assert peak - before < 2.5 * SCORES
    assert closed - before < SCORES / 2
    rule = MODELS["nano"].memory["onnxruntime"]
    assert peak - before == pytest.approx(rule.bytes_for(HEIGHT, WIDTH), rel=0.25)


def test_what_a_running_engine_holds_stays() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
    with load_engine("nano", backend="onnxruntime", device="cpu") as engine:
        expected = engine(*frames)
        with load_engine("nano", backend="onnxruntime", device="cpu") as other:
            np.testing.assert_array_equal(other(*frames), expected)
        np.testing.assert_array_equal(engine(*frames), expected)
