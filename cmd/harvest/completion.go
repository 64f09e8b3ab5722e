package main

import (
	"github.com/spf13/cobra"
)

// shells are those that completion writes scripts for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletionCmd(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a script that completes harvest's command line",
		Long: `completion prints a script for bash, zsh, fish or powershell, which completes
harvest's verbs, flags and their values.`,
		Example: `  source <(harvest completion bash)
  harvest completion fish >~/.config/fish/completions/harvest.fish`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("completion: name one shell: bash, zsh, fish or powershell")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return completionRun(cmd.Root(), s, args[0])
		},
	}
}

func completionRun(root *cobra.Command, s streams, shell string) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(s.out, true)
	case "zsh":
		return root.GenZshCompletion(s.out)
	case "fish":
		return root.GenFishCompletion(s.out, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(s.out)
	}
	return usagef("completion: no script for %s; there are bash, zsh, fish and powershell", shell)
}

// completeWords completes the flag's value from a list. That the flag exists is
// the caller's doing, so an error is a bug.
func completeWords(cmd *cobra.Command, flag string, words ...string) {
	f := cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic("BUG: " + err.Error())
	}
}

// completeDirs completes the flag's value from the folders that there are.
// Other flags complete to files.
func completeDirs(cmd *cobra.Command, flag string) {
	if err := cmd.MarkFlagDirname(flag); err != nil {
		panic("BUG: " + err.Error())
	}
}
