import json
import math
from pathlib import Path

import pytest
import torch

from vae_lab.data import faces
from vae_lab.data.dataset import Dataset
from vae_lab.data.drawn_faces.drawing import draw
from vae_lab.data.drawn_faces.face import NAMES, STYLES
from vae_lab.data.faces import GRID, FaceGrid, Faces, drawn_factors, from_quantiles, labelled
from vae_lab.errors import UserError

MANY = 20_000
FIRST = [-0.206, 0.5364, 0.0885, 0.132, 1.0, 1.0, 0.4901, 0.7929, 0.4556, 0.2646]  # seed 0 of torch


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path / "cache"))


def column(factors, name):
    return factors[:, NAMES.index(name)]


def correlation(a, b):
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


@pytest.mark.parametrize("requested", [-0.8, 0.0, 0.5, 1.0])
def test_glasses_and_long_hair_have_the_requested_correlation(requested):
    values, names, _ = labelled(drawn_factors(MANY, requested, ("glasses", "hair_style")), "attributes")
    glasses, long_hair = values[:, names.index("glasses")], values[:, names.index("long_hair")]
    assert correlation(glasses, long_hair) == pytest.approx(requested, abs=0.02)  # three standard errors


@pytest.mark.parametrize("requested", [-0.5, 0.7])
def test_two_continuous_factors_have_the_requested_rank_correlation(requested):
    factors = drawn_factors(MANY, requested, ("smile", "skin"))
    ranks = [column(factors, name).argsort().argsort().float() for name in ("smile", "skin")]
    assert correlation(*ranks) == pytest.approx(requested, abs=0.02)


def test_a_correlation_leaves_distributions_and_other_factors_as_they_are():
    free = drawn_factors(MANY, 0, ("glasses", "hair_style"))
    tied = drawn_factors(MANY, -0.6, ("glasses", "hair_style"))
    others = [i for i, name in enumerate(NAMES) if name != "hair_style"]
    assert torch.equal(free[:, others], tied[:, others])
    counts = torch.bincount(column(tied, "hair_style").long(), minlength=6) / MANY
    torch.testing.assert_close(counts, torch.full((6,), 1 / 6), rtol=0, atol=0.01)
    matrix = torch.corrcoef(free.T) - torch.eye(len(NAMES))
    assert matrix.abs().max() < 0.03


def test_a_correlation_of_a_factor_with_itself_is_refused():
    with pytest.raises(UserError, match=r"dataset.source.correlated=\[smile,smile\]: type two different factors$"):
        Faces(correlated=["smile", "smile"])


def test_factors_lie_in_their_ranges():
    factors = drawn_factors(MANY, 0, ("glasses", "hair_style"))
    ends = {name: (column(factors, name).min().item(), column(factors, name).max().item()) for name in NAMES}
    assert ends["hair_style"] == (0, 5)
    assert ends["glasses"] == (0, 1)
    assert ends["smile"] == pytest.approx((-1, 1), abs=0.001)
    assert ends["skin"] == pytest.approx((0, 1), abs=0.001)
    assert column(factors, "smile").abs().min() >= 0.2
    assert column(factors, "glasses").mean().item() == pytest.approx(0.5, abs=0.01)


def test_training_and_test_images_are_drawn_from_their_factors():
    train, test = Faces(images=30, test_images=10).load(Path())
    assert (len(train), len(test)) == (30, 10)
    of_train, of_test = (
        drawn_factors(n, 0, ("glasses", "hair_style"), split) for n, split in ((30, "train"), (10, "test"))
    )
    assert torch.equal(train.at(torch.arange(30))[0], draw(of_train))
    assert torch.equal(test.at(torch.arange(10))[0], draw(of_test))
    assert torch.equal(test.y[:, 0], (column(of_test, "smile") > 0).float())
    assert test.preparation == {"correlation": "none"}
    assert Faces(images=30, test_images=10, correlation=-0.5).load(Path())[1].preparation == {
        "correlation": "-0.5 of glasses and hair_style"
    }


@pytest.mark.parametrize("requested", [0, 0.5])
def test_faces_are_the_same_whatever_their_number_is_and_no_training_face_is_a_test_face(requested):
    train, test = (drawn_factors(MANY, requested, ("glasses", "hair_style"), split) for split in ("train", "test"))
    for split, factors in (("train", train), ("test", test)):
        assert torch.equal(drawn_factors(100, requested, ("glasses", "hair_style"), split), factors[:100])
    assert len(torch.cat([train, test]).unique(dim=0)) == 2 * MANY


def test_the_first_training_face_is_always_the_same():
    first = drawn_factors(1, 0, ("glasses", "hair_style"))[0].tolist()
    assert first == pytest.approx(FIRST, abs=1e-4)


def test_images_are_drawn_once_and_then_read_from_the_cache(monkeypatch):
    first = Faces(images=12, test_images=10).load(Path())[0]
    monkeypatch.setattr(faces, "draw", lambda factors: pytest.fail("drawn again"))
    second = Faces(images=12, test_images=10, labels="style").load(Path())[0]  # other labels of the same images
    assert torch.equal(first.stored, second.stored)


def test_faces_drawn_by_older_code_are_removed(tmp_path, monkeypatch):
    Faces(images=12, test_images=10).load(Path())
    before = set((tmp_path / "cache" / "images").glob("*.npy"))
    package = tmp_path / "drawn_faces"
    package.mkdir()
    (package / "drawing.py").write_text("newer")
    monkeypatch.setattr(faces.drawn_faces, "__path__", [str(package)])
    Faces(images=12, test_images=10).load(Path())
    after = set((tmp_path / "cache" / "images").glob("*.npy"))
    assert len(before) == len(after) == 2
    assert not before & after


def test_attributes_are_words_about_the_factors():
    quantiles = torch.full((2, len(NAMES)), 0.25)
    quantiles[1] = 0.75
    values, names, classes = labelled(from_quantiles(quantiles), "attributes")
    assert classes == ()
    few = {name for name, (low, high) in zip(names, values.T.tolist()) if (low, high) == (0, 1)}
    assert few == set(names) - {"curly_hair"}
    assert values[:, names.index("curly_hair")].tolist() == [0, 0]
    curls = torch.full((1, len(NAMES)), 0.45)
    assert labelled(from_quantiles(curls), "attributes")[0][0, names.index("curly_hair")] == 1


def test_factors_are_numbers_with_the_style_one_hot():
    factors = drawn_factors(50, 0, ("glasses", "hair_style"))
    values, names, _ = labelled(factors, "factors")
    assert names[:3] == ("smile", "yaw", "skin")
    assert names[-6:] == ("cropped", "side_part", "curls", "bun", "bob", "long")
    assert torch.equal(values[:, -6:].argmax(1), column(factors, "hair_style").long())
    assert torch.equal(values[:, 0], column(factors, "smile"))


def test_styles_are_classes():
    train, _ = Faces(images=30, test_images=10, labels="style").load(Path())
    assert train.classes == STYLES
    assert train.attributes == ()
    assert train.labels.dtype == torch.long


def test_the_grid_has_every_combination_with_the_last_factor_changing_fastest():
    grid = FaceGrid()
    assert len(grid) == math.prod(GRID) == 62_208
    assert grid.shape == (62_208, 3, 64, 64)
    factors = grid.factors(torch.arange(len(grid)))
    assert len(factors.unique(dim=0)) == len(grid)
    assert column(factors[:3], "light").tolist() == pytest.approx([-2 / 3, 0, 2 / 3])
    assert len(factors[:3, :-1].unique(dim=0)) == 1
    place = torch.tensor([1, 2, 0, 3, 5, 1, 0, 1, 2, 1])
    index = int(sum(v * math.prod(GRID[i + 1 :]) for i, v in enumerate(place.tolist())))
    found = grid.factors(torch.tensor(index))
    assert found[NAMES.index("hair_style")] == 5
    assert found[NAMES.index("glasses")] == 1
    assert found[NAMES.index("yaw")] == pytest.approx(2 / 3)
    assert found[NAMES.index("hair_colour")] == pytest.approx(7 / 8)


def test_any_shape_of_index_gives_the_faces_at_those_places():
    grid = FaceGrid()
    index = torch.tensor([[5, 9], [62_207, 0]])
    images = grid[index]
    assert images.shape == (2, 2, 3, 64, 64)
    assert torch.equal(images[1, 0], grid[torch.tensor(62_207)])
    assert torch.equal(images[0, 1], draw(grid.factors(torch.tensor([9])))[0])
    assert torch.equal(grid.to(torch.device("cpu"))[index], images)


def test_it_is_a_dataset_with_known_factors():
    data = Dataset("faces", Faces(images=40, test_images=20), Path(), 8, 0, val_share=0.1)
    assert repr(data) == "Dataset(faces: 36 train, 4 val, 20 test; images of 3×64×64)"
    assert data.factors.names == NAMES
    assert data.attributes[:2] == ("smiling", "glasses")
    batch = next(data.batches("train", 6))
    assert batch.x.shape == (6, 3, 64, 64)
    assert 0 <= batch.x.min() < batch.x.max() <= 1


@pytest.mark.parametrize("conditional", [True, False])
def test_disentanglement_is_scored_on_the_grid_and_not_on_the_images_of_training(
    cli, tmp_path, monkeypatch, conditional
):
    monkeypatch.setattr(faces, "GRID", (2,) * len(NAMES))  # 1,024 faces, more than there are images
    words = ["dataset=faces", "dataset.source.images=40", "dataset.source.test_images=20", "model.net.width=4"]
    ended = cli("train", *words, "batch_size=8", "epochs=1", "logger=none", "figures=none", "metrics=mig",
                "metrics.mig.points=200", f"conditional={conditional}", "hydra.run.dir=run")  # fmt: skip
    assert ended.status == 0, ended.err
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert 0 <= results["metrics"]["test/mig"] <= 1
    assert "a grid of 1,024 drawn faces" in json.dumps(results)
