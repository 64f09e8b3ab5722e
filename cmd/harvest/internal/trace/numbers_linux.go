package trace

import "golang.org/x/sys/unix"

// numbers are the system calls that an operation is known of, by architecture
// as audit names it and by number, from the kernel's syscall tables.
var numbers = map[uint32]map[uint64]string{
	unix.AUDIT_ARCH_X86_64: {
		2: "open", 4: "stat", 6: "lstat", 21: "access", 42: "connect", 49: "bind", 59: "execve", 76: "truncate",
		78: "getdents", 80: "chdir", 81: "fchdir", 82: "rename", 83: "mkdir", 84: "rmdir", 85: "creat", 86: "link",
		87: "unlink", 88: "symlink", 89: "readlink", 90: "chmod", 92: "chown", 94: "lchown", 132: "utime",
		133: "mknod", 137: "statfs", 161: "chroot", 188: "setxattr", 189: "lsetxattr", 191: "getxattr",
		192: "lgetxattr", 194: "listxattr", 195: "llistxattr", 217: "getdents64", 235: "utimes",
		254: "inotify_add_watch", 257: "openat", 258: "mkdirat", 259: "mknodat", 260: "fchownat", 261: "futimesat",
		262: "newfstatat", 263: "unlinkat", 264: "renameat", 265: "linkat", 266: "symlinkat", 267: "readlinkat",
		268: "fchmodat", 269: "faccessat", 280: "utimensat", 316: "renameat2", 322: "execveat", 332: "statx",
		425: "io_uring_setup", 437: "openat2", 439: "faccessat2", 452: "fchmodat2",
	},
	unix.AUDIT_ARCH_I386: {
		5: "open", 8: "creat", 9: "link", 10: "unlink", 11: "execve", 12: "chdir", 14: "mknod", 15: "chmod",
		16: "lchown", 30: "utime", 33: "access", 38: "rename", 39: "mkdir", 40: "rmdir", 61: "chroot",
		83: "symlink", 85: "readlink", 92: "truncate", 99: "statfs", 102: "socketcall", 106: "stat", 107: "lstat",
		133: "fchdir", 141: "getdents", 182: "chown", 193: "truncate64", 195: "stat64", 196: "lstat64",
		198: "lchown32", 212: "chown32", 220: "getdents64", 226: "setxattr", 227: "lsetxattr", 229: "getxattr",
		230: "lgetxattr", 232: "listxattr", 233: "llistxattr", 268: "statfs64", 271: "utimes",
		292: "inotify_add_watch", 295: "openat", 296: "mkdirat", 297: "mknodat", 298: "fchownat", 299: "futimesat",
		300: "fstatat64", 301: "unlinkat", 302: "renameat", 303: "linkat", 304: "symlinkat", 305: "readlinkat",
		306: "fchmodat", 307: "faccessat", 320: "utimensat", 353: "renameat2", 358: "execveat", 361: "bind",
		362: "connect", 383: "statx", 425: "io_uring_setup", 437: "openat2", 439: "faccessat2", 452: "fchmodat2",
	},
	unix.AUDIT_ARCH_ARM: {
		5: "open", 8: "creat", 9: "link", 10: "unlink", 11: "execve", 12: "chdir", 14: "mknod", 15: "chmod",
		16: "lchown", 33: "access", 38: "rename", 39: "mkdir", 40: "rmdir", 61: "chroot", 83: "symlink",
		85: "readlink", 92: "truncate", 99: "statfs", 106: "stat", 107: "lstat", 133: "fchdir", 141: "getdents",
		182: "chown", 193: "truncate64", 195: "stat64", 196: "lstat64", 198: "lchown32", 212: "chown32",
		217: "getdents64", 226: "setxattr", 227: "lsetxattr", 229: "getxattr", 230: "lgetxattr", 232: "listxattr",
		233: "llistxattr", 266: "statfs64", 269: "utimes", 282: "bind", 283: "connect", 317: "inotify_add_watch",
		322: "openat", 323: "mkdirat", 324: "mknodat", 325: "fchownat", 326: "futimesat", 327: "fstatat64",
		328: "unlinkat", 329: "renameat", 330: "linkat", 331: "symlinkat", 332: "readlinkat", 333: "fchmodat",
		334: "faccessat", 348: "utimensat", 382: "renameat2", 387: "execveat", 397: "statx", 425: "io_uring_setup",
		437: "openat2", 439: "faccessat2", 452: "fchmodat2",
	},
	unix.AUDIT_ARCH_AARCH64: {
		5: "setxattr", 6: "lsetxattr", 8: "getxattr", 9: "lgetxattr", 11: "listxattr", 12: "llistxattr",
		27: "inotify_add_watch", 33: "mknodat", 34: "mkdirat", 35: "unlinkat", 36: "symlinkat", 37: "linkat",
		38: "renameat", 43: "statfs", 45: "truncate", 48: "faccessat", 49: "chdir", 50: "fchdir", 51: "chroot",
		53: "fchmodat", 54: "fchownat", 56: "openat", 61: "getdents64", 78: "readlinkat", 79: "newfstatat",
		88: "utimensat", 200: "bind", 203: "connect", 221: "execve", 276: "renameat2", 281: "execveat",
		291: "statx", 425: "io_uring_setup", 437: "openat2", 439: "faccessat2", 452: "fchmodat2",
	},
	unix.AUDIT_ARCH_RISCV64: {
		5: "setxattr", 6: "lsetxattr", 8: "getxattr", 9: "lgetxattr", 11: "listxattr", 12: "llistxattr",
		27: "inotify_add_watch", 33: "mknodat", 34: "mkdirat", 35: "unlinkat", 36: "symlinkat", 37: "linkat",
		43: "statfs", 45: "truncate", 48: "faccessat", 49: "chdir", 50: "fchdir", 51: "chroot", 53: "fchmodat",
		54: "fchownat", 56: "openat", 61: "getdents64", 78: "readlinkat", 79: "newfstatat", 88: "utimensat",
		200: "bind", 203: "connect", 221: "execve", 276: "renameat2", 281: "execveat", 291: "statx",
		425: "io_uring_setup", 437: "openat2", 439: "faccessat2", 452: "fchmodat2",
	},
}
