package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/diagnosis"
)

// diagnoseVerb is the verb's name, which has exit codes of its own.
const diagnoseVerb = "diagnose"

// diagnoseOptions is the command line of diagnose.
type diagnoseOptions struct {
	imageOrigin
	text  string
	image string // "" for none
	json  bool
}

// mostText is how many bytes of messages are read.
const mostText = 1 << 20

var errUnknownMessage = errors.New("this is none of the messages that are known")

func newDiagnoseCmd(s streams) *cobra.Command {
	o := &diagnoseOptions{}
	cmd := &cobra.Command{
		Use:   diagnoseVerb + " TEXT [IMAGE] [flags]",
		Short: "Explain the message of a container that does not work",
		Long: `diagnose explains what an engine, a loader or a program says when something is
missing in an image. With IMAGE, it looks there for each possible cause, and
prints the one that holds and what mends it; without, it lists all of them, and
how to tell. Nothing of the image is run.

TEXT is one message or a whole log, - for stdin.

` + imageHelp + `
` + treeHelp,
		Example: `  harvest diagnose "exec /app: no such file or directory"
  harvest diagnose "exec /bin/bash: no such file or directory" basic.tar
  docker run --rm app:v1 2>&1 | harvest diagnose - app.tar`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usagef(`diagnose: give the message, as in harvest diagnose "exec /app: no such file or directory" app.tar`)
			case len(args) > 2:
				return usagef("diagnose: %d arguments; the message is one, in quotes", len(args))
			case len(args) == 2 && args[0] == stdin && args[1] == stdin:
				return usagef("diagnose: message and image cannot both come from stdin")
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.text = args[0]
			if len(args) > 1 {
				o.image = args[1]
			}
			return diagnoseRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.addFlags(cmd)
	f.BoolVar(&o.json, "json", false, "print what is found as JSON")
	return cmd
}

// A diagnosed message is one of those in the text, as JSON.
type diagnosed struct {
	Message string               `json:"message"`
	Line    string               `json:"line"`
	Means   string               `json:"means"`
	Image   string               `json:"image,omitempty"`
	Causes  []diagnosis.Possible `json:"causes"`            // with an image, those that hold
	Checked []string             `json:"checked,omitempty"` // the names of all that were looked for
	Else    string               `json:"else,omitempty"`

	possible []diagnosis.Possible // all that were looked for
}

// diagnoseRun explains messages.
func diagnoseRun(ctx context.Context, s streams, o *diagnoseOptions) error {
	book, err := diagnosis.Open()
	if err != nil {
		return err
	}
	if o.text == stdin {
		text, err := io.ReadAll(io.LimitReader(s.in, mostText))
		if err != nil {
			return fmt.Errorf("reading the message: %w", err)
		}
		o.text = string(text)
	}
	found := book.Recognise(o.text)
	if len(found) == 0 {
		return &checkError{errUnknownMessage}
	}
	list, err := o.diagnose(ctx, s, book, found)
	if err != nil {
		return err
	}
	if o.json {
		err = writeJSON(s.out, list)
	} else {
		err = printDiagnosed(s.out, list)
	}
	if err != nil {
		return err
	}
	for _, d := range list {
		if len(d.Causes) > 0 {
			return nil
		}
	}
	return &checkError{fmt.Errorf("%s: no cause of the message is in it", o.image)}
}

// diagnose looks for the causes of messages, in the image if there is one.
func (o *diagnoseOptions) diagnose(ctx context.Context, s streams, book *diagnosis.Book, found []diagnosis.Match) (list []diagnosed, err error) {
	if o.image == "" {
		for _, m := range found {
			list = append(list, diagnosed{Message: m.Name, Line: m.Line, Means: m.Explained(), Causes: book.Possible(m), Else: m.Otherwise()})
		}
		return list, nil
	}
	t, err := o.openRoot(ctx, s, o.image)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	img := diagnosis.Image{Root: lintRoot(t.Tree, t.Image), Known: t.Image != nil, Machine: "linux/" + runtime.GOARCH}
	for _, m := range found {
		causes, err := book.Holds(ctx, m, img)
		if err != nil {
			return nil, naming(o.image, err)
		}
		d := diagnosed{Message: m.Name, Line: m.Line, Means: m.Explained(), Image: o.image, Causes: append([]diagnosis.Possible{}, causes...), Checked: m.Causes, possible: book.Possible(m)}
		if len(causes) == 0 {
			d.Else = m.Otherwise()
		}
		list = append(list, d)
	}
	return list, nil
}

// printDiagnosed prints what messages mean, and what they are due to.
func printDiagnosed(w io.Writer, list []diagnosed) error {
	out := bufio.NewWriter(w)
	for i, d := range list {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintln(out, printable(d.Line))
		paragraph(out, "  ", "  ", d.Means)
		label := "possible"
		if d.Image != "" {
			label = "cause"
		}
		for _, c := range d.Causes {
			fmt.Fprintln(out)
			paragraph(out, "  "+label+": ", "    ", c.Text)
			if c.Tell != "" {
				paragraph(out, "    tell: ", "      ", c.Tell)
			}
			paragraph(out, "    mend: ", "      ", c.Mend)
		}
		if len(d.Causes) == 0 {
			fmt.Fprintf(out, "\n  none of these holds in %s:\n", printable(d.Image))
			for _, c := range d.possible {
				paragraph(out, "  - ", "    ", c.Text)
			}
		}
		if d.Else != "" {
			fmt.Fprintln(out)
			paragraph(out, "  else: ", "    ", d.Else)
		}
	}
	return out.Flush()
}

// paragraph prints a text in lines of the width of a help text, the first behind a
// label.
func paragraph(w io.Writer, label, indent, text string) {
	for i, line := range wrap(strings.Repeat("\x00", len(label)-len(indent))+printable(text), helpWidth-len(indent)) {
		if i == 0 {
			fmt.Fprintln(w, label+strings.TrimLeft(line, "\x00"))
			continue
		}
		fmt.Fprintln(w, indent+line)
	}
}
