package rpmdb

import (
	"encoding/binary"
	"io"
)

const (
	ndbMagic     = "RpmP"
	slotMagic    = "Slot"
	blobMagic    = "BlbS"
	ndbPage      = 4096
	slotSize     = 16
	ndbHeader    = 32
	ndbBlock     = 16 // what offsets of blobs count
	blobHeadSize = 16
)

// An ndb is rpm's own format (lib/backend/ndb/rpmpkg.c), little-endian:
//
//	"RpmP" | version | generation | pages of slots | next package | ... to byte 32
//	"Slot" | package | block | blocks                16 bytes a slot, to the end of those pages
//	"BlbS" | package | generation | size | header    where a slot says
//
// A slot of package 0 is free.
type ndb struct {
	file *io.SectionReader
}

func openNDB(file *io.SectionReader) (*ndb, error) {
	var start [ndbHeader]byte
	if err := readAt(file, start[:], 0); err != nil {
		return nil, err
	}
	if version := binary.LittleEndian.Uint32(start[4:]); version != 0 {
		return nil, damaged("ndb of version %d", version)
	}
	return &ndb{file}, nil
}

func (n *ndb) places() ([]Place, error) {
	var b [ndbPage]byte
	if err := readAt(n.file, b[:ndbHeader], 0); err != nil {
		return nil, err
	}
	pages := int64(binary.LittleEndian.Uint32(b[12:]))
	if pages > n.file.Size()/ndbPage {
		return nil, damaged("%d pages of slots in %d bytes", pages, n.file.Size())
	}
	var list []Place
	first := ndbHeader
	for page := range pages {
		if err := readAt(n.file, b[:], page*ndbPage); err != nil {
			return nil, err
		}
		for at := first; at < ndbPage; at += slotSize {
			slot := b[at : at+slotSize]
			if string(slot[:4]) != slotMagic {
				return nil, damaged("no slot at byte %d", page*ndbPage+int64(at))
			}
			if binary.LittleEndian.Uint32(slot[4:]) != 0 {
				list = append(list, Place(binary.LittleEndian.Uint32(slot[8:])))
			}
		}
		first = 0
	}
	return list, nil
}

func (n *ndb) blob(at Place, buf []byte) ([]byte, error) {
	start := int64(at) * ndbBlock
	var head [blobHeadSize]byte
	if err := readAt(n.file, head[:], start); err != nil {
		return nil, err
	}
	if string(head[:4]) != blobMagic {
		return nil, damaged("no package at byte %d", start)
	}
	buf, err := grow(buf, uint64(binary.LittleEndian.Uint32(head[12:])), uint64(n.file.Size()))
	if err != nil {
		return nil, err
	}
	return buf, readAt(n.file, buf, start+blobHeadSize)
}
