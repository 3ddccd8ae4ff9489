// --- layers: each returns its result's place, how to put its weights in order, and how to compute ---------------------
//
// Tensors are stored as torch does, [C, H, W] by rows. Every product of matrices goes through multiply(), of which see
// kernel.js; a convolution multiplies its kernels with the patches of the image, a transposed one its kernels with the
// image, whose products are then added where they belong.

function linear(layer, { take, count, weight, inputs: [x] }) {
  const { shape: [outputs, k], values } = weight(layer.weight), bias = weight(layer.bias);
  const n = padded(outputs), m = count(x.shape) / k;
  const b = take(k * n), c = take(m * n), place = m > 1 && n !== outputs ? take(m * outputs) : c;
  return {
    place,
    fill(heap) { // the columns of B are the rows of the weights
      for (let out = 0; out < outputs; out++) {
        for (let i = 0; i < k; i++) heap[inPanel(b, out, i, k)] = values[out * k + i];
      }
    },
    run(heap, multiply) {
      for (let row = 0; row < m; row++) {
        heap.fill(0, c + row * n, c + (row + 1) * n);
        if (bias) heap.set(bias.values, c + row * n);
      }
      multiply(x.place, b, c, m, k, n);
      if (place !== c) withoutPadding(heap, c, place, m, outputs, n);
    },
  };
}

function inPanel(b, column, row, k) {
  return b + (column >> 3) * k * LANES + row * LANES + (column & 7);
}

function withoutPadding(heap, from, to, rows, columns, stride) {
  for (let row = 0; row < rows; row++) {
    heap.copyWithin(to + row * columns, from + row * stride, from + row * stride + columns);
  }
}

function conv(layer, { take, weight, inputs: [x] }) {
  const { shape: [outputs, channels, kh, kw], values } = weight(layer.weight), bias = weight(layer.bias);
  const [height, width] = x.shape.slice(2), [high, wide] = layer.shape.slice(2);
  const [sy, sx] = layer.stride, [py, px] = layer.padding;
  const k = channels * kh * kw, pixels = high * wide, n = padded(pixels);
  const a = take(outputs * k), b = take(k * n), c = take(outputs * n), place = n === pixels ? c : take(outputs * pixels);
  const patches = (heap) => { // column (oy, ox) of B holds the values under the kernel there
    for (let channel = 0, row = 0; channel < channels; channel++) {
      for (let ky = 0; ky < kh; ky++) {
        for (let kx = 0; kx < kw; kx++, row++) {
          for (let oy = 0, column = 0; oy < high; oy++) {
            const iy = oy * sy - py + ky, from = x.place + (channel * height + iy) * width;
            const inside = iy >= 0 && iy < height;
            for (let ox = 0, ix = kx - px; ox < wide; ox++, ix += sx, column++) {
              heap[inPanel(b, column, row, k)] = inside && ix >= 0 && ix < width ? heap[from + ix] : 0;
            }
          }
        }
      }
    }
  };
  return {
    place,
    fill(heap) { heap.set(values, a); },
    run(heap, multiply) {
      patches(heap);
      for (let out = 0; out < outputs; out++) heap.fill(bias ? bias.values[out] : 0, c + out * n, c + (out + 1) * n);
      multiply(a, b, c, outputs, k, n);
      if (place !== c) withoutPadding(heap, c, place, outputs, pixels, n);
    },
  };
}

function convTranspose(layer, { take, weight, inputs: [x] }) {
  const { shape: [channels, outputs, kh, kw], values } = weight(layer.weight), bias = weight(layer.bias);
  const [height, width] = x.shape.slice(2), [high, wide] = layer.shape.slice(2);
  const [sy, sx] = layer.stride, [py, px] = layer.padding;
  const m = outputs * kh * kw, pixels = height * width, n = padded(pixels);
  const a = take(m * channels), b = take(channels * n), c = take(m * n), place = take(outputs * high * wide);
  const scatter = (heap) => { // adds row (out, ky, kx) of C, one value per pixel of x, to the result
    for (let out = 0, row = c; out < outputs; out++) {
      for (let ky = 0; ky < kh; ky++) {
        for (let kx = 0; kx < kw; kx++, row += n) {
          const first = Math.max(0, Math.ceil((px - kx) / sx));
          const last = Math.min(width - 1, Math.floor((wide - 1 + px - kx) / sx));
          for (let iy = 0; iy < height; iy++) {
            const oy = iy * sy - py + ky;
            if (oy < 0 || oy >= high) continue;
            let to = place + (out * high + oy) * wide + first * sx - px + kx;
            for (let from = row + iy * width + first, end = row + iy * width + last; from <= end; from++, to += sx) {
              heap[to] += heap[from];
            }
          }
        }
      }
    }
  };
  return {
    place,
    fill(heap) { // the transpose of the weights [channels, outputs · kh · kw]
      for (let i = 0; i < channels; i++) for (let row = 0; row < m; row++) heap[a + row * channels + i] = values[i * m + row];
    },
    run(heap, multiply) {
      for (let channel = 0, from = x.place; channel < channels; channel++) {
        for (let pixel = 0; pixel < pixels; pixel++, from++) heap[inPanel(b, pixel, channel, channels)] = heap[from];
      }
      heap.fill(0, c, c + m * n);
      multiply(a, b, c, m, channels, n);
      const each = high * wide;
      for (let out = 0; out < outputs; out++) {
        heap.fill(bias ? bias.values[out] : 0, place + out * each, place + (out + 1) * each);
      }
      scatter(heap);
    },
  };
}

function scale(layer, { take, count, weight, inputs: [x] }) { // batch normalisation: one factor and shift per channel
  const factors = weight(layer.scale).values, shifts = weight(layer.shift).values;
  const each = count(x.shape.slice(2)), place = take(count(x.shape));
  return {
    place,
    run(heap) {
      for (let channel = 0, i = 0; channel < factors.length; channel++) {
        for (let pixel = 0; pixel < each; pixel++, i++) {
          heap[place + i] = heap[x.place + i] * factors[channel] + shifts[channel];
        }
      }
    },
  };
}

function groupNorm(layer, { take, count, weight, inputs: [x] }) {
  const factors = weight(layer.weight)?.values, shifts = weight(layer.bias)?.values;
  const total = count(x.shape), each = count(x.shape.slice(2)), size = total / layer.groups, place = take(total);
  return {
    place,
    run(heap) {
      for (let first = 0; first < total; first += size) {
        let sum = 0, squares = 0;
        for (let i = first; i < first + size; i++) sum += heap[x.place + i];
        const mean = sum / size;
        for (let i = first; i < first + size; i++) squares += (heap[x.place + i] - mean) ** 2;
        const factor = 1 / Math.sqrt(squares / size + layer.eps);
        for (let i = first; i < first + size; i++) {
          const channel = Math.floor(i / each), value = (heap[x.place + i] - mean) * factor;
          heap[place + i] = value * (factors ? factors[channel] : 1) + (shifts ? shifts[channel] : 0);
        }
      }
    },
  };
}

function each(make) { // a function of every value; make(layer) returns it
  return (layer, { take, count, inputs: [x] }) => {
    const total = count(x.shape), place = take(total), f = make(layer);
    return { place, run(heap) { for (let i = 0; i < total; i++) heap[place + i] = f(heap[x.place + i]); } };
  };
}

function erf(x) { // Abramowitz & Stegun, 7.1.26; the error is below 1.5e-7
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}

function both(f) { // a function of two tensors, of which an axis of length 1 is repeated
  return (layer, { take, count, inputs: [left, right] }) => {
    const total = count(layer.shape), place = take(total);
    const l = repeated(left.shape, layer.shape, total), r = repeated(right.shape, layer.shape, total);
    return { place, run(heap) {
      for (let i = 0; i < total; i++) heap[place + i] = f(heap[left.place + (l ? l[i] : i)], heap[right.place + (r ? r[i] : i)]);
    } };
  };
}

function repeated(own, shape, total) { // where the values of a repeated tensor come from; null: from the same place
  if (own.reduce((product, n) => product * n, 1) === total) return null;
  const sizes = [...Array(shape.length - own.length).fill(1), ...own], steps = [];
  for (let axis = sizes.length - 1, step = 1; axis >= 0; step *= sizes[axis--]) steps[axis] = sizes[axis] === 1 ? 0 : step;
  return Int32Array.from({ length: total }, (_, i) => {
    let place = 0;
    for (let axis = shape.length - 1, rest = i; axis >= 0; rest = Math.floor(rest / shape[axis--])) {
      place += (rest % shape[axis]) * steps[axis];
    }
    return place;
  });
}

function expand(layer, { take, count, inputs: [x] }) {
  const total = count(layer.shape), place = take(total), from = repeated(x.shape, layer.shape, total);
  return { place, run(heap) { for (let i = 0; i < total; i++) heap[place + i] = heap[x.place + from[i]]; } };
}

function slice(layer, { take, count, inputs: [x] }) {
  const { dim, start, shape } = layer, place = take(count(shape));
  const inner = count(shape.slice(dim + 1)), blocks = count(shape.slice(0, dim)), length = shape[dim] * inner;
  const stride = x.shape[dim] * inner;
  return { place, run(heap) {
    for (let block = 0; block < blocks; block++) {
      const from = x.place + block * stride + start * inner;
      heap.copyWithin(place + block * length, from, from + length);
    }
  } };
}

function cat(layer, { take, count, inputs }) {
  const { dim, shape } = layer, place = take(count(shape));
  const inner = count(shape.slice(dim + 1)), blocks = count(shape.slice(0, dim));
  return { place, run(heap) {
    for (let block = 0, to = place; block < blocks; block++) {
      for (const x of inputs) {
        const length = x.shape[dim] * inner, from = x.place + block * length;
        heap.copyWithin(to, from, from + length);
        to += length;
      }
    }
  } };
}

function pad(layer, { take, count, inputs: [x] }) { // with zeros, which the heap holds from the start
  const [height, width] = x.shape.slice(-2), [high, wide] = layer.shape.slice(-2);
  const channels = count(x.shape) / (height * width), place = take(count(layer.shape));
  return { place, run(heap) {
    for (let channel = 0; channel < channels; channel++) {
      for (let row = 0; row < height; row++) {
        const from = x.place + (channel * height + row) * width;
        heap.copyWithin(place + (channel * high + layer.top + row) * wide + layer.left, from, from + width);
      }
    }
  } };
}

function upsample(layer, { take, count, inputs: [x] }) { // to the nearest pixel
  const [height, width] = x.shape.slice(2), [high, wide] = layer.shape.slice(2), place = take(count(layer.shape));
  return { place, run(heap) {
    for (let channel = 0, to = place; channel < x.shape[1]; channel++) {
      for (let row = 0; row < high; row++) {
        const from = x.place + (channel * height + Math.floor(row * height / high)) * width;
        for (let column = 0; column < wide; column++) heap[to++] = heap[from + Math.floor(column * width / wide)];
      }
    }
  } };
}

function mean(layer, { take, count, inputs: [x] }) { // over the last axes
  const total = count(layer.shape), place = take(total);
  return { place, run(heap) {
    for (let i = 0, from = x.place; i < total; i++) {
      let sum = 0;
      for (let end = from + layer.over; from < end; from++) sum += heap[from];
      heap[place + i] = sum / layer.over;
    }
  } };
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

const LAYERS = {
  linear, conv, conv_transpose: convTranspose, scale, group_norm: groupNorm, expand, slice, cat, pad, upsample, mean,
  constant: (layer, { take, weight }) => {
    const { values } = weight(layer.value), place = take(values.length);
    return { place, fill(heap) { heap.set(values, place); } };
  },
  reshape: (layer, { inputs: [x] }) => ({ place: x.place }),
  relu: each(() => (x) => Math.max(x, 0)),
  silu: each(() => (x) => x * sigmoid(x)),
  gelu: each(() => (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2))),
  gelu_tanh: each(() => (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))),
  tanh: each(() => Math.tanh),
  sigmoid: each(() => sigmoid),
  leaky_relu: each(({ slope = 0.01 }) => (x) => x > 0 ? x : slope * x),
  elu: each(({ alpha = 1 }) => (x) => x > 0 ? x : alpha * Math.expm1(x)),
  exp: each(() => Math.exp),
  log: each(() => Math.log),
  softplus: each(() => (x) => x > 20 ? x : Math.log1p(Math.exp(x))),
  clamp: each(({ min = -Infinity, max = Infinity }) => (x) => Math.min(Math.max(x, min), max)),
  add: both((a, b) => a + b),
  sub: both((a, b) => a - b),
  mul: both((a, b) => a * b),
  div: both((a, b) => a / b),
};
