"""Train the VAE module of lightning-bolts with the benchmark's networks in a typical Lightning script."""

import tempfile

import pytorch_lightning as pl
import torch
from common import VAE, Case, FirstStep, read_case, report
from lightning_script import Clock, dataset
from pl_bolts.models.autoencoders import VAE as BoltsVAE
from torch.utils.data import DataLoader


def with_our_networks(case: Case) -> BoltsVAE:
    """Return the module of lightning-bolts with its ResNets and its two heads replaced by the benchmark's."""
    module, vae = BoltsVAE(case.side, latent_dim=case.latent_dim, lr=case.lr), VAE(case)
    module.encoder, module.fc_mu, module.fc_var = vae.encoder, vae.mu, vae.log_var
    module.decoder = torch.nn.Sequential(vae.decoder, torch.nn.Sigmoid())
    return module


def main() -> None:
    """Train the case and report the measurements."""
    case, first, clock = read_case(), FirstStep(), Clock()
    loader = DataLoader(dataset(case), case.batch, shuffle=True, num_workers=2)
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=case.epochs, callbacks=[clock], default_root_dir=folder, accelerator="auto", devices=1
        )
        trainer.fit(with_our_networks(case), loader)
    report(clock.seconds, first, ["lightning-bolts", "pytorch-lightning"])


if __name__ == "__main__":
    main()
