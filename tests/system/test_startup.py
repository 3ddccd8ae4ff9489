import subprocess
import sys

import pytest


def output_of(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


def test_the_collector_rests_while_libraries_are_loaded():
    found = output_of("""
import gc
from vae_lab.system.startup import loading
with loading():
    print(gc.isenabled())
print(gc.isenabled(), gc.get_freeze_count() > 1000)
""")
    assert found.stdout.split() == ["False", "True", "True"]


def test_the_collector_is_back_after_an_import_that_fails():
    found = output_of("""
import gc
from vae_lab.system.startup import loading
try:
    with loading():
        import vae_lab.no_such_module
except ModuleNotFoundError:
    print(gc.isenabled())
""")
    assert found.stdout.split() == ["True"]


def test_the_modules_needed_first_are_loaded_before_the_others():
    found = output_of("""
import sys
from vae_lab.system.startup import loading
with loading("colorsys"):
    print("colorsys" in sys.modules)
""")
    assert found.stdout.split() == ["True"]


def test_loaded_modules_are_not_frozen_again():
    found = output_of("""
import gc, sys
from vae_lab.system.startup import loading
sys.modules["torch"] = gc
with loading():
    print(gc.isenabled(), gc.get_freeze_count())
""")
    assert found.stdout.split() == ["True", "0"]


@pytest.mark.parametrize("status", [0, 1, 2, 130])
def test_leaving_ends_with_the_status(status):
    assert output_of(f"from vae_lab.system.startup import leave; leave({status})").returncode == status


def test_leaving_waits_for_threads_and_runs_exit_functions():
    found = output_of("""
import atexit, sys, threading, time
from vae_lab.system.startup import leave
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
atexit.register(print, "registered", file=sys.stderr, end="")
print("unflushed", end=" ")
leave(3)
""")
    assert (found.returncode, found.stdout, found.stderr) == (3, "unflushed thread\n", "registered")


def test_nothing_is_taken_apart_at_the_end():
    found = output_of("""
from vae_lab.system.startup import leave
class Large:
    def __del__(self): print("taken apart")
kept = Large()
leave(0)
""")
    assert found.stdout == ""


def test_leaving_a_reader_that_has_gone_is_no_error():
    code = "import os, sys; from vae_lab.system.startup import leave; print('x' * 10); os.close(1); leave(0)"
    found = output_of(code)
    assert (found.returncode, found.stderr) == (0, "")
