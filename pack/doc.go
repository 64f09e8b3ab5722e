// Package pack turns root file system trees into container images.
//
// # An image, taken apart
//
// What [WriteArchive] writes for one layer is a tar of six files and their folders:
//
//	blobs/sha256/<layer>     a tar of the root file system
//	blobs/sha256/<config>    JSON: how to run it, and the diff_ids of the layers
//	blobs/sha256/<manifest>  JSON: digest, size and media type of config and layers
//	index.json               JSON: digest and names of the manifest     } an OCI
//	oci-layout               JSON: the version of this arrangement      } layout
//	manifest.json            JSON: paths of config and layers, names    } a docker archive
//
// Each name below blobs is the sha256 of that member's bytes, so every number
// follows from the ones before it:
//
//	diff_id         = sha256 of the layer's tar
//	layer digest    = sha256 of the layer as it is shipped: the same, uncompressed;
//	                  else of the compressed tar, which leaves the diff_id as it is
//	image ID        = sha256 of the config, which holds the diff_ids
//	manifest digest = sha256 of the manifest, which holds image ID and layer digests
//
// Engines that read docker archives go by manifest.json, others by index.json;
// one tar serves both. [WriteDocker] writes the docker archive alone with the
// names that tutorials give its members, and [WriteLayout] the OCI layout as a
// folder.
//
// [Open] reads all of these back, and what engines themselves save, in place: it
// reads the JSON, checks each document against the digest that leads to it, and
// leaves the layers where they are until somebody asks for one. [OpenFiles] puts
// the layers upon each other, whiteouts applied: the result is a tree like any
// other, whose files are read out of the layers. [Verify] reads all there is.
//
// # Promises
//
// The same trees, configuration and time give the same bytes on any machine:
// members are sorted, owners are numbers, times are whole seconds and no file's is
// later than its layer's latest. Contents are read in order, straight from where
// they lie, and once if the output is a file; a file that has changed since its
// tree was made is an error.
//
// Compressed layers are the same too, whatever the number of processors, as long
// as the libraries are that compress; diff_ids and image ID do not depend on
// them. A layer that was read from an image is written as it was, to the byte.
//
// The package knows trees and formats. It knows nothing of ELF and opens no
// connection.
package pack
