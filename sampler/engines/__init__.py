"""The engines, and the choice among them.

from codebudget.sampler.engines import choose_engine

choice = choose_engine("auto", "models/1m", "bf16")
print(choice.reason)
"""

from .choice import EngineChoice, EngineOptions, choose_engine, pick_engine
from .libraries import ENGINES

__all__ = ["ENGINES", "EngineChoice", "EngineOptions", "choose_engine", "pick_engine"]
