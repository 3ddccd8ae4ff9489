"""How well vectors of attributes separate codes, and what else they change in images.

Vectors come from training codes (:mod:`vae_lab.latents.attribute_vectors`). The *accuracy* of an attribute is the share
of test codes on the right side of its vector's threshold. *Leakage* is by how much adding one attribute changes the
probability of each of the others, which the classifier of the dataset's attributes reads from decoded images
(:mod:`vae_lab.metrics.common.leakage`). Both are computed for the raw difference of means and for the vector that is
corrected for the other attributes.
"""

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.config.names import slug
from vae_lab.data.presence import Presence, exclusive
from vae_lab.latents.attribute_vectors import Attribute, AttributeVector, Method, attributes_of
from vae_lab.latents.balancing import LEAST
from vae_lab.latents.codes import decode
from vae_lab.metrics.common.leakage import Changes, effect, leakage, leakage_interval, leaks
from vae_lab.metrics.common.resampling import bootstrap_protocol, wilson
from vae_lab.scores import Scores, Trained

AT_ONCE = 250  # images read at a time


class AttributeScores:
    """Accuracy of attribute vectors on test codes, and their leakage.

    Args:
        method: 'means' for differences of means, 'svm' for the normals of support vector machines.
        balance: the attributes that are made equally frequent for the corrected vectors; None: as many as have examples
            of all combinations.
        train_images: largest number of training images to learn the vectors from.
        images: largest number of test images to which each attribute is added.
        bootstrap: number of resamples for the intervals of leakage.
    """

    topic = "Attributes in the codes"
    needs = ("images", "continuous", "attributes", "classifier")

    def __init__(
        self,
        method: Method = "means",
        balance: Sequence[str] | None = None,
        train_images: PositiveInt = 20_000,
        images: PositiveInt = 500,
        bootstrap: PositiveInt = 100,
    ) -> None:
        self.method, self.balance = method, balance
        self.train_images, self.images, self.bootstrap = train_images, images, bootstrap

    def __call__(self, trained: Trained) -> Scores:
        """Return the accuracy of each attribute, effect and leakage; only a note if no attribute varies."""
        n, names = min(self.train_images, len(trained.data.train)), trained.data.attributes
        presence = Presence.of(_targets(trained.data.pool.y))
        present = presence(trained.attribute_values("train", n))
        found = attributes_of(trained.codes("train", n)[0].mu, present, names, self.method, self.balance)
        found = [one for one in found if not presence(_targets(trained.data.test.y))[:, one.index].all()]
        if not found:
            return Scores({}, notes=["No attribute_accuracy: every attribute is the same for all examples."])
        scores = Scores({}, {"attributes": self._protocol(trained, n)})
        rows: list[dict[str, Any]] = [_about(one) for one in found]
        self._put_accuracy(scores, rows, trained, presence, found)
        self._put_reading(scores, rows, trained, presence)
        for suffix, vectors in (("", [one.best for one in found]), ("_raw", [one.raw for one in found])):
            self._put_leakage(scores, rows, trained, presence, found, vectors, exclusive(present), suffix)
        scores.arrays["attributes"] = rows
        scores.meanings = {name: _meaning(name) for name in scores.values}
        return scores

    def _put_accuracy(
        self, scores: Scores, rows: list[dict[str, Any]], trained: Trained, presence: Presence, found: list[Attribute]
    ) -> None:
        """The share of test codes on the right side, for each attribute and on average."""
        codes, present = trained.codes("test")[0].mu, presence(trained.attribute_values("test"))
        for row, one in zip(rows, found):
            own = present[:, one.index]
            row["accuracy"], row["accuracy_raw"] = one.best.accuracy(codes, own), one.raw.accuracy(codes, own)
            row["majority"] = max(own.double().mean().item(), 1 - own.double().mean().item())
            name = f"attribute_accuracy_{slug(one.name)}"
            scores.values[name], scores.intervals[name] = row["accuracy"], wilson(row["accuracy"], len(own))
        means = {
            f"attribute_{name}": sum(row[name] for row in rows) / len(rows) for name in ("accuracy", "accuracy_raw")
        }
        scores.values = means | scores.values

    def _put_reading(self, scores: Scores, rows: list[dict[str, Any]], trained: Trained, presence: Presence) -> None:
        """How often the classifier reads reconstructions and test images right, on average and for each attribute."""
        n = min(len(trained.data.test), 4 * self.images)
        present = presence(torch.cat([_targets(batch.y).cpu() for batch in trained.data.batches("test", n)]))
        for source, name in (("reconstructions", "attribute_reading"), ("test", "attribute_reading_floor")):
            right = ((trained.class_logits(source, n) > 0) == present).double().mean(0)
            columns = [trained.data.attributes.index(row["attribute"]) for row in rows]
            scores.values[name] = right[columns].mean().item()
            for row, column in zip(rows, columns):
                row[name.removeprefix("attribute_")] = right[column].item()

    def _put_leakage(
        self, scores: Scores, rows: list[dict[str, Any]], trained: Trained, presence: Presence,
        found: list[Attribute], vectors: list[AttributeVector], excluded: Tensor, suffix: str,
    ) -> None:  # fmt: skip
        """What these vectors do to all attributes of images."""
        told = f"adding each of {len(found)} attributes{' (raw)' * bool(suffix)}"
        steps = trained.progress(list(zip(found, vectors)), told)
        changes = [self._changes(trained, presence, one.index, vector.vector) for one, vector in steps]
        scores.values[f"attribute_effect{suffix}"] = effect(changes)
        for row, of_all in zip(rows, leaks(changes).tolist()):
            row[f"changes{suffix}"] = dict(zip(trained.data.attributes, of_all))
        value = leakage(changes, excluded)
        if value is None:
            scores.notes = ["No attribute_leakage: no two attributes occur in all four combinations."]
            return
        name = f"attribute_leakage{suffix}"
        scores.values[name] = value
        scores.intervals[name] = leakage_interval(changes, excluded, self.bootstrap, trained.seed)

    def _changes(self, trained: Trained, presence: Presence, index: int, vector: Tensor) -> Changes:
        """The change of all probabilities in test images that lack an attribute, when it is added with strength 1."""
        values = trained.attribute_values("test")
        lacking = (~presence(values)[:, index]).nonzero().flatten()[: self.images]
        z = trained.codes("test")[0].mu[lacking]
        y = values[lacking] if trained.model.conditional else None
        before, after = (_read(trained, decode(trained.model, codes, y, trained.noise)) for codes in (z, z + vector))
        return Changes(index, after - before)

    def _protocol(self, trained: Trained, n: int) -> dict[str, Any]:
        network = trained.classifier
        assert network is not None
        kind = "differences of means" if self.method == "means" else "normals of linear support vector machines"
        chosen = "all others whose combinations have examples" if self.balance is None else ", ".join(self.balance)
        return {
            **network.about,
            "codes": f"posterior means of {n:,} training images",
            "images": self.images,  # read by the classifier, for each attribute
            "accuracy": f"all {len(trained.data.test):,} test images; thresholds from training images",
            "vectors": kind,
            "present": "values above the middle of the range of the training images",
            "balanced": f"{chosen}, at least {LEAST} each" if self.balance is None else chosen,
            "leakage": f"strength 1, added to at most {self.images} test images that lack the attribute",
            "intervals": f"accuracy: Wilson; leakage: {bootstrap_protocol(self.bootstrap, 'test images')}",
            "seed": trained.seed,
        }


def _read(trained: Trained, images: Tensor) -> Tensor:
    """The probability of every attribute in images [n, C, H, W]: [n, A], on the CPU."""
    network = trained.classifier
    assert network is not None
    return torch.cat([network(part.to(trained.device))[1].sigmoid().cpu() for part in images.split(AT_ONCE)])


def _about(one: Attribute) -> dict[str, Any]:
    """The attribute and what its vector was corrected for, as plain values."""
    return {
        "attribute": one.name,
        "share": one.share,
        "balanced": list(one.balanced),
        "smallest_cell": one.smallest_cell,
        "not_balanced": one.left_out,
    }


def _targets(y: Tensor | None) -> Tensor:
    assert y is not None
    return y


def _meaning(name: str) -> str:
    if name in _MEANINGS:
        return _MEANINGS[name]
    return "share of test codes on the right side of this attribute's vector"


_MEANINGS = {
    "attribute_accuracy": "test codes on the right side of corrected vectors, mean over attributes",
    "attribute_accuracy_raw": "the same of raw vectors",
    "attribute_reading": "attributes that the classifier reads right in reconstructions",
    "attribute_reading_floor": "and in the test images themselves",
    "attribute_effect": "by how much adding an attribute raises its own probability, 1 is best",
    "attribute_effect_raw": "the same of raw vectors",
    "attribute_leakage": "and changes the probability of each other attribute, 0 is best",
    "attribute_leakage_raw": "the same of raw vectors",
}
