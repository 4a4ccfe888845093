#!/bin/sh
# The `node` of an engine whose processor profile is wanted: written when it ends, named after its working directory.
if [ "$1" = --version ]; then exec "$BENCH_PROFILE_NODE" --version; fi
exec "$BENCH_PROFILE_NODE" --cpu-prof --cpu-prof-interval 500 --cpu-prof-dir="$BENCH_PROFILE_DIRECTORY" \
  --cpu-prof-name="$(basename "$PWD").cpuprofile" "$@"
