"""The command line ``upg``, the very same as that of the Rust program."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Does what the arguments say, and ends with the exit status of the command.

    The command answers signals itself; what Python would do about Ctrl-C is taken out before.
    """
    from . import _upg

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    status = _upg.command(["upg", *sys.argv[1:]])
    sys.stdout.flush()  # what functions of targets have printed
    sys.stderr.flush()
    os._exit(status)  # with nothing of Python left to be done
