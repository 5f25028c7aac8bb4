"""Files that a board's rankers name, of code or of data, are put where the reader's own copies are."""

from codebudget.leaderboard.manifest import ranker_part
from codebudget.leaderboard.prepare import with_files
from codebudget.rankers import load_ranker
from codebudget.rankers.verifier.coefficients import Coefficients, View
from codebudget.rankers.verifier.features import GROUPS


def test_every_file_of_a_chain_is_replaced_and_nothing_else():
    def own(path: str) -> str:
        return f"/own/{path}"

    assert with_files("examples+mine.py:Mine,calls=5", own) == "examples+/own/mine.py:Mine,calls=5"
    typed = "examples,keep=0.5+verifier,model=them/v.json,dedupe=true+shortest"
    assert with_files(typed, own) == "examples,keep=0.5+verifier,model=/own/them/v.json,dedupe=true+shortest"
    for plain in ("verifier", "verifier,model=nano", "b4,a=10"):
        assert with_files(plain, own) == plain


def test_other_coefficients_make_another_ranker(tmp_path):
    def described(weight: float) -> str | None:
        features = dict.fromkeys(GROUPS["text"], (0.0, 1.0, weight))
        view = View(groups=("text",), inverse_penalty=1.0, intercept=0.0, features=features)
        path = tmp_path / "v.json"
        path.write_text(Coefficients(views=(view,), tasks=()).text())
        return ranker_part(load_ranker(f"shortest,keep=0.5+verifier,model={path}")).sha256

    assert described(0.0) == described(0.0) != described(1.0)
