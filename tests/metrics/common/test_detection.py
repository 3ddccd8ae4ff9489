import pytest
import torch

from vae_lab.metrics.common.detection import average_precision, detection, false_alarms_at


def test_a_perfect_and_a_reversed_score():
    high, low = torch.arange(10.0) + 100, torch.arange(30.0)
    assert detection(high, low) == pytest.approx({"auroc": 1, "aupr_out": 1, "aupr_in": 1, "fpr95": 0})
    assert detection(low, high)["auroc"] == 0
    assert detection(low, high)["fpr95"] == 1


def test_average_precision_of_a_known_ranking():
    # from the top: positive, negative, positive: precision 1 at recall ½, and 2/3 at recall 1
    assert average_precision(torch.tensor([3.0, 1.0]), torch.tensor([2.0])) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_a_blind_score_has_the_share_of_positives_as_its_average_precision():
    equal = detection(torch.zeros(10), torch.zeros(30))
    assert equal == {"auroc": 0.5, "aupr_out": 0.25, "aupr_in": 0.75, "fpr95": 1}


def test_false_alarms_are_counted_at_the_highest_threshold_that_detects_enough():
    anomalies, normal = torch.arange(1.0, 101), torch.tensor([0.0, 5.0, 5.5, 6.0, 7.0])
    # 95 of 100 anomalies score 6 or more, as two of the five normal examples do
    assert false_alarms_at(anomalies, normal, 0.95) == pytest.approx(2 / 5)
    assert false_alarms_at(anomalies, normal, 0.96) == pytest.approx(4 / 5)
