"""Frey faces (Roweis & Saul): 1,965 frames of a film of one face, 28×20, grey."""

from pathlib import Path
from typing import Literal

from vae_lab.data.by_hand import ByHand
from vae_lab.data.held_out import held_out, refuse_share
from vae_lab.data.published_array import PublishedArray
from vae_lab.examples import Examples

_SHARE = "dataset.source.test_share"
_FREY = PublishedArray(
    ByHand(
        "dataset=frey",
        ("frey", ""),
        "frey_rawface.mat",
        "the page “Data for MATLAB hackers” of Sam Roweis",
        "dataset=digits, which needs no file",
    ),
    ("frey_rawface", "freyfaces", "freyface"),
    height=28,
    width=20,
    columns="HW",
)


class Frey:
    """The frames, without labels; from ``frey_rawface.mat`` or ``freyfaces.pkl``.

    Args:
        split: 'shuffled' holds out test frames by a fixed shuffle, as is usual. Neighbouring frames are almost equal,
            so that such a test set asks for little more than memory. 'end' holds out the end of the film.
        test_share: the fraction of the frames that is held out.

    Raises:
        UserError: ``test_share`` does not lie between 0 and 1.
    """

    def __init__(self, split: Literal["shuffled", "end"] = "shuffled", test_share: float = 0.1) -> None:
        refuse_share(_SHARE, test_share)
        self.split, self.test_share = split, test_share

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples, which share their memory.

        Raises:
            UserError: the file is missing, damaged, or a pickle that would run code, or no frame is left for training.
        """
        images, _, _ = _FREY.read(root)
        examples = Examples(images, None)
        train, test = held_out(len(images), self.test_share, _SHARE, at_the_end=self.split == "end")
        return examples.part(train), examples.part(test)
