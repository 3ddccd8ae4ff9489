import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from vae_lab.config.names import short_name
from vae_lab.config.words import (
    divided,
    quote,
    quoted,
    refuse_unreadable,
    search_folders,
    unquoted,
    with_defaults_of_dataset,
)
from vae_lab.errors import UserError


@pytest.mark.parametrize(
    ("words", "options", "overrides"),
    [
        ("beta=4 --cfg job epochs=2", ["--cfg=job"], ["beta=4", "epochs=2"]),
        ("-c job --resolve", ["--cfg=job", "--resolve"], []),
        ("--cfg=all -p model beta=4", ["--cfg=all", "--package=model"], ["beta=4"]),
        ("-m a=1,2", ["--multirun"], ["a=1,2"]),
        ("--multirun -m", ["--multirun"], []),
        ("--info beta=4", ["--info=all"], ["beta=4"]),
        ("-cd . --config-name config beta=4", ["--config-dir=.", "--config-name=config"], ["beta=4"]),
        ("-i defaults beta=4", ["--info=defaults"], ["beta=4"]),
    ],
)
def test_options_are_found_between_overrides(words, options, overrides):
    assert divided(words.split()) == (options, overrides)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--resolve", "--resolve belongs to --cfg; type --cfg job --resolve"),
        ("-p model", "--package belongs to --cfg"),
        ("--cfg", "--cfg needs a value; type --cfg job|hydra|all"),
        ("--cfg x=1", "--cfg needs a value"),
        ("--cfg=jub", "--cfg jub: must be one of job, hydra, all"),
        ("--cfg job -m", "--cfg and --multirun exclude each other"),
        ("--multirn", "--multirn: no such option (did you mean '--multirun'?)"),
        ("-beta=4", "-beta=4: no such option"),
        ("-", "-: no such option"),
        ("--config-path x", "--config-path: no such option (did you mean"),
        ("--config-dir nowhere", "--config-dir nowhere: there is no such folder"),
        ("--config-name", "--config-name needs a value; type --config-name <name>"),
    ],
)
def test_wrong_options_are_refused_in_one_line(words, told):
    with pytest.raises(UserError) as failed:
        divided(words.split())
    assert str(failed.value).startswith(told)


ODD = [
    "it's",
    "a b",
    "[1]",
    "{x}",
    "a;b",
    "~x",
    "k=v",
    "a,b",
    "a(1)",
    "back\\",
    "back\\'s",
    '"q"',
    "${beta}",
    "é",
    "#",
    "a:b",
]


@pytest.mark.parametrize("name", ODD)
def test_hydra_reads_a_quoted_text_as_it_is(name):
    (override,) = OverridesParser.create().parse_overrides([f"run={quote(name)}"])
    value = override.value()
    assert value.replace(r"\${", "${") == name


@pytest.mark.parametrize("name", ODD)
def test_the_path_of_an_existing_folder_is_quoted(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert quoted([f"x={name}"])[0] == (f"x={quote(name)}" if name != '"q"' else 'x="q"')


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("run=new folder", "run='new folder'"),
        ("run='new folder'", "run='new folder'"),
        ("run=outputs/a-b_c.d+e", "run=outputs/a-b_c.d+e"),
        ("beta=1,2", "beta=1,2"),
        ("y=[0,1]", "y=[0,1]"),
        ("~run", "~run"),
        ("run=", "run="),
        ("run=${x}", "run=${x}"),
    ],
)
def test_a_path_that_is_not_there_is_quoted_if_its_key_is_one_of_paths(word, read):
    assert quoted([word]) == [read]


def test_several_paths_of_a_sweep_stay_several():
    assert quoted(["run=a,b"], several=True) == ["run=a,b"]
    assert quoted(["run=a,b"]) == ["run='a,b'"]


def test_a_path_may_be_typed_with_quotes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert unquoted("'a b'") == "a b"
    (tmp_path / "'a b'").mkdir()
    assert unquoted("'a b'") == "'a b'"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("model=5", "model=5: must be the name of an option; options: cnn"),
        ("model={a:1}", "must be the name of an option"),
        ("metrics=[1,2]", "metrics=1: must be the name of an option"),
        ("logger=[wandb,tensorboard]", "a run has one logger; type -m logger=wandb,tensorboard for a sweep over them"),
        ("+model=[dense,cnn]", "a run has one model"),
        ("logger=[null]", "logger=null: must be the name of an option"),
        ("model=choice(1,2)", "model=1: must be"),
        ("=5", "'=5' is not of the form key=value"),
        ("hydra=null", "hydra=null: a setting of Hydra that has no use here"),
        ("~hydra.run", "~hydra.run: a setting of Hydra"),
        (
            "+hydra.output_subdir=x",
            "+hydra.output_subdir=x: a setting of Hydra that has no use here; type hydra.run.dir=",
        ),
        (
            "hydra/launcher=joblib",
            "hydra/launcher=joblib: a setting of Hydra that has no use here; type launcher=joblib",
        ),
        ("hydra.run.dir=null", "hydra.run.dir=null: must be the name of a folder"),
        ("hydra.searchpath=[nope]", "hydra.searchpath=[nope]: there is no folder nope"),
        ("hydra.searchpath=[pkg://no.such]", "hydra.searchpath=[pkg://no.such]: there is no folder"),
        ("beta=\udcc3", "'beta=\\udcc3' is not text in this terminal's encoding; type LC_ALL=C.UTF-8"),
    ],
)
def test_words_that_hydra_cannot_compose_are_refused(word, told):
    with pytest.raises(UserError) as failed:
        refuse_unreadable([word])
    assert told in str(failed.value)


def test_good_words_are_accepted(tmp_path):
    words = ["model=cnn", "metrics=[fid,kid]", "~logger", "beta=null", "model=choice(cnn,dense)", "model=null",
             "experiment=glob(family/*)", "model=glob([c*,d*],exclude=cnn)"]  # fmt: skip
    refuse_unreadable([*words, f"hydra.searchpath=[{tmp_path},file://{tmp_path},pkg://vae_lab.data]"])


def test_folders_of_options_are_found(tmp_path):
    words = ["beta=1", f"hydra.searchpath=[file://{tmp_path},'{tmp_path}']"]
    assert search_folders(words) == [tmp_path, tmp_path]
    assert search_folders(["beta=1"]) == []


@pytest.mark.parametrize("typed", ["hydra.run.dir=outputs/{}", "hydra.run.dir='outputs/{}'"])
def test_a_folder_with_a_name_that_no_file_system_takes_is_cut(typed):
    (word,) = quoted([typed.format("é" * 300)])
    assert word == f"hydra.run.dir={quote('outputs/' + short_name('é' * 300))}"


def test_many_values_are_no_path():
    word = f"beta={','.join(f'{i / 10:.2f}' for i in range(64))}"
    assert quoted([word], several=True) == [word]


@pytest.mark.parametrize(
    ("typed", "more"),
    [
        (["seed=1"], ["epochs=100", "likelihood=sigma"]),
        (["epochs=5"], ["likelihood=sigma"]),
        (["likelihood=mse"], ["epochs=100"]),
        (["dataset.binarize=dynamic"], ["epochs=100"]),
        (["experiment=family/vae"], ["likelihood=sigma"]),  # an experiment chooses its epochs
        (["experiment=family/sigma_per_pixel"], []),
        (["experiment=sprites/vae"], []),  # it builds on another file, which has a likelihood
        (["experiment=mine"], []),
    ],
)
def test_the_digits_have_defaults_that_learn_unless_others_are_typed(typed, more):
    assert with_defaults_of_dataset([], ["dataset=digits", *typed]) == ["dataset=digits", *typed, *more]


def test_other_datasets_and_saved_configs_have_no_further_defaults():
    assert with_defaults_of_dataset([], ["dataset=mnist"]) == ["dataset=mnist"]
    assert with_defaults_of_dataset(["--config-name=config"], ["dataset=digits"]) == ["dataset=digits"]
