"""Measures how many faces are drawn per second on one thread: ``python scripts/benchmark_faces.py``."""

import time

from vae_lab.data.drawn_faces.drawing import draw
from vae_lab.data.faces import drawn_factors

COUNT, ROUNDS = 512, 5

factors = drawn_factors(COUNT, 0, ("glasses", "hair_style"))
draw(factors[:64])
rates = []
for _ in range(ROUNDS):
    began = time.process_time()  # of this process, so that others on the machine matter less
    draw(factors)
    rates.append(COUNT / (time.process_time() - began))
print(f"{max(rates):,.0f} faces per second of processor time, the best of {ROUNDS} rounds; {min(rates):,.0f} the worst")
