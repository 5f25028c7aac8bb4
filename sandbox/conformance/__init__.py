"""Test of a launcher's isolation by attacking it: the corpus of attacks and benign controls, run for real."""

from ..._util.progress import Progress
from .corpus import Attack, corpus, corpus_digest
from .examiner import AttackResult, Examiner
from .suite import Conformance, conformance

__all__ = ["Attack", "AttackResult", "Conformance", "Examiner", "Progress", "conformance", "corpus", "corpus_digest"]
