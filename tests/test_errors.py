import pytest

from vae_lab.errors import counted, did_you_mean, one_line, one_of


@pytest.mark.parametrize(("word", "nearest"), [("latent_dims", "latent_dim"), ("bata", "beta"), ("ephocs", "epochs")])
def test_a_near_word_is_suggested(word, nearest):
    assert f"did you mean '{nearest}'?" in did_you_mean(word, ["epochs", "beta", "latent_dim"])


def test_nothing_is_suggested_where_nothing_is_near():
    assert did_you_mean("zzzzzz", ["epochs", "beta", "latent_dim"]) == ""
    assert did_you_mean("beta", []) == ""


@pytest.mark.parametrize(
    "text", ["a\nb\r\n\tc", "x" * 5000, "é\x1b[31m\u202e", "word " * 500, "y" * 120 + " " + "z" * 900, ""]
)
def test_every_message_is_one_short_line(text):
    line = one_line(text)
    assert len(line) <= 400
    assert line.isprintable()


def test_the_start_and_the_advice_of_a_long_message_are_kept():
    line = one_line(f"sweep={'x' * 3000}: too long; type sweep=<name>")
    assert line.startswith("sweep=xxx")
    assert line.endswith("; type sweep=<name>")
    assert one_line("wrong; " + "reason " * 100 + "type this").endswith("type this")


def test_short_messages_stay():
    path = "/a" * 100
    assert one_line(f"{path}: no such folder") == f"{path}: no such folder"


def test_an_address_to_fetch_is_kept_whole():
    address = "https://example.org/" + "folder/" * 14 + "file.pth"
    line = one_line(f"{'why ' * 100}; get {address} and type features.weights=<that file>")
    assert f"get {address} and type features.weights=<that file>" in line
    assert len(line) <= 400


@pytest.mark.parametrize(
    ("names", "sentence"), [([], ""), (["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")]
)
def test_a_choice_is_written_as_in_a_sentence(names, sentence):
    assert one_of(names) == sentence


@pytest.mark.parametrize(("n", "text"), [(1, "1 entry"), (0, "0 entries"), (3, "3 entries"), (0.5, "0.5 entries")])
def test_a_number_agrees_with_its_noun(n, text):
    assert counted(n, "entry", "entries") == text
    assert counted(n, "epoch").endswith("epoch" if n == 1 else "epochs")
