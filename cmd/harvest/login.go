package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/harvest-oci/harvest/pack/registry"
)

// loginOptions is the command line of login.
type loginOptions struct {
	registryOptions
	host  string
	user  string
	quiet bool
}

func newLoginCmd(s streams) *cobra.Command {
	o := &loginOptions{}
	cmd := &cobra.Command{
		Use:   "login REGISTRY -u USER [flags]",
		Short: "Keep a login for a registry, where docker keeps its own",
		Long: `login reads a password or a token, asks the registry whether it is right, and
keeps it where docker login does: with the credential helper that docker's
config.json names, or else in that file, which is not encrypted. Whoever is
logged in with docker needs no other login. harvest logout forgets it.`,
		Example: `  harvest login registry.example.com -u somebody
  harvest login docker.io -u somebody <token.txt`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     cobra.NoFileCompletions,
		Args:                  oneArg("login", "a registry", "harvest login registry.example.com -u somebody"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.host = args[0]
			o.given(cmd)
			return loginRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&o.user, "user", "u", "", "`USER`: whose password it is")
	o.addFlags(cmd)
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	completeWords(cmd, "user")
	return cmd
}

// loginRun keeps a login that the registry accepts.
func loginRun(ctx context.Context, s streams, o *loginOptions) error {
	if o.user == "" {
		return usagef("login: say who you are with -u USER")
	}
	password, err := readPassword(ctx, s)
	if err != nil {
		return err
	}
	logins, err := openLogins(s)
	if err != nil {
		return err
	}
	c, err := o.client(s)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := logins.Login(ctx, c, o.host, registry.Credential{Username: o.user, Password: password}); err != nil {
		return err
	}
	if !o.quiet {
		_, err = fmt.Fprintf(s.err, "logged in to %s\n", o.host)
	}
	return err
}

// readPassword reads a line that is not shown.
func readPassword(ctx context.Context, s streams) (password string, err error) {
	if s.inTerm {
		if state, err := term.GetState(int(os.Stdin.Fd())); err == nil {
			defer func() { // as an interrupt leaves the terminal without echo
				_ = term.Restore(int(os.Stdin.Fd()), state)
				fmt.Fprintln(s.err)
			}()
		}
	}
	err = unlessDone(ctx, func() error {
		if s.inTerm {
			fmt.Fprint(s.err, "password: ")
			line, err := term.ReadPassword(int(os.Stdin.Fd()))
			password = string(line)
			return err
		}
		line, err := bufio.NewReader(io.LimitReader(s.in, 1<<20)).ReadString('\n')
		password = strings.TrimRight(line, "\r\n")
		if err == io.EOF {
			return nil
		}
		return err
	})
	if err == nil && password == "" {
		err = usagef("login: there is no password on stdin")
	}
	return password, err
}

func newLogoutCmd(s streams) *cobra.Command {
	return &cobra.Command{
		Use:                   "logout REGISTRY",
		Short:                 "Forget the login for a registry",
		Long:                  "logout forgets what login, or docker login, keeps for a registry.",
		Example:               "  harvest logout registry.example.com",
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     cobra.NoFileCompletions,
		Args:                  oneArg("logout", "a registry", "harvest logout registry.example.com"),
		RunE: func(cmd *cobra.Command, args []string) error {
			logins, err := openLogins(s)
			if err != nil {
				return err
			}
			return logins.Logout(cmd.Context(), args[0])
		},
	}
}
