#!/usr/bin/env bash
# ClusterFuzzLite builds as OSS-Fuzz does.
exec "$SRC/kmemlab/fuzz/oss-fuzz/build.sh"
