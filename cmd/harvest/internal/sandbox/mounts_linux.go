package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// devices are those of the host that every container has.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// devLinks are the links of /dev, as engines make them.
var devLinks = map[string]string{
	"fd":     "/proc/self/fd",
	"stdin":  "/proc/self/fd/0",
	"stdout": "/proc/self/fd/1",
	"stderr": "/proc/self/fd/2",
	"ptmx":   "pts/ptmx",
}

// Paths that tell of the host or change it: docker's lists.
var (
	readOnlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
	hiddenPaths   = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	}
)

// A mountpoint is a file system of its own in every container.
type mountpoint struct {
	path, fstype, options string
	flags                 uintptr
}

// enterRoot makes the root that of this process, with all that engines mount.
//
// Paths are looked up only once the root is /, so that no link of the image
// leads out of it. What comes from the host is opened before.
func (j *job) enterRoot() error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := j.mountRoot(); err != nil {
		return err
	}
	taken, err := j.take()
	if err != nil {
		return err
	}
	old, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the root: %w", err)
	}
	defer unix.Close(old)
	if err := os.Chdir(j.Root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil { // the old root lies upon the new one now, pivot_root(2)
		return fmt.Errorf("changing the root to %s: %w", j.Root, err)
	}
	if err := j.furnish(taken); err != nil {
		return err
	}
	if err := unix.Fchdir(old); err != nil {
		return fmt.Errorf("leaving the host's root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the host's root: %w", err)
	}
	return os.Chdir("/")
}

// things are what is taken from the host, opened without following links later.
type things struct {
	devices map[string]int
	volumes []int
	sys     int
}

func (j *job) take() (t things, err error) {
	t.devices = make(map[string]int)
	for _, name := range devices {
		if t.devices[name], err = take("/dev/" + name); err != nil {
			return t, err
		}
	}
	for _, v := range j.Volumes {
		fd, err := take(v.Source)
		if err != nil {
			return t, err
		}
		t.volumes = append(t.volumes, fd)
	}
	t.sys, err = take("/sys")
	return t, err
}

func take(name string) (int, error) {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

// furnish puts into the root what engines put there, the host's root being
// still mounted: only so long may user namespaces have a /proc.
func (j *job) furnish(taken things) error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	proc := mountpoint{"/proc", "proc", "", flags}
	if err := proc.mount(); err != nil {
		return err
	}
	if err := j.tune(); err != nil {
		return err
	}
	if err := j.mountSys(taken.sys); err != nil {
		return err
	}
	if err := makeDev(taken.devices); err != nil {
		return err
	}
	for _, f := range j.Files {
		if err := f.write(); err != nil {
			return err
		}
	}
	if err := j.setOwners(); err != nil {
		return err
	}
	for i, v := range j.Volumes {
		if err := v.mount(taken.volumes[i]); err != nil {
			return err
		}
	}
	return hide()
}

func (m mountpoint) mount() error {
	if err := os.MkdirAll(m.path, 0o755); err != nil {
		return err
	}
	return mount(m.fstype, m.path, m.fstype, m.flags, m.options)
}

// tune bounds the number of processes where the kernel can, and sets what docker
// sets in a network of its own: anybody may ping and listen at any port.
func (j *job) tune() error {
	if perNamespacePIDs() {
		if err := os.WriteFile("/proc/sys/kernel/pid_max", fmt.Append(nil, maxProcesses), 0); err != nil {
			return err
		}
	}
	if j.Network {
		return nil
	}
	for _, setting := range [][2]string{{"ping_group_range", "0 2147483647"}, {"ip_unprivileged_port_start", "0"}} {
		err := os.WriteFile("/proc/sys/net/ipv4/"+setting[0], []byte(setting[1]), 0)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, fs.ErrNotExist) { // groups there are none of
			return err
		}
	}
	return nil
}

// mountSys mounts a /sys, or binds the host's, given as a descriptor, where the
// network is that.
func (j *job) mountSys(host int) error {
	sys := mountpoint{"/sys", "sysfs", "", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RDONLY}
	err := sys.mount()
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EBUSY) {
		return err
	}
	if err := bind(host, "/sys"); err != nil {
		return err
	}
	return remount("/sys", unix.MS_RDONLY)
}

// makeDev makes a /dev of the host's devices.
func makeDev(devices map[string]int) error {
	dev := mountpoint{"/dev", "tmpfs", "mode=755,size=65536k", unix.MS_NOSUID | unix.MS_STRICTATIME}
	if err := dev.mount(); err != nil {
		return err
	}
	for name, fd := range devices {
		if err := bind(fd, "/dev/"+name); err != nil {
			return err
		}
	}
	if _, err := os.Lstat("/proc/kcore"); err == nil {
		if err := os.Symlink("/proc/kcore", "/dev/core"); err != nil {
			return err
		}
	}
	for name, to := range devLinks {
		if err := os.Symlink(to, "/dev/"+name); err != nil {
			return err
		}
	}
	shm := mountpoint{"/dev/shm", "tmpfs", "mode=1777,size=65536k", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC}
	if err := shm.mount(); err != nil {
		return err
	}
	queues := mountpoint{"/dev/mqueue", "mqueue", "", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC}
	if err := queues.mount(); err != nil && !errors.Is(err, unix.ENODEV) {
		return err
	}
	pts := mountpoint{"/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", unix.MS_NOSUID | unix.MS_NOEXEC}
	err := pts.mount()
	if errors.Is(err, unix.EINVAL) { // there is no group 5
		pts.options = "newinstance,ptmxmode=0666,mode=0620"
		err = pts.mount()
	}
	return err
}

// write puts the file into the root, and makes the folder that it is in.
func (f file) write() error {
	if err := os.MkdirAll(path.Dir(f.Path), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(f.Path); err != nil {
		return err
	}
	return os.WriteFile(f.Path, []byte(f.Text), 0o644)
}

// mount mounts the volume, whose source is open, over its destination.
func (v Volume) mount(source int) error {
	if err := bind(source, v.Dest); err != nil {
		return fmt.Errorf("mounting %s: %w", v.Source, err)
	}
	if !v.ReadOnly {
		return nil
	}
	return remount(v.Dest, unix.MS_RDONLY)
}

// bind mounts what is open over a path, which it makes if it is not there.
func bind(fd int, to string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if err := makePlace(to, st.Mode&unix.S_IFMT == unix.S_IFDIR); err != nil {
		return err
	}
	return mount(fmt.Sprintf("/proc/self/fd/%d", fd), to, "", unix.MS_BIND|unix.MS_REC, "")
}

// makePlace makes an empty folder or file unless there is something.
func makePlace(name string, folder bool) error {
	if folder {
		return os.MkdirAll(name, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// hide covers what nobody in a container is to see, and protects what nobody
// there is to change.
func hide() error {
	for _, name := range readOnlyPaths {
		if _, err := os.Lstat(name); err != nil {
			continue
		}
		if err := mount(name, name, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
		if err := remount(name, unix.MS_RDONLY); err != nil {
			return err
		}
	}
	for _, name := range hiddenPaths {
		info, err := os.Stat(name)
		switch {
		case err != nil:
			continue
		case info.IsDir():
			err = mount("tmpfs", name, "tmpfs", unix.MS_RDONLY, "size=0")
		default:
			err = mount("/dev/null", name, "", unix.MS_BIND, "")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remount adds flags to those that a mount has, which a user namespace must not
// take away.
func remount(name string, flags uintptr) error {
	var st unix.Statfs_t
	if err := unix.Statfs(name, &st); err != nil {
		return &fs.PathError{Op: "statfs", Path: name, Err: err}
	}
	for had, flag := range map[int64]uintptr{
		unix.ST_NOSUID: unix.MS_NOSUID, unix.ST_NODEV: unix.MS_NODEV, unix.ST_NOEXEC: unix.MS_NOEXEC, unix.ST_RDONLY: unix.MS_RDONLY,
		unix.ST_NOATIME: unix.MS_NOATIME, unix.ST_NODIRATIME: unix.MS_NODIRATIME, unix.ST_RELATIME: unix.MS_RELATIME,
	} {
		if int64(st.Flags)&had != 0 {
			flags |= flag
		}
	}
	return mount("", name, "", unix.MS_BIND|unix.MS_REMOUNT|flags, "")
}

// mount is mount(2), with an error that says what was to be mounted.
func mount(source, target, fstype string, flags uintptr, options string) error {
	if err := unix.Mount(source, target, fstype, flags, options); err != nil {
		return fmt.Errorf("mounting %s: %w", target, err)
	}
	return nil
}
