
# `cargo due ..` as well.
function __cargo_due_seen
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test $words[2] = due
end

function __cargo_due_complete
    set -l words (commandline -opc)
    complete -C (string join ' ' -- cargo-due (string escape -- $words[3..]) (commandline -ct))
end

complete -c cargo -n __fish_use_subcommand -f -a due -d "Typed code from annotated .proto files"
complete -c cargo -n __cargo_due_seen -f -a "(__cargo_due_complete)"
