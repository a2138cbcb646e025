
# `cargo due ..` as well. What completes cargo otherwise, now or once it is loaded, goes on to do so.
_cargo_due__cargo() {
    if [[ ${COMP_CWORD} -ge 2 && ${COMP_WORDS[1]} == due ]]; then
        local COMP_WORDS=(cargo-due "${COMP_WORDS[@]:2}") COMP_CWORD=$((COMP_CWORD - 1))
        _cargo_due cargo-due "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        return
    fi
    if [[ -z ${_cargo_due__other-} ]]; then
        # bash-completion loads it, and would put it in this one's place.
        declare -F _comp_load >/dev/null && _comp_load cargo
        declare -F _completion_loader >/dev/null && _completion_loader cargo
        _cargo_due__keep
    fi
    if [[ ${_cargo_due__other-} ]]; then
        "${_cargo_due__other}" "$@"
    elif [[ ${COMP_CWORD} -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W due -- "$2")
    fi
}

_cargo_due__keep() {
    local known
    known=$(complete -p cargo 2>/dev/null) || known=
    if [[ ${known} =~ -F\ ([^ ]+) && ${BASH_REMATCH[1]} != _cargo_due__cargo ]]; then
        _cargo_due__other=${BASH_REMATCH[1]}
    fi
    complete -F _cargo_due__cargo -o bashdefault -o default cargo
}

_cargo_due__keep
