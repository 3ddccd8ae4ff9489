"""The commands that use a run's model: encode, decode, reconstruct, interpolate."""

import shutil

import numpy as np
import pytest
from PIL import Image

import vae_lab


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("used")
    tiny = {"dataset": "digits", "dataset.limit": 16, "likelihood": "mse", "batch_size": 8, "epochs": 1,
            "model": "dense", "latent_dim": 3, "logger": "none", "metrics": "none", "figures": "none"}  # fmt: skip
    vae_lab.train(tiny, {"hydra.run.dir": folder / "run"})
    vae_lab.train(tiny, {"hydra.run.dir": folder / "conditional", "conditional": True})
    for i, label in enumerate("0123"):
        for place in (folder / "images", folder / "classes" / label):
            place.mkdir(exist_ok=True, parents=True)
            Image.fromarray(np.full((8, 8), 60 * i, np.uint8)).save(place / f"{i}.png")
    Image.fromarray(np.full((30, 20, 3), 90, np.uint8)).save(folder / "images" / "photo.jpg")
    return folder


@pytest.fixture
def here(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".parquet"])
def test_encode_then_decode_gives_the_reconstructions(cli, here, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    encoded = cli("encode", "run=run", "images=images", f"to=codes{suffix}")
    assert encoded.status == 0, encoded.err
    assert "1 of 5 images was brought to 8×8 grey like the images of this run" in encoded.out
    assert cli("decode", "run=run", f"codes=codes{suffix}", "to=decoded.npy").status == 0
    assert cli("reconstruct", "run=run", "images=images", "to=again.npy").status == 0
    decoded = np.load(here / "decoded.npy")
    assert decoded.shape == (5, 1, 8, 8)
    assert np.array_equal(decoded, np.load(here / "again.npy"))
    for name in ("codes", "decoded", "again"):
        with Image.open(here / f"{name}.png") as picture:
            assert picture.width > 500


def test_the_table_has_names_moments_and_kl(cli, here):
    assert cli("encode", "run=run", "images=images").status == 0
    header, first, *_ = (here / "run/encoded/images.csv").read_text().splitlines()
    names = [f"{part}_{i}" for part in ("mean", "log_var", "kl") for i in range(3)]
    assert header.split(",") == ["file", "kl_total", *names]
    cells = dict(zip(header.split(","), first.split(",")))
    assert cells["file"] == "0.png"
    mean, log_var = (np.array([float(cells[f"{part}_{i}"]) for i in range(3)]) for part in ("mean", "log_var"))
    kl = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var)
    np.testing.assert_allclose(kl, [float(cells[f"kl_{i}"]) for i in range(3)], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(kl.sum(), float(cells["kl_total"]), rtol=1e-4)


def test_the_images_of_the_dataset_need_no_files(cli, here):
    assert cli("encode", "run=conditional", "images=test", "to=codes.npy").status == 0
    table, run = np.load(here / "codes.npy"), vae_lab.load_run(here / "conditional")
    assert table["mean"].shape == (360, 3)
    assert [run.data.classes.index(name) for name in table["y"]] == run.data.test.labels.tolist()
    batch = next(run.data.batches("test", n=360))
    assert np.array_equal(table["mean"], run.encode(batch.x, batch.y).numpy())


def test_labels_are_typed_or_those_of_folders(cli, here):
    refused = cli("encode", "run=conditional", "images=images")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "this run is conditional; type y=0" in refused.err
    assert cli("encode", "run=conditional", "images=classes", "to=folders.npy").status == 0
    assert list(np.load(here / "folders.npy")["y"]) == ["0", "1", "2", "3"]
    assert cli("encode", "run=conditional", "images=classes", "y=[0,1,2,3]", "to=typed.npy").status == 0
    assert np.array_equal(np.load(here / "folders.npy"), np.load(here / "typed.npy"))
    assert cli("decode", "run=conditional", "codes=typed.npy", "to=own.npy").status == 0
    assert cli("decode", "run=conditional", "codes=typed.npy", "y=7", "to=seven.npy").status == 0
    assert not np.array_equal(np.load(here / "own.npy"), np.load(here / "seven.npy"))


def test_a_line_between_files_or_test_images(cli, here):
    assert cli("interpolate", "run=run", "a=images/1.png", "b=images/photo.jpg", "steps=4").status == 0
    line = np.load(here / "run/interpolated/1.png-photo.jpg.npy")
    run = vae_lab.load_run(here / "run")
    first = run.reconstruct(next(run.data.batches("test", n=360)).x[:1])
    assert line.shape == (4, 1, 8, 8)
    assert cli("interpolate", "run=run", "a=0", "b=5", "line=spherical", "to=line.npy").status == 0
    np.testing.assert_allclose(np.load(here / "line.npy")[0], first[0].numpy(), atol=1e-6)
    assert (here / "line.png").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["encode", "images=nowhere"], "images=nowhere: no such file or folder"),
        (["encode", "images=images", "to=codes.txt"], "must end in .csv, .npy or .parquet"),
        (["encode", "images=images", "y=3"], "y=3: this run is not conditional"),
        (["encode", "images=test", "background=white"], "background=: images=test is the dataset of the run"),
        (["decode", "codes=images/0.png"], "codes are read from .csv, .npy, .parquet"),
        (["decode", "codes=nowhere.csv"], "codes=nowhere.csv: no such file"),
        (
            ["decode", "codes=wide.npy"],
            "codes=wide.npy: 4 values per image, and this run has 3; the codes are those of another run",
        ),
        (["interpolate", "b=1"], "a is needed; type a=<image file, or the number of a test image>"),
        (["encode"], "images is needed; type images=<folder, image file or array file>, or images=test, val or train"),
        (["interpolate", "a=images", "b=images/0.png"], "a=images: 5 images; type a=<one image file>"),
        (["interpolate", "a=360", "b=0"], "a=360: the test images are numbered from 0 to 359"),
        (["interpolate", "a=0", "b=1", "steps=1"], "steps=1: must be greater than or equal to 2; type steps=9"),
        (["interpolate", "a=0", "b=1", "line=bent"], "line=bent: must be 'linear' or 'spherical'"),
    ],
)
def test_wrong_input_is_refused_in_one_line_and_nothing_is_written(cli, here, words, told):
    np.save(here / "wide.npy", np.zeros((2, 4)))
    before = sorted(here.rglob("*"))
    command, *rest = words
    ended = cli(command, "run=run", *rest)
    assert ended.status == 2
    assert told in ended.err
    assert ended.err.count("\n") == 1
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("present", ["mine.npy", "mine.png"])
def test_no_file_is_overwritten(cli, here, present):
    (here / present).write_text("mine")
    ended = cli("reconstruct", "run=run", "images=images", "to=mine.npy")
    assert ended.status == 2
    assert f"{present} already exists and is not overwritten; type to=<another file>" in ended.err
    assert (here / present).read_text() == "mine"
    assert sorted(path.name for path in here.glob("mine*")) == [present]


def test_every_command_has_help(cli):
    for command in ("encode", "decode", "reconstruct", "interpolate"):
        ended = cli(command, "--help")
        assert ended.status == 0
        assert f"vae-lab {command} run=outputs/<date>/<run>" in ended.out
