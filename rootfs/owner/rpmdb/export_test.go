package rpmdb

import (
	"bytes"
	"encoding/binary"
)

// Bytes returns the header as it stands in a database.
func (h *Header) Bytes() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(h.index)/entrySize))
	b = binary.BigEndian.AppendUint32(b, uint32(len(h.data)))
	return append(append(b, h.index...), h.data...)
}

// Clone returns a header that stays valid.
func (h *Header) Clone() *Header {
	return &Header{index: bytes.Clone(h.index), data: bytes.Clone(h.data)}
}
