"""Vectors that add an attribute to a code: a smile, glasses, sharpness.

The vector of an attribute is the difference of the mean codes of training examples with and without it,

    v = mean(z | a = 1) − mean(z | a = 0),

and z + s·v adds it with strength s (White 2016, arXiv 1609.04468, section 3). The corrected vector takes the means with
the weights of :mod:`vae_lab.latents.balancing`, for which all combinations of the other attributes are equally frequent
on both sides; otherwise what goes with the attribute in the data is added, too. If the mean code is linear in the
attributes, E[z] = μ + Σ_b a_b d_b, the corrected vector is d_a exactly, and the raw one is

    v_a = d_a + Σ_b (P(b = 1 | a = 1) − P(b = 1 | a = 0)) d_b.

A vector is also a classifier: z·v is compared with a threshold, for which the accuracy on training codes is best. How
often this is right on other codes says how well the direction separates the attribute.

>>> import torch
>>> codes = torch.tensor([[0.0, 1.0], [0.0, 3.0], [2.0, 1.0], [2.0, 3.0]])
>>> present = torch.tensor([False, False, True, True])
>>> smile = AttributeVector.of(mean_difference(codes, present), codes, present)
>>> smile.vector, smile.threshold, smile.accuracy(codes, present)
(tensor([2., 0.]), 2.0, 1.0)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vae_lab.errors import UserError, did_you_mean
from vae_lab.latents.balancing import LEAST, EmptyCell, balance_of, balanced_weights, cell_counts

Method = Literal["means", "svm"]
MOST_BALANCED = 12  # attributes that a user may name, whose combinations are counted


def mean_difference(codes: Tensor, present: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean code with an attribute minus the mean code without it: [D].

    Args:
        codes: [N, D].
        present: which examples have the attribute, bool [N]; some and not all.
        weights: of the examples [N], in any unit on each side; None: all are equal.
    """
    w = torch.ones(len(codes), dtype=torch.float64) if weights is None else weights.double()
    w_with, w_without = w * present, w * ~present
    means = [(side / side.sum()) @ codes.double() for side in (w_with, w_without)]
    return (means[0] - means[1]).to(codes.dtype)


def svm_vector(codes: Tensor, present: Tensor, weights: Tensor | None = None) -> Tensor:
    """The unit normal of a linear support vector machine times the distance of the two means: [D].

    The machine minimises ½‖w‖² + ½b² + Σ_i c_i max(0, 1 − y_i (w·z_i + b))² with y = ±1, for codes in units of their
    root mean squared deviation. The costs c sum to N/2 on each side. Other than the difference of means, the normal
    does not point along directions in which the codes merely vary with the attribute, and separates better.

    Args:
        codes, present, weights: see :func:`mean_difference`.
    """
    from sklearn.svm import LinearSVC

    w = torch.ones(len(codes), dtype=torch.float64) if weights is None else weights.double()
    shares = torch.where(present, w / (w * present).sum(), w / (w * ~present).sum())
    centred = codes.double() - codes.double().mean(0)
    unit = centred.square().mean().sqrt().clamp(min=torch.finfo(torch.float64).tiny)
    machine = LinearSVC(C=1.0, dual=False, tol=1e-6, max_iter=10_000)
    machine.fit((centred / unit).numpy(), present.numpy(), 0.5 * len(codes) * shares.numpy())
    normal = torch.from_numpy(machine.coef_[0])
    normal = normal / normal.norm().clamp(min=torch.finfo(torch.float64).tiny)
    return (normal * mean_difference(codes, present, weights).norm()).to(codes.dtype)


def synthetic_vector(codes: Tensor, changed: Tensor) -> Tensor:
    """The mean code of images minus that of the same images after a change: [D]; for blurred images, sharpness.

    Args:
        codes: of images [N, D].
        changed: of the changed images [N, D].
    """
    return codes.mean(0) - changed.mean(0)


def best_threshold(scores: Tensor, present: Tensor) -> tuple[float, float]:
    """The threshold t for which ``score > t`` agrees with an attribute most often, and this share of the examples.

    It lies in the middle between two neighbouring scores; of several best ones it is the lowest.

    Args:
        scores: [N].
        present: bool [N].
    """
    ordered, order = scores.double().sort(stable=True)
    have = present[order].double()
    below_right = torch.cat([have.new_zeros(1), (1 - have).cumsum(0)])  # absent among the first k
    above_right = have.sum() - torch.cat([have.new_zeros(1), have.cumsum(0)])  # present among the others
    padded = torch.cat([ordered[:1] - 1, ordered, ordered[-1:] + 1])
    right = torch.where(padded[:-1] < padded[1:], below_right + above_right, -1.0)  # no threshold between equal scores
    k = int(right.argmax())
    return float((padded[k] + padded[k + 1]) / 2), float(right[k]) / len(scores)


@dataclass(frozen=True)
class AttributeVector:
    """A direction in the space of codes that adds an attribute, and separates codes by it."""

    vector: Tensor  # [D]
    threshold: float  # of z·v
    train_accuracy: float  # share of training codes on the right side

    @classmethod
    def of(cls, vector: Tensor, codes: Tensor, present: Tensor) -> "AttributeVector":
        """A vector with the threshold of best accuracy on training codes [N, D]."""
        return cls(vector, *best_threshold(codes @ vector, present))

    def accuracy(self, codes: Tensor, present: Tensor) -> float:
        """The share of codes [N, D] on the right side of the threshold."""
        return float(((codes @ self.vector > self.threshold) == present).double().mean())


@dataclass(frozen=True)
class Attribute:
    """An attribute in the codes of a model: its raw and its corrected vector, and what the correction is for."""

    name: str
    index: int  # its column
    share: float  # of the training examples that have it
    raw: AttributeVector
    corrected: AttributeVector | None  # None: there is nothing to balance
    balanced: tuple[str, ...]  # the attributes that are equally frequent with and without it
    left_out: dict[str, int]  # attributes that are not, with the examples of the smallest cell that they would give
    smallest_cell: int  # examples of the rarest combination that was balanced

    @property
    def best(self) -> AttributeVector:
        """The corrected vector, or the raw one where there is nothing to balance."""
        return self.corrected or self.raw


def attributes_of(
    codes: Tensor,
    present: Tensor,
    names: Sequence[str],
    method: Method = "means",
    balance: Sequence[str] | None = None,
    chosen: Sequence[str] | None = None,
) -> list[Attribute]:
    """The vectors of attributes from training codes. Attributes that all examples have, or none, are left out.

    Args:
        codes: [N, D].
        present: bool [N, A]; see :mod:`vae_lab.data.presence`.
        names: of the A attributes.
        method: 'means' for the difference of means, 'svm' for the normal of a support vector machine.
        balance: the attributes that are made equally frequent; None: for each attribute all others whose combinations
            have at least :data:`~vae_lab.latents.balancing.LEAST` examples each.
        chosen: the attributes whose vectors are wanted; None: all.

    Raises:
        UserError: an attribute does not exist, a combination of those to balance has no example, or the only one that
            is chosen is also the only one to balance.
    """
    refuse_unknown([*(balance or ()), *(chosen or ())], names)
    if balance is not None and len(set(balance)) > MOST_BALANCED:
        raise UserError(f"at most {MOST_BALANCED} attributes can be balanced, which have 4,096 combinations; "
                        f"{len(set(balance))} are named")  # fmt: skip
    if balance and chosen and len(set(balance)) == 1 and set(balance) == set(chosen):
        raise UserError(f"balance=[{balance[0]}]: {balance[0]} itself is the attribute whose vector is drawn, which "
                        "cannot be equally frequent with and without it; name others, or leave it out")  # fmt: skip
    varying = present.any(0) & ~present.all(0)
    wanted = [i for i, name in enumerate(names) if varying[i] and (chosen is None or name in chosen)]
    return [_attribute(codes, present, i, names, method, balance) for i in wanted]


def refuse_unknown(words: Sequence[str], names: Sequence[str]) -> None:
    """Check that words are names of attributes.

    Raises:
        UserError: one is not.
    """
    for word in words:
        if word not in names:
            raise UserError(f"no attribute is called {word!r}{did_you_mean(word, names)}; "
                            f"the dataset has {', '.join(names)}")  # fmt: skip


def _attribute(
    codes: Tensor, present: Tensor, index: int, names: Sequence[str], method: Method, balance: Sequence[str] | None
) -> Attribute:
    make, own = mean_difference if method == "means" else svm_vector, present[:, index]
    if balance is None:
        found = balance_of(present, index, LEAST)
        columns, left_out, smallest = found.balanced, found.left_out, found.smallest
    else:
        columns, left_out = [i for i, name in enumerate(names) if name in balance and i != index], {}
        smallest = int(cell_counts(own, present[:, columns]).min())
    corrected = None
    if columns:
        try:
            weights = balanced_weights(own, present[:, columns], names[index], [names[i] for i in columns])
        except EmptyCell as why:
            raise UserError(f"balance=[{','.join(balance or ())}]: {why}; leave one of these attributes out") from why
        corrected = AttributeVector.of(make(codes, own, weights), codes, own)
    return Attribute(
        name=names[index],
        index=index,
        share=float(own.double().mean()),
        raw=AttributeVector.of(make(codes, own), codes, own),
        corrected=corrected,
        balanced=tuple(names[i] for i in columns),
        left_out={names[i]: count for i, count in left_out.items()},
        smallest_cell=smallest,
    )
