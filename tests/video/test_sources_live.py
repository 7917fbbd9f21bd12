"""Cameras and network streams, as far as a machine without either goes: on the loopback device."""

import errno
import itertools
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np
import pytest

from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.video import camera, decoding, flow_video, open_source
from dinoflow_deploy.video.frame_source import Selection
from tests.video.clips import ConstantEngine, decode, write_clip

pytestmark = pytest.mark.slow


@contextmanager
def tcp_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one connection; gives its address for FFmpeg."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(20)


def test_a_live_stream_is_read_to_its_end(tmp_path):
    clip = write_clip(tmp_path / "clip.ts", frames=30)
    with (
        tcp_server(lambda connection: connection.sendall(clip.read_bytes())) as address,
        open_source([address]) as source,
        ConstantEngine() as engine,
    ):
        assert source.live
        assert source.count is None
        report = flow_video(source, engine, tmp_path / "flow.mp4")
    assert report.frames + report.dropped == 30
    assert report.damage is None
    assert len(decode(tmp_path / "flow.mp4")) == report.pairs


def rtsp_camera(connection: socket.socket, stream: bytes) -> None:
    """Answer like an RTSP camera that sends an MPEG transport stream (RFC 2326, RFC 2250) over TCP."""
    text = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"
    headers = {
        "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n",
        "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(text)}\r\n\r\n{text}",
        "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n",
        "PLAY": "Session: 1\r\n\r\n",
    }
    requests = connection.makefile("r", newline="\r\n")
    method = ""
    while method != "PLAY":
        request = list(iter(lambda: requests.readline().strip(), ""))
        method = request[0].split()[0]
        number = next(line.split(":")[1].strip() for line in request if line.lower().startswith("cseq"))
        assert method != "SETUP" or any("RTP/AVP/TCP" in line for line in request), "UDP was asked for"
        connection.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{headers[method]}".encode())
    for sequence, start in enumerate(range(0, len(stream), 7 * 188)):
        payload = stream[start : start + 7 * 188]
        packet = struct.pack(">BBHII", 0x80, 33, sequence, 0, 1) + payload
        connection.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)


def test_an_rtsp_camera(tmp_path):
    data = write_clip(tmp_path / "clip.ts", frames=60).read_bytes()
    with (
        tcp_server(lambda connection: rtsp_camera(connection, data)) as address,
        open_source([address.replace("tcp://", "rtsp://") + "/live"]) as source,
    ):
        assert source.live
        frames = list(source.frames(Selection()))
    # Where the stream begins in the middle of a group of pictures, its first frames cannot be shown.
    assert 40 < len(frames) <= 60
    assert frames[0].image.shape == (64, 96, 3)
    assert all(later.pts > earlier.pts for earlier, later in itertools.pairwise(frames))


def test_a_stream_that_falls_silent_ends_with_what_came(tmp_path, monkeypatch):
    # To open, and to wait for data: however busy the machine, opening has read most of what is sent.
    monkeypatch.setattr(decoding, "NETWORK_TIMEOUT", (60.0, 2.0))
    data = write_clip(tmp_path / "clip.ts", frames=200, gop=10).read_bytes()
    done = threading.Event()

    def send_half_and_wait(connection):
        connection.sendall(data[: len(data) // 2])
        done.wait(90)

    with tcp_server(send_half_and_wait) as address:
        with open_source([address]) as source:
            frames = list(source.frames(Selection()))
        done.set()
    assert len(frames) > 20
    assert "reading stopped" in source.damage


def test_a_video_over_http(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", options={"movflags": "+faststart"})
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with open_source([f"http://127.0.0.1:{server.server_port}/clip.mp4"]) as source:
            assert (source.live, source.count) == (False, 12)
            frames = list(source.frames(Selection()))
        with pytest.raises(VideoError, match=r"missing\.mp4 cannot be opened: .*404"):
            open_source([f"http://127.0.0.1:{server.server_port}/missing.mp4"])
        server.shutdown()
    for frame, expected in zip(frames, decode(clip), strict=True):
        np.testing.assert_array_equal(frame.image, expected)


def test_a_server_that_is_not_there():
    # Bound, so that no other program takes the port, and not listening.
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(VideoError, match=f":{port}/live cannot be opened: Connection refused"):
            open_source([f"rtsp://127.0.0.1:{port}/live"])


def test_ctrl_c_while_a_pipe_is_waited_for_is_ctrl_c(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise av.error.InterruptedError(errno.EINTR, "Interrupted system call")

    # What PyAV raises then.
    monkeypatch.setattr(av, "open", interrupted)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(KeyboardInterrupt):
        open_source([str(tmp_path / "pipe")])


def test_an_unknown_scheme():
    with pytest.raises(VideoError, match="pigeon://host/clip cannot be opened: Protocol not found"):
        open_source(["pigeon://host/clip"])


def test_a_camera_that_is_not_there():
    with pytest.raises(VideoError, match=r"there is no camera 97 \(/dev/video97 is missing; cameras here: "):
        open_source(["97"])


class FakeCapture:
    """OpenCV's capture, with eight frames in it."""

    released = 0

    def __init__(self, number, api):
        self.left = 8

    def isOpened(self):  # noqa: N802
        return True

    def get(self, what):
        return 0.0

    def read(self):
        self.left -= 1
        return self.left >= 0, np.full((48, 64, 3), (30, 20, 10), np.uint8)

    def release(self):
        FakeCapture.released += 1


def test_a_camera_until_it_stops(monkeypatch):
    monkeypatch.setattr(camera.Path, "exists", lambda self: str(self) == "/dev/video0")
    monkeypatch.setattr(camera.cv2, "VideoCapture", FakeCapture)
    clock = iter(np.arange(8) / 20)
    monkeypatch.setattr(camera.time, "monotonic", lambda: float(next(clock)))
    with open_source(["0"], max_side=32) as source:
        assert (source.name, source.live, source.rate) == ("camera 0", True, 30)
        frames = list(source.frames(Selection()))
    assert len(frames) == 8
    assert frames[0].image.shape == (24, 32, 3)
    assert frames[0].image[0, 0].tolist() == [10, 20, 30], "RGB"
    # Stamped on arrival: 20 a second, whatever the camera says.
    assert [frame.pts * source.time_base * 20 for frame in frames] == list(range(8))
    assert source.damage == "the camera stopped sending frames"
    assert FakeCapture.released > 0
