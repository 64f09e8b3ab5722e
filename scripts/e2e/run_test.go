package e2e

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// What a command sees and how it ends is the same in docker and in harvest run,
// whoever the command runs as.
func TestRunDoesWhatDockerDoes(t *testing.T) {
	need(t, "docker", "sandbox")
	w := newWork(t)
	tools := []string{"bash", "cat", "chmod", "env", "grep", "id", "ls", "mkdir", "sort", "stat", "touch", "readlink", "hostname"}
	args := []string{"--mkdir", "/owned:0750:33:33", "--mkdir", "/sealed:0500", "-e", "A=b c", "-w", "/made/up", "-u", "www-data"}
	for _, tool := range tools {
		args = append(args, "--bin", tool)
	}
	w.build(args...)
	w.load("docker", "image.tar")
	var all strings.Builder
	for _, script := range []string{
		"id", "env | grep -v -e HOSTNAME -e SHLVL | sort", "pwd", "umask", "ls -d /*", "ls -A /dev",
		"grep -E 'Cap|NoNewPrivs|Groups' /proc/self/status",
		"stat -c '%A %u:%g %n' / /bin/bash /owned /sealed /tmp /root /made/up /etc/hosts /etc/hostname /etc/resolv.conf /proc /sys /dev /dev/shm /dev/null /dev/pts",
		"touch /new /tmp/new /owned/new /dev/shm/new; ls /new /tmp/new /owned/new /dev/shm/new",
		"touch /proc/sys/kernel/hostname /sys/x; echo x >/proc/sys/kernel/domainname", "cat /proc/kcore /proc/keys",
		"echo >/dev/full", "echo out >/dev/stdout; echo err >/dev/stderr", "readlink /dev/fd /dev/stdin /dev/core /dev/ptmx",
		"cat /proc/net/dev | grep -c :", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start", "ulimit -c", "exec /none", "exec /etc",
		"no-such-command", "trap", "hostname >/dev/null && echo named", "cat",
	} {
		fmt.Fprintf(&all, "echo '%s'; ( %s ) 2>&1; echo status $?\n", strings.ReplaceAll(script, "'", `'\''`), script)
	}
	all.WriteString("exit 42")
	for _, user := range []string{"root", "www-data", "1234:4321"} {
		flags := []string{"run", "-i", "--rm", "-u", user, "--network", "none"}
		want := ending(w.command("docker", append(flags, w.image, "-c", all.String())...))
		got := ending(w.command("harvest", append(flags, "image.tar", "-c", all.String())...))
		contains(t, "docker as "+user, want, "uid=", "NoNewPrivs", "named", "exit status 42")
		equal(t, "as "+user, got, want)
	}
}

// ending runs a command with some input and returns what it printed, and its
// exit status.
func ending(cmd *exec.Cmd) string {
	cmd.Stdin = strings.NewReader("input\n")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err.Error()
	}
	return fmt.Sprintf("%sexit status %d", out, cmd.ProcessState.ExitCode())
}

// Statuses of what cannot be started are docker's, too.
func TestRunFailsAsDockerDoes(t *testing.T) {
	need(t, "docker", "sandbox")
	w := newWork(t)
	w.build("--bin", "bash", "--entrypoint", "[]", "--cmd", "bash")
	w.load("docker", "image.tar")
	for _, command := range []string{"none", "/none", "/etc", "/etc/passwd"} {
		status := func(name, image string) int {
			cmd := w.command(name, "run", "--rm", "--network", "none", image, command)
			_ = cmd.Run() // the status tells
			return cmd.ProcessState.ExitCode()
		}
		if got, want := status("harvest", "image.tar"), status("docker", w.image); got != want {
			t.Errorf("%s: got %d, want docker's %d", command, got, want)
		}
	}
}

// What no program of an image loads has the reason that it would have if the
// image were made again.
func TestWhyTellsOfAnImageWhatABuildOfItTells(t *testing.T) {
	need(t, "perl")
	w := newWork(t)
	w.run("harvest", "--bin", "perl", "--bin", "bash", "-t", w.image, "-o", "image.tar")
	for _, name := range []string{"/etc/perl", "/etc/os-release"} {
		chain := strings.TrimSuffix(w.run("harvest", "why", name, "--bin", "perl", "--bin", "bash"), "\n")
		kind := chain[strings.LastIndex(chain, "["):]
		want := strings.TrimSuffix(kind, "]") + " (it seems)]"
		if got := w.run("harvest", "why", name, "image.tar"); !strings.Contains(got, want) {
			t.Errorf("why %s of the image: %s, want %s", name, got, want)
		}
	}
}
