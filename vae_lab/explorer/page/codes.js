// --- codes: lines between them, distances, and the codes of the page ---------------------------------------------------

function lerp(a, b, t) {
  return a.map((value, i) => (1 - t) * value + t * b[i]);
}

function slerp(a, b, t) { // on vectors that are not normalised, as vae_lab/latents/lines.py does
  const lengths = [Math.hypot(...a), Math.hypot(...b)];
  if (Math.min(...lengths) === 0) return lerp(a, b, t);
  const cosine = a.reduce((sum, value, i) => sum + value * b[i], 0) / (lengths[0] * lengths[1]);
  const omega = Math.acos(Math.min(1, Math.max(-1, cosine))), sine = Math.sin(omega);
  if (sine > 1e-6) {
    return a.map((value, i) => (Math.sin((1 - t) * omega) * value + Math.sin(t * omega) * b[i]) / sine);
  }
  if (cosine > 0 || a.length === 1) return lerp(a, b, t);
  const length = (1 - t) * lengths[0] + t * lengths[1], direction = a.map((value) => value / lengths[0]);
  const least = direction.reduce((best, value, i) => Math.abs(value) < Math.abs(direction[best]) ? i : best, 0);
  const across = direction.map((value, i) => (i === least ? 1 : 0) - direction[least] * value);
  const norm = Math.hypot(...across), angle = Math.PI * t;
  return direction.map((value, i) => length * (Math.cos(angle) * value + Math.sin(angle) * across[i] / norm));
}

function nearestCodes(codes, z, aggregate, count) { // in units of standard deviations, over the active dimensions
  const dims = aggregate.order.slice(0, Math.max(1, aggregate.active)), size = z.length;
  const distances = Float64Array.from({ length: codes.length / size }, (_, i) => {
    let sum = 0;
    for (const d of dims) sum += ((codes[i * size + d] - z[d]) / (aggregate.sd[d] || 1)) ** 2;
    return sum;
  });
  const places = Array.from(distances.keys()).sort((i, j) => distances[i] - distances[j]).slice(0, count);
  return places.map((place) => ({ place, distance: Math.sqrt(distances[place]) }));
}
