"""Whether a ranker keeps the contract."""
