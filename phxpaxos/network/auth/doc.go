// Package auth computes and verifies the message authentication codes (MACs)
// with which nodes that share a secret prove that a packet is theirs. It
// serves package network and may change.
//
// # The authentication frame
//
// A packet is shared by all of its receivers, so its MAC travels apart from it.
// Before the packets of one write, a node writes an authentication frame on the
// same connection. It holds one tag for each packet of that write, in the same
// order, and one tag for itself:
//
//	offset  size  content, integers little-endian
//	0       14    a packet's prefix and header: group 0, command 77, version 1
//	14      1     version of this format, 1
//	15      2     N, the number of packets that follow, 0..512
//	17      8     sender's node id
//	25      8     sender's incarnation
//	33      8     receiver's incarnation as the sender last learned it, 0 if it has not
//	41      8     counter
//	49      16 N  tags of the packets
//	...     16    tag of bytes 0 to here
//	...     4     CRC-32 of every 7th byte before it, the trailer of every packet
//
// A frame with N = 0 is a greeting: it only reports the sender's incarnation.
//
// The frame has the form of a packet whose command no node knows. Original
// nodes and nodes of this library without a secret ignore such packets in
// silence (spec/protocol.md section 4.2, rule 6) and find the packets after it
// unchanged.
//
// # Keys and nonces
//
// A tag is AES-256-GMAC: AES-GCM with an empty plaintext and the packet as the
// additional data. The key is HKDF-SHA-256 of the secret, with sender,
// receiver and both incarnations as its info; so a tag for one receiver, one
// direction or one process is wrong for every other. The nonce is the counter
// (8 bytes) and the index of the tag (4 bytes): 0 for the frame, i for packet i.
//
// GMAC needs a nonce that no key sees twice. An incarnation is a random 64-bit
// number that a process draws at its start; it never leaves memory, so a restart
// means other keys. Within a process one counter serves all peers and all
// connections and only grows. Two processes of one node share keys only if they
// draw the same incarnation: 2^-25 for a million starts of one node.
//
// # Replays
//
// A receiver remembers for each sender the highest counter of the last
// incarnations that it has received. It refuses a frame whose counter is not
// higher, and a frame for another incarnation of itself than its own. State is
// created only after a valid tag, and bounded.
//
// A frame for receiver incarnation 0 is accepted, since the sender of the first
// packet cannot know better; the receiver then sends a greeting. A captured
// frame of this kind can be repeated to a later incarnation of the receiver,
// once: for Paxos a packet that was delayed for long.
package auth
