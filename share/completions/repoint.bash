# Completion of repoint(1) for bash: verbs, their verbs, their options, and APP/ENV from the server.

_repoint_words()
{
  COMPREPLY=($(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}"))
}

_repoint_options()
{
  repoint "$@" --help 2>/dev/null | grep -oE -- '(^|[ ,])--?[a-z][a-z-]*' | tr -d ' ,'
}

_repoint_places()
{
  repoint app list 2>/dev/null | awk 'NR > 1 && $2 != "-" { print $1 "/" $2 }'
}

_repoint()
{
  local current=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} subs path
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _repoint_words "$(repoint help --verbs 2>/dev/null | cut -f1)"
    return
  fi
  subs=$(repoint help --verbs "$verb" 2>/dev/null | cut -f1)
  path=("$verb")
  if [[ -n $subs ]] && ((COMP_CWORD > 2)) && [[ " $subs " == *[[:space:]]"${COMP_WORDS[2]}"[[:space:]]* ]]; then
    path+=("${COMP_WORDS[2]}")
  fi
  case $current in
    -*) _repoint_words "$(_repoint_options "${path[@]}")" ;;
    *)
      if [[ -n $subs ]] && ((COMP_CWORD == 2)); then
        _repoint_words "$subs"
        return
      fi
      case "${path[*]}" in
        deploy | promote | plan | ready | rollout\ *) _repoint_words "$(_repoint_places)" ;;
        help) _repoint_words "$(repoint help --verbs 2>/dev/null | cut -f1)" ;;
        *) compopt -o default ;;
      esac
      ;;
  esac
}

complete -F _repoint repoint
