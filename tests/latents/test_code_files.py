import numpy as np
import pytest

from vae_lab.errors import UserError
from vae_lab.latents.code_files import read_codes, write_table

RNG = np.random.default_rng(0)
FLOATS = {
    "file": np.array(["a.png", "b, c.png", "ü.png"]),
    "y": np.array(["1", "0", "7"]),
    "kl_total": RNG.normal(size=3).astype(np.float32),
    "level2_mean": RNG.normal(size=(3, 2)).astype(np.float32) * 1e-3,
    "level2_log_var": RNG.normal(size=(3, 2)).astype(np.float32),
    "level1_mean": RNG.normal(size=(3, 12)).astype(np.float32) * 1e3,
    "level1_log_var": RNG.normal(size=(3, 12)).astype(np.float32),
}
ATTRIBUTES = {"y": RNG.normal(size=(3, 2)).astype(np.float32), "mean": FLOATS["level2_mean"]}
CODES = {"file": FLOATS["file"], "code": RNG.integers(0, 512, (3, 11))}


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".parquet"])
@pytest.mark.parametrize("table", [FLOATS, ATTRIBUTES, CODES], ids=["floats", "attributes", "codes"])
def test_codes_are_read_back_exactly(tmp_path, suffix, table):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"codes{suffix}"
    blocks = [{name: column[rows] for name, column in table.items()} for rows in (slice(0, 2), slice(2, 3))]
    write_table(path, suffix, blocks)
    codes, others = read_codes(path, "codes=x")
    wanted = [column for name, column in table.items() if name.endswith(("mean", "code"))]
    assert np.array_equal(codes.astype(wanted[0].dtype), np.concatenate(wanted, 1))
    assert codes.dtype.kind == ("i" if table is CODES else "f")
    assert list(others) == [name for name in ("file", "y") if name in table]
    assert all(np.array_equal(column.astype(table[name].dtype), table[name]) for name, column in others.items())


def test_the_columns_of_csv_are_those_of_every_dimension(tmp_path):
    write_table(tmp_path / "x.csv", ".csv", [{"file": np.array(["a"]), "mean": np.array([[0.5, -1]], np.float32)}])
    assert (tmp_path / "x.csv").read_text() == "file,mean_0,mean_1\na,0.5,-1\n"


def test_a_plain_array_holds_codes(tmp_path):
    np.save(tmp_path / "z.npy", np.eye(3, 2))
    codes, others = read_codes(tmp_path / "z.npy", "codes=z.npy")
    assert codes.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert others == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,mean_0\na,1,2\n", "codes=x: line 2 has 3 of 2 cells"),
        ("mean_0\n1\nx\n", "codes=x: line 3: could not convert string to float: 'x'"),
        ("mean_0,mean_2\n1,2\n", "codes=x: the column mean_1 is missing"),
        ("a,b\n1,2\n", "codes=x: there are no columns mean_0, mean_1"),
        ("mean_0,mean_1\n", "codes=x: there are no codes in it"),
        ("code_0\n1.5\n", "codes=x: code: codes are whole numbers"),
        ("", "codes=x: there are no columns mean_0"),
        (b"\xff\xfe\x00", "codes=x is damaged or no .csv file"),
    ],
)
def test_what_holds_no_codes_is_refused_in_one_line(tmp_path, text, told):
    path = tmp_path / "x.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as refused:
        read_codes(path, "codes=x")
    assert str(refused.value).startswith(told)


def test_other_files_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 2, 2)))
    with pytest.raises(UserError, match=r"float64 of 2 × 2 × 2; codes are numbers \[N, D\]"):
        read_codes(tmp_path / "x.npy", "codes=x.npy")
    with pytest.raises(UserError, match=r"codes are read from \.csv, \.npy, \.parquet"):
        read_codes(tmp_path / "x.txt", "codes=x.txt")
