#!/usr/bin/env bash
# Builds the fuzz targets for OSS-Fuzz and ClusterFuzzLite, with the compiler, flags and engine that they name:
#
#   CXX, CXXFLAGS         compiler and flags, sanitizer and coverage among them
#   LIB_FUZZING_ENGINE    what a target is linked with
#   SRC                   the repository is $SRC/kmemlab
#   WORK                  the build goes to $WORK/kmemlab
#   OUT                   gets for each target NAME: NAME, NAME.options, and NAME_seed_corpus.zip if it has a corpus
#   KMEMLAB_FUZZ_TARGETS  names of targets; all if it is not set
#
# Where the targets run there are no libraries of ours: fmt is compiled in, zstd and zlib are linked statically.
set -euo pipefail

source=$SRC/kmemlab
build=$WORK/kmemlab

# archive NAME: the path of libNAME.a.
archive() {
    local path
    path=$("$CXX" -print-file-name="lib$1.a")
    [[ $path == */* ]] || { echo "build.sh: no lib$1.a" >&2 && exit 1; }
    printf '%s' "$path"
}

cmake -G Ninja -S "$source" -B "$build" -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_COMPILER="$CXX" \
    -DCMAKE_CXX_FLAGS="$CXXFLAGS -DFMT_HEADER_ONLY" -DCMAKE_EXE_LINKER_FLAGS=-Wl,--as-needed \
    -DZSTD_LIBRARY="$(archive zstd)" -DZLIB_LIBRARY="$(archive z)" -DBUILD_TESTING=OFF \
    -DKMEMLAB_FUZZ=ON -DKMEMLAB_FUZZING_ENGINE="$LIB_FUZZING_ENGINE" -DKMEMLAB_DEBUG_CHECKS=ON -DKMEMLAB_WERROR=OFF
read -ra names <<<"${KMEMLAB_FUZZ_TARGETS:-}"
if [[ ${#names[@]} -gt 0 ]]; then
    cmake --build "$build" --target "${names[@]/#/fuzz_}"
else
    cmake --build "$build" --target fuzz_targets
    mapfile -t names < <(find "$build/fuzz" -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x -printf '%f\n' | sed 's/^fuzz_//')
fi

for name in "${names[@]}"; do
    cp "$build/fuzz/fuzz_$name" "$OUT/$name"
    cp "$source/fuzz/libfuzzer.options" "$OUT/$name.options"
    if [[ -d $source/fuzz/corpus/$name ]]; then
        (cd "$source/fuzz/corpus" && python3 -m zipfile -c "$OUT/${name}_seed_corpus.zip" "$name")
    fi
done
