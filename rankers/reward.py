"""The ranker `reward`: a slot for any reward model that classifies sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import UserError
from ..records import Candidate, PublicTask, Ranking
from .code import bare_completion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Context, Need

REWARD: Final = "reward"
MODEL: Final = "model"
ENGINES: Final = ("transformers", "vllm")
"""What can run a reward model."""


class Reward:
    """Programs that a reward model rates highest: any checkpoint that classifies sequences.

    The model reads the task's prompt and the whole program without comments and docstrings, as a chat if its tokenizer
    has a template for one, else as a pair of texts. No code of the checkpoint is run. Its FLOPs and seconds are the
    cost of ranking.

    Args:
        model: A folder, or a hub id.
        label: The class whose log probability is the reward, by name or number; the default is a model's only output,
            or the second of two.
        engine: What runs the model, transformers or vllm; named and never guessed, so that a ranker is the same
            wherever it runs.
    """

    name = REWARD
    version = "1"
    needs: frozenset[Need] = frozenset({"reward"})
    ranks_scripts = True
    pointwise = True

    def __init__(self, model: str = "", label: str = "", engine: str = ENGINES[0]) -> None:
        if engine not in ENGINES:
            raise UserError(f"engine={engine}: a reward model runs by {' or '.join(ENGINES)}")
        self.reward_model, self.reward_engine, self._label = model, engine, label

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the reward.

        Raises:
            UserError: No model was named, it is none that rates, or a program is longer than its context.
            EngineError: It cannot be loaded, or failed.
        """
        answers = [(task.prompt, bare_completion("", candidate.program)) for candidate in candidates]
        found = context.rewarder.rate(self.reward_model, self._label, answers, self.reward_engine)
        return Ranking(scores=tuple(reward.value for reward in found))
