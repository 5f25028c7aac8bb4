#!/usr/bin/env bash
# The main job with models that ship: three sizes of the nano family, drawn, graded and compared on this machine.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

readonly codebudget=${CODEBUDGET:-$PWD/.venv/bin/codebudget}
readonly job=(compare 4m:1 1m 250k --family nano --match flops)

sandbox=$("$codebudget" sandbox probe)
if [[ $sandbox == process ]]; then
    echo 'Neither Docker nor bubblewrap works here, so --sandbox process is named: weak isolation, good enough for' >&2
    echo 'programs of models that were trained on harmless functions alone.' >&2
else
    sandbox=auto
fi
printf '$ codebudget %s\n' "${job[*]}" >&2
exec "$codebudget" "${job[@]}" --engine transformers --sandbox "$sandbox" "$@"
