package main

// purposes says what each module is for. It is the one part of the inventory
// that is kept by hand.
var purposes = map[string]string{
	standardLibrary: "everything that is not named here",
	"github.com/HdrHistogram/hdrhistogram-go":   "latencies measured by the benchmark",
	"github.com/anishathalye/porcupine":         "checks recorded histories for linearizability",
	"github.com/golang/glog":                    "log files as the original's (plugin/logger)",
	"github.com/golang/mock":                    "mocks of the unit tests, and the program that generates them",
	"github.com/golang/snappy":                  "needed by goleveldb, which compresses blocks of the index with it",
	"github.com/syndtr/goleveldb":               "index of the log, in the original's format (storage/vfile)",
	"golang.org/x/mod":                          "needed by mockgen",
	"golang.org/x/net":                          "needed by grpc: HTTP/2",
	"golang.org/x/sync":                         "needed by mockgen",
	"golang.org/x/sys":                          "system calls that the standard library lacks",
	"golang.org/x/text":                         "needed by golang.org/x/net: host names",
	"golang.org/x/tools":                        "needed by mockgen",
	"google.golang.org/genproto/googleapis/rpc": "needed by grpc: the form of its errors",
	"google.golang.org/grpc":                    "a network over HTTP/2 (plugin/network/grpcnet); the key-value sample and its client",
	"google.golang.org/protobuf":                "packets and records, in the original's format, and the program that generates their code",
}
