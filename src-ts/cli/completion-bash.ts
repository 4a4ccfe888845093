/**
 * The script for bash 4.3 and newer. It asks the command with what has been typed, word by word, and lets readline complete
 * file names.
 */
export const BASH_COMPLETION = String.raw`# Completion of polyraft in bash: source <(polyraft complete bash)
_polyraft() {
  local line=${'$'}{COMP_LINE:0:COMP_POINT} words=() command=$1 word answer i
  # Bash breaks words at : and =, too; URLs are put together again.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${'$'}{COMP_WORDS[i]}
    if [[ $i -eq 0 || $line == [[:space:]]* ]]; then words+=("$word"); else words[-1]+=$word; fi
    line=${'$'}{line#"${'$'}{line%%[![:space:]]*}"}
    line=${'$'}{line#"$word"}
  done
  type -P -- "$command" >/dev/null || command=polyraft
  COMPREPLY=()
  while IFS= read -r answer; do
    case $answer in
      :4) compopt +o default ;;
      :*) ;;
      *) COMPREPLY+=("${'$'}{answer%%$'\t'*}") ;;
    esac
  done < <("$command" complete -- "${'$'}{words[@]:1}" 2>/dev/null)
}
complete -o default -F _polyraft polyraft`;
