#!/usr/bin/env bash
# check_build.sh FOLDER TARGET...: builds these as OSS-Fuzz does, in an empty $OUT below FOLDER, and checks each as it does:
# it needs no library that is not where targets run, and runs on its seed corpus for a moment.
set -euo pipefail

folder=$1
shift
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
rm -rf "$folder/out" "$folder/src"
mkdir -p "$folder/out" "$folder/src" "$folder/work"
ln -s "$root" "$folder/src/kmemlab"
export SRC=$folder/src WORK=$folder/work OUT=$folder/out LIB_FUZZING_ENGINE=-fsanitize=fuzzer
export CXX=${CXX:-clang++-14} CXXFLAGS="-O0 -fsanitize=fuzzer-no-link"  # what compiles soonest
KMEMLAB_FUZZ_TARGETS=$* "$root/fuzz/oss-fuzz/build.sh"

there='linux-vdso|ld-linux|libc\.so|libm\.so|libdl\.so|librt\.so|libpthread\.so|libgcc_s\.so|libstdc\+\+\.so|libresolv\.so'
for name in "$@"; do
    [[ -x $OUT/$name ]] || { echo "no $name in \$OUT" && exit 1; }
    if foreign=$(ldd "$OUT/$name" | grep -vE "$there"); then
        printf '%s needs libraries that are not where it runs:\n%s\n' "$name" "$foreign" && exit 1
    fi
    corpus=$folder/work/seeds/$name
    rm -rf "$corpus"
    mkdir -p "$corpus"
    if [[ -f $OUT/${name}_seed_corpus.zip ]]; then python3 -m zipfile -e "$OUT/${name}_seed_corpus.zip" "$corpus"; fi
    seeds=$(find "$corpus" -type f | wc -l)
    mapfile -t options < <(sed -nE 's/^([a-z_]+) *= *(.*)$/-\1=\2/p' "$OUT/$name.options")
    (cd "$folder/work" && "$OUT/$name" "${options[@]}" -runs=200 "$corpus" >"$name.log" 2>&1) || { cat "$folder/work/$name.log" && exit 1; }
    grep -q 'stat::\|DONE' "$folder/work/$name.log" || { echo "$name ran nothing" && exit 1; }
    echo "$name: runs on its corpus of $seeds inputs"
done
