package pack

import (
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Config says how an image runs: what the OCI image spec knows of that, and the
// health check, which docker has beside it. Its JSON is the field "config" of an
// image's config.
type Config struct {
	v1.ImageConfig
	Healthcheck *Healthcheck `json:"Healthcheck,omitempty"` // nil for that of the engine, which is none
}

// A Healthcheck is how an engine finds out whether a container does what it should
// (moby, image/spec/spec.md). Zero durations, which JSON has in nanoseconds, and
// zero retries stand for the engine's own.
type Healthcheck struct {
	Test          []string      `json:",omitempty"` // "NONE", or "CMD" and words, or "CMD-SHELL" and a line for /bin/sh
	Interval      time.Duration `json:",omitempty"` // between two checks
	Timeout       time.Duration `json:",omitempty"` // after which one has failed
	StartPeriod   time.Duration `json:",omitempty"` // in which failures do not count
	StartInterval time.Duration `json:",omitempty"` // between two checks in that
	Retries       int           `json:",omitempty"` // failures in a row until the container is unhealthy
}

// A configFile is an image's config: v1.Image with our Config in it.
type configFile struct {
	Created *time.Time `json:"created,omitempty"`
	Author  string     `json:"author,omitempty"`
	v1.Platform
	Config  Config       `json:"config,omitempty"`
	RootFS  v1.RootFS    `json:"rootfs"`
	History []v1.History `json:"history,omitempty"`
}
