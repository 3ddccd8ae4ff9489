// --- the product of matrices: in WebAssembly with SIMD where that runs, and in JavaScript otherwise --------------------

const LANES = 8; // columns of a panel of B

function padded(columns) {
  return Math.ceil(columns / LANES) * LANES;
}

// A heap of float32 and multiply(a, b, c, m, k, n) on it: C[m, n] += A[m, k] B[k, n], at places counted in numbers.
// A and C are stored by rows; B in panels of eight columns, [n/8][k][8]; n is a multiple of 8.
function makeHeap(size, wasm) {
  if (wasm) {
    try {
      const memory = new WebAssembly.Memory({ initial: Math.ceil(size * 4 / 65536) + 1 });
      const { multiply } = new WebAssembly.Instance(new WebAssembly.Module(wasm), { page: { memory } }).exports;
      return { numbers: new Float32Array(memory.buffer), accelerated: true,
        multiply: (a, b, c, m, k, n) => multiply(4 * a, 4 * b, 4 * c, m, k, n) };
    } catch { /* no WebAssembly, no SIMD, or a page that may not use it: JavaScript does the same, more slowly */ }
  }
  const numbers = new Float32Array(size);
  return { numbers, accelerated: false, multiply: (...places) => multiplyPlainly(numbers, ...places) };
}

function multiplyPlainly(heap, a, b, c, m, k, n) {
  for (let column = 0; column < n; column += LANES, b += k * LANES) {
    for (let row = 0; row < m; row++) {
      const to = c + row * n + column;
      let s0 = heap[to], s1 = heap[to + 1], s2 = heap[to + 2], s3 = heap[to + 3];
      let s4 = heap[to + 4], s5 = heap[to + 5], s6 = heap[to + 6], s7 = heap[to + 7];
      for (let i = 0, x = a + row * k, p = b; i < k; i++, p += LANES) {
        const value = heap[x + i];
        s0 += value * heap[p]; s1 += value * heap[p + 1]; s2 += value * heap[p + 2]; s3 += value * heap[p + 3];
        s4 += value * heap[p + 4]; s5 += value * heap[p + 5]; s6 += value * heap[p + 6]; s7 += value * heap[p + 7];
      }
      heap[to] = s0; heap[to + 1] = s1; heap[to + 2] = s2; heap[to + 3] = s3;
      heap[to + 4] = s4; heap[to + 5] = s5; heap[to + 6] = s6; heap[to + 7] = s7;
    }
  }
}
