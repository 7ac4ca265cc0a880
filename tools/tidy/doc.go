// Tidy checks what the compiler does not: the rules by which this library is
// built. It reads the whole checkout and prints one line for each breach,
//
//	file:line: what is wrong; what to do
//
// and exits with 1 if there are any, with 2 if it could not look.
//
//	go run ./tools/tidy [directory]
//
// The rules, each in a file of its own:
//
//   - arrows.go: which package may import which (ARCHITECTURE.md has the map);
//   - bans.go: what would make a group's life depend on more than its inputs
//     is not to be found in the packages paxos, wire and group;
//   - size.go: the length of functions and files;
//   - text.go: no unfinished ends and no paths of somebody's machine in
//     anything that is committed.
//
// Tests and generated files are exempt, but for the last rule.
package main
