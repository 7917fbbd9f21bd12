"""What several tests of clips share."""

import threading

import pytest

from tests.video.clips import write_clip


@pytest.fixture
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    # One of an earlier test may end meanwhile. OpenVINO begins one when it is imported, which has no name.
    ours = {each for each in threading.enumerate() if not each.name.startswith("ThreadPoolExecutor-")}
    assert ours <= before


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4")
