"""Our own worked examples for few-shot prompts, of no benchmark: prompts with solutions, and asserts."""

from __future__ import annotations

from typing import Final

WORKED_EXAMPLES: Final = {
    "widest_gap": '''\
def widest_gap(readings):
    """
    Write a function to find the widest gap between two neighbours of a list of readings; a list with fewer than two
    readings has a gap of 0.
    """
    if len(readings) < 2:
        return 0
    return max(abs(later - earlier) for earlier, later in zip(readings, readings[1:]))
''',
    "seats_by_row": '''\
def seats_by_row(tickets):
    """
    Write a function to group tickets such as "C14" by the letter of their row, the seat numbers of each row ascending.
    """
    rows = {}
    for ticket in tickets:
        rows.setdefault(ticket[0], []).append(int(ticket[1:]))
    return {row: sorted(seats) for row, seats in rows.items()}
''',
    "unfold_runs": '''\
def unfold_runs(packed):
    """
    Write a function to unfold a string of runs, in which each character stands before the digit that says how often
    it is repeated.
    """
    pieces = []
    for place in range(0, len(packed), 2):
        pieces.append(packed[place] * int(packed[place + 1]))
    return "".join(pieces)
''',
}
"""Prompts with their solutions, by function name."""

WORKED_ASSERTS: Final = {
    "widest_gap": """\
assert widest_gap([3, 8, 6]) == 5
assert widest_gap([4]) == 0
assert widest_gap([-1, -1, 9, 2]) == 10
""",
    "seats_by_row": """\
assert seats_by_row(["C14", "A2", "C3"]) == {"C": [3, 14], "A": [2]}
assert seats_by_row([]) == {}
assert seats_by_row(["B1"]) == {"B": [1]}
""",
    "unfold_runs": """\
assert unfold_runs("a3b1") == "aaab"
assert unfold_runs("") == ""
assert unfold_runs("x0y2") == "yy"
""",
}
"""Asserts that the solutions pass, by function name."""
