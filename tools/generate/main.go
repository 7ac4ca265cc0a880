// Command generate turns the repository's .proto files into Go code.
//
//	cd tools/generate && go run .          # write the generated files
//	cd tools/generate && go run . -check   # fail if one is out of date
//
// It compiles the files itself and hands them to protoc-gen-go and, for files
// that define services, to protoc-gen-go-grpc. Both plugins and the compiler
// are pinned in this folder's go.mod, so no protoc is needed and everybody
// generates the same bytes. The folder is a module of its own to keep the
// compiler out of the dependencies of the library.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	root := flag.String("root", "../..", "folder that imports in .proto files are relative to")
	check := flag.Bool("check", false, "write nothing, fail if a generated file is missing or different")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run . [-root folder] [-check] [file.proto ...]\n\nFiles are relative to the root; default is every .proto file below it.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(context.Background(), *root, *check, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// run generates code for files, or for all files below root.
func run(ctx context.Context, root string, check bool, files []string) error {
	if len(files) == 0 {
		var err error
		if files, err = findProtos(root); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return fmt.Errorf("no .proto file below %s", root)
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard, // comments end up in the Go code
	}
	compiled, err := compiler.Compile(ctx, files...)
	if err != nil {
		return err
	}
	var stale []string
	for _, file := range compiled {
		generated, err := generate(ctx, file)
		if err != nil {
			return fmt.Errorf("%s: %w", file.Path(), err)
		}
		for _, g := range generated {
			changed, err := write(filepath.Join(root, filepath.FromSlash(g.GetName())), []byte(g.GetContent()), check)
			if err != nil {
				return err
			}
			if changed {
				stale = append(stale, g.GetName())
			}
		}
	}
	for _, name := range stale {
		fmt.Println(name)
	}
	if check && len(stale) > 0 {
		return fmt.Errorf("%d generated files are out of date", len(stale))
	}
	return nil
}

// findProtos returns the .proto files below root, relative to it, except those
// in hidden folders, test data and packages of npm.
func findProtos(root string) (files []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && path != root
		if d.IsDir() && path != root && (hidden || d.Name() == "testdata" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if d.Type().IsRegular() && !hidden && filepath.Ext(path) == ".proto" {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// generate runs the plugins that file needs.
func generate(ctx context.Context, file linker.File) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	plugins := []string{"protoc-gen-go"}
	if file.Services().Len() > 0 {
		plugins = append(plugins, "protoc-gen-go-grpc")
	}
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{file.Path()},
		Parameter:      proto.String("paths=source_relative"),
		ProtoFile:      withImports(file, map[string]bool{}),
	}
	var generated []*pluginpb.CodeGeneratorResponse_File
	for _, plugin := range plugins {
		out, err := runPlugin(ctx, plugin, request)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", plugin, err)
		}
		generated = append(generated, out...)
	}
	return generated, nil
}

// withImports returns file behind everything that it imports, the order that
// plugins ask for.
func withImports(file protoreflect.FileDescriptor, seen map[string]bool) []*descriptorpb.FileDescriptorProto {
	if seen[file.Path()] {
		return nil
	}
	seen[file.Path()] = true
	var all []*descriptorpb.FileDescriptorProto
	for i := range file.Imports().Len() {
		all = append(all, withImports(file.Imports().Get(i).FileDescriptor, seen)...)
	}
	return append(all, protoutil.ProtoFromFileDescriptor(file))
}

// runPlugin runs a plugin that go.mod names as a tool. The working directory
// has to be this module's, which `go run .` sees to.
func runPlugin(ctx context.Context, name string, request *pluginpb.CodeGeneratorRequest) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	in, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "tool", name)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &response); err != nil {
		return nil, err
	}
	if response.Error != nil {
		return nil, errors.New(response.GetError())
	}
	return response.File, nil
}

// write brings the file at path to content, or with check only compares, and
// reports whether it was different.
func write(path string, content []byte, check bool) (changed bool, err error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err == nil && bytes.Equal(old, content) {
		return false, nil
	}
	if check {
		return true, nil
	}
	return true, os.WriteFile(path, content, 0o644)
}
