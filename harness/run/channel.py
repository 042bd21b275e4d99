"""The channel of a worker, read by the run: messages as they come, whatever is written to it."""

import os
import selectors
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from harness.run.messages import Message, parse_message

MAX_LINE_BYTES = 8 << 20  # a record is a few kilobytes
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Garbage:
    """What came over the channel and is no message; nothing after it is to be trusted."""

    fault: str


class Channel:
    """The reading end of the pipe; memory stays bounded whatever the worker writes."""

    def __init__(self, descriptor: int) -> None:
        """Take the pipe's reading end, which `close` closes."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._rest = bytearray()
        self._selector = selectors.DefaultSelector()
        self._selector.register(descriptor, selectors.EVENT_READ)
        self.is_open = True

    def __enter__(self) -> Self:
        """Return the channel."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close this end."""
        self._selector.close()
        os.close(self._descriptor)

    def read(self, wait_s: float) -> list[Message | Garbage]:
        """Return the messages of what is there, waiting up to ``wait_s`` for something.

        At most one chunk is read, so that whoever calls keeps looking at his limits while a worker
        writes without end. When all writers have closed it, `is_open` is False.
        A line that is no message, or longer than MAX_LINE_BYTES, is told as Garbage.
        """
        if not self._selector.select(wait_s):
            return []
        try:
            chunk = os.read(self._descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return []
        self.is_open = bool(chunk)
        self._rest += chunk
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        messages = [_parse(bytes(line)) for line in lines]
        if len(rest) > MAX_LINE_BYTES:
            rest.clear()
            messages.append(Garbage(f"a line of more than {MAX_LINE_BYTES >> 20} MiB"))
        return messages


def _parse(line: bytes) -> Message | Garbage:
    try:
        return parse_message(line)
    except Exception as error:  # whatever else was written there
        return Garbage(str(error))
