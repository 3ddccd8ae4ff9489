from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser

from vae_lab.config.python_words import words_of
from vae_lab.errors import UserError


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (4, 4),
        (1e-3, 1e-3),
        (1e-08, 1e-08),
        (True, True),
        (None, None),
        ("cnn", "cnn"),
        ("paper/burda_2016", "paper/burda_2016"),
        ([1, 2.5, "a b", None], [1, 2.5, "a b", None]),
        (("fid", "nll"), ["fid", "nll"]),
        (np.float32(0.5), 0.5),
        (np.array([1, 2]), [1, 2]),
        (torch.tensor(3), 3),
        ([{"a": 1}], [{"a": 1}]),
    ],
    ids=str,
)
def test_hydra_reads_the_value_that_was_given(value, read):
    (word,) = words_of([], {"key": value})
    (override,) = OverridesParser.create().parse_overrides([word])
    found = override.value()
    texts = [getattr(one, "text", one) for one in found] if isinstance(found, list) else getattr(found, "text", found)
    assert texts == read


@pytest.mark.parametrize("text", ["1", "null", "true", "1,2", "a=b", "it's (1)", "${seed}", "", "~/x y", Path("a/b c")])
def test_a_text_stays_a_text(text):
    (word,) = words_of([], {"key": text})
    (override,) = OverridesParser.create().parse_overrides([word])
    value = override.value()
    assert getattr(value, "text", value) == str(text).replace("${", r"\${")


def test_words_lists_and_mappings_keep_their_order():
    found = words_of(["model=cnn", ["beta=4"], {"dataset.limit": 5}], {"lr": 0.1, "model": {"net": {"width": 8}}})
    assert found == ["model=cnn", "beta=4", "dataset.limit=5", "lr=0.1", "model.net.width=8"]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ([4], "4: words such as"),
        (["model=cnn beta=4"], 'holds several words; type them apart: "model=cnn", "beta=4"'),
        ([{"beta": object}], "must be a number, a text, a list, a mapping, True, False or None"),
    ],
)
def test_what_is_no_word_is_refused(typed, told):
    with pytest.raises(UserError, match=told):
        words_of(typed, {})


def test_a_quoted_text_may_look_like_several_words():
    assert words_of(["run='a b=c'"], {}) == ["run='a b=c'"]
