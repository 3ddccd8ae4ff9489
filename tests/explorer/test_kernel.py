"""The compiled kernel is that of the readable source, and multiplies matrices."""

import sys
from pathlib import Path

import numpy as np
import pytest

wasmtime = pytest.importorskip("wasmtime", reason="wasmtime is not installed (pip install wasmtime)")
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from compile_kernel import PAGE, compiled  # noqa: E402


def test_the_kernel_is_compiled_from_the_source_beside_it():
    assert (PAGE / "gemm.wasm").read_bytes() == compiled()


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 8), (4, 3, 8), (7, 5, 24), (16, 33, 16), (3, 2, 8)])
def test_it_adds_the_product_of_two_matrices_to_a_third(m, k, n):
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(m, k)), rng.normal(size=(k, n)), rng.normal(size=(m, n))
    panels = b.reshape(k, n // 8, 8).swapaxes(0, 1)
    parts = [np.asarray(part, "<f4").tobytes() for part in (a, panels, c)]
    starts = np.cumsum([0, *(-(-len(part) // 16) * 16 for part in parts)])  # at multiples of 16 bytes
    store = wasmtime.Store()
    memory = wasmtime.Memory(store, wasmtime.MemoryType(wasmtime.Limits(1, None)))
    for part, start in zip(parts, starts):
        memory.write(store, part, int(start))
    module = wasmtime.Module.from_file(store.engine, str(PAGE / "gemm.wasm"))
    kernel = wasmtime.Instance(store, module, [memory]).exports(store)["multiply"]
    kernel(store, *map(int, starts[:3]), m, k, n)
    found = np.frombuffer(memory.read(store, int(starts[2]), int(starts[2]) + 4 * m * n), "<f4").reshape(m, n)
    np.testing.assert_allclose(found, c + a @ b, atol=1e-5)
