"""Published datasets without their files and without a network: one line says which files to put where."""

import pytest
from torchvision import datasets

from vae_lab.data.emnist import EMNIST
from vae_lab.data.omniglot import Omniglot
from vae_lab.data.svhn import SVHN
from vae_lab.errors import UserError


@pytest.mark.parametrize(
    ("source", "module", "download", "told"),
    [
        (EMNIST, datasets.mnist, "download_and_extract_archive", "put emnist-balanced-{train,test}"),
        (Omniglot, datasets.omniglot, "download_and_extract_archive", "put images_background.zip"),
        (SVHN, datasets.svhn, "download_url", "put train_32x32.mat and test_32x32.mat there, or type data_dir="),
    ],
    ids=["emnist", "omniglot", "svhn"],
)
def test_without_files_or_network_the_files_are_named(tmp_path, monkeypatch, source, module, download, told):
    def no_network(*args, **kwargs):
        raise OSError("<urlopen error no network>")

    monkeypatch.setattr(module, download, no_network)
    with pytest.raises(UserError) as error:
        source().load(tmp_path)
    assert f"dataset={source.__name__.lower()} is not in {tmp_path}" in str(error.value)
    assert "could not be downloaded (no network)" in str(error.value)
    assert told in str(error.value)
    assert list(tmp_path.iterdir()) == []
