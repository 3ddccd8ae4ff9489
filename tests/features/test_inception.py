import hashlib
import pickle
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest
import torch
from helpers import gen, random_batch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchmetrics.image.fid import NoTrainInceptionV3

from vae_lab.errors import UserError
from vae_lab.features.inception import _downloaded, inception_features


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """A file in the format of the published one, about 91 MiB, with random weights."""
    file = tmp_path_factory.mktemp("inception") / "random.pth"
    with torch.random.fork_rng(), pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(0)
        patch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        net = FeatureExtractorInceptionV3("inception", ["2048"])
        for weight in net.parameters():
            if weight.ndim == 4:
                torch.nn.init.kaiming_normal_(weight)
    torch.save(net.state_dict(), file)
    return file


def made(x_shape=(1, 8, 8)) -> SimpleNamespace:
    return SimpleNamespace(data=SimpleNamespace(x_shape=x_shape), device=torch.device("cpu"))


@pytest.fixture(scope="session")
def inception(weights):
    return inception_features(made(), str(weights))


def image(channels: int = 1, seed: int = 0) -> torch.Tensor:
    return random_batch(1, (channels, 8, 8), seed).x


def equal(inception, a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether both images have the same features and logits, up to rounding."""
    return all(torch.allclose(*part, rtol=1e-4, atol=1e-6) for part in inception(torch.cat([a, b])))


def test_features_and_logits_have_the_published_widths(inception):
    features, logits = inception(torch.cat([image(), image(seed=1)]))
    assert (features.shape, logits.shape) == ((2, 2048), (2, 1008))
    assert inception.num_features == 2048
    assert (features[0] - features[1]).norm() > 1e-2 * features[0].norm()


def test_it_is_frozen(inception):
    assert not inception.training
    assert not any(weight.requires_grad for weight in inception.parameters())


def test_the_protocol_states_the_network(inception, weights):
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert inception.sha256 == inception.about["extractor_sha256"] == digest
    assert "torch-fidelity 0." in inception.about["features"]
    assert inception.suffix == "_inception"


def test_the_same_bytes_give_the_features_of_other_software(inception, weights):
    bytes_ = torch.randint(0, 256, (1, 3, 9, 11), generator=gen(), dtype=torch.uint8)
    found = inception(bytes_.float() / 255)
    names = ["2048", "logits_unbiased"]
    fidelity = FeatureExtractorInceptionV3("inception", names, str(weights))(bytes_)
    torchmetrics = NoTrainInceptionV3("inception", names, str(weights), antialias=False)._torch_fidelity_forward(bytes_)
    for ours, theirs, others in zip(found, fidelity, torchmetrics, strict=True):
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(ours, others)


def test_another_image_is_not_equal(inception):
    assert not equal(inception, image(), image(seed=1))


def test_grey_images_are_those_with_three_equal_channels(inception):
    grey, three = inception(image()), inception(image().expand(-1, 3, -1, -1))
    for one, other in zip(grey, three, strict=True):
        torch.testing.assert_close(one, other)


def test_values_outside_0_and_1_are_clamped_and_never_wrap_round(inception):
    x = 3 * image() - 1
    assert x.max() > 1
    assert x.min() < 0
    assert equal(inception, x, x.clamp(0, 1))


def test_values_are_rounded_to_the_nearest_byte(inception):
    x = (image() * 255).round() / 255
    assert equal(inception, x - 0.4 / 255, x)


def test_a_batch_gives_the_same_features_as_its_parts(inception, monkeypatch):
    x = torch.cat([image(seed=seed) for seed in range(3)])
    whole = inception(x)
    monkeypatch.setattr("vae_lab.features.inception.BATCH", 2)
    for one, other in zip(inception(x), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * other.abs().max().item())


@pytest.mark.parametrize("channels", [2, 4])
def test_images_of_other_channels_are_refused(weights, channels):
    with pytest.raises(UserError, match=f"features=inception takes 1 or 3 channels, these images have {channels}"):
        inception_features(made((channels, 8, 8)), str(weights))


class Evil:
    """An object whose pickle creates a file when it is loaded without protection."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return (Path.touch, (self.place,))


def damaged(kind: str, folder: Path, weights: Path) -> Path:
    file = folder / "given.pth"
    if kind == "truncated":
        file.write_bytes(weights.read_bytes()[:5_000_000])
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "text":
        file.write_text("<html>404: not found</html>")
    elif kind == "json":
        file.write_text('{"a": 1}')
    elif kind == "other network":
        torch.save(torch.nn.Linear(3, 2).state_dict(), file)
    elif kind == "other widths":
        state = torch.load(weights)
        torch.save({**state, "fc.weight": torch.zeros(1000, 2048)}, file)
    elif kind in OBJECTS:
        torch.save(OBJECTS[kind], file)
    elif kind == "code":
        torch.save({"fc.weight": Evil(folder / "evil")}, file)
    elif kind == "old code":
        file.write_bytes(pickle.dumps(Evil(folder / "evil")))
    return file


OBJECTS = {"tensor": torch.zeros(3), "list": [1], "names": {"fc.weight": "one"}, "numbered": {1: torch.zeros(3)}}
KINDS = ["truncated", "empty", "text", "json", "other network", "other widths", "code", "old code", *OBJECTS]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_file_without_the_network_is_refused_in_one_line(kind, tmp_path, weights):
    file = damaged(kind, tmp_path, weights)
    with pytest.raises(UserError) as told:
        inception_features(made(), str(file))
    message = str(told.value)
    assert "\n" not in message
    assert message.startswith(f"features.weights={file}: not the weights of torch-fidelity's Inception")
    assert "type features.weights=<that file>, or features=classifier" in message
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("path", ["missing.pth", "."])
def test_a_file_that_is_not_there_is_named(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"^features.weights={path}: no such file; get https://\S+ and type"):
        inception_features(made(), path)


@pytest.mark.parametrize(
    "why", [URLError("Name or service\nnot known"), OSError("No space left"), RuntimeError("hash")]
)
def test_without_a_network_the_message_names_the_file_and_its_place(tmp_path, monkeypatch, why):
    def fail(*_, **__):
        raise why

    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    with pytest.raises(UserError) as told:
        inception_features(made())
    message = str(told.value)
    assert "\n" not in message
    assert str(tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth") in message
    assert "https://" in message
    assert "features=classifier" in message


def test_a_download_is_kept_where_other_software_finds_it(tmp_path, monkeypatch):
    asked = []

    def download(url, path, hash_prefix):
        asked.append((url, hash_prefix))
        Path(path).touch()

    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", download)
    assert _downloaded() == _downloaded() == tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    ((url, prefix),) = asked
    assert prefix in url
