#!/usr/bin/env bash
# The main job on programs that people wrote: no weights, no GPU, no download.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

readonly codebudget=${CODEBUDGET:-.venv/bin/codebudget}
readonly demo=examples/demo
readonly prefix="not a model's | "

main() {
    echo 'Twelve small tasks. Hand-written programs, right and wrong ones, stand in for'
    echo 'the outputs of a large and a small model.'
    local sandbox
    sandbox=$("$codebudget" sandbox probe)
    if [[ $sandbox == process ]]; then
        echo 'Neither Docker nor bubblewrap works here, so --sandbox process is named: weak'
        echo 'isolation, good enough for these programs, which came with codebudget.'
    else
        sandbox=auto
    fi
    "$codebudget" compare "$demo/large:1" "$demo/small:4" --benchmark "$demo/tasks.jsonl" --sandbox "$sandbox" \
        --samples "$demo/large=$demo/large/samples.jsonl" --samples "$demo/small=$demo/small/samples.jsonl" "$@"
}

# Every line says whose programs these are, and still fits 100 columns.
export COLUMNS=$((100 - ${#prefix}))
main "$@" 2>&1 | sed --unbuffered "s/^/$prefix/"
