# shellcheck shell=bash
# What the scripts of this folder share. Sourced, never run: sets strict mode, goes to the root of the
# repository, and puts Debian's own tools first, since only those are what ci/setup installs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="/usr/bin:$PATH"
# Programs used by scripts that source this file.
# shellcheck disable=SC2034
python=/usr/bin/python3

say() { printf '== %s\n' "$*"; }

# die MESSAGE...: a usage error or a missing requirement; status 2.
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 2
}

# usage SCRIPT: prints the comment at its top.
usage() { sed -n '1d; /^#/!q; s/^# \{0,1\}//p' "$1"; }

# need_value OPTION [VALUE...]: refuses an option whose value is missing.
need_value() { [[ $# -ge 2 && -n $2 ]] || die "$1 needs a value"; }

# configure_and_build PRESET [TARGET...]: into build/PRESET, on all CPUs; says what it does in two lines.
configure_and_build() {
    local preset=$1
    shift
    say "configure build/$preset"
    cmake --preset "$preset" >"$(log_of "configure-$preset")" 2>&1 || fail_with_log "configure-$preset"
    say "build build/$preset"
    cmake --build --preset "$preset" ${1:+--target "$@"} >"$(log_of "build-$preset")" 2>&1 ||
        fail_with_log "build-$preset"
}

# log_of NAME: where the output of a step is kept.
log_of() {
    mkdir -p build/log
    printf 'build/log/%s.log' "$1"
}

# fail_with_log NAME: shows the end of a step's output and ends with status 1.
fail_with_log() {
    tail -n 60 "$(log_of "$1")" >&2
    printf '%s: %s failed; all of its output: %s\n' "$(basename "$0")" "$1" "$(log_of "$1")" >&2
    exit 1
}
