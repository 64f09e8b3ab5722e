package e2e

import (
	"bytes"
	"context"
	_ "embed"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// reportJS looks for what is wrong with a page.
//
//go:embed testdata/report.js
var reportJS string

// The page about a small image, a big one and one of somebody else is readable in
// light and dark, on a desk, in a hand, on paper and without JavaScript; nobody
// complains, and nothing is loaded. Where HARVEST_SCREENSHOTS names a folder,
// pictures go there, to be looked at.
func TestAReportIsReadable(t *testing.T) {
	need(t, "chromium", "curl")
	dir := t.TempDir()
	for _, tt := range []struct {
		name, needs string
		args        []string
	}{
		{"basic", "", []string{"--bin", "bash", "--bin", "echo", "-t", "basic:v1"}},
		{"curl", "", []string{"--bin", "curl", "--compress", "gzip", "-t", "curl:v1"}},
		{"ffmpeg", "ffmpeg", []string{"--bin", "ffmpeg", "-t", "ffmpeg:v1"}},
		{"inspect", "", []string{"inspect", filepath.Join(dir, "curl.tar")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.needs != "" {
				need(t, tt.needs)
			}
			file := filepath.Join(dir, tt.name+".html")
			args := append(slices.Clone(tt.args), "--report", file)
			if tt.name != "inspect" {
				args = append(args, "-o", filepath.Join(dir, tt.name+".tar"))
			}
			if out, err := exec.Command("harvest", args...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if info, err := os.Stat(file); err != nil || tt.name == "basic" && info.Size() > 300_000 {
				t.Errorf("the page has %d bytes, %v", info.Size(), err)
			}
			b := newBrowser(t)
			for _, theme := range []string{"light", "dark"} {
				for _, width := range []int64{390, 1280} {
					b.open(file, width, theme)
					b.looks(tt.name + " " + theme)
					b.picture(tt.name+"-"+theme, width)
				}
			}
			b.works()
			b.prints()
			b.withoutScripts(file)
			b.quiet(file)
		})
	}
}

// A browser shows pages, and keeps what it says about them.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex // guards what follows
	said     []string
	requests []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	b.must(chromedp.Listen(ctx, b.hear))
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	call(b, runtime.Enable, cdp.Empty{})
	return b
}

func (b *browser) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func call[P, R any](b *browser, c cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, c, params)
	b.must(err)
	return result
}

// run returns what an expression of JavaScript gives.
func run[T any](b *browser, expression string) T {
	b.t.Helper()
	result, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	b.must(err)
	return result
}

func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.said = append(b.said, e.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		b.said = append(b.said, "console."+string(e.Type))
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, e.ExceptionDetails.Text)
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// open shows a file.
func (b *browser) open(file string, width int64, theme string) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.EmulateViewport(width, 900)))
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	b.must(chromedp.Do(b.ctx, chromedp.Navigate("file://"+file)))
	if got := run[int64](b, "document.documentElement.scrollWidth"); got > width {
		b.t.Errorf("in %d pixels the page is %d wide", width, got)
	}
}

// picture keeps a picture of the page, if that is wanted.
func (b *browser) picture(name string, width int64) {
	b.t.Helper()
	dir := os.Getenv("HARVEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	height := run[float64](b, "Math.min(document.documentElement.scrollHeight, 6000)")
	beyond := true
	shot := call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: &beyond, Clip: &page.Viewport{Width: float64(width), Height: height, Scale: 1},
	})
	name += map[bool]string{true: "-phone", false: "-desk"}[width < 500] + ".png"
	b.must(os.WriteFile(filepath.Join(dir, name), shot.Data, 0o644))
}

// looks checks what can be seen and heard of a page.
func (b *browser) looks(what string) {
	b.t.Helper()
	for _, fault := range run[[]string](b, reportJS+"; faults()") {
		b.t.Errorf("%s: %s", what, fault)
	}
}

// works uses what needs JavaScript.
func (b *browser) works() {
	b.t.Helper()
	for _, fault := range run[[]string](b, reportJS+"; misbehaviour()") {
		b.t.Error(fault)
	}
}

// prints puts the page on paper, where all is unfolded and nothing to be clicked.
func (b *browser) prints() {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	if shown := run[int](b, `[...document.querySelectorAll("nav, button, input, select")].filter(e => e.offsetParent !== null).length`); shown > 0 {
		b.t.Errorf("%d things to click are on paper", shown)
	}
	if background := run[string](b, `getComputedStyle(document.body).backgroundColor`); background != "rgb(255, 255, 255)" {
		b.t.Errorf("paper is %s", background)
	}
	pdf, err := chromedp.Run(b.ctx, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4)))
	b.must(err)
	if !strings.HasPrefix(string(pdf), "%PDF") {
		b.t.Error("there is nothing on paper")
	}
	if dir := os.Getenv("HARVEST_SCREENSHOTS"); dir != "" {
		b.must(os.WriteFile(filepath.Join(dir, filepath.Base(b.t.Name())+".pdf"), pdf, 0o644))
	}
	b.isDense(pdf)
}

// isDense makes sure that what is said of the graph is all on the first page, and
// that the graph begins there or on the second.
func (b *browser) isDense(pdf []byte) {
	b.t.Helper()
	if _, err := exec.LookPath("pdftotext"); err != nil {
		b.t.Log("pdftotext is missing: pages were not read")
		return
	}
	cmd := exec.Command("pdftotext", "-l", "2", "-", "-")
	cmd.Stdin = bytes.NewReader(pdf)
	out, err := cmd.Output()
	b.must(err)
	first, second, _ := strings.Cut(string(out), "\f")
	if !strings.Contains(first, "to an interpreter.") || !strings.Contains(first+second, "libc.so.6") {
		b.t.Errorf("the first page reads\n%s\nand the second\n%s", first, second)
	}
}

// withoutScripts shows the page where JavaScript is off: what needs it is not there,
// and all else is.
func (b *browser) withoutScripts(file string) {
	b.t.Helper()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.open(file, 1280, "light")
	if shown := run[int](b, `[...document.querySelectorAll("button, select, input[type=search]")].filter(e => e.offsetParent !== null).length`); shown > 0 {
		b.t.Errorf("%d things do nothing without JavaScript", shown)
	}
	for _, want := range []string{"#graph-files .node", "#table tbody tr", ".map-wide rect", ".chain li", "details pre"} {
		if run[int](b, `document.querySelectorAll("`+want+`").length`) == 0 {
			b.t.Errorf("without JavaScript there is no %s", want)
		}
	}
	b.looks("without JavaScript")
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
}

// quiet fails the test if the browser had something to say, or has asked for
// anything but the page.
func (b *browser) quiet(file string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.said {
		b.t.Errorf("the browser says: %s", text)
	}
	for _, url := range b.requests {
		if url, _, _ := strings.Cut(url, "#"); url != "file://"+file {
			b.t.Errorf("the page asks for %s", url)
		}
	}
	if len(b.requests) == 0 {
		b.t.Error("no request was seen, so none can be missing")
	}
}

// Each command beside a digest prints that digest, whoever has written the image.
func TestCommandsOfAReportPrintItsDigests(t *testing.T) {
	need(t, "docker", "jq", "gzip")
	dir := t.TempDir()
	harvest := func(args ...string) {
		t.Helper()
		cmd := exec.Command("harvest", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("harvest %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	shell := func(command string) string {
		t.Helper()
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		return string(out)
	}
	build := []string{"--bin", "bash", "--bin", "echo", "--layers", "libs", "-q"}
	harvest(append(build, "-t", "report-digests:v1", "-o", "archive.tar", "--compress", "gzip", "--report", "archive.html")...)
	harvest(append(build, "-o", "docker.tar", "--format", "docker", "--report", "docker.html")...)
	harvest(append(build, "-o", "type=oci,dest=a layout", "--report", "layout.html")...)
	harvest("inspect", "--report", "read.html", "archive.tar")
	shell("docker load -q -i archive.tar && docker save -o saved.tar report-digests:v1 && docker rmi report-digests:v1")
	harvest("inspect", "--report", "saved.html", "saved.tar")
	for page, want := range map[string]int{"archive": 8, "docker": 4, "layout": 5, "read": 8, "saved": 4} {
		text, err := os.ReadFile(filepath.Join(dir, page+".html"))
		if err != nil {
			t.Fatal(err)
		}
		found := stepOfReport.FindAllStringSubmatch(string(text), -1)
		if len(found) != want {
			t.Errorf("%s has %d commands, want %d", page, len(found), want)
		}
		for _, m := range found {
			command := html.UnescapeString(m[2])
			if sum, _, _ := strings.Cut(shell(command), " "); sum != m[1] {
				t.Errorf("%s: %s prints %s, want %s", page, command, sum, m[1])
			}
		}
	}
}

// stepOfReport is a digest and the command beside it.
var stepOfReport = regexp.MustCompile(`<code class="digest">sha256:([0-9a-f]+)</code>.*\n<pre[^>]*><code>(.*)</code></pre>`)
