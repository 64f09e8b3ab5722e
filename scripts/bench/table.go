package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// table renders a contest for people: a line for each contender, then a line for each aim.
func table(c contest, results []result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%-42s%9s%22s%10s%9s   %s\n", c.title, "", "wall", "", "cpu", "RSS", "harvest is")
	for i, who := range c.all() {
		b.WriteString(line(who, results[0], results[i], i > 0))
	}
	for _, a := range aims(c, results) {
		fmt.Fprintf(&b, "  aim %-7s %s\n", a.verdict(), a.text)
	}
	return b.String()
}

// line renders one contender, and how ours compares with it if it is a peer.
func line(who contender, ours, its result, peer bool) string {
	if who.missing != "" {
		return fmt.Sprintf("  %-40s%s\n", who.name, who.missing)
	}
	wall := its.over(wallOf)
	text := fmt.Sprintf("  %-40s%9s%22s%10s%9s", who.name, milliseconds(wall.mid), brackets(wall, milliseconds),
		milliseconds(its.over(cpuOf).mid), megabytes(its.over(rssOf).max, its.floor))
	if peer {
		text += "   " + compared(ours.wallRatio(its))
	}
	return text + "\n"
}

func wallOf(u usage) float64 { return float64(u.wall) }
func cpuOf(u usage) float64  { return float64(u.cpu) }
func rssOf(u usage) float64  { return float64(u.rss) }

// An aim is something that we want to be true, and whether it is.
type aim struct {
	text string
	met  bool
}

func (a aim) verdict() string {
	if a.met {
		return "met:"
	}
	return "missed:"
}

// aims compares the results with what the contest asks for.
func aims(c contest, results []result) []aim {
	var list []aim
	ours := results[0]
	if limit := c.ours.maxWall; limit > 0 {
		list = append(list, aim{fmt.Sprintf("under %d ms", limit.Milliseconds()), ours.over(wallOf).mid < float64(limit)})
	}
	if limit := c.ours.maxRSS; limit > 0 {
		list = append(list, aim{"under " + megabytes(float64(limit), 0), ours.over(rssOf).max < float64(limit)})
	}
	for i, peer := range c.peers {
		if peer.atMost == 0 || peer.missing != "" {
			continue
		}
		list = append(list, aim{limit(peer), ours.wallRatio(results[i+1]).mid <= peer.atMost})
	}
	return list
}

// limit words the share of a peer's time that we may take.
func limit(peer contender) string {
	switch {
	case peer.atMost < 1:
		return "at least " + ratio(peer.atMost) + " than " + peer.name
	case peer.atMost > 1:
		return "at most " + ratio(peer.atMost) + " of " + peer.name
	}
	return "faster than " + peer.name
}

// compared words a spread of ratios of ours to a peer's. The brackets are to be read the same way as the median.
func compared(s spread) string {
	if s.mid < 1 {
		return fmt.Sprintf("%s (%s .. %s)", ratio(s.mid), factor(1/s.max), factor(1/s.min))
	}
	return fmt.Sprintf("%s (%s .. %s)", ratio(s.mid), factor(s.min), factor(s.max))
}

// ratio words one ratio of ours to a peer's. 0.25 is "4x faster" and 1.3 is "1.3x the time".
func ratio(r float64) string {
	if r < 1 {
		return factor(1/r) + "x faster"
	}
	return factor(r) + "x the time"
}

// factor writes a positive number with the digits that one would say: 0.95, 1.3, 5.4, 27.
func factor(f float64) string {
	if f >= 9.95 {
		return fmt.Sprintf("%.0f", f)
	}
	digits := 1
	if f < 1.995 {
		digits = 2
	}
	text := fmt.Sprintf("%.*f", digits, f)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// brackets writes the ends of a spread.
func brackets(s spread, unit func(float64) string) string {
	return fmt.Sprintf("(%s .. %s)", strings.TrimSuffix(unit(s.min), " ms"), unit(s.max))
}

// milliseconds writes a number of nanoseconds with three significant digits, or without a fraction if it is large.
func milliseconds(nanoseconds float64) string {
	ms := nanoseconds / float64(time.Millisecond)
	digits := 0
	switch {
	case ms < 9.995:
		digits = 2
	case ms < 99.95:
		digits = 1
	}
	return fmt.Sprintf("%.*f ms", digits, ms)
}

// megabytes writes a number of bytes, rounded up. What is not above the floor could not be measured better.
func megabytes(bytes float64, floor int64) string {
	if bytes <= float64(floor) {
		return fmt.Sprintf("< %.0f MB", math.Ceil(float64(floor)/mega))
	}
	return fmt.Sprintf("%.0f MB", math.Ceil(bytes/mega))
}
