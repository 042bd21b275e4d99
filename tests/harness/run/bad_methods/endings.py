"""Methods that end badly: by an error, a signal, an exit, a crash; or that are none."""

import ctypes
import os
import signal

from bad_methods.counting import Counting


class Raises(Counting):
    def fit(self, train, validation=None):
        raise RuntimeError("the fit went wrong")


class DiesBySignal(Counting):
    def fit(self, train, validation=None):
        os.kill(os.getpid(), signal.SIGKILL)


class Exits(Counting):
    def fit(self, train, validation=None):
        os._exit(5)


class ExitsAsIfWell(Counting):
    def fit(self, train, validation=None):
        os._exit(0)


class Crashes(Counting):
    def fit(self, train, validation=None):
        ctypes.string_at(0)


class NotARetriever:
    pass
