#!/usr/bin/env bash
# test_record_trace.sh RECORD_TRACE: runs the script against a folder that looks like tracefs, with a mkdir
# and a rmdir that make and remove an instance as the kernel does.
set -euo pipefail
script=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# check WHAT COMMAND...: COMMAND must succeed.
check() {
    local what=$1
    shift
    if "$@"; then echo "ok: $what"; else echo "FAILED: $what" && failed=1; fi
}
# run ARGUMENT...: the script's status in $status, what it says in $work/said.
run() {
    status=0
    "$script" "$@" >"$work/out" 2>"$work/said" || status=$?
}
# shellcheck disable=SC2317  # called by check
says() { grep -qF -- "$1" "$work/said"; }

tracefs=$work/tracefs
mkdir -p "$tracefs/instances" "$work/bin" "$work/template/options" "$work/template/per_cpu/cpu0"
for event in kmem/kmalloc kmem/kfree vmalloc/alloc_vmap_area; do
    mkdir -p "$work/template/events/$event"
    echo 0 >"$work/template/events/$event/enable"
done
touch "$work/template/"{tracing_on,buffer_size_kb,set_event_pid,options/event-fork}
echo '# tracer: nop' >"$work/template/trace"
printf 'entries: 2\noverrun: 3\ndropped events: 4\n' >"$work/template/per_cpu/cpu0/stats"
printf '     x-1 [000] ..... 1.000000: kfree: call_site=f+0x1/0x2 ptr=00000000aaaaaaaa\n' >"$work/template/trace_pipe"
cat >"$work/bin/mkdir" <<MKDIR
#!/bin/sh
case \$1 in */instances/*) exec cp -r "$work/template" "\$1" ;; esac
exec /bin/mkdir "\$@"
MKDIR
cat >"$work/bin/rmdir" <<RMDIR
#!/bin/sh
/bin/rm -rf "$work/last" && exec mv "\$1" "$work/last"
RMDIR
chmod +x "$work/bin/mkdir" "$work/bin/rmdir"
export KMEMLAB_TRACEFS=$tracefs
plain_path=$PATH
export PATH=$work/bin:$PATH
cd "$work"

run --help
check 'help ends with 0' test "$status" -eq 0
check 'help names the option' grep -q -- '--buffer KIB' "$work/out"

run
check 'no command: status 2' test "$status" -eq 2
check 'no command: says so' says 'expected a COMMAND'
run --colour true
check 'unknown option: status 2' test "$status" -eq 2
check 'unknown option: names it' says 'unknown option --colour'
run --buffer none true
check 'bad buffer: status 2' test "$status" -eq 2
run no-such-command-at-all
check 'unknown command: status 2' test "$status" -eq 2
check 'unknown command: names it' says 'no-such-command-at-all: no such command'
run -o "$work/none/x" true
check 'no folder: status 2' test "$status" -eq 2

KMEMLAB_TRACEFS=$work/none run true
check 'no tracefs: status 2' test "$status" -eq 2
check 'no tracefs: says how to mount it' says 'mount -t tracefs'

run sh -c 'exit 7'
check 'the status is the command'"'"'s' test "$status" -eq 7
check 'the file is named after the command' test -f sh.trace.zst
check 'the file holds what the kernel printed' cmp -s <(zstd -dc sh.trace.zst) "$work/template/trace_pipe"
check 'lost events are reported' says '7 events were LOST'
check 'the instance is removed' test -z "$(ls "$tracefs/instances")"
check 'events are enabled' grep -q 1 "$work/last/events/kmem/kmalloc/enable"
check 'children are followed' grep -q 1 "$work/last/options/event-fork"
check 'the filter is set' grep -qE '^[0-9]+$' "$work/last/set_event_pid"
check 'the buffer is set' grep -q 16384 "$work/last/buffer_size_kb"
check 'no temporary file remains' test "$(find . -maxdepth 1 -name '*.tmp-*' | wc -l)" -eq 0

run -o named.zst --buffer 64 -- true
check '-o names the file' test -f named.zst
check '--buffer sets the buffer' grep -q 64 "$work/last/buffer_size_kb"

: >"$work/template/trace_pipe"
run -o empty.zst true
check 'nothing recorded: status 2' test "$status" -eq 2
check 'nothing recorded: says so' says 'no event was recorded'
check 'nothing recorded: no file' test ! -e empty.zst
check 'nothing recorded: the instance is removed' test -z "$(ls "$tracefs/instances")"

rm -r "$work/template/events" && mkdir "$work/template/events"
run true
check 'a kernel without the events: status 2' test "$status" -eq 2
check 'a kernel without the events: says so' says 'none of the events'
check 'a kernel without the events: the instance is removed' test -z "$(ls "$tracefs/instances")"

if [[ $EUID -ne 0 ]]; then
    unset KMEMLAB_TRACEFS
    PATH=$plain_path run true
    check 'without root: status 2' test "$status" -eq 2
    check 'without root: says so' says 'needs root'
else
    echo 'skipped: what a user without root is told, as this is root'
fi
exit "$failed"
