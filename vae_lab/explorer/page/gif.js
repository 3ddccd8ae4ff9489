// --- GIF: frames of equal size, one palette for all of them ------------------------------------------------------------

// Return the bytes of an endless animation. Frames are ImageData; delays are hundredths of a second.
function encodeGif(frames, delays) {
  const { width, height } = frames[0], palette = paletteOf(frames), bytes = [];
  const word = (n) => bytes.push(n & 255, n >> 8);
  bytes.push(..."GIF89a".split("").map((letter) => letter.charCodeAt(0)));
  word(width); word(height);
  bytes.push(0xf7, 0, 0); // a global table of 256 colours
  for (let i = 0; i < 256; i++) bytes.push(...(palette.colours[i] || [0, 0, 0]));
  bytes.push(0x21, 0xff, 11, ..."NETSCAPE2.0".split("").map((letter) => letter.charCodeAt(0)), 3, 1, 0, 0, 0); // repeat
  frames.forEach((frame, i) => {
    bytes.push(0x21, 0xf9, 4, 0); word(delays[i]); bytes.push(0, 0);
    bytes.push(0x2c); word(0); word(0); word(width); word(height); bytes.push(0, 8);
    const coded = compressed(palette.indices(frame));
    for (let at = 0; at < coded.length; at += 255) {
      const block = coded.slice(at, at + 255);
      bytes.push(block.length, ...block);
    }
    bytes.push(0);
  });
  bytes.push(0x3b);
  return new Uint8Array(bytes);
}

function compressed(indices) { // LZW with codes of 9 to 12 bits, as GIF has it
  const clear = 256, end = 257, bytes = [];
  let table = new Map(), next = 258, bits = 9, held = 0, filled = 0;
  const emit = (code) => {
    held |= code << filled;
    for (filled += bits; filled >= 8; filled -= 8, held >>= 8) bytes.push(held & 255);
  };
  emit(clear);
  let prefix = indices[0];
  for (let i = 1; i < indices.length; i++) {
    const key = prefix * 256 + indices[i], known = table.get(key);
    if (known !== undefined) { prefix = known; continue; }
    emit(prefix);
    if (next < 4096) {
      table.set(key, next);
      if (next++ === 1 << bits) bits++;
    } else {
      emit(clear);
      table = new Map(); next = 258; bits = 9;
    }
    prefix = indices[i];
  }
  emit(prefix);
  emit(end);
  if (filled > 0) bytes.push(held & 255);
  return bytes;
}

// The grey levels if all frames are grey, else 256 colours by cutting the box of colours at its median again and again.
function paletteOf(frames) {
  const grey = frames.every(({ data }) => {
    for (let i = 0; i < data.length; i += 4) if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
    return true;
  });
  if (grey) {
    return { colours: Array.from({ length: 256 }, (_, i) => [i, i, i]),
      indices: ({ data }) => Uint8Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]) };
  }
  const colours = medianCut(sampledColours(frames, 20000));
  const known = new Map(); // from 15 bits of a colour to its place in the palette
  const nearest = (r, g, b) => {
    const key = (r >> 3) << 10 | (g >> 3) << 5 | b >> 3;
    if (!known.has(key)) {
      const distance = (c) => (c[0] - r) ** 2 + (c[1] - g) ** 2 + (c[2] - b) ** 2;
      known.set(key, colours.reduce((best, c, i) => distance(c) < distance(colours[best]) ? i : best, 0));
    }
    return known.get(key);
  };
  return { colours, indices: ({ data }) =>
    Uint8Array.from({ length: data.length / 4 }, (_, i) => nearest(data[4 * i], data[4 * i + 1], data[4 * i + 2])) };
}

function sampledColours(frames, most) {
  const total = frames.length * frames[0].data.length / 4, step = Math.max(1, Math.floor(total / most)), found = [];
  for (let i = 0; i < total; i += step) {
    const { data } = frames[Math.floor(i * 4 / frames[0].data.length)], at = 4 * (i % (data.length / 4));
    found.push([data[at], data[at + 1], data[at + 2]]);
  }
  return found;
}

function medianCut(sampled) {
  const range = (box) => [0, 1, 2].map((c) => {
    let low = 255, high = 0;
    for (const colour of box) { low = Math.min(low, colour[c]); high = Math.max(high, colour[c]); }
    return high - low;
  });
  const boxes = [{ colours: sampled, ranges: range(sampled) }];
  while (boxes.length < 256) {
    const widest = boxes.reduce((best, box) => Math.max(...box.ranges) > Math.max(...best.ranges) ? box : best);
    const axis = widest.ranges.indexOf(Math.max(...widest.ranges));
    if (widest.ranges[axis] === 0) break;
    const ordered = widest.colours.sort((a, b) => a[axis] - b[axis]), middle = ordered[ordered.length >> 1][axis];
    let cut = ordered.findIndex((colour) => colour[axis] >= middle);
    if (cut <= 0) cut = ordered.findIndex((colour) => colour[axis] > middle);
    const halves = [ordered.slice(0, cut), ordered.slice(cut)].map((colours) => ({ colours, ranges: range(colours) }));
    boxes.splice(boxes.indexOf(widest), 1, ...halves);
  }
  return boxes.map(({ colours }) => [0, 1, 2].map((c) => Math.round(colours.reduce((sum, one) => sum + one[c], 0) / colours.length)));
}
