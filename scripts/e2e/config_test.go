package e2e

import (
	"runtime"
	"testing"
)

func TestProcessRunsAsTheUserOfTheImage(t *testing.T) {
	const ask = "echo $(id -u):$(id -g) $(id -un) $(id -gn)"
	for _, test := range []struct{ user, want string }{
		{"", "0:0 root root"},
		{"nonroot", "65532:65532 nonroot nonroot"},
		{"www-data", "33:33 www-data www-data"}, // as the host's passwd and group say
		{"www-data:games", "33:60 www-data games"},
		{"1234:4321", "1234:4321 1234 4321"}, // id makes a name of the number
	} {
		for _, engine := range []string{"docker", "podman"} {
			t.Run(engine+" "+test.user, func(t *testing.T) {
				need(t, engine)
				w := newWork(t)
				w.build("--bin", "/bin/bash", "--bin", "/bin/id", "-u", test.user)
				w.load(engine, "image.tar")
				equal(t, "user", w.start(engine, w.image, "-c", ask), test.want+"\n")
			})
		}
	}
}

// configured returns an image that every flag about running has a say in.
func configured(t *testing.T, engine string) *work {
	t.Helper()
	need(t, engine)
	w := newWork(t)
	w.build("--bin", "/bin/echo", "--bin", "/bin/bash", "-e", "GREETING=hello world", "-e", "EMPTY=", "-w", "/usr/bin",
		"-l", "org.opencontainers.image.title=e2e", "-l", "a=b=c", "--entrypoint", "/bin/bash -c", "--cmd",
		`["echo $GREETING from $PWD with ${EMPTY-nothing}${PATH}"]`)
	w.load(engine, "image.tar")
	return w
}

func TestDockerShowsTheConfiguration(t *testing.T) {
	w := configured(t, "docker")
	for field, want := range map[string]string{
		"Env":        `["PATH=/bin","GREETING=hello world","EMPTY="]`,
		"WorkingDir": `"/usr/bin"`,
		"Labels":     `{"a":"b=c","org.opencontainers.image.title":"e2e"}`,
		"Entrypoint": `["/bin/bash","-c"]`,
		"Cmd":        `["echo $GREETING from $PWD with ${EMPTY-nothing}${PATH}"]`,
		"User":       `""`,
	} {
		equal(t, field, w.run("docker", "image", "inspect", "-f", "{{json .Config."+field+"}}", w.image), want+"\n")
	}
	equal(t, "platform and time",
		w.run("docker", "image", "inspect", "-f", "{{.Os}}/{{.Architecture}} {{.Created}}", w.image),
		"linux/"+runtime.GOARCH+" 1970-01-01T00:00:00Z\n")
	contains(t, "history", w.run("docker", "history", "--no-trunc", w.image), "harvest /bin/echo /bin/bash")
}

func TestDockerChecksTheHealth(t *testing.T) {
	need(t, "docker")
	w := newWork(t)
	w.build("--bin", "/bin/bash", "--bin", "/bin/sleep", "--entrypoint", "/bin/sleep 60", "--healthcheck", `["bash","-c","exit 0"]`,
		"--health-interval", "1s", "--health-timeout", "2s", "--health-retries", "2", "--author", "e2e", "--created", "2024-02-03T04:05:06Z")
	w.load("docker", "image.tar")
	equal(t, "check, author and time",
		w.run("docker", "image", "inspect", "-f", "{{json .Config.Healthcheck}} {{.Author}} {{.Created}}", w.image),
		`{"Test":["CMD","bash","-c","exit 0"],"Interval":1000000000,"Timeout":2000000000,"Retries":2} e2e 2024-02-03T04:05:06Z`+"\n")
	w.build("--from", "image.tar", "--bin", "/bin/bash", "--healthcheck", "NONE")
	w.load("docker", "image.tar")
	equal(t, "no check upon one", w.run("docker", "image", "inspect", "-f", "{{json .Config.Healthcheck.Test}}", w.image), `["NONE"]`+"\n")
}

func TestConfigurationHasItsEffect(t *testing.T) {
	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			w := configured(t, engine)
			equal(t, "entrypoint, arguments, environment and folder",
				w.start(engine, w.image), "hello world from /usr/bin with /bin\n")
			equal(t, "arguments of one's own", w.start(engine, w.image, "pwd"), "/usr/bin\n")
			equal(t, "a variable of one's own",
				w.start(engine, "-e", "GREETING=bye", w.image, "echo $GREETING"), "bye\n")
		})
	}
}

func TestEmptyEntrypointLeavesTheCommandToTheCaller(t *testing.T) {
	need(t, "docker")
	w := newWork(t)
	w.build("--bin", "/bin/bash", "--bin", "/bin/echo", "--entrypoint", "", "--cmd", "echo by default")
	w.load("docker", "image.tar")
	equal(t, "by default", w.start("docker", w.image), "by default\n")
	equal(t, "by choice", w.start("docker", w.image, "bash", "-c", "echo by choice"), "by choice\n")
}

func TestWorkingFolderOfAReadOnlyImageIsThere(t *testing.T) {
	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			need(t, engine)
			w := newWork(t)
			w.build("--bin", "/bin/bash", "-w", "/srv/work", "-u", "nonroot")
			w.load(engine, "image.tar")
			equal(t, "folder", w.start(engine, "--read-only", w.image, "-c", "pwd"), "/srv/work\n")
		})
	}
}
