"""Tests of the scores of attributes in a world whose decoder and classifier are known."""

from types import SimpleNamespace

import pytest
import torch
from helpers import FakeExtractor, FakeTrained

from vae_lab.examples import Examples
from vae_lab.metrics.attributes import AttributeScores
from vae_lab.metrics.common.leakage import Changes, effect, leakage, leakage_interval, leaks
from vae_lab.types import Normal

NAMES = ("glasses", "hat", "smile")
DIRECTIONS = 2 * torch.eye(3, 4)  # of the attributes in codes of four dimensions


def reads(images: torch.Tensor) -> torch.Tensor:
    """The logits [n, 3] of the probabilities clip(x·d/|d|²), which are the attributes themselves at exact codes."""
    p = (images.flatten(1) @ DIRECTIONS.T / 4).clamp(0, 1)
    return p.logit()


class Reader(FakeExtractor):
    def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x.flatten(1), reads(x)


class World(FakeTrained):
    """A model whose images are its codes: 2×2 pixels of a linear-Gaussian world with correlated glasses and hats."""

    def __init__(self, present: dict[str, torch.Tensor], conditional: bool = False) -> None:
        images = torch.zeros(len(present["test"]), 1, 2, 2, dtype=torch.uint8)
        super().__init__(Examples(images, present["test"].float(), attributes=NAMES))
        pool = torch.zeros(len(present["train"]), 1, 2, 2, dtype=torch.uint8)
        self.data.pool = self.data.train = Examples(pool, present["train"].float(), attributes=NAMES)
        self.present, self.classifier = present, Reader()
        self.given_y: list[torch.Tensor | None] = []
        self.model = SimpleNamespace(
            conditional=conditional, latent_shapes=((4,),), parameters=lambda: [torch.zeros(1)], decode=self._decode,
            likelihood=SimpleNamespace(mean=lambda params: params),
        )  # fmt: skip

    def _decode(self, z, y):
        self.given_y.append(y)
        return z[0].unflatten(-1, (1, 2, 2))

    def codes(self, split="test", n=None, level=0):
        mu = self.present[split][:n].float() @ DIRECTIONS
        return Normal(mu, torch.zeros_like(mu)), None

    def attribute_values(self, split="test", n=None):
        return self.present[split][:n].float()

    def class_logits(self, source, n):
        return reads(self.codes("test", n)[0].mu)


def correlated(n: int, same: float, seed: int) -> torch.Tensor:
    """Glasses, hats that equal them with probability ``same``, and smiles: bool [n, 3]."""
    draws = torch.Generator().manual_seed(seed)
    glasses, smile = torch.rand(n, generator=draws) < 0.4, torch.rand(n, generator=draws) < 0.5
    return torch.stack([glasses, glasses == (torch.rand(n, generator=draws) < same), smile], 1)


@pytest.fixture(scope="module")
def world() -> World:
    return World({"train": correlated(3000, 0.75, 0), "test": correlated(400, 0.75, 1)})


def test_the_raw_vectors_leak_by_the_difference_of_frequencies_and_the_corrected_ones_do_not(world):
    scores = AttributeScores()(world)
    train, test = world.present["train"].double(), world.present["test"].double()
    rows = {row["attribute"]: row for row in scores.arrays["attributes"]}
    total = []
    for a, name in enumerate(NAMES):
        own, lacking = train[:, a] == 1, test[:, a] == 0
        moved = train[own].mean(0) - train[~own].mean(0)  # what the raw vector adds of each attribute
        right = ((test[lacking] + moved).clamp(0, 1) - test[lacking]).mean(0)
        assert list(rows[name]["changes_raw"].values()) == pytest.approx(right.tolist(), abs=1e-4)
        assert rows[name]["changes"] == pytest.approx({other: float(other == name) for other in NAMES}, abs=1e-4)
        total += [abs(right[b].item()) for b in range(3) if b != a]
    assert scores.values["attribute_leakage_raw"] == pytest.approx(sum(total) / 6, abs=1e-4)
    assert scores.values["attribute_leakage"] == pytest.approx(0, abs=1e-4)
    assert scores.values["attribute_effect"] == pytest.approx(1, abs=1e-4)
    assert rows["glasses"]["changes_raw"]["hat"] > 0.25  # ½ more hats, for those who have none yet
    low, high = scores.intervals["attribute_leakage_raw"]
    assert low < scores.values["attribute_leakage_raw"] < high < 1.5 * low


def test_accuracy_is_that_of_test_codes(world):
    scores = AttributeScores()(world)
    codes, present = world.codes()[0].mu, world.present["test"]
    for a, name in enumerate(NAMES):
        row = scores.arrays["attributes"][a]
        assert scores.values[f"attribute_accuracy_{name}"] == row["accuracy"] == 1.0  # exact codes are separable
        assert row["majority"] == max(present[:, a].double().mean(), 1 - present[:, a].double().mean())
        assert row["share"] == world.present["train"][:, a].double().mean()
        assert set(row["balanced"]) == set(NAMES) - {name}
    assert scores.values["attribute_accuracy"] == 1.0
    assert scores.values["attribute_reading"] == scores.values["attribute_reading_floor"] == 1.0
    assert len(codes) == 400
    assert set(scores.meanings) == set(scores.values)


def test_support_vector_machines_leak_less_than_raw_means(world):
    means, machines = (AttributeScores(method=method)(world) for method in ("means", "svm"))
    assert machines.values["attribute_leakage_raw"] < 0.2 * means.values["attribute_leakage_raw"]
    assert machines.values["attribute_accuracy"] == 1.0


def test_pairs_that_exclude_each_other_do_not_count():
    shape = torch.eye(3).bool()
    made = World({"train": shape[torch.arange(300) % 3], "test": shape[torch.arange(60) % 3]})
    scores = AttributeScores()(made)
    assert scores.notes == ["No attribute_leakage: no two attributes occur in all four combinations."]
    assert "attribute_leakage" not in scores.values
    assert scores.arrays["attributes"][0]["not_balanced"] == {"hat": 0, "smile": 0}


def test_an_attribute_that_never_varies_is_left_out():
    train, test = correlated(300, 0.75, 0), correlated(60, 0.75, 1)
    train[:, 1], test[:, 2] = True, True
    scores = AttributeScores()(World({"train": train, "test": test}))
    assert [row["attribute"] for row in scores.arrays["attributes"]] == ["glasses"]
    constant = torch.ones(60, 3).bool()
    scores = AttributeScores()(World({"train": constant, "test": constant}))
    assert scores.values == {}
    assert scores.notes == ["No attribute_accuracy: every attribute is the same for all examples."]


def test_a_conditional_model_keeps_the_condition_of_each_image():
    made = World({"train": correlated(300, 0.75, 0), "test": correlated(60, 0.75, 1)}, conditional=True)
    AttributeScores()(made)
    lacking = ~made.present["test"][:, 0]
    assert torch.equal(made.given_y[0], made.present["test"][lacking].float())
    assert torch.equal(made.given_y[1], made.given_y[0])


def test_changes_are_averaged_with_their_signs():
    one = Changes(0, torch.tensor([[0.5, 0.2, -0.3], [0.7, -0.2, -0.1]]))
    other = Changes(2, torch.tensor([[0.1, 0.0, 1.0]]))
    torch.testing.assert_close(leaks([one, other]).float(), torch.tensor([[0.6, 0.0, -0.2], [0.1, 0.0, 1.0]]))
    assert effect([one, other]) == pytest.approx(0.8)
    assert leakage([one, other], torch.eye(3).bool()) == pytest.approx(0.3 / 4)
    assert leakage([one, other], torch.ones(3, 3).bool()) is None
    draws = torch.Generator().manual_seed(0)
    many = Changes(0, 0.2 + 0.1 * torch.randn(400, 2, generator=draws))
    low, high = leakage_interval([many], torch.eye(2).bool(), 400, 0)
    assert (high - low) / 2 == pytest.approx(1.96 * 0.1 / 20, rel=0.15)
