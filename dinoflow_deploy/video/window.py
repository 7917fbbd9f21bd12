"""A window that shows pictures as they are made."""

import os
import sys
import time
from collections import deque
from types import TracebackType
from typing import Self

import cv2

from dinoflow_deploy.errors import InputError, MissingPackageError
from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.system.own_process import call_in_own_process
from dinoflow_deploy.video.frame_source import fitted_size

_WINDOW = "dinoflow-deploy"  # OpenCV's name for it
_LARGEST = 1280  # px on the longer side at first; the user may resize it
_QUIT = (27, ord("q"))  # 27 is Esc
_AVERAGED = 30  # pictures over which the rate is taken


def open_and_close() -> None:
    """Open a window of OpenCV and close it: its toolkits end the process where there is no screen."""
    cv2.namedWindow(_WINDOW)
    cv2.waitKey(1)
    cv2.destroyAllWindows()


def check_window() -> None:
    """Refuse where no window can be opened.

    Raises:
        MissingPackageError: This OpenCV is built without windows.
        InputError: There is no screen, or none that this process may use.
    """
    if not cv2.currentUIFramework():
        raise MissingPackageError(
            "show needs windows, and the OpenCV installed is the headless one: "
            "pip uninstall opencv-python-headless, then pip install opencv-python"
        )
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform == "linux" and not display:
        raise InputError("show needs a screen, and DISPLAY is not set: use a desktop, or ssh -X")
    # Qt ends the process where it cannot reach the screen.
    _, problem = call_in_own_process(f"{__name__}:open_and_close")
    if problem:
        raise InputError(f"no window opens (DISPLAY is '{display}'): {' '.join(problem.split())}")


class Window:
    """Shows the newest picture, and in its title how many come per second.

    All of OpenCV's windows belong to one thread, on some systems the main one: it makes this, enters and
    leaves it, and calls :meth:`refresh`. Any other may set :attr:`picture`.

    Args:
        name: What the title begins with.

    Attributes:
        picture: The newest one, ``uint8 [H, W, 3]``, RGB; ``None`` before the first.
    """

    def __init__(self, name: str) -> None:
        self.picture: Image | None = None
        # Names of files need not be text.
        self._name = name.encode(errors="replace").decode()
        self._shown: Image | None = None
        self._times: deque[float] = deque(maxlen=_AVERAGED + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown is not None and _is_open():
            cv2.destroyWindow(_WINDOW)

    def refresh(self) -> bool:
        """Show the newest picture if there is one, and read the keys.

        Returns:
            Whether to go on: not after ``q`` or Esc, or where the window was closed.
        """
        picture = self.picture
        if picture is None:
            return True
        if self._shown is not None and not _is_open():
            return False
        if picture is not self._shown:
            self._show(picture)
        return cv2.waitKey(1) & 0xFF not in _QUIT

    def _show(self, picture: Image) -> None:
        if self._shown is None:
            cv2.namedWindow(_WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
            cv2.resizeWindow(_WINDOW, *fitted_size(picture.shape[1], picture.shape[0], _LARGEST))
        self._shown = picture
        cv2.imshow(_WINDOW, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        self._times.append(time.monotonic())
        seconds = self._times[-1] - self._times[0]
        if seconds > 0:
            rate = (len(self._times) - 1) / seconds
            cv2.setWindowTitle(_WINDOW, f"{self._name}: {rate:.3g} frames/s (q ends)")


def _is_open() -> bool:
    return cv2.getWindowProperty(_WINDOW, cv2.WND_PROP_VISIBLE) >= 1
