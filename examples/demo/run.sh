#!/usr/bin/env bash
# The main job on programs that people wrote: no weights, no GPU, no download.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

readonly root=$PWD/../..
readonly codebudget=${CODEBUDGET:-$root/.venv/bin/codebudget}
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
    "$codebudget" compare large:1 small:4 --benchmark tasks.jsonl --sandbox "$sandbox" \
        --samples large=large/samples.jsonl --samples small=small/samples.jsonl \
        --store "$root/.codebudget/store.sqlite" "$@"
}

# Every line says whose programs these are, and still fits 100 columns.
export COLUMNS=$((100 - ${#prefix}))
main "$@" 2>&1 | sed --unbuffered "s/^/$prefix/"
