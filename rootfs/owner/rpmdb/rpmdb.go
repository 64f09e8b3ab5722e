// Package rpmdb reads the database of installed packages that rpm(8) keeps, in
// each of the three formats that it has had:
//
//	Packages        a hash table of Berkeley DB    RHEL 8, Amazon Linux 2 and before
//	Packages.db     rpm's own, "ndb"               openSUSE, SLES 15
//	rpmdb.sqlite    a table of SQLite              Fedora 33, RHEL 9 and later
//
// All of them hold the same thing, one header of tagged values for each package.
// Indexes that rpm keeps beside them are not needed: whoever asks for many files
// at once reads every header anyway.
//
// The package never writes, takes no locks, and starts no recovery: of SQLite's
// write-ahead log it reads what is committed, as SQLite would.
package rpmdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrFormat means that a file is not a database of rpm, or a damaged one.
var ErrFormat = errors.New("not a sound rpm database")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// A DB is an open database. It is for one goroutine.
type DB struct {
	format format
	buf    []byte
}

// A Place is where in the file a header lies. It is good as long as nobody
// writes to the database.
type Place uint64

// A format finds headers in one kind of file.
type format interface {
	places() ([]Place, error)
	// blob returns the bytes at a place. They may lie in buf, which it may use.
	blob(at Place, buf []byte) ([]byte, error)
}

// Open returns the database in file, whose format it tells by the first bytes.
// The log is that of SQLite, rpmdb.sqlite-wal, nil if there is none. Both must
// stay readable while the DB is in use.
func Open(file, log *io.SectionReader) (*DB, error) {
	var start [32]byte
	if _, err := file.ReadAt(start[:], 0); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, damaged("%d bytes", file.Size())
		}
		return nil, err
	}
	var f format
	var err error
	switch {
	case string(start[:len(sqliteMagic)]) == sqliteMagic:
		f, err = openSQLite(file, log)
	case string(start[:4]) == ndbMagic:
		f, err = openNDB(file)
	case binary.LittleEndian.Uint32(start[12:]) == hashMagic:
		f, err = openHash(file, binary.LittleEndian)
	case binary.BigEndian.Uint32(start[12:]) == hashMagic:
		f, err = openHash(file, binary.BigEndian)
	default:
		err = damaged("neither SQLite nor ndb nor a Berkeley DB hash")
	}
	if err != nil {
		return nil, err
	}
	return &DB{format: f}, nil
}

// Places returns where the headers are, in the order of the file.
func (db *DB) Places() ([]Place, error) { return db.format.places() }

// Read returns the header at a place. It is valid until the next Read.
func (db *DB) Read(at Place) (*Header, error) {
	blob, err := db.format.blob(at, db.buf)
	if err != nil {
		return nil, err
	}
	db.buf = blob[:0]
	return ParseHeader(blob)
}

// maxHeader is what rpm takes at most for a header (HEADER_DATA_MAX).
const maxHeader = 1 << 28

// grow returns a slice for a header of that size, in buf if it fits. A header is
// not larger than the file, of limit bytes, that it is in.
func grow(buf []byte, size, limit uint64) ([]byte, error) {
	switch {
	case size > min(limit, maxHeader):
		return nil, damaged("a package of %d bytes in a file of %d", size, limit)
	case uint64(cap(buf)) < size:
		return make([]byte, size), nil
	}
	return buf[:size], nil
}

// readAt reads all of b, and calls a file that ends before a damaged one.
func readAt(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return damaged("the file ends before byte %d", at+int64(len(b)))
	}
	return err
}
