package trace

// An operand is an argument of a system call that names a file, and what the
// call does with it.
type operand struct {
	dir  int // the argument that has the folder it is relative to, or cwd
	name int // the argument that has the name, or that is an open file
	use  Use
	kind operandKind
}

// cwd as a folder means the working directory.
const cwd = -1

// An operandKind says how an argument names a file.
type operandKind int

const (
	byName   operandKind = iota
	byFile               // it is the number of an open file
	bySocket             // it is the address of a socket
)

// opens is what an open does: that depends on its flags.
const opens Use = 1 << 15

// An operation is a system call that names files.
type operation struct {
	operands []operand
	flags    int // the argument that has the flags of an open, 0 if there is none
	always   uint64
	howFlags bool // that argument is a struct open_how, which begins with the flags
	args     int  // the argument that has the arguments of a program, 0 if there is none
}

// Flags of open(2), which are the same on all architectures that are traced.
const (
	accessMode    = 0o3
	readOnly      = 0o0
	writeOnly     = 0o1
	readWrite     = 0o2
	openCreate    = 0o100
	openExclusive = 0o200
	openTruncate  = 0o1000
)

// operations are the system calls that name files.
var operations = map[string]operation{
	"open":    {operands: at(cwd, 0, opens), flags: 1},
	"openat":  {operands: at(0, 1, opens), flags: 2},
	"openat2": {operands: at(0, 1, opens), flags: 2, howFlags: true},
	"creat":   {operands: at(cwd, 0, opens), always: writeOnly | openCreate | openTruncate},

	"execve":   {operands: at(cwd, 0, Executed), args: 1},
	"execveat": {operands: at(0, 1, Executed), args: 2},

	"stat":              {operands: at(cwd, 0, Looked)},
	"lstat":             {operands: at(cwd, 0, Looked)},
	"stat64":            {operands: at(cwd, 0, Looked)},
	"lstat64":           {operands: at(cwd, 0, Looked)},
	"newfstatat":        {operands: at(0, 1, Looked)},
	"fstatat64":         {operands: at(0, 1, Looked)},
	"statx":             {operands: at(0, 1, Looked)},
	"access":            {operands: at(cwd, 0, Looked)},
	"faccessat":         {operands: at(0, 1, Looked)},
	"faccessat2":        {operands: at(0, 1, Looked)},
	"readlink":          {operands: at(cwd, 0, Looked)},
	"readlinkat":        {operands: at(0, 1, Looked)},
	"statfs":            {operands: at(cwd, 0, Looked)},
	"statfs64":          {operands: at(cwd, 0, Looked)},
	"getxattr":          {operands: at(cwd, 0, Looked)},
	"lgetxattr":         {operands: at(cwd, 0, Looked)},
	"listxattr":         {operands: at(cwd, 0, Looked)},
	"llistxattr":        {operands: at(cwd, 0, Looked)},
	"inotify_add_watch": {operands: at(cwd, 1, Looked)},

	"chdir":      {operands: at(cwd, 0, Entered)},
	"fchdir":     {operands: file(0, Entered)},
	"chroot":     {operands: at(cwd, 0, Entered)},
	"getdents":   {operands: file(0, Listed)},
	"getdents64": {operands: file(0, Listed)},

	"connect": {operands: socket(1, Connected)},
	"bind":    {operands: socket(1, Created)},

	"mkdir":      {operands: at(cwd, 0, Created)},
	"mkdirat":    {operands: at(0, 1, Created)},
	"mknod":      {operands: at(cwd, 0, Created)},
	"mknodat":    {operands: at(0, 1, Created)},
	"symlink":    {operands: at(cwd, 1, Created)},
	"symlinkat":  {operands: at(1, 2, Created)},
	"link":       {operands: two(at(cwd, 0, Looked), at(cwd, 1, Created))},
	"linkat":     {operands: two(at(0, 1, Looked), at(2, 3, Created))},
	"rename":     {operands: two(at(cwd, 0, Written), at(cwd, 1, Created))},
	"renameat":   {operands: two(at(0, 1, Written), at(2, 3, Created))},
	"renameat2":  {operands: two(at(0, 1, Written), at(2, 3, Created))},
	"unlink":     {operands: at(cwd, 0, Written)},
	"unlinkat":   {operands: at(0, 1, Written)},
	"rmdir":      {operands: at(cwd, 0, Written)},
	"truncate":   {operands: at(cwd, 0, Written)},
	"truncate64": {operands: at(cwd, 0, Written)},
	"utime":      {operands: at(cwd, 0, Written)},
	"utimes":     {operands: at(cwd, 0, Written)},
	"utimensat":  {operands: at(0, 1, Written)},
	"futimesat":  {operands: at(0, 1, Written)},
	"chmod":      {operands: at(cwd, 0, Written)},
	"fchmodat":   {operands: at(0, 1, Written)},
	"fchmodat2":  {operands: at(0, 1, Written)},
	"chown":      {operands: at(cwd, 0, Written)},
	"lchown":     {operands: at(cwd, 0, Written)},
	"chown32":    {operands: at(cwd, 0, Written)},
	"lchown32":   {operands: at(cwd, 0, Written)},
	"fchownat":   {operands: at(0, 1, Written)},
	"setxattr":   {operands: at(cwd, 0, Written)},
	"lsetxattr":  {operands: at(cwd, 0, Written)},
}

func at(dir, name int, use Use) []operand { return []operand{{dir, name, use, byName}} }
func file(number int, use Use) []operand  { return []operand{{cwd, number, use, byFile}} }
func socket(address int, use Use) []operand {
	return []operand{{cwd, address, use, bySocket}}
}
func two(a, b []operand) []operand { return append(a, b...) }

// uringNote is what a log says of a command that uses io_uring.
const uringNote = "io_uring is used: what is opened through it is not seen"
