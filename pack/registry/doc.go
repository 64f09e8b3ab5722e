// Package registry pulls images from registries, pushes them, and copies them
// from one to the other.
//
// A name is what docker takes it for: "debian" is docker.io/library/debian:latest,
// and "127.0.0.1:5000/app:v1" is the tag v1 of the repository app of the registry
// that listens there. Registries speak the OCI distribution specification, which
// is version 2 of docker's protocol.
//
// # How an image moves
//
//	pull                             push
//	tag ─► manifest, or an index     layers ┐ each: is it there? can it be mounted?
//	     ─► manifest of a platform   config ┘       else send it
//	     ─► config                   manifest, by digest
//	     ─► layers, when written     index, if there are several platforms
//	                                 tag, last
//
// An image that was pulled streams: its layers are read from the registry when
// they are written, and take up no memory or disk before. A connection that
// breaks in the middle of one is made again, and goes on where the old one ended.
// [Client.Ahead] fetches those whose turn has not come yet into a file meanwhile.
//
// A push sends what the registry lacks, several blobs at a time. A tree is read
// twice, once to learn the digest of its blob and once to be sent, because a layer
// that is there already should not be sent at all; where that means compressing
// it, what came of it is kept in a [Client.Spool]. The tag is written last, so a
// push that fails leaves the tag as it was.
//
// # Whom it trusts
//
// Nothing that a registry sends is taken on trust: documents are bounded, all
// digests and sizes are checked while bytes pass, and a document must be what its
// media type says. Credentials go to the registry that they are for and to the
// token service that it names, encrypted unless the registry itself is spoken to
// in plain HTTP. They follow no redirect to another host, and are part of no error.
//
// Plain HTTP is spoken to registries on loopback and to those that the [Client]
// says. One is never tried after the other has failed.
package registry
