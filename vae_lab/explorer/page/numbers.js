// --- numbers: how the page's data are stored --------------------------------------------------------------------------

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function singles(base64) { // little-endian float32
  return new Float32Array(bytesOf(base64).buffer);
}

// Half precision has 65,536 values, so that a table of all of them is the quickest way from bits to numbers.
const HALF = Float32Array.from({ length: 65536 }, (_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
});

function halves(base64) { // little-endian float16
  return Float32Array.from(new Uint16Array(bytesOf(base64).buffer), (bits) => HALF[bits]);
}
