"""Worked examples for few-shot prompts: our own, of no benchmark, each a prompt with its solution."""

from __future__ import annotations

from typing import Final

WORKED_EXAMPLES: Final = (
    '''\
def widest_gap(readings):
    """
    Write a function to find the widest gap between two neighbours of a list of readings; a list with fewer than two
    readings has a gap of 0.
    """
    if len(readings) < 2:
        return 0
    return max(abs(later - earlier) for earlier, later in zip(readings, readings[1:]))
''',
    '''\
def seats_by_row(tickets):
    """
    Write a function to group tickets such as "C14" by the letter of their row, the seat numbers of each row ascending.
    """
    rows = {}
    for ticket in tickets:
        rows.setdefault(ticket[0], []).append(int(ticket[1:]))
    return {row: sorted(seats) for row, seats in rows.items()}
''',
    '''\
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
)
