#!/usr/bin/env bash
# Makes rankers/verifier/nano.json, the verifier that ships, from problems like nano's that the benchmark does not have.
# Needs the extras [transformers] and [verifier]; takes about a quarter of an hour on two cores. Run it in an empty folder.
set -euo pipefail

python -m codebudget.models.nano.problems nano-3.jsonl 3
for size in 250k 1m 2m 4m; do
    codebudget sample "$size:20" --family nano --engine transformers --benchmark nano-3.jsonl --out "$size.jsonl"
done
codebudget verifier train 250k.jsonl 1m.jsonl 2m.jsonl 4m.jsonl --benchmark nano-3.jsonl --k 20 --out nano.json
