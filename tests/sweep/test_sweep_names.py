"""Tests of the names of sweeps and of their jobs."""

from conftest import BARE, TINY

from vae_lab.config.varied import Varied
from vae_lab.sweep.plan import default_folder, job_name


def test_the_folder_has_a_name_that_does_not_depend_on_the_values(cli, tmp_path):
    words = [*TINY, *BARE]
    first = cli("train", "-m", *words, "latent_dim=2,3", "beta=1,4", "dry_run=true").out
    other = cli("train", "-m", *words, "latent_dim=2,5,6", "beta=2,4", "data_dir=.", "dry_run=true").out
    folder = next(line for line in first.splitlines() if line.startswith("Folder"))
    assert folder in other
    assert folder not in cli("train", "-m", *words, "latent_dim=2,3", "beta=1,4", "lr=1", "dry_run=true").out


def test_a_sweep_with_a_name_that_no_file_system_takes_runs_and_is_found_again(cli, tmp_path):
    words = ["train", "-m", *TINY, *BARE, "model=dense", f"sweep={'a' * 300}", "latent_dim=2,3"]
    assert cli(*words).status == 0
    (folder,) = (tmp_path / "outputs/sweeps").iterdir()
    assert "2 finished" in cli(*words, "dry_run=true").out
    compared = cli("compare", f"outputs/sweeps/{'a' * 300}")
    assert compared.status == 0
    assert str(folder.relative_to(tmp_path)) in compared.out


def test_64_long_values_name_64_folders(cli, tmp_path):
    sources = ",".join(f"{'x' * 200}{i}" for i in range(64))
    ended = cli("train", "-m", *TINY, *BARE, f"dataset.name={sources}", "dry_run=true")
    assert "64 jobs, varying dataset.name" in ended.out
    assert "64 new" in ended.out


def test_the_name_of_a_sweep_begins_with_what_was_chosen_and_an_earlier_name_is_found(tmp_path):
    fixed, varied = ["epochs=2", "posterior.blocks=8", "posterior=iaf"], [Varied("beta", ["1", "4"])]
    folder = default_folder(tmp_path, fixed, varied)
    assert folder.name == "posterior-iaf_epochs-2_posterior.blocks-8_over-beta"
    earlier = tmp_path / "epochs-2_posterior.blocks-8_posterior-iaf_over-beta"
    earlier.mkdir()
    assert default_folder(tmp_path, fixed, varied) == earlier


def test_the_name_of_a_job_begins_with_what_was_chosen():
    assert job_name(["objective.gamma=5", "beta=4", "objective=factor_vae"]) == (
        "objective-factor_vae_beta-4_objective.gamma-5"
    )
    assert job_name([]) == "run"
