"""Compares an epoch of vae-lab's training with a hand-written loop on the same tensors and networks, in turns.

    python scripts/benchmark_epoch.py --data <folder with MNIST> --model dense --rounds 5

The hand-written loop is what a careful person would write without any framework: images in memory as bytes, batches cut
by index, the loss in one line, fused Adam. vae-lab's side is the whole path of `vae-lab train`: its own `epoch_seconds`
(from the first batch to the last), with W&B offline, step curves and checkpoints, as users have them.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict
from rich.console import Console

from vae_lab import run
from vae_lab.build import make_data, make_job
from vae_lab.callbacks.history import read_history
from vae_lab.devices import device_for
from vae_lab.help import CONF
from vae_lab.schema import TrainConfig, check


def hand_written_epochs(config: dict, device: torch.device) -> list[float]:
    """Seconds of each epoch in plain torch."""
    data = make_data(config)
    pixels = data.train.at(torch.arange(len(data.train)))[0].to(device)
    model = make_job(config, data.x_shape, data.y_size).model.to(device)
    encoder, head, decoder = model.encoder, model.posterior, model.decoder
    optimizer = torch.optim.Adam(model.parameters(), lr=config["lr"], fused=True)
    seconds = []
    for _ in range(config["epochs"]):
        started = time.perf_counter()
        for index in torch.randperm(len(pixels), device=device).split(config["batch_size"]):
            x = pixels[index].float() / 255
            h = encoder(x)
            mu, log_var = head.mu(h), head.log_var(h)
            z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
            recon = (torch.sigmoid(decoder(z)) - x).square().sum() / len(x)
            kl = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum() / len(x)
            optimizer.zero_grad()
            (recon + kl).backward()
            optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds


def vae_lab_epochs(config: dict) -> list[float]:
    """The epoch_seconds of a run."""
    with tempfile.TemporaryDirectory() as folder:
        run.train(config, Path(folder) / "run", Console(quiet=True))
        return [row["epoch_seconds"] for row in read_history(Path(folder) / "run" / "metrics.csv")]


def main() -> None:
    """Measure in turns, and print the ratio with its spread."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default="dense")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    words = [f"model={args.model}", f"batch_size={args.batch_size}", f"data_dir={args.data}", f"epochs={args.epochs}",
             "metrics=none", "figures=none", "k1=1", "k2=1", "logger.mode=offline"]  # fmt: skip
    with initialize_config_dir(str(Path(CONF).absolute()), version_base="1.3"):
        composed = compose("train", words)
        with open_dict(composed):
            composed.choices = {"model": args.model}
        config = OmegaConf.to_container(composed, resolve=True)
    device = device_for(check(TrainConfig, config).accelerator)
    ratios = []
    for i in range(args.rounds):
        pair = hand_written_epochs(config, device), vae_lab_epochs(config)
        (first_hand, *hand), (first_ours, *ours) = pair  # W&B starts its own processes during the first epoch
        a, b = statistics.mean(hand), statistics.mean(ours)
        ratios.append(b / a)
        print(f"round {i + 1}: hand-written {a:.2f} s, vae-lab {b:.2f} s, ratio {b / a:.3f}; "
              f"first epoch {first_hand:.2f} s, {first_ours:.2f} s")  # fmt: skip
    ratios.sort()
    print(
        f"{args.model}, batch {args.batch_size}, {device}, {torch.get_num_threads()} threads: ratio "
        f"{statistics.median(ratios):.3f} (from {ratios[0]:.3f} to {ratios[-1]:.3f} in {args.rounds} rounds)"
    )


if __name__ == "__main__":
    main()
