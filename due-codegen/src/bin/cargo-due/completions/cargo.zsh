
# cargo's own `_cargo` asks this one about `cargo due ..`. Without it:
_cargo-due_cargo() {
    if (( CURRENT > 2 )) && [[ ${words[2]} == due ]]; then
        shift words
        (( CURRENT-- ))
        _cargo-due
    elif (( CURRENT == 2 )); then
        compadd due
    else
        _default
    fi
}

(( ${+_comps[cargo]} )) || compdef _cargo-due_cargo cargo
