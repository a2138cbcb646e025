
# `cargo due ..` as well. What completes cargo otherwise goes on to do so.
var cargo-due-other = $nil
if (has-key $edit:completion:arg-completer cargo) {
    set cargo-due-other = $edit:completion:arg-completer[cargo]
}
set edit:completion:arg-completer[cargo] = {|@words|
    if (and (> (count $words) 2) (eq $words[1] due)) {
        $edit:completion:arg-completer[cargo-due] cargo-due (all $words[2..])
    } else {
        if (not-eq $cargo-due-other $nil) {
            $cargo-due-other $@words
        }
        if (== (count $words) 2) {
            edit:complex-candidate due
        }
    }
}
