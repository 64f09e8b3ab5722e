package rpmdb

import (
	"encoding/binary"
	"errors"
	"io"
	"maps"
)

const (
	logMagic        = 0x377f0682 // the last bit says that sums are of big-endian words
	logHeaderSize   = 32
	frameHeaderSize = 24
)

// A walLog is SQLite's write-ahead log, pages that have been written since the
// database file was:
//
//	magic | version | page size | sequence | salt 1, 2 | sum 1, 2     big-endian
//	page | pages at the end of a transaction | salt 1, 2 | sum 1, 2 | the page ...
//
// Frames count as long as salts and sums are right, and up to the last one that
// ends a transaction; what comes after is left from before or was never finished.
type walLog struct {
	file   *io.SectionReader
	frames map[uint32]int64 // where the last committed version of a page is
}

// openLog returns the log, nil if SQLite would take nothing from it.
func openLog(file *io.SectionReader, pageSize int) (*walLog, error) {
	head := make([]byte, logHeaderSize)
	if _, err := file.ReadAt(head, 0); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	magic := binary.BigEndian.Uint32(head)
	var order binary.ByteOrder = binary.LittleEndian
	if magic&1 == 1 {
		order = binary.BigEndian
	}
	var sum logSum
	sum.add(head[:24], order)
	if magic&^1 != logMagic || binary.BigEndian.Uint32(head[8:]) != uint32(pageSize) || !sum.is(head[24:]) {
		return nil, nil
	}
	l := &walLog{file: file, frames: make(map[uint32]int64)}
	pending := make(map[uint32]int64)
	frame := make([]byte, frameHeaderSize+pageSize)
	for at := int64(logHeaderSize); at+int64(len(frame)) <= file.Size(); at += int64(len(frame)) {
		if err := readAt(file, frame, at); err != nil {
			return nil, err
		}
		sum.add(frame[:8], order)
		sum.add(frame[frameHeaderSize:], order)
		if string(frame[8:16]) != string(head[16:24]) || !sum.is(frame[16:]) {
			break
		}
		pending[binary.BigEndian.Uint32(frame)] = at + frameHeaderSize
		if ends := binary.BigEndian.Uint32(frame[4:]) != 0; ends {
			maps.Copy(l.frames, pending)
			clear(pending)
		}
	}
	return l, nil
}

// A logSum is the sum of all words so far, in pairs.
type logSum struct{ a, b uint32 }

// add adds words in that byte order; there must be an even number of them.
func (s *logSum) add(data []byte, order binary.ByteOrder) {
	for i := 0; i+8 <= len(data); i += 8 {
		s.a += order.Uint32(data[i:]) + s.b
		s.b += order.Uint32(data[i+4:]) + s.a
	}
}

func (s *logSum) is(data []byte) bool {
	return s.a == binary.BigEndian.Uint32(data) && s.b == binary.BigEndian.Uint32(data[4:])
}
