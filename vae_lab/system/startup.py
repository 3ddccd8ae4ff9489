"""What lets the program start and end a second sooner each: torch and Lightning bring 860,000 objects."""

import atexit
import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module


@contextmanager
def loading(first: str | None = None) -> Iterator[None]:
    """Import large libraries inside: the collector would walk all they have brought so far, over and over.

    They stay for the life of the process, so later collections pass them over as well.

    Args:
        first: a module to import before them. W&B's look through all modules there are, once for each of 80 classes.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        if first:
            import_module(first)
        yield
    finally:
        gc.freeze()
        atexit.register(gc.unfreeze)  # or libraries would count what is left as leaks, and say so
        gc.enable()


def leave(status: int) -> None:
    """End the process as ``sys.exit`` does, without freeing object by object what the system takes back at once."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as multiprocessing does in its children
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it has gone
            stream.flush()
    os._exit(status)
