"""Compiles vae_lab/explorer/page/gemm.wat to gemm.wasm, which pages hold in base64: pip install wasmtime."""

from pathlib import Path

from wasmtime import wat2wasm

PAGE = Path(__file__).parent.parent / "vae_lab" / "explorer" / "page"


def compiled() -> bytes:
    """Return the kernel as WebAssembly."""
    return bytes(wat2wasm((PAGE / "gemm.wat").read_text(encoding="utf-8")))


if __name__ == "__main__":
    (PAGE / "gemm.wasm").write_bytes(compiled())
