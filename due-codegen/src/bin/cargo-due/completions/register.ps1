
# PowerShell tells nobody what completes a command now; where its own fields do not either, nothing else does from here on.
try {
    $context = $ExecutionContext.GetType().GetField('_context', 'NonPublic,Instance').GetValue($ExecutionContext)
    $known = $context.GetType().GetProperty('NativeArgumentCompleters', 'NonPublic,Instance').GetValue($context)
    if ($known -and $known.ContainsKey('cargo') -and "$($known['cargo'])" -notmatch '__cargoDueOther') {
        $global:__cargoDueOther = $known['cargo']
    }
} catch {
    $global:__cargoDueOther = $null
}
Register-ArgumentCompleter -Native -CommandName 'cargo-due', 'cargo' -ScriptBlock $__cargoDue
