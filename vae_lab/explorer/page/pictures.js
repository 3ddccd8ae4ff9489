// --- pictures: sheets of images, and values of pixels on canvases ------------------------------------------------------

function loadSheet({ src, width, height, columns }) { // draw(context, i, x, y, w, h) draws image i of the sheet
  const image = new Image();
  const ready = new Promise((resolve) => { image.onload = resolve; image.onerror = resolve; });
  image.src = src;
  const draw = (context, i, x, y, w, h) =>
    context.drawImage(image, (i % columns) * width, Math.floor(i / columns) * height, width, height, x, y, w, h);
  return { width, height, draw, ready };
}

function imageData(values, channels, height, width) { // [C, H, W] in [0, 1] to the pixels of a canvas
  const size = height * width, pixels = new Uint8ClampedArray(4 * size);
  for (let i = 0; i < size; i++) {
    if (channels === 3) {
      for (let c = 0; c < 3; c++) pixels[4 * i + c] = Math.round(255 * values[c * size + i]);
    } else {
      let grey = 0; // images of other numbers of channels are shown as their mean
      for (let c = 0; c < channels; c++) grey += values[c * size + i];
      pixels[4 * i] = pixels[4 * i + 1] = pixels[4 * i + 2] = Math.round(255 * grey / channels);
    }
    pixels[4 * i + 3] = 255;
  }
  return new ImageData(pixels, width, height);
}

function paint(canvas, data) {
  if (canvas.width !== data.width || canvas.height !== data.height) {
    Object.assign(canvas, { width: data.width, height: data.height });
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
}

function enlarged(data, least = 320) { // a canvas with every pixel as a square, for files
  const factor = Math.max(1, Math.ceil(least / Math.max(data.width, data.height)));
  const small = make("canvas", { width: data.width, height: data.height });
  small.getContext("2d").putImageData(data, 0, 0);
  const large = make("canvas", { width: factor * data.width, height: factor * data.height });
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, large.width, large.height);
  return large;
}
