# ruff: noqa: N802 - OpenCV's names
import threading

import cv2
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError, MissingPackageError
from dinoflow_deploy.system.own_process import call_in_own_process
from dinoflow_deploy.video import VideoOptions, display_window, flow_video
from dinoflow_deploy.video.display_window import Window, check_window
from tests.video.clips import ConstantEngine, NumberedSource, decode

HEADLESS = not cv2.currentUIFramework()
without_windows = pytest.mark.skipif(not HEADLESS, reason="this OpenCV opens windows")


class Gui:
    """OpenCV's windows as far as they are used: what was shown, in which thread, and keys to come."""

    def __init__(self, keys=()):
        self.keys, self.shown, self.titles, self.threads = dict(keys), [], [], set()
        self.visible = False

    def __getattr__(self, name):
        return getattr(cv2, name)

    def currentUIFramework(self):
        return "QT"

    def namedWindow(self, name, flags):
        assert not self.visible
        self.visible = True
        self._called()

    def resizeWindow(self, name, width, height):
        self.size = (width, height)
        self._called()

    def setWindowTitle(self, name, title):
        self.titles.append(title)
        self._called()

    def imshow(self, name, picture):
        self.shown.append(picture)
        self._called()

    def getWindowProperty(self, name, which):
        self._called()
        return float(self.visible)

    def waitKey(self, milliseconds):
        self._called()
        return self.keys.get(len(self.shown), -1)

    def destroyWindow(self, name):
        self._called()
        assert self.visible, "OpenCV raises an error"
        self.visible = False

    def _called(self):
        self.threads.add(threading.get_ident())


@pytest.fixture
def gui(monkeypatch):
    made = Gui()
    monkeypatch.setattr(display_window, "cv2", made)
    return made


def picture(level: int) -> np.ndarray:
    return np.full((60, 2000, 3), (level, 0, 255), np.uint8)


def test_the_newest_picture_is_shown_once_and_the_title_has_its_rate(gui, monkeypatch):
    clock = iter(np.arange(0, 10, 0.25))
    monkeypatch.setattr(display_window.time, "monotonic", lambda: next(clock))
    with Window("out\udcff.mp4") as shown:
        assert shown.refresh(), "nothing to show yet"
        assert gui.threads == set()
        for level in (10, 20, 30):
            shown.picture = picture(level)
            assert shown.refresh()
            assert shown.refresh()
    assert [each[0, 0].tolist() for each in gui.shown] == [[255, 0, level] for level in (10, 20, 30)]
    assert gui.titles == ["out?.mp4: 4 frames/s (q ends)"] * 2
    assert max(gui.size) <= 1280
    assert not gui.visible


@pytest.mark.parametrize("key", [ord("q"), 27, ord("q") | 0x100000])
def test_keys_end_it(gui, key):
    gui.keys = {2: key}
    with Window("out.mp4") as shown:
        shown.picture = picture(1)
        assert shown.refresh()
        shown.picture = picture(2)
        assert not shown.refresh()


def test_closing_the_window_ends_it_too(gui):
    with Window("out.mp4") as shown:
        shown.picture = picture(1)
        assert shown.refresh()
        gui.visible = False
        assert not shown.refresh()


@pytest.mark.usefixtures("no_thread_is_left")
@pytest.mark.parametrize("kind", ["webm", "gif"])
def test_q_completes_the_file_and_one_thread_has_all_windows(gui, monkeypatch, tmp_path, kind):
    monkeypatch.setattr(display_window, "call_in_own_process", lambda name: (None, None))
    monkeypatch.setenv("DISPLAY", ":0")
    gui.keys = {3: ord("q")}
    # The scale is given, so that pictures are drawn from the first pair on.
    options = VideoOptions(show=True, max_flow=4.0)
    drawn = threading.Semaphore(0)
    offer = Window.__setattr__

    def set_and_tell(shown, name, value):
        offer(shown, name, value)
        if name == "picture" and value is not None:
            drawn.release()

    monkeypatch.setattr(Window, "__setattr__", set_and_tell)
    # From the second pair on, the picture before is there.
    engine = ConstantEngine(before=lambda pair: drawn.acquire(timeout=20) if pair else None)
    report = flow_video(NumberedSource(100), engine, tmp_path / f"flow.{kind}", options)
    assert report.interrupted
    assert 3 <= report.pairs <= 6
    assert len(decode(tmp_path / f"flow.{kind}")) == report.pictures == report.pairs
    assert gui.threads == {threading.get_ident()}
    assert not gui.visible


@without_windows
def test_a_headless_opencv_is_refused_with_what_to_install(tmp_path):
    with pytest.raises(MissingPackageError, match="pip uninstall opencv-python-headless, then pip install"):
        flow_video(NumberedSource(9), ConstantEngine(), tmp_path / "flow.mp4", VideoOptions(show=True))
    assert list(tmp_path.iterdir()) == []


def test_no_screen_is_refused(gui, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(display_window.sys, "platform", "linux")
    with pytest.raises(InputError, match="show needs a screen, and DISPLAY is not set"):
        check_window()


def test_a_screen_that_cannot_be_reached_is_refused_before_it_ends_the_process(gui, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":99")
    said = "the process ended\nwith code -6"
    monkeypatch.setattr(display_window, "call_in_own_process", lambda name: (None, said))
    with pytest.raises(
        InputError, match=r"no window opens \(DISPLAY is ':99'\): the process ended with code -6"
    ):
        check_window()


@without_windows
def test_the_probe_tries_for_real():
    _, problem = call_in_own_process("dinoflow_deploy.video.display_window:open_and_close")
    assert "not implemented" in problem
