"""Methods that hang, leave processes behind, or break the channel to their parent."""

import contextlib
import ctypes
import os
import subprocess
import sys
import time

from bad_methods.counting import Counting, note


def sleeping_child(**options):
    """Start a process that sleeps; return its id."""
    code = "import time; time.sleep(600)"
    return subprocess.Popen([sys.executable, "-c", code], **options).pid


def orphan():
    """Fork twice and leave the session, as a daemon does; return the id of the grandchild."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writing, str(os.getpid()).encode())
            time.sleep(600)
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(reading, 20))


class Hangs(Counting):
    """Its children hang too: one in its group, one in a session of its own, one an orphan."""

    def fit(self, train, validation=None):
        children = [sleeping_child(), sleeping_child(start_new_session=True), orphan()]
        note(os.getpid(), *children)
        time.sleep(600)


class LeavesAnOrphan(Counting):
    """Ends well; what it leaves behind also holds the channel open."""

    def fit(self, train, validation=None):
        note(orphan())
        self.n_items = train.n_items


class HidesItsChannel(Counting):
    def fit(self, train, validation=None):
        os.closerange(3, 64)
        time.sleep(600)


class KeepsTheInterpreter(Counting):
    """Sleeps in native code that never lets another Python thread run, this one's child too."""

    def fit(self, train, validation=None):
        note(os.getpid(), sleeping_child())
        ctypes.PyDLL(None).sleep(600)


class FloodsItsChannel(Counting):
    """Writes a line without end."""

    def fit(self, train, validation=None):
        while True:
            for descriptor in range(3, 64):
                with contextlib.suppress(OSError):
                    os.write(descriptor, b"x" * 1_000_000)


class WritesGarbage(Counting):
    def fit(self, train, validation=None):
        for descriptor in range(3, 64):
            with contextlib.suppress(OSError):
                os.write(descriptor, b"garbage\n")
        super().fit(train, validation)
