import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from helpers import bytes_of

from vae_lab.data.frey import Frey
from vae_lab.errors import UserError

FACES = np.random.default_rng(0).integers(0, 256, (30, 28, 20), np.uint8)
REAL = Path(os.environ.get("VAE_LAB_DATA", "nowhere")) / "frey"


def saved(root: Path, name: str) -> Path:
    file = root / "frey" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".mat"):
        scipy.io.savemat(file, {"ff": FACES.reshape(30, 560).T})
    else:
        file.write_bytes(pickle.dumps([FACES.reshape(30, 560)], protocol=0))
    return root


@pytest.mark.parametrize("name", ["frey_rawface.mat", "freyfaces.pkl"])
def test_each_file_gives_the_frames_upright(tmp_path, name):
    train, test = Frey(split="end").load(saved(tmp_path, name))
    assert (len(train), len(test)) == (27, 3)
    assert np.array_equal(bytes_of(train)[:, 0], FACES[:27])
    assert np.array_equal(bytes_of(test)[:, 0], FACES[27:])
    assert train.labels is None


def test_shuffled_frames_are_each_in_one_part(tmp_path):
    train, test = Frey().load(saved(tmp_path, "frey_rawface.mat"))
    assert sorted([*train.chosen.tolist(), *test.chosen.tolist()]) == list(range(30))
    assert test.chosen.sort().values.tolist() != [27, 28, 29]


def test_a_pickle_that_would_run_code_is_refused_in_one_line(tmp_path):
    saved(tmp_path, "freyfaces.pkl").joinpath("frey/freyfaces.pkl").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(UserError, match=r"dataset=frey: .*freyfaces\.pkl is a pickle that names os\.system") as told:
        Frey().load(tmp_path)
    assert "\n" not in str(told.value)


def test_other_images_are_refused(tmp_path):
    (tmp_path / "frey").mkdir()
    np.save(tmp_path / "frey" / "freyfaces.npy", np.zeros((9, 28, 28), np.uint8))
    with pytest.raises(UserError, match=r"an array of 9 × 28 × 28, and images of 28×20 are needed"):
        Frey().load(tmp_path)
    np.save(tmp_path / "frey" / "freyfaces.npy", np.zeros((9, 28, 20)))
    with pytest.raises(UserError, match=r"its images are float64, and bytes are needed; type dataset=arrays"):
        Frey().load(tmp_path)


def test_a_missing_file_is_told_with_its_page(tmp_path):
    with pytest.raises(
        UserError, match=r"dataset=frey: frey_rawface\.mat is not in .*; download frey_rawface\.mat from the page"
    ):
        Frey().load(tmp_path)


@pytest.mark.skipif(not REAL.is_dir(), reason="VAE_LAB_DATA has no frey/")
@pytest.mark.parametrize("name", ["frey_rawface.mat", "freyfaces.pkl"])
def test_the_published_files_hold_the_same_frames(tmp_path, name):
    (tmp_path / name).symlink_to(REAL / name)
    train, test = Frey(split="end", test_share=0.2).load(tmp_path)
    assert (len(train), len(test)) == (1572, 393)
    assert bytes_of(train).int().sum() + bytes_of(test).int().sum() == 169_968_741
    assert bytes_of(train)[0, 0, 0, :3].tolist() == [81, 136, 167]


@pytest.mark.parametrize("split", ["shuffled", "end"])
def test_a_share_that_leaves_nothing_for_training_is_refused(tmp_path, split):
    saved(tmp_path, "frey_rawface.mat")
    with pytest.raises(UserError, match=r"test_share=0\.9999 leaves none of 30 examples for training; type 0\.1$"):
        Frey(split, test_share=0.9999).load(tmp_path)
