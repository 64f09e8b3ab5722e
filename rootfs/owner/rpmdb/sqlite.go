package rpmdb

import (
	"encoding/binary"
	"io"
)

const (
	sqliteMagic = "SQLite format 3\x00"

	fileHeaderSize = 100 // of page 1
	leafTable      = 0x0d
	interiorTable  = 0x05
	maxDepth       = 32 // of a tree; with 2 children a page it would be full
)

// A sqlite is a database file of SQLite (https://www.sqlite.org/fileformat.html),
// of which it reads the table
//
//	CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)
//
// from its tree of pages: interior ones hold the numbers of pages below, leaves
// hold a cell for each row, and what does not fit into a cell is in a chain of
// overflow pages. A page that the write-ahead log has is taken from there.
type sqlite struct {
	file     *io.SectionReader
	log      *walLog // nil if there is none
	pageSize int
	usable   int    // bytes of a page
	pages    uint32 // at most
	root     uint32 // of the table
}

func openSQLite(file, log *io.SectionReader) (*sqlite, error) {
	var start [fileHeaderSize]byte
	if err := readAt(file, start[:], 0); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(start[16:]))
	if size == 1 {
		size = 64 << 10
	}
	if size < 512 || size&(size-1) != 0 || size-int(start[20]) < 480 {
		return nil, damaged("pages of %d bytes", size)
	}
	s := &sqlite{file: file, pageSize: size, usable: size - int(start[20])}
	bytes := file.Size()
	if walMode := start[18] == 2; walMode && log != nil {
		var err error
		if s.log, err = openLog(log, size); err != nil {
			return nil, err
		}
	}
	if s.log != nil {
		bytes += log.Size()
	}
	s.pages = uint32(min(bytes/int64(size), 1<<32-1))
	var err error
	s.root, err = s.table("Packages")
	return s, err
}

// page reads a page into b, which has its size.
func (s *sqlite) page(n uint32, b []byte) error {
	if n == 0 || n > s.pages {
		return damaged("no page %d", n)
	}
	if s.log != nil {
		if at, ok := s.log.frames[n]; ok {
			return readAt(s.log.file, b, at)
		}
	}
	return readAt(s.file, b, int64(n-1)*int64(s.pageSize))
}

// table returns the root page of a table, from the table of tables on page 1.
func (s *sqlite) table(name string) (uint32, error) {
	rows, err := s.rows(1)
	if err != nil {
		return 0, err
	}
	for _, row := range rows {
		record, err := s.blobOf(row, nil)
		if err != nil {
			return 0, err
		}
		kind, ok1 := column(record, 0)
		called, ok2 := column(record, 1)
		root, ok3 := column(record, 3)
		if !ok1 || !ok2 || !ok3 || len(root) > 4 {
			return 0, damaged("the table of tables")
		}
		if string(kind) == "table" && string(called) == name {
			var n uint32
			for _, b := range root {
				n = n<<8 | uint32(b)
			}
			return n, nil
		}
	}
	return 0, damaged("no table %s", name)
}

func (s *sqlite) places() ([]Place, error) { return s.rows(s.root) }

// rows returns where the rows of a table are: a page and the number of a cell.
func (s *sqlite) rows(root uint32) ([]Place, error) {
	w := sqliteWalk{sqlite: s, left: s.pages}
	err := w.below(root, maxDepth)
	return w.rows, err
}

type sqliteWalk struct {
	*sqlite
	rows []Place
	left uint32 // how many pages may still be read, as each is there once
}

func (w *sqliteWalk) below(n uint32, depth int) error {
	if w.left == 0 || depth == 0 {
		return damaged("page %d is in its own tree", n)
	}
	w.left--
	page := make([]byte, w.pageSize)
	if err := w.page(n, page); err != nil {
		return err
	}
	head := treeHeader(n, page)
	cells := int(binary.BigEndian.Uint16(head[3:]))
	switch head[0] {
	case leafTable:
		for i := range cells {
			w.rows = append(w.rows, Place(n)<<16|Place(i))
		}
		return nil
	case interiorTable:
		for i := range cells {
			at, ok := cellAt(page, head[12:], i)
			if !ok || at+4 > len(page) {
				return damaged("cell %d of page %d lies outside it", i, n)
			}
			if err := w.below(binary.BigEndian.Uint32(page[at:]), depth-1); err != nil {
				return err
			}
		}
		return w.below(binary.BigEndian.Uint32(head[8:]), depth-1)
	}
	return damaged("page %d is no part of a table", n)
}

// treeHeader returns the bytes of a page from where its tree's header begins.
func treeHeader(n uint32, page []byte) []byte {
	if n == 1 {
		return page[fileHeaderSize:]
	}
	return page
}

// cellAt returns where a cell is, from the array of offsets.
func cellAt(page, offsets []byte, i int) (int, bool) {
	if 2*i+2 > len(offsets) {
		return 0, false
	}
	at := int(binary.BigEndian.Uint16(offsets[2*i:]))
	return at, at < len(page)
}

func (s *sqlite) blob(at Place, buf []byte) ([]byte, error) {
	record, err := s.blobOf(at, buf)
	if err != nil {
		return nil, err
	}
	blob, ok := column(record, 1)
	if !ok {
		return nil, damaged("row %d of page %d", uint16(at), at>>16)
	}
	return blob, nil
}

// blobOf returns the record of a row.
func (s *sqlite) blobOf(at Place, buf []byte) ([]byte, error) {
	n, i := uint32(at>>16), int(uint16(at))
	page := make([]byte, s.pageSize)
	if err := s.page(n, page); err != nil {
		return nil, err
	}
	head := treeHeader(n, page)
	if head[0] != leafTable {
		return nil, damaged("page %d holds no rows", n)
	}
	start, ok := cellAt(page[:s.usable], head[8:], i)
	if !ok {
		return nil, damaged("cell %d of page %d lies outside it", i, n)
	}
	cell := page[start:s.usable:s.usable]
	size, used1 := uvarint(cell)
	_, used2 := uvarint(cell[used1:])
	if used1 == 0 || used2 == 0 {
		return nil, damaged("cell %d of page %d", i, n)
	}
	cell = cell[used1+used2:]
	buf, err := grow(buf, size, uint64(s.pages)*uint64(s.pageSize))
	if err != nil {
		return nil, err
	}
	local := s.local(len(buf))
	if local > len(cell) {
		return nil, damaged("cell %d of page %d", i, n)
	}
	copy(buf, cell[:local])
	if local == len(buf) {
		return buf, nil
	}
	if local+4 > len(cell) {
		return nil, damaged("cell %d of page %d", i, n)
	}
	return buf, s.chain(binary.BigEndian.Uint32(cell[local:]), page, buf[local:])
}

// local returns how many bytes of a record lie in its cell.
func (s *sqlite) local(size int) int {
	if size <= s.usable-35 {
		return size
	}
	least := (s.usable-12)*32/255 - 23
	if k := least + (size-least)%(s.usable-4); k <= s.usable-35 {
		return k
	}
	return least
}

// chain fills buf from overflow pages, with the help of a page.
func (s *sqlite) chain(n uint32, page, buf []byte) error {
	for len(buf) > 0 {
		if err := s.page(n, page); err != nil {
			return err
		}
		n = binary.BigEndian.Uint32(page)
		buf = buf[copy(buf, page[4:s.usable]):]
	}
	return nil
}

// column returns the bytes of a column of a record: the size of its header, the
// types of the columns, and their values.
func column(record []byte, want int) ([]byte, bool) {
	size, used := uvarint(record)
	if used == 0 || size > uint64(len(record)) || size < uint64(used) {
		return nil, false
	}
	types, values := record[used:size], record[size:]
	for i := 0; ; i++ {
		kind, used := uvarint(types)
		if used == 0 {
			return nil, false
		}
		types = types[used:]
		n := valueSize(kind)
		if n > uint64(len(values)) {
			return nil, false
		}
		if i == want {
			return values[:n], true
		}
		values = values[n:]
	}
}

// valueSize returns how many bytes a value of that type takes.
func valueSize(kind uint64) uint64 {
	switch {
	case kind >= 12:
		return (kind - 12) / 2
	case kind == 5:
		return 6
	case kind == 6 || kind == 7:
		return 8
	case kind <= 4:
		return kind
	}
	return 0
}

// uvarint reads a number of up to nine bytes, the high ones first, and returns
// how many it took, 0 if there are too few.
func uvarint(b []byte) (n uint64, used int) {
	for i, c := range b {
		if i == 8 {
			return n<<8 | uint64(c), 9
		}
		n = n<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return n, i + 1
		}
	}
	return 0, 0
}
