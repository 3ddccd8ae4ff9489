from pathlib import Path

from made import make_run, make_sweep

from vae_lab.compare.compared import Compared
from vae_lab.compare.folders import run_folders
from vae_lab.compare.reading import read
from vae_lab.compare.views.papers import latex, markdown
from vae_lab.compare.views.rows import seed_rows_of


def compared(folder: Path) -> Compared:
    return Compared([read(run) for run in run_folders([folder])[0]], ["fid", "elbo", "kl"])


def test_the_latex_table_has_means_with_errors_the_best_in_bold_and_says_by_what(tmp_path):
    made = latex(compared(make_sweep(tmp_path / "s")))
    lines = [line.strip() for line in made.splitlines()]
    assert r"latent\_dim & beta & seeds & fid $\downarrow$ & elbo $\uparrow$ & kl \\" in lines
    assert r"2 & 1 & 2 & $\mathbf{12.5 \pm 0.7}$ & $\mathbf{-12.5 \pm 0.7}$ & $4.25 \pm 0.07$ \\" in lines
    assert r"16 & 4 & 2 & $56.5 \pm 0.7$ & $-56.5 \pm 0.7$ & $8.65 \pm 0.07$ \\" in lines
    assert sum(line.endswith(r"\\") for line in lines) == 5  # unfinished runs are no rows
    caption = next(line for line in lines if line.startswith(r"\caption"))
    assert r"Scores of 8 runs: model=cnn, objective=elbo, likelihood=sigma, dataset=digits, epochs=3." in caption
    assert r"$\pm$ is the standard deviation over seeds (n $-$ 1)" in caption
    assert "Bold marks the best value within its protocol: fid, elbo by the test score itself" in caption
    for rule in ("toprule", "midrule", "bottomrule"):
        assert lines.count(f"\\{rule}") == 1
    assert made.count("{") == made.count("}")


def test_the_markdown_table_holds_the_same(tmp_path):
    lines = markdown(compared(make_sweep(tmp_path / "s"))).splitlines()
    assert lines[0] == r"| latent\_dim | beta | seeds | fid ↓ | elbo ↑ | kl |"
    assert lines[1] == "| ---: | ---: | ---: | ---: | ---: | ---: |"
    assert lines[2] == "| 2 | 1 | 2 | **12.5 ± 0.7** | **−12.5 ± 0.7** | 4.25 ± 0.07 |"
    assert len(lines) == 8
    assert lines[7].startswith("Scores of 8 runs")


def test_characters_with_a_meaning_are_escaped_and_protocols_are_named(tmp_path):
    for i, name in enumerate((r"a_b & 50 % \x{y}", "c|d *e*\nf")):
        make_run(tmp_path / "s" / str(i), 10.0 + i, {"images": 100 * (i + 1)}, choices__model=name)
    made = latex(compared(tmp_path / "s"))
    assert r"a\_b \& 50 \% \textbackslash{}x\{y\} & $10.0 \pm 1.0^{\mathrm{A}}$" in made
    assert "c|d *e* f & $11.0 \\pm 1.0^{\\mathrm{B}}$" in made
    assert "fid, A: images 100 (1 run); B: images 200 (1 run)" in made
    assert r"| c\|d \*e\* f | 11.0 ± 1.0 B |" in markdown(compared(tmp_path / "s"))


def test_the_spread_is_explained_only_where_a_number_has_one(tmp_path):
    make_run(tmp_path / "s" / "a", 10.0, latent_dim=2)
    make_run(tmp_path / "s" / "b", 11.0, latent_dim=4)
    runs = [read(run) for run in run_folders([tmp_path / "s"])[0]]
    assert "± is half of the 95 % interval" in markdown(Compared(runs, ["fid", "kl"]))
    assert "±" not in markdown(Compared(runs, ["elbo", "kl"]))
    assert "95 %" not in latex(Compared(runs, ["elbo", "kl"]))


def test_runs_that_differ_only_in_their_seed_are_named_by_the_number_of_seeds(tmp_path):
    for seed in (1, 2):
        make_run(tmp_path / f"seed-{seed}", 10 + seed, seed=seed)
    compared = Compared([read(tmp_path / f"seed-{seed}") for seed in (1, 2)])
    assert "| 2 seeds | 2 |" in markdown(compared)
    assert seed_rows_of(compared)[0]["cells"]["run"]["t"] == "2 seeds"
