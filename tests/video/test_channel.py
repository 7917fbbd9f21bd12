from threading import Thread

import pytest

from dinoflow_deploy.video.channel import Cancelled, Channel


def in_thread(work):
    thread = Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_items_arrive_in_order_and_end():
    channel = Channel(3)

    def produce():
        for number in range(100):
            channel.put(number)
        channel.finish()

    thread = in_thread(produce)
    assert list(channel) == list(range(100))
    thread.join()


def test_it_holds_no_more_than_its_capacity():
    channel = Channel(2)
    assert [channel.offer(number) for number in range(4)] == [True, True, False, False]
    assert next(iter(channel)) == 0
    assert channel.offer(4)
    channel.finish()
    assert list(channel) == [1, 4]


def test_cancelling_ends_a_waiting_producer():
    channel, ended = Channel(1), []

    def produce():
        try:
            for number in range(5):
                channel.put(number)
        except Cancelled:
            ended.append(True)

    thread = in_thread(produce)
    next(iter(channel))
    channel.cancel()
    thread.join(10)
    assert ended == [True]


def test_cancelling_ends_a_waiting_consumer():
    channel, ended = Channel(1), []

    def consume():
        try:
            list(channel)
        except Cancelled:
            ended.append(True)

    thread = in_thread(consume)
    channel.cancel()
    thread.join(10)
    assert ended == [True]


def test_a_cancelled_channel_takes_and_gives_nothing():
    channel = Channel(2)
    channel.put(1)
    channel.cancel()
    with pytest.raises(Cancelled):
        channel.put(2)
    with pytest.raises(Cancelled):
        channel.offer(2)
    with pytest.raises(Cancelled):
        next(iter(channel))
