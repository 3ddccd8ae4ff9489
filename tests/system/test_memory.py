import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, torch
from vae_lab.system.memory import keep_freed_memory
if {kept}:
    assert keep_freed_memory() and keep_freed_memory()
torch.ones(12_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(12_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(kept: bool) -> int:
    found = subprocess.run(
        [sys.executable, "-c", _FAULTS.format(kept=kept)], capture_output=True, text=True, check=True
    )
    return int(found.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own setting")
def test_pages_of_large_blocks_are_asked_for_less_often():
    assert 2 * faults(kept=True) < faults(kept=False)


def test_another_allocator_is_left_alone(monkeypatch):
    from vae_lab.system import memory

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert memory.keep_freed_memory() is False
