package rpmdb

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// A Tag names a value of a header (rpmtag.h).
type Tag uint32

// The tags of what a package is and of the files that it has.
const (
	Name           Tag = 1000
	Version        Tag = 1001
	Release        Tag = 1002
	Epoch          Tag = 1003
	Vendor         Tag = 1011
	License        Tag = 1014
	Packager       Tag = 1015
	Arch           Tag = 1022
	OldFileNames   Tag = 1027 // whole paths, in place of the three below, before rpm 4
	FileStates     Tag = 1029
	FileDigests    Tag = 1035
	FileFlags      Tag = 1037
	SourceRPM      Tag = 1044
	RequireName    Tag = 1049
	DirIndexes     Tag = 1116
	BaseNames      Tag = 1117
	DirNames       Tag = 1118
	FileDigestAlgo Tag = 5011
)

// What the numbers of some tags mean.
const (
	FlagConfig  = 1 << 0 // in FileFlags: a configuration file
	StateNormal = 0      // in FileStates: installed, and replaced by no other package

	// In FileDigestAlgo, as in RFC 4880. MD5 also where the tag is not set.
	DigestMD5    = 1
	DigestSHA1   = 2
	DigestSHA256 = 8
	DigestSHA384 = 9
	DigestSHA512 = 10
)

const (
	introSize  = 8
	entrySize  = 16
	maxEntries = 1 << 16
)

// The types of values that are read.
const (
	typeChar        = 1
	typeInt8        = 2
	typeInt16       = 3
	typeInt32       = 4
	typeString      = 6
	typeStringArray = 8
	typeI18N        = 9
)

// A Header is what rpm knows of one package, values by their tags:
//
//	entries u32 | bytes u32 | tag, type, offset, count  16 bytes an entry | bytes
//
// all in big-endian order. A tag that is not there has no values.
type Header struct {
	index []byte
	data  []byte
}

// ParseHeader returns the header that is in blob, and refers to its bytes.
func ParseHeader(blob []byte) (*Header, error) {
	if len(blob) < introSize {
		return nil, damaged("a header of %d bytes", len(blob))
	}
	entries := uint64(binary.BigEndian.Uint32(blob))
	size := uint64(binary.BigEndian.Uint32(blob[4:]))
	rest := blob[introSize:]
	if entries > maxEntries || entries*entrySize+size > uint64(len(rest)) {
		return nil, damaged("a header of %d entries and %d bytes in %d bytes", entries, size, len(rest))
	}
	end := entries * entrySize
	return &Header{index: rest[:end], data: rest[end : end+size]}, nil
}

// find returns the type, the number and the bytes of a tag's values. What rpm
// has added to a header when it installed the package comes last, and holds.
func (h *Header) find(tag Tag) (kind, count uint32, data []byte) {
	for i := len(h.index) - entrySize; i >= 0; i -= entrySize {
		e := h.index[i : i+entrySize]
		if Tag(binary.BigEndian.Uint32(e)) != tag {
			continue
		}
		offset := binary.BigEndian.Uint32(e[8:])
		if uint64(offset) > uint64(len(h.data)) {
			return 0, 0, nil
		}
		return binary.BigEndian.Uint32(e[4:]), binary.BigEndian.Uint32(e[12:]), h.data[offset:]
	}
	return 0, 0, nil
}

// Text returns the first string of a tag, "" if there is none.
func (h *Header) Text(tag Tag) string {
	for s := range h.Texts(tag) {
		return string(s)
	}
	return ""
}

// Texts yields the strings of a tag. They are parts of the header. A damaged
// header may have fewer than it says.
func (h *Header) Texts(tag Tag) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		kind, count, data := h.find(tag)
		switch kind {
		case typeString:
			count = min(count, 1)
		case typeStringArray, typeI18N:
		default:
			return
		}
		for ; count > 0; count-- {
			end := bytes.IndexByte(data, 0)
			if end < 0 || !yield(data[:end]) {
				return
			}
			data = data[end+1:]
		}
	}
}

// Numbers returns the numbers of a tag, those of 64 bits excepted. A damaged
// header may have fewer than it says.
func (h *Header) Numbers(tag Tag) []uint32 {
	kind, count, data := h.find(tag)
	var size int
	switch kind {
	case typeChar, typeInt8:
		size = 1
	case typeInt16:
		size = 2
	case typeInt32:
		size = 4
	default:
		return nil
	}
	n := min(uint64(count), uint64(len(data)/size))
	list := make([]uint32, n)
	for i := range list {
		switch b := data[i*size:]; size {
		case 1:
			list[i] = uint32(b[0])
		case 2:
			list[i] = uint32(binary.BigEndian.Uint16(b))
		case 4:
			list[i] = binary.BigEndian.Uint32(b)
		}
	}
	return list
}
