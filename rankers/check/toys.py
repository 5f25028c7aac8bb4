"""Small tasks with trusted candidates, generated tests and a scorer, on which any ranker can be tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...records import Candidate, Example, GeneratedTests, IoCase, Likelihood, PublicTask, Reward, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

_FLOPS_PER_CHARACTER = 1e6


class Toy(NamedTuple):
    """A task as rankers see it, candidates for it, and the tests a model wrote."""

    task: PublicTask
    candidates: tuple[Candidate, ...]
    tests: GeneratedTests


def toys(*, scripts: bool) -> tuple[Toy, ...]:
    """Make a task with an example and generated tests, one with neither, and, if asked for, both kinds for scripts."""
    return (_MIDDLE, _NEGATE, _SUM, _GREET) if scripts else (_MIDDLE, _NEGATE)


class ToyScorer:
    """A model of characters: each one's likelihood depends on itself alone."""

    def score(self, texts: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """See `Scorer.score`."""
        return [
            Likelihood(logprobs := tuple(-0.1 - ord(character) % 7 / 2 for character in text), 1.0 + len(logprobs) % 5)
            for _, text in texts
        ]

    def flops(self, texts: Sequence[tuple[str, str]]) -> float | None:
        """See `Scorer.flops`."""
        return _FLOPS_PER_CHARACTER * sum(len(prompt) + len(text) for prompt, text in texts)


class ToyRewarder:
    """A model that rates an answer by its characters."""

    def rate(
        self, model: str, label: str, answers: Sequence[tuple[str, str]], engine: str = "transformers"
    ) -> list[Reward]:
        """See `Rewarder.rate`."""
        return [
            Reward(float(sum(map(ord, text)) % 11), _FLOPS_PER_CHARACTER * (len(prompt) + len(text)), 0.0)
            for prompt, text in answers
        ]


def _toy(task: PublicTask, bodies: Sequence[str], tests: GeneratedTests) -> Toy:
    candidates = tuple(
        Candidate(
            task_id=task.id,
            arm="toy",
            index=index,
            raw=body,
            program=body if task.is_script else task.prompt + body,
            seed=index,
            finish_reason="stop",
            prompt_tokens=len(task.prompt),
            output_tokens=len(body),
            logprobs=tuple(-0.05 - (ord(character) + index) % 11 / 4 for character in body),
        )
        for index, body in enumerate(bodies)
    )
    return Toy(task, candidates, tests)


_MIDDLE = _toy(
    PublicTask(
        id="toy/middle",
        prompt='def middle(a, b, c):\n    """The middle one of three.\n\n    >>> middle(1, 2, 3)\n    2\n    """\n',
        entry_point="middle",
        examples=(Example(call="middle(1, 2, 3)", expected="2"),),
    ),
    (
        "    return sorted((a, b, c))[1]\n",
        "    return a + b + c - max(a, b, c) - min(a, b, c)\n",
        "    if a < b:\n        return max(a, min(b, c))\n    return max(b, min(a, c))\n",
        "    return b\n",
        "    return max(a, b, c)\n",
        "    return (a + b + c) / 3\n",
        "    # Looks it up.\n    return {1: 1, 2: 2}[b]\n",
        "    raise NotImplementedError\n",
        "    pass\n",
        "    return sorted((a, b, c)[1\n",
    ),
    GeneratedTests(
        samples=(
            "middle(1, 2, 3) == 2\nassert middle(3, 1, 2) == 2\nassert middle(5, 5, 1) == 5\n",
            "middle(2, 1, 3) == 2\nassert middle(1, 2, 3) == 3\nassert middle(4, 4, 4) == 4\n",
            "middle(0, -1, 1) == 0\nassert middle(9, 8, 7) in (7, 8)\n",
        ),
        usage=Usage(prompt_tokens=90, output_tokens=120, prefill_flops=9e7, decode_flops=1.2e8, wall_s=0.1),
    ),
)

_NEGATE = _toy(
    PublicTask(id="toy/negate", prompt="def negate(x):\n", entry_point="negate"),
    ("    return -x\n", "    return 0 - x\n", "    return x\n", "    return None\n", ""),
    GeneratedTests(),
)

_SUM = _toy(
    PublicTask(
        id="toy/sum",
        prompt="The first line says how many numbers are on the second. Print their sum.\n",
        entry_point="",
        is_script=True,
        rule="tokens",
        cases=(IoCase(input="2\n1 2\n", output="3\n"),),
    ),
    (
        "input()\nprint(sum(map(int, input().split())))\n",
        "import sys\nprint(sum(map(int, sys.stdin.read().split()[1:])))\n",
        "def main():\n    total = 0\n    for _, word in zip(range(int(input())), input().split()):\n"
        "        total += int(word)\n    print(total)\n\n\nif __name__ == '__main__':\n    main()\n",
        "input()\nprint(max(map(int, input().split())))\n",
        "print(3)\n",
        "input()\nprint(input().split())\n",
        "input()\n",
        "print(1 // 0)\n",
        "print(sum(\n",
    ),
    GeneratedTests(
        samples=(
            "2\n1 2\nOutput:\n3\n\nInput:\n1\n7\nOutput:\n7\n",
            "3\n4 -4 2\nOutput:\n2\n\nInput:\n2\n5 5\nOutput:\n5\n",
        ),
        usage=Usage(prompt_tokens=60, output_tokens=80, prefill_flops=6e7, decode_flops=8e7, wall_s=0.1),
    ),
)

_GREET = _toy(
    PublicTask(id="toy/greet", prompt="Print a greeting.\n", entry_point="", is_script=True),
    ("print('Hello')\n", "import sys\nsys.stdout.write('Hello\\n')\n", "'Hello'\n", "print(Hello)\n", ""),
    GeneratedTests(),
)
