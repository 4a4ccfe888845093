# What is formatted and linted. Sourced by scripts/lint and scripts/format. Generated files are left out.

eslint_directories=()
prettier_patterns=('*.{ts,js,cjs,json}')
for directory in src-ts test bench scripts; do
  [ -n "$(find "$directory" -name '*.ts' -print -quit 2>/dev/null)" ] || continue
  eslint_directories+=("$directory")
  prettier_patterns+=("$directory/**/*.ts")
  [ "$directory" != src-ts ] || prettier_patterns+=("$directory/**/*.{tsx,css}")
done

mapfile -t native_sources < <(
  find src-native include test bench examples-c \
    \( -name node_modules -o -name 'build*' \) -prune -o \
    \( -name '*.cc' -o -name '*.c' -o -name '*.h' \) \
    ! -name '*_generated.*' ! -name polyraft_codes.h -print 2>/dev/null | sort
)
