"""Train with a careful loop in plain PyTorch: bytes in memory, batches by index, fused Adam. This is the baseline."""

import torch
from common import DEVICE, VAE, FirstStep, image_bytes, now, read_case, report


def main() -> None:
    """Train the case and report the measurements."""
    case, first, seconds = read_case(), FirstStep(), []
    pixels = image_bytes(case).to(DEVICE)
    model = VAE(case).to(DEVICE)
    optimizer = torch.optim.Adam(model.parameters(), lr=case.lr, fused=True)
    for _ in range(case.epochs):
        started = now()
        for index in torch.randperm(len(pixels), device=DEVICE).split(case.batch):
            loss = model.loss(pixels[index].float().div_(255))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(now() - started)
    report(seconds, first, loss=loss.item())


if __name__ == "__main__":
    main()
