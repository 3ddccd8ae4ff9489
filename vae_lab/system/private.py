"""Underscored functions of the standard library, each behind one name with the reason for using it.

Python does not promise to keep the first two. When a new Python version breaks the program's exit, look here first.
"""

import atexit
import os
import threading
from typing import NoReturn


def join_threads() -> None:
    """Wait for every thread that is not a daemon, as the interpreter does before it exits.

    ``os._exit`` skips this wait. The threading module has no public function for it.
    """
    threading._shutdown()  # type: ignore[attr-defined]


def run_exit_functions() -> None:
    """Call the functions registered with ``atexit``, in the usual order.

    ``os._exit`` skips them. The atexit module has no public function that calls them.
    """
    atexit._run_exitfuncs()


def exit_immediately(status: int) -> NoReturn:
    """End the process at once, without any clean-up and from any thread.

    ``sys.exit`` ends only the thread that calls it or, in the main thread, first frees all objects. ``os._exit`` is
    documented despite its underscore.
    """
    os._exit(status)
