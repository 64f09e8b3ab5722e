package rpmdb

import (
	"encoding/binary"
	"io"
)

const (
	hashMagic = 0x061561

	// Types of pages.
	pageHashUnsorted = 2
	pageOverflow     = 7
	pageHashMeta     = 8
	pageHash         = 13

	// Types of items.
	itemKeyData = 1
	itemOffPage = 3

	pageHeaderSize  = 26
	offPageItemSize = 12
)

// A hash is a hash table of Berkeley DB (dbinc/db_page.h), in the byte order of
// the machine that made it. Its pages begin
//
//	log number u64 | page | previous | next u32 | items | data u16 | level | type u8
//
// and those of buckets go on with the offset of each item, u16. Keys and values
// take turns; a value that does not fit is the number of the first of a chain of
// overflow pages, and its size. Key 0 is the number of the next package.
type hash struct {
	file     *io.SectionReader
	order    binary.ByteOrder
	pageSize int
	pages    uint32
}

func openHash(file *io.SectionReader, order binary.ByteOrder) (*hash, error) {
	var meta [36]byte
	if err := readAt(file, meta[:], 0); err != nil {
		return nil, err
	}
	size := order.Uint32(meta[20:])
	last := order.Uint32(meta[32:])
	switch {
	case meta[25] != pageHashMeta:
		return nil, damaged("its first page is of type %d", meta[25])
	case meta[24] != 0:
		return nil, damaged("encrypted")
	case size < 512 || size > 64<<10 || size&(size-1) != 0:
		return nil, damaged("pages of %d bytes", size)
	case int64(last) >= file.Size()/int64(size):
		return nil, damaged("%d pages in %d bytes", int64(last)+1, file.Size())
	}
	return &hash{file: file, order: order, pageSize: int(size), pages: last + 1}, nil
}

// page reads a page, or the first bytes of it.
func (h *hash) page(n uint32, b []byte) error {
	if n == 0 || n >= h.pages {
		return damaged("no page %d", n)
	}
	return readAt(h.file, b, int64(n)*int64(h.pageSize))
}

func isBucket(page []byte) bool { return page[25] == pageHash || page[25] == pageHashUnsorted }

func (h *hash) places() ([]Place, error) {
	var list []Place
	page := make([]byte, h.pageSize)
	for n := uint32(1); n < h.pages; n++ {
		if err := h.page(n, page); err != nil {
			return nil, err
		}
		if !isBucket(page) {
			continue
		}
		items := h.order.Uint16(page[20:])
		if items%2 != 0 {
			return nil, damaged("page %d has a key without a value", n)
		}
		for i := uint16(0); i < items; i += 2 {
			key, err := h.item(page, n, i)
			if err != nil {
				return nil, err
			}
			if len(key) != 5 || key[0] != itemKeyData {
				return nil, damaged("page %d has a key that is no package number", n)
			}
			if h.order.Uint32(key[1:]) != 0 {
				list = append(list, Place(n)<<16|Place(i+1))
			}
		}
	}
	return list, nil
}

// item returns an item of a bucket, which goes up to where the one before it
// begins.
func (h *hash) item(page []byte, n uint32, i uint16) ([]byte, error) {
	at := pageHeaderSize + 2*int(i)
	if i >= h.order.Uint16(page[20:]) || at+2 > len(page) {
		return nil, damaged("page %d has no item %d", n, i)
	}
	start, end := int(h.order.Uint16(page[at:])), len(page)
	if i > 0 {
		end = int(h.order.Uint16(page[at-2:]))
	}
	if start < at+2 || start >= end || end > len(page) {
		return nil, damaged("item %d of page %d lies outside it", i, n)
	}
	return page[start:end], nil
}

func (h *hash) blob(at Place, buf []byte) ([]byte, error) {
	n := uint32(at >> 16)
	page := make([]byte, h.pageSize)
	if err := h.page(n, page); err != nil {
		return nil, err
	}
	item, err := h.item(page, n, uint16(at))
	if err != nil {
		return nil, err
	}
	switch {
	case item[0] == itemKeyData:
		return append(buf[:0], item[1:]...), nil
	case item[0] == itemOffPage && len(item) == offPageItemSize:
		return h.chain(h.order.Uint32(item[4:]), h.order.Uint32(item[8:]), page, buf)
	}
	return nil, damaged("page %d has an item of type %d", n, item[0])
}

// chain reads size bytes from overflow pages, with the help of a page.
func (h *hash) chain(n, size uint32, page, buf []byte) ([]byte, error) {
	buf, err := grow(buf, uint64(size), uint64(h.file.Size()))
	if err != nil {
		return nil, err
	}
	for have := 0; have < len(buf); {
		if err := h.page(n, page); err != nil {
			return nil, err
		}
		end := pageHeaderSize + int(h.order.Uint16(page[22:]))
		if page[25] != pageOverflow || end == pageHeaderSize || end > len(page) {
			return nil, damaged("page %d does not go on with a package", n)
		}
		have += copy(buf[have:], page[pageHeaderSize:end])
		n = h.order.Uint32(page[16:])
	}
	return buf, nil
}
