"""The shells that `forecast --complete` answers: a script each, and where it is written."""

import os
from pathlib import Path

from forecast.errors import InputError

BASH = r"""# Completion of `forecast` in bash, written by `forecast --install-completion`.
_forecast() {
  local line=${COMP_LINE:0:COMP_POINT}
  local word=${line##*[[:space:]]}
  mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" --complete "$line" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=.] ]]; then compopt -o nospace; fi
  # readline breaks words at "=" and ":", and replaces the last part alone
  word=${word#[\"\']}
  COMPREPLY=("${COMPREPLY[@]#"${word%"$2"}"}")
} 2>/dev/null
complete -o default -F _forecast forecast
"""

ZSH = r"""# Completion of `forecast` in zsh, written by `forecast --install-completion zsh`.
_forecast() {
  local -a found
  found=(${(f)"$(${~words[1]} --complete "${(j: :)words[1,CURRENT-1]} ${(Q)PREFIX}" 2>/dev/null)"})
  if (( ! $#found )); then
    compset -P '*='
    _files
    return
  fi
  compadd -S '' -- ${(M)found:#*[=.]}
  compadd -- ${found:#*[=.]}
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _forecast forecast
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH}


def chosen(asked: list[str]) -> str:
    """Return the shell that is meant.

    Args:
        asked: Behind the option; nothing means the shell that `SHELL` names, else bash.

    Returns:
        A name of `SCRIPTS`.

    Raises:
        InputError: There is no script for it.
    """
    own = Path(os.environ.get("SHELL", "")).name
    shell = " ".join(asked) or (own if own in SCRIPTS else "bash")
    if shell not in SCRIPTS:
        raise InputError(
            f"completion must be for {' or '.join(SCRIPTS)}, got {shell!r}: name one of them"
        )
    return shell


def install(shell: str) -> str:
    """Write the script of a shell: where bash-completion looks for it, or where zsh is told to.

    Args:
        shell: A name of `SCRIPTS`.

    Returns:
        What was written, and what is left to do.

    Raises:
        InputError: It cannot be written.
    """
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    places = {"bash": "bash-completion/completions/forecast", "zsh": "forecast/completion.zsh"}
    file = data / places[shell]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SCRIPTS[shell], encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"--install-completion must be able to write {file}, got {error.strerror!r}: use "
            "forecast --completion, which prints the script"
        ) from error
    if shell == "bash":
        return f"wrote {file}: open a new bash that has bash-completion, or source it in ~/.bashrc"
    return f"wrote {file}: source it in ~/.zshrc, and open a new zsh"
