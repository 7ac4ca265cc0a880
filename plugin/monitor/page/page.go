package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"sync"
)

//go:embed page.html page.css *.js
var files embed.FS

// scripts in the order in which they run.
var scripts = []string{"1-base.js", "2-store.js", "3-plots.js", "4-nodes.js", "5-groups.js", "6-live.js"}

// document is the page and its policy.
type document struct {
	html   []byte
	policy string
}

// built puts the page together once.
var built = sync.OnceValue(func() document {
	style := read("page.css")
	var script bytes.Buffer
	script.WriteString("\"use strict\";\n(() => {\n")
	for _, name := range scripts {
		script.Write(read(name))
	}
	script.WriteString("})();\n")
	html := bytes.Replace(read("page.html"), []byte("/*style*/"), style, 1)
	html = bytes.Replace(html, []byte("/*script*/"), script.Bytes(), 1)
	return document{html, fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; connect-src 'self'; img-src data:; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'", hash(style), hash(script.Bytes()))}
})

func read(name string) []byte {
	data, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded: the compiler would have failed
	}
	return data
}

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// HTML is the document. It must not be modified.
func HTML() []byte { return built().html }

// Policy is the Content-Security-Policy that goes with it: it allows the
// page's own style and script, by their hashes, and requests to its own
// server, and nothing else.
func Policy() string { return built().policy }
