// Licenses keeps the inventory of the code of others that this library uses:
// third_party/modules.tsv says for each module its version, its licence, where
// it ends up and what it is for; third_party/NOTICES.txt holds the licence
// texts, which have to go along with our binaries.
//
//	go run ./tools/licenses          writes both files
//	go run ./tools/licenses -check   fails if they are not up to date
//
// Which modules are used is asked of the go command; the licence is found in
// the module's own licence file. Only what each is for is kept by hand, in
// purposes.go. A module without an entry there, or with a licence that the
// program does not know, is an error: somebody has to look at it first.
package main
