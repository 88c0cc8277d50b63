/**
 * What a shell reads to complete `relaymesh`. A script knows no command: at each Tab it asks the
 * program that is being typed, so that it cannot be older than that.
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof SHELLS)[number];

const BASH = `# relaymesh completion bash; in ~/.bashrc:
#   source <(relaymesh completion bash)
_relaymesh() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("$line")
  done < <(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
    "$1" complete bash 2>/dev/null)
}
complete -o nospace -F _relaymesh relaymesh
`;

const ZSH = `#compdef relaymesh
# relaymesh completion zsh; in ~/.zshrc behind compinit:
#   source <(relaymesh completion zsh)
# or as a file _relaymesh in a folder of $fpath.
_relaymesh() {
  local line value
  local -a finished finishedShown open openShown
  for line in "\${(@f)$("\${(Q)words[1]}" complete zsh -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}"; do
    [[ -n $line ]] || continue
    value=\${line%%$'\\t'*}
    line=\${line/$'\\t'/  -- }
    if [[ $value == *[/=,] ]]; then
      open+=("$value") openShown+=("$line")
    else
      finished+=("$value") finishedShown+=("$line")
    fi
  done
  (( $#finished )) && compadd -l -V finished -d finishedShown -a finished
  (( $#open )) && compadd -l -V open -S '' -d openShown -a open
  (( $#finished + $#open ))
}
if [[ $funcstack[1] == _relaymesh ]]; then
  _relaymesh "$@"
else
  compdef _relaymesh relaymesh
fi
`;

const FISH = `# relaymesh completion fish; in ~/.config/fish/config.fish:
#   relaymesh completion fish | source
function __relaymesh_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    $program complete fish -- $words "$typed" 2>/dev/null
end
complete -c relaymesh -f -k -a '(__relaymesh_complete)'
`;

export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
