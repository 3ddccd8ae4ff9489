// --- the decoder: layers on a heap ------------------------------------------------------------------------------------
//
// Every register has its place in one heap of float32. A layer is planned first, which reserves places; once the heap is
// there, its weights are put in order (fill), and from then on run() computes its result for each code.

function makeNetwork(program, wasm) {
  let size = 0;
  const take = (count) => { const place = size; size += padded(Math.max(count, 1)); return place; };
  const count = (shape) => shape.reduce((product, n) => product * n, 1);
  const registers = program.inputs.map((shape) => ({ shape, place: take(count(shape)) }));
  const weights = { half: halves(program.weights.half), single: singles(program.weights.single) };
  const weight = (at) => at && { shape: at[2], values: weights[at[0]].subarray(at[1], at[1] + count(at[2])) };
  const planned = program.layers.map((layer) => {
    const plan = LAYERS[layer.op](layer, { take, count, weight, inputs: layer.in.map((i) => registers[i]) });
    registers.push({ shape: layer.shape, place: plan.place });
    return plan;
  });
  const heap = makeHeap(size, wasm);
  for (const plan of planned) plan.fill?.(heap.numbers);
  const runs = planned.filter((plan) => plan.run).map((plan) => plan.run);
  const output = registers[program.output];
  const [channels, height, width] = output.shape.slice(-3);
  return {
    accelerated: heap.accelerated, channels, height, width,
    decode(z, y) { // the values of the image [C, H, W], valid until the next call
      heap.numbers.set(z, registers[0].place);
      if (y && program.inputs.length > 1) heap.numbers.set(y, registers[1].place);
      for (const run of runs) run(heap.numbers, heap.multiply);
      return heap.numbers.subarray(output.place, output.place + channels * height * width);
    },
  };
}
