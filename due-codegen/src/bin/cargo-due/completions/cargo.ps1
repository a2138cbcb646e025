    # `cargo due ..` as well. What completes cargo otherwise goes on to do so.
    $first = 1
    if ([System.IO.Path]::GetFileNameWithoutExtension("$($commandElements[0])") -eq 'cargo') {
        $isFirstWord = $commandElements.Count -eq 1 -or ($commandElements.Count -eq 2 -and $wordToComplete)
        if ($isFirstWord -or "$($commandElements[1])" -ne 'due') {
            if ($global:__cargoDueOther) {
                & $global:__cargoDueOther $wordToComplete $commandAst $cursorPosition
            }
            if ($isFirstWord -and 'due'.StartsWith($wordToComplete)) {
                [CompletionResult]::new('due', 'due', [CompletionResultType]::ParameterValue, 'due')
            }
            return
        }
        $first = 2
    }
