from types import SimpleNamespace

import pytest
import torch
from helpers import FakeTrained, labelled, small_model

from vae_lab.examples import Examples
from vae_lab.metrics.anomaly import Anomaly, ranked
from vae_lab.metrics.common.image_terms import ImageTerms

RECON = torch.tensor([3.0, 1.0, 2.0, 9.0, 0.5]).double()
KL = torch.tensor([1.0, 1.0, 5.0, 1.0, 1.0]).double()


def test_images_are_ranked_by_their_elbo_with_the_most_anomalous_first():
    table = ranked(ImageTerms(RECON, KL, 10.0), torch.tensor([7, 6, 5, 4, 3]))
    assert table == {
        "index": [3, 2, 0, 1, 4],
        "label": [4, 5, 7, 6, 3],
        "recon": [9, 2, 3, 1, 0.5],
        "kl": [1, 5, 1, 1, 1],
        "elbo": [-20, -17, -14, -12, -11.5],
        "rank": [1, 2, 3, 4, 5],
        "percentile": [100, 75, 50, 25, 0],
    }


def test_without_labels_and_kl_those_columns_are_not_there():
    table = ranked(ImageTerms(RECON, None, 10.0), None)
    assert list(table) == ["index", "recon", "rank", "percentile"]
    assert table["index"] == [3, 0, 2, 1, 4]


def test_one_image_has_a_rank():
    assert ranked(ImageTerms(RECON[:1], None, 0.0), None)["percentile"] == [0]


def made(n: int = 40, labels: bool = True, **given) -> FakeTrained:
    images = labelled(n)
    return FakeTrained(images if labels else Examples(images.stored, None), model=small_model().eval(), **given)


def test_the_table_has_every_test_image_once_with_its_label():
    trained = made()
    table = Anomaly()(trained).tables["anomaly_scores"]
    assert sorted(table["index"]) == list(range(40))
    assert table["label"] == [trained.data.test.labels[i].item() for i in table["index"]]
    assert table["elbo"] == sorted(table["elbo"])
    offset = small_model().likelihood.recon_offset(64)
    assert table["elbo"] == pytest.approx([-r - k - offset for r, k in zip(table["recon"], table["kl"])])


def test_the_ends_of_the_table_are_kept_for_the_picture():
    scores = Anomaly(shown=3)(made())
    table, arrays = scores.tables["anomaly_scores"], scores.arrays
    assert [row["index"] for row in arrays["least_typical"]] == table["index"][:3]
    assert [row["index"] for row in arrays["most_typical"]] == table["index"][:-4:-1]
    assert len(Anomaly(shown=50)(made()).arrays["most_typical"]) == 40


def test_half_and_one_percent_of_the_images_lie_above():
    scores = Anomaly()(made(200))
    above = [sum(-elbo > scores.values[name] for elbo in scores.tables["anomaly_scores"]["elbo"])
             for name in ("anomaly_median", "anomaly_p99")]  # fmt: skip
    assert above == [100, 2]


def test_an_autoencoder_is_ranked_by_recon():
    scores = Anomaly()(made(objective=SimpleNamespace(variational=False), labels=False))
    table = scores.tables["anomaly_scores"]
    assert list(table) == ["index", "recon", "rank", "percentile"]
    assert table["recon"] == sorted(table["recon"], reverse=True)
    assert scores.protocol["anomaly"]["score"] == "recon"
    assert "recon that half" in scores.meanings["anomaly_median"]
