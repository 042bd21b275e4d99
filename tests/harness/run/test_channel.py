"""The channel gives messages as they come, and stays small whatever is written to it."""

import os
import threading
import tracemalloc

import pytest

from harness.run.channel import MAX_LINE_BYTES, Channel, Garbage
from harness.run.messages import Finished, OutOfMemory, Sender, Stage


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as end, Channel(reading) as channel:
        yield channel, end


def test_messages_come_whole_and_in_order(pipe):
    """A line cut in two is one message; what a library wrote in between is garbage."""
    channel, end = pipe
    sender = Sender(end)
    sender.stage("fit", 1, 2)
    end.write(b"hello\n{")
    first, garbage = channel.read(1.0)
    assert first == Stage("fit", 1, 2)
    assert isinstance(garbage, Garbage)
    assert channel.read(0.0) == []
    end.write(b'"finished": true}\n')
    assert channel.read(1.0) == [Finished()]
    sender.out_of_memory("MemoryError: no")
    assert channel.read(1.0) == [OutOfMemory("MemoryError: no")]


def test_the_end_is_seen(pipe):
    """When the writer is gone the channel is no longer open, and a rest of a line is dropped."""
    channel, end = pipe
    end.write(b"{")
    end.close()
    assert (channel.read(1.0), channel.is_open) == ([], True)
    assert (channel.read(1.0), channel.is_open) == ([], False)


def test_a_line_without_end_is_cut_off(pipe):
    """Of 40 MiB without a newline at most the longest line is kept, twice for a moment."""
    channel, end = pipe

    def write():
        for _ in range(40):
            end.write(b"x" * (1 << 20))
        end.close()

    flood = threading.Thread(target=write)
    flood.start()
    tracemalloc.start()
    garbage = []
    while channel.is_open:
        garbage += channel.read(1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    flood.join()
    assert {one.fault for one in garbage} == {"a line of more than 8 MiB"}
    assert len(garbage) == 4  # 40 MiB hold it four times, and not a fifth
    assert peak < 3 * MAX_LINE_BYTES
