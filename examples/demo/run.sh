#!/usr/bin/env bash
# The main job with models that ship: three sizes of the nano family, drawn, graded and compared on this machine. Ends
# with 1 where the scores are not those of the models' card.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

readonly python=${CODEBUDGET_PYTHON:-$PWD/.venv/bin/python}
readonly job=(compare 4m:1 1m 250k --family nano --match flops)

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

sandbox=$("$python" -m codebudget sandbox probe)
if [[ $sandbox == process ]]; then
    echo 'Neither Docker nor bubblewrap works here, so --sandbox process is named: weak isolation, good enough for' >&2
    echo 'programs of models that were trained on harmless functions alone.' >&2
else
    sandbox=auto
fi
printf '$ codebudget %s\n' "${job[*]}" >&2
"$python" -m codebudget "${job[@]}" --engine transformers --sandbox "$sandbox" --report "$folder/comparison.json" "$@"
echo
"$python" -m codebudget.models.nano.card check "$folder/comparison.json"
