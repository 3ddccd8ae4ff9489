import hashlib
import os
from pathlib import Path

import pytest
import torch
from helpers import FakeData, bytes_of, gen, labelled

from vae_lab.data.cache import Unwritable
from vae_lab.data.torchvision_images import TorchvisionImages
from vae_lab.examples import Examples
from vae_lab.features import classifier
from vae_lab.features.classifier import SHIPPED, classifier_beforehand, classifier_for
from vae_lab.features.conv_classifier import ConvClassifier, freeze, load_classifier, save_classifier
from vae_lab.features.learning import Classes, accuracy, task_of, train_classifier

CPU = torch.device("cpu")
DATA = Path(os.environ.get("VAE_LAB_DATA", "nowhere"))
SHIPPED_ONES = {"mnist": 0.9937, "fashion_mnist": 0.9042}  # name -> test accuracy


def halves(n: int, seed: int = 0) -> Examples:
    """Noisy images whose upper half (label 0) or lower half (label 1) is bright."""
    labels = torch.arange(n) % 2
    pixels = torch.randint(0, 60, (n, 1, 8, 8), generator=gen(seed), dtype=torch.uint8)
    pixels[labels == 0, :, :4] += 180
    pixels[labels == 1, :, 4:] += 180
    return Examples(pixels, labels, ("above", "below"))


@pytest.fixture(scope="module")
def net() -> ConvClassifier:
    return train_classifier(halves(320), halves(100, seed=1), "halves", seen=640)


def weights(net) -> torch.Tensor:
    return torch.cat([p.flatten() for p in net.parameters()])


@pytest.mark.parametrize("x_shape", [(1, 8, 8), (3, 9, 11), (1, 28, 28), (2, 17, 32)])
def test_it_takes_images_of_any_size_from_8_up(x_shape):
    features, logits = ConvClassifier(x_shape, 5)(torch.rand(3, *x_shape))
    assert features.shape == (3, 128)
    assert logits.shape == (3, 5)


def test_separable_classes_are_learnt(net):
    assert net.test_accuracy == accuracy(net, halves(100, seed=1), Classes()) == 1.0


def test_accuracy_is_the_share_that_is_read_right(net):
    images = halves(100)
    images.targets[:25] = 1 - images.targets[:25]
    assert accuracy(net, images, Classes()) == 0.75


def test_accuracy_of_a_part_is_that_of_the_part(net):
    images = halves(100)
    images.targets[:50] = 1 - images.targets[:50]
    assert accuracy(net, images.part(torch.arange(40, 60)), Classes()) == 0.5


def test_a_trained_classifier_is_frozen(net):
    assert not net.training
    assert not any(p.requires_grad for p in net.parameters())
    x = torch.rand(4, 1, 8, 8)
    assert torch.equal(net(x)[1], net(x)[1])


def test_an_image_gives_the_same_features_alone_as_in_a_batch(net):
    x = torch.rand(5, 1, 8, 8, generator=gen())
    torch.testing.assert_close(net(x)[0][2:3], net(x[2:3])[0], atol=1e-5, rtol=1e-4)


def test_training_depends_on_its_seed_and_leaves_global_randomness_alone():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first = weights(train_classifier(halves(60), halves(10), "halves", seen=60))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12)
    assert torch.equal(weights(train_classifier(halves(60), halves(10), "halves", seen=60)), first)
    assert not torch.equal(weights(train_classifier(halves(60), halves(10), "halves", seen=60, seed=1)), first)


def test_saving_and_loading_keep_outputs_name_and_accuracy(net, tmp_path):
    path = tmp_path / "net.safetensors"
    save_classifier(net, path)
    loaded = load_classifier(path, (1, 8, 8), 2)
    x = torch.rand(4, 1, 8, 8, generator=gen())
    assert all(torch.equal(a, b) for a, b in zip(net(x), loaded(x)))
    assert (loaded.name, loaded.test_accuracy) == ("halves", net.test_accuracy)
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not loaded.training
    assert list(tmp_path.iterdir()) == [path]


def test_saving_twice_gives_the_same_hash(net, tmp_path):
    hashes = []
    for name in ("a", "b"):
        save_classifier(net, tmp_path / f"{name}.safetensors")
        hashes.append(load_classifier(tmp_path / f"{name}.safetensors", (1, 8, 8), 2).sha256)
    assert hashes[0] == hashes[1] != ""


@pytest.fixture
def trainings(tmp_path, monkeypatch) -> list[Examples]:
    """An empty cache, and a list of the training sets with which classifiers were trained since."""
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path))
    calls: list[Examples] = []

    def untrained(train, test, name, *_):
        calls.append(train)
        return freeze(ConvClassifier(train.x_shape, len(train.attributes or train.classes), name))

    monkeypatch.setattr(classifier, "train_classifier", untrained)
    return calls


def found_for(images: Examples, pool: Examples | None = None) -> ConvClassifier | None:
    return classifier_for(FakeData(images, pool), CPU, lambda steps, _: steps)


def with_attributes(n: int, seed: int = 0) -> Examples:
    """Images with two numbers: whether the left and how far the right half is bright. Every combination occurs."""
    draws = gen(seed)
    pixels = torch.randint(0, 60, (n, 1, 8, 8), generator=draws, dtype=torch.uint8)
    left, right = torch.arange(n) % 2, torch.rand(n, generator=draws)
    pixels[left == 1, :, :, :4] += 150
    pixels[:, :, :, 4:] += (150 * right).to(torch.uint8)[:, None, None, None]
    return Examples(pixels, torch.stack([left.float(), 4 + 2 * right], 1), attributes=("left", "right"))


def test_attributes_are_read_one_by_one():
    net = train_classifier(with_attributes(320), test := with_attributes(100, seed=1), "sides attribute", seen=3200)
    logits = net(bytes_of(test).float() / 255)[1]
    right = (logits > 0) == (test.y > torch.tensor([0.5, 5.0]))
    assert right[:, 0].all()
    assert right[:, 1].float().mean() > 0.9
    assert net.test_accuracy == pytest.approx(right.float().mean().item(), abs=0.01)  # the middle is that of training
    assert net.about["features"] == "sides attribute classifier, 128-d"


def test_the_loss_of_attributes_is_that_of_independent_coins():
    y, logits = torch.tensor([[0.0, 4.0], [1.0, 6.0]]), torch.tensor([[0.5, -1.0], [2.0, 0.3]])
    p = logits.sigmoid()
    right = -torch.stack([1 - p[0, 0], 1 - p[0, 1], p[1, 0], p[1, 1]]).log().mean()
    torch.testing.assert_close(task_of(Examples(y, y, attributes=("a", "b"))).loss(logits, y), right)


def test_a_dataset_is_learnt_once(trainings):
    first, second = found_for(labelled(20)), found_for(labelled(20))
    assert len(trainings) == 1
    assert first.sha256 == second.sha256 != ""


def test_it_learns_all_training_images(trainings):
    found_for(labelled(20), labelled(30, seed=5))
    assert len(trainings[0]) == 30


def test_other_images_or_other_labels_get_a_separate_classifier(trainings):
    images = labelled(20)
    found_for(images)
    found_for(labelled(20, seed=9))
    found_for(Examples(images.stored, images.targets.flip(0), images.classes))
    found_for(Examples(images.stored, images.targets, ("a", "b", "c")))
    assert len(trainings) == 4


def test_other_attributes_get_a_separate_classifier(trainings):
    images = with_attributes(20)
    assert found_for(images).head.out_features == 2
    found_for(Examples(images.stored, 1 - images.targets, attributes=images.attributes))
    found_for(Examples(images.stored, images.targets, attributes=("left", "light")))
    found_for(with_attributes(20))
    assert len(trainings) == 3


@pytest.mark.parametrize("images", [Examples(labelled(20).stored, None), labelled(20, classes=1)], ids=["none", "one"])
def test_without_at_least_two_labels_there_is_no_classifier(trainings, images):
    assert found_for(images) is None
    assert trainings == []


@pytest.mark.parametrize(("name", "stated"), SHIPPED_ONES.items())
def test_a_shipped_classifier_is_not_trained(trainings, name, stated):
    data = FakeData(labelled(20, (1, 28, 28), classes=10))
    data.name = name
    found = classifier_for(data, CPU, lambda steps, _: steps)
    assert trainings == []
    path = SHIPPED / f"{name}_classifier.safetensors"
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.test_accuracy == pytest.approx(stated, abs=1e-4)
    assert found.name == name
    assert path.stat().st_size < 2**20


@pytest.mark.parametrize("name", SHIPPED_ONES)
def test_the_documentation_has_the_hash_and_the_accuracy_of_the_shipped_classifiers(name):
    weights = (SHIPPED / f"{name}_classifier.safetensors").read_bytes()
    page = (SHIPPED.parent.parent / "docs" / "classifiers.md").read_text(encoding="utf-8")
    assert f"| {name} | {100 * SHIPPED_ONES[name]:.2f} % | `{hashlib.sha256(weights).hexdigest()}` |" in page


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_the_shipped_classifiers_have_their_stated_accuracy(name, folder):
    if not (DATA / folder / "raw").is_dir():
        pytest.skip(f"VAE_LAB_DATA is not set to a folder with {folder}")
    _, test = TorchvisionImages(folder).load(DATA)
    net = load_classifier(SHIPPED / f"{name}_classifier.safetensors", (1, 28, 28), 10)
    assert accuracy(net, test, Classes()) == pytest.approx(net.test_accuracy, abs=2e-4)


@pytest.mark.parametrize(("side", "seen"), [(28, 28), (32, 32), (64, 32), (96, 32), (224, 32)])
def test_large_images_are_averaged_down_first(side, seen):
    sizes = []
    net = ConvClassifier((1, side, side), 2)
    next(m for m in net.body if isinstance(m, torch.nn.Conv2d)).register_forward_hook(
        lambda _, given, __: sizes.append(given[0].shape[-2:])
    )
    net(torch.rand(1, 1, side, side))
    assert sizes == [(seen, seen)]


def test_relu_after_pooling_is_relu_before_it_and_the_images_are_kept():
    net = freeze(ConvClassifier((1, 28, 28), 5))
    x = torch.randn(12, 1, 28, 28, generator=gen())
    given, pending, expected = x.clone(), None, x
    for layer in net.body:
        if isinstance(layer, torch.nn.MaxPool2d | torch.nn.AdaptiveMaxPool2d):
            pending = layer
        elif isinstance(layer, torch.nn.ReLU):
            expected, pending = (pending or torch.nn.Identity())(expected.relu()), None
        else:
            expected = layer(expected)
    assert torch.equal(net(x)[0], expected)
    assert torch.equal(x, given)


@pytest.mark.parametrize("n", [2, 9, 17])
def test_a_few_images_are_enough_to_learn_from(n):
    assert train_classifier(halves(n), halves(2), "halves", seen=n).num_features > 0


def test_before_training_it_is_neither_trained_nor_drawn_from_global_randomness(trainings):
    state = torch.random.get_rng_state()
    found = classifier_beforehand(FakeData(labelled(20)))
    assert found.head.out_features == 3
    assert not trainings
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("images", [Examples(labelled(20).stored, None), labelled(20, classes=1)], ids=["none", "one"])
def test_before_training_there_is_none_either_without_two_labels(trainings, images):
    assert classifier_beforehand(FakeData(images)) is None


def test_a_cache_that_may_only_be_read_is_refused_unless_the_classifier_is_in_it(trainings, monkeypatch):
    found_for(labelled(20))

    def refused(kind):
        raise Unwritable(f"{kind} cannot be written")

    monkeypatch.setattr(classifier, "refuse_unwritable", refused)
    assert classifier_beforehand(FakeData(labelled(20))) is not None
    with pytest.raises(Unwritable, match=r"has to be trained and saved, but classifiers cannot be written"):
        classifier_beforehand(FakeData(labelled(20, seed=9)))
    assert classifier_beforehand(FakeData(labelled(20, seed=9)), required=False) is not None
