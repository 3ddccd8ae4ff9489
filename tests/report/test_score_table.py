from vae_lab.report.score_table import score_lines, signed
from vae_lab.scores import Scores

MEANING = "the distance of samples from test images, which is 0 for the same distribution; lower is better"
SCORES = Scores(
    {"test/fid": 12.3456, "test/fid_floor": 2.5, "test/fid_split_floor": 1.25, "test/elbo": -1234.56,
     "test/ood_auroc_fashion_mnist_recon": 0.91234, "val/elbo": -1300.0, "test/kid": 0.01},
    intervals={"test/fid": (11.9, 12.7), "test/ood_auroc_fashion_mnist_recon": (0.9, 0.92)},
    meanings={"test/fid": MEANING, "test/ood_auroc_fashion_mnist_recon": MEANING},
    topics={"test/fid": "Samples", "test/elbo": "Loss", "test/ood_auroc_fashion_mnist_recon": "Robustness",
            "val/elbo": "Validation", "test/kid": "Samples"},
)  # fmt: skip


def lines(width: int | None) -> list[str]:
    return [line.plain for line in score_lines(SCORES, width)]


def test_scores_of_one_topic_stand_together_under_it():
    heads = [line.split()[0] for line in lines(80) if line]
    assert heads == ["Samples", "fid", "kid", "Loss", "elbo", "Robustness", "ood_auroc_fashion_mnist_recon",
                     "Validation", "val/elbo"]  # fmt: skip


def test_a_value_is_rounded_to_its_error_and_its_floors_stand_beside_it():
    (fid,) = [line for line in lines(None) if line.split()[:1] == ["fid"]]
    assert fid.split()[:7] == ["fid", "12.3", "±", "0.4", "2.500", "(1.25)", "the"]


def test_the_heading_names_the_columns_that_its_scores_have():
    samples, loss = (next(line for line in lines(80) if line.startswith(topic)) for topic in ("Samples", "Loss"))
    assert samples.split() == ["Samples", "value", "±", "95", "%", "floor"]
    assert loss.split() == ["Loss", "value"]
    fid = next(line for line in lines(80) if line.startswith("  fid"))
    assert samples.index("floor") + len("floor") == fid.index("2.500 (1.25)") + len("2.500 (1.25)")
    assert samples.index("value") + len("value") == fid.index("12.3") + len("12.3")


def test_no_line_is_wider_than_the_terminal_and_no_name_or_number_is_cut():
    for width in (60, 80, 100, 200):
        shown = lines(width)
        assert max(map(len, shown)) <= width
        assert any("ood_auroc_fashion_mnist_recon  0.912 ± 0.010" in line for line in shown)


def test_a_meaning_is_cut_after_a_word_and_left_out_where_there_is_no_room():
    (fid,) = [line for line in lines(80) if line.startswith("  fid")]
    assert fid.endswith("…")
    kept = fid.removesuffix("…").split("  ")[-1].removeprefix("↓ ")
    assert kept in MEANING
    assert MEANING.split(kept)[1][0] in " ,;"
    (narrow,) = [line for line in lines(45) if line.startswith("  ood")]
    assert narrow.rstrip() == "  ood_auroc_fashion_mnist_recon  0.912 ± 0.010"


def test_in_a_terminal_the_direction_stands_first_so_that_it_is_never_cut():
    assert any(line.startswith("  fid") and "  ↓ the distance of" in line for line in lines(80))
    assert not any("↓" in line for line in lines(None))
    shown = {
        "samples against test images, lower is better": "↓ samples against test images",
        "nats per image, higher is better": "↑ nats per image",
        "kernel distance of samples, unbiased, 0 is best": "→0 kernel distance of samples, unbiased",
        "squared error; lower is better": "↓ squared error",
        "KL[q(z|x) ‖ p(z)]": "KL[q(z|x) ‖ p(z)]",
    }
    assert {meaning: signed(meaning) for meaning in shown} == shown


def test_in_a_file_every_meaning_is_whole():
    assert sum(MEANING in line for line in lines(None)) == 2


def test_no_score_is_lost():
    names = {line.split()[0] for line in lines(80) if line.startswith("  ")}
    assert names == {"fid", "kid", "elbo", "ood_auroc_fashion_mnist_recon", "val/elbo"}
