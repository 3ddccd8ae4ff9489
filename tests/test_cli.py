"""Tests of the command line: help, completion and invalid input."""

import json
import os
import subprocess
import sys
import time

import pytest
from conftest import BARE, PROGRAM, TINY


def test_help_lists_commands_with_examples_and_does_not_wait_for_torch(program):
    started = time.perf_counter()
    done = program("--help")
    assert done.returncode == 0
    for command in ("train", "evaluate", "sample"):
        assert f"vae-lab {command} " in done.stdout
    assert time.perf_counter() - started < 5  # an import of torch alone takes longer on a busy machine
    loaded = subprocess.run(
        [sys.executable, "-c", "import vae_lab.cli, sys; print('torch' in sys.modules, 'hydra' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert loaded.stdout.split() == ["False", "False"]


def test_version(program):
    assert program("--version").stdout.startswith("vae-lab 0.")


def test_command_help_lists_every_option_and_number(cli):
    from vae_lab.config.help import groups
    from vae_lab.config.settings import TrainConfig

    text = cli("train", "--help").out
    assert all(option in text for found in groups().values() for option in found)
    assert all(f"{name}=" in text for name, field in TrainConfig.model_fields.items() if field.description)


def test_hydra_flags_work_after_the_command(program):
    shown = program("train", "beta=4", "--cfg", "job")
    assert shown.returncode == 0
    assert "beta: 4" in shown.stdout
    assert program("train", "--info", "defaults").returncode == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vae-lab ", "train"),
        ("vae-lab tr", "train"),
        ("vae-lab train mode", "model="),
        ("vae-lab train model=d", "model=dense"),
    ],
)
def test_tab_completion(program, line, expected):
    env = {**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line))}
    assert expected in program("-sc", "query=bash", env=env).stdout.split()


def test_completion_can_be_installed(program):
    assert "complete" in program("-sc", "install=bash").stdout


BAD = [
    (["trian"], "'trian'", "'train'"),
    (["train", "modle=cnn"], "modle", "'model'"),
    (["train", "model=cnnn"], "model=cnnn", "'cnn'"),
    (["train", "+latnt_dim=3"], "latnt_dim", "'latent_dim'"),
    (["train", "+model.net.wdith=3"], "model.net.wdith", "'width'"),
    (["train", "model.net.wdith=3"], "model.net.wdith", "'model.net.width'"),
    (["train", "latent_dim=abc"], "latent_dim=abc", "latent_dim=16"),
    (["train", "latent_dim=0"], "latent_dim=0", "greater than 0"),
    (["train", "beta=-1"], "beta=-1", "greater than or equal to 0"),
    (["train", "epochs=0"], "epochs=0", "epochs=20"),
    (["train", "epochs=2.5"], "epochs=2.5", "integer"),
    (["train", "lr=nan"], "lr=nan", "finite"),
    (["train", "beta=4", "k2=1"], "beta=4", "either beta"),
    (["train", "beta=1", "k1=0.5", "k2=0.5"], "k1=0.5", "either beta"),
    (["train", "k1=0", "k2=0"], "k1=0 k2=0", "positive"),
    (["train", "objective=ae", "beta=2"], "beta=2", "leave beta out"),
    (["train", "model.net.activation=rel"], "model.net.activation=rel", "'relu'"),
    (["train", "model.net.depth=9"], "model.net.depth=9", "model.net.depth=3"),
    (["train", "optimizer=sgd", "optimizer.momentum=-1"], "optimizer", "momentum"),
    (["train", "batch_size=5000"], "batch_size=5000", "batch_size=129"),
    (["train", "dataset.limit=4"], "batch_size=128", "4 training images"),
    (["train", "dataset=image_folder"], "dataset.source.path", "type"),
    (["train", "dataset=image_folder", "dataset.source.path=nowhere"], "nowhere", "dataset.source.path="),
    (["train", "dataset=arrays", "dataset.source.path=a.npy"], "a.npy: no such file", "type a file .npy, .npz, .mat"),
    (["train", "dataset=arrays", "dataset.source.path=file"], "file: arrays are read from", "numpy.save"),
    (["train", "dataset=arrays", "dataset.source.path=a", "dataset.source.range=white"], "range=white", "number"),
    (
        ["train", "dataset=lfw", "data_dir=none"],
        "download lfw-funneled.tgz",
        "dataset=image_folder dataset.source.path=",
    ),
    (["train", "dataset=cifar10", "data_dir=nothing"], "dataset=cifar10", "dataset=digits"),
    (["train", "precision=fp16", "accelerator=cpu"], "fp16", "precision=bf16"),
    (["train", "accelerator.precision=bf16-mixed"], "accelerator.precision", "precision=bf16"),
    (["train", "accelerator=ddp", "accelerator.devices=9999"], "accelerator.devices=9999", "this machine has"),
    (["train", "accelerator.strategy=foo"], "accelerator.strategy=foo", "'ddp'"),
    (["train", "beta"], "'beta'", "key=value"),
    (["train", "model=5"], "model=5", "options: cnn"),
    (["train", "model.net=null"], "model.net=null", "a mapping with a _target_"),
    (["train", "dataset.source=x"], "dataset.source=x", "a mapping with a _target_"),
    (["train", "posterior._partial_=3"], "posterior._partial_=3", "boolean"),
    (["train", "~logger=nothing"], "~logger", "type logger=none"),
    (["train", "~dataset"], "dataset", "dataset"),
    (["train", "--resolve"], "--resolve", "--cfg job --resolve"),
    (["train", "--cfg"], "--cfg", "job|hydra|all"),
    (["train", "-beta=4"], "-beta=4", "--multirun"),
    (["train", "--cfg", "job", "--package", "nope"], "nope", "not found"),
    (["train", "+hydra.output_subdir=x"], "hydra.output_subdir", "hydra.run.dir"),
    (["train", "hydra.searchpath=[nothing_here]"], "nothing_here", "hydra.searchpath=[<folder>]"),
    (["train", "sweep=\n"], "sweep=", "quote a text"),
    (["train", f"beta={'y' * 5000}"], "beta=yyy", "type beta=4"),
    (["train", "latent_dim=99999999999"], "memory has run out", "smaller model"),
    (["train", "-m", "model=choice(1,2)"], "model=1", "options: cnn"),
    (["compare", "~logger"], "~logger", "type logger=none"),
    (["compare", "runs._target_=1"], "runs._target_=1", "cannot be composed"),
    (["evaluate", "dataset=digits"], "dataset", "vae-lab score images=… dataset=…"),
    (["train", "resume=nowhere"], "resume=nowhere", "type resume="),
    (["train", "resume=a", "resume=b"], "resume=a resume=b: several run folders", "type only resume=a"),
    (["train", "resume=nowhere", "epochs=3"], "epochs=3", "leave out"),
    (["train", "likelihood=categorical"], "is for tokens, and dataset=digits holds images", "type likelihood=mse"),
    (["train", "hydra.run.dir=file/run"], "file", "hydra.run.dir="),
    (["evaluate"], "run is needed", "type run="),
    (["evaluate", "run=nowhere"], "run=nowhere", "type run="),
    (["evaluate", "run=."], "not a run folder", "type run="),
    (["sample", "run=nowhere", "n=0"], "n=0", "n=64"),
]


@pytest.mark.parametrize(("words", "what", "advice"), BAD, ids=[" ".join(words)[:60] for words, _, _ in BAD])
def test_bad_input_is_one_line_and_leaves_nothing(cli, tmp_path, monkeypatch, words, what, advice):
    monkeypatch.setattr("vae_lab.data.torchvision_images.TorchvisionImages._download", _no_network)
    (tmp_path / "file").write_text("in the way")
    if words[0] == "train" and not any(w.startswith(("dataset=", "~dataset", "resume=")) for w in words):
        words = [*words, "dataset=digits"]
    ended = cli(*words)
    assert ended.status == 2, ended.err
    lines = ended.err.strip().splitlines()
    assert len(lines) == 1
    assert what in lines[0]
    assert advice in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) in (["file"], ["file", "nothing"])


def _no_network(self, kind, root, folder):
    from vae_lab.data.source import unavailable

    raise unavailable("cifar10", root, "no network")


def test_a_missing_gpu_is_reported(cli):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    ended = cli("train", "dataset=digits", "accelerator=gpu")
    assert ended.status == 2
    assert "accelerator=cpu" in ended.err


def test_truncated_data_is_reported(cli, tmp_path):
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{name}-ubyte").write_bytes(b"\x00\x00\x08\x03" + bytes(100))
    ended = cli("train", f"data_dir={tmp_path / 'data'}")
    assert ended.status == 2
    assert "truncated or corrupt" in ended.err
    assert str(raw) in ended.err
    assert not (tmp_path / "outputs").exists()


def test_finished_run_is_never_trained_again(cli, run_copy):
    before = (run_copy / "results.json").read_bytes()
    again = cli("train", "dataset=digits", "hydra.run.dir=run")
    assert again.status == 2
    assert "finished" in again.err
    resumed = cli("train", "resume=run")
    assert resumed.status == 2
    assert "vae-lab evaluate run=run" in resumed.err
    assert (run_copy / "results.json").read_bytes() == before


@pytest.mark.parametrize("file", ["checkpoints/best.ckpt", "results.json", "config.yaml", "environment.json"])
def test_damaged_run_folder_is_reported(cli, run_copy, file):
    content = (run_copy / file).read_bytes()
    (run_copy / file).write_bytes(content[: len(content) // 2])
    ended = cli("sample", "run=run", "n=4")
    assert ended.status == 2
    assert file in ended.err
    assert not (run_copy / "samples").exists()


def test_a_sweep_continues_after_a_bad_job(cli, tmp_path):
    ended = cli("train", "-m", *TINY, *BARE, "latent_dim=0,2,3", "hydra.sweep.dir=sweep")
    assert ended.status == 1
    assert "latent_dim=0: must be greater than 0" in ended.out
    finished = [p.parent.name for p in (tmp_path / "sweep").glob("*/results.json")]
    assert len(finished) == 2
    groups = {json.loads((tmp_path / "sweep" / f / "environment.json").read_text())["sweep"] for f in finished}
    assert groups == {"sweep"}


def test_weights_are_resolved_in_the_saved_config(cli, tmp_path):
    import yaml

    for i, (words, expected) in enumerate(
        [
            ((), (1, 1, 1)),
            (("beta=4",), (1, 4, 4)),
            (("k1=0.5", "k2=0.25"), (0.5, 0.25, 0.5)),
            (("k1=0", "k2=1"), (0, 1, None)),
        ]
    ):
        assert cli("train", *TINY, *BARE, *words, f"hydra.run.dir=run{i}").status == 0
        saved = yaml.safe_load((tmp_path / f"run{i}" / "config.yaml").read_text())
        assert (saved["k1"], saved["k2"], saved["beta"]) == expected


def test_folders_named_after_overrides_can_be_typed_back(program):
    done = program("train", *TINY, *BARE, "beta=0.5", "model.net.width=8")
    assert done.returncode == 0, done.stderr
    folder = done.stdout.split("Everything is in ")[1].strip()
    assert "beta-0.5" in folder
    assert PROGRAM.exists()
    assert program("sample", f"run={folder}", "n=4").returncode == 0


def test_a_run_folder_may_have_any_name(cli, run_copy):
    odd = run_copy.rename(run_copy.with_name("odd 'run' [1]; ~a=b, (c) {d} \\ ${e}"))
    assert cli("evaluate", f"run={odd.name}", *BARE[1:]).err == ""
    assert cli("sample", f"run={odd.name}", "n=2", "out=new (1), 2").err == ""
    assert len(list((odd.parent / "new (1), 2").iterdir())) == 2
    assert cli("compare", odd.name, "out=page; 1").err == ""
    (odd / "results.json").unlink()
    assert cli("train", f"resume={odd.name}").err == ""


def test_options_of_a_search_path_are_listed(cli, tmp_path):
    (tmp_path / "mine" / "objective").mkdir(parents=True)
    (tmp_path / "mine" / "objective" / "sparse.yaml").write_text("# Few active codes\n_target_: mylab.Sparse\n")
    assert "sparse                    Few active codes" in cli("train", "--help", "hydra.searchpath=[file://mine]").out


def test_words_after_an_option_of_hydra_are_read(cli, tmp_path):
    assert "Search path" in cli("compare", "--info", "searchpath", ".").out
    assert "beta: 7" in cli("train", "--cfg", "job", "beta=7").out


def test_jobs_of_a_hydra_sweep_that_fail_are_one_line_each(cli):
    ended = cli("sample", "-m", "run=a,b")
    assert ended.status == 1
    assert [line.split(":")[0] for line in ended.err.splitlines()] == ["vae-lab sample"] * 3
    assert "2 of the sweep's jobs failed" in ended.err


@pytest.mark.parametrize("words", [("training.clip=1.0", "precision=bf16"), ("model=resnet", "objective=rae_gp")])
def test_combinations_that_failed_once_train(cli, words):
    assert cli("train", *TINY, *BARE, *words).err == ""


def test_options_that_do_not_work_together_are_refused_before_training(cli, tmp_path, monkeypatch):
    from vae_lab.objectives.elbo import ELBO

    def fails(*_):
        raise RuntimeError("shapes\ndiffer")

    monkeypatch.setattr(ELBO, "forward", fails)
    ended = cli("train", *TINY, *BARE, "model=dense")
    assert ended.status == 2
    assert "model=dense objective=elbo likelihood=mse: a trial step failed (RuntimeError: shapes differ)" in ended.err
    assert not (tmp_path / "outputs").exists()
