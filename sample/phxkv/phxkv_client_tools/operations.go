package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
)

// operation is one of the original's commands with its arguments.
type operation struct {
	name    string
	key     string
	value   []byte
	version uint64
}

// run makes the call.
func (op *operation) run(ctx context.Context, c *client.Client) client.Answer {
	switch op.name {
	case "put":
		return c.Put(ctx, op.key, op.value, op.version)
	case "delete":
		return c.Delete(ctx, op.key, op.version)
	case "getglobal":
		return c.GetGlobal(ctx, op.key)
	default:
		return c.GetLocal(ctx, op.key)
	}
}

// describe is what the original prints for an answer.
func (op *operation) describe(a client.Answer, e encoding) string {
	key := e.encode(op.key)
	switch op.name {
	case "put":
		rest := fmt.Sprintf("key %s value %s version %d\n", key, e.encode(string(op.value)), op.version)
		switch a.Code {
		case phxkv.CodeOK:
			return "Put ok, " + rest
		case phxkv.CodeVersionConflict:
			return "Put version conflict, " + rest
		}
		return fmt.Sprintf("Put fail, ret %d, %s", a.Code, rest)
	case "delete":
		switch a.Code {
		case phxkv.CodeOK:
			return fmt.Sprintf("Delete ok, key %s version %d\n", key, op.version)
		case phxkv.CodeVersionConflict:
			return fmt.Sprintf("Delete version conflict, key %s version %d\n", key, op.version)
		}
		return fmt.Sprintf("Delete fail, ret %d key %s\n", a.Code, key)
	}
	title := "GetLocal"
	if op.name == "getglobal" {
		title = "GetGlobal"
	}
	switch {
	case a.Code == phxkv.CodeOK:
		return fmt.Sprintf("%s ok, key %s value %s version %d\n", title, key, e.encode(string(a.Data.Value)), a.Data.Version)
	case a.Code == phxkv.CodeNotExist:
		return fmt.Sprintf("%s key %s not exist, version %d\n", title, key, a.Data.Version)
	case a.Code == phxkv.CodeNoMaster && title == "GetGlobal":
		return "GetGlobal no master\n"
	}
	return fmt.Sprintf("%s fail, ret %d key %s\n", title, a.Code, key)
}

func (t *tool) put(ctx context.Context) int {
	args := t.args
	if t.valueFile != "" {
		value, err := t.readValue()
		if err != nil {
			t.warn("-value_file: %v", err)
			return exitFail
		}
		return t.operate(ctx, operation{name: "put", value: value}, args[0], args[1])
	}
	value, err := t.encoding.decode(args[1])
	if err != nil {
		t.warn("value: %v", err)
		return exitUsage
	}
	return t.operate(ctx, operation{name: "put", value: []byte(value)}, args[0], args[2])
}

func (t *tool) delete(ctx context.Context) int {
	return t.operate(ctx, operation{name: "delete"}, t.args[0], t.args[1])
}

func (t *tool) getLocal(ctx context.Context) int {
	return t.operate(ctx, operation{name: "getlocal"}, t.args[0], "0")
}

func (t *tool) getGlobal(ctx context.Context) int {
	return t.operate(ctx, operation{name: "getglobal"}, t.args[0], "0")
}

// readValue reads the value file, and no more of it than can be stored.
func (t *tool) readValue() ([]byte, error) {
	from := t.stdin
	if t.valueFile != "-" {
		f, err := os.Open(t.valueFile)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	value, err := io.ReadAll(io.LimitReader(from, phxkv.OperationBytesMax+1))
	if err == nil && len(value) > phxkv.OperationBytesMax {
		err = fmt.Errorf("it has more than %d bytes, which is the most that a value can have", phxkv.OperationBytesMax)
	}
	return value, err
}

// operate runs one operation and prints how it ended.
func (t *tool) operate(ctx context.Context, op operation, key, version string) int {
	var err error
	if op.key, err = t.encoding.decode(key); err != nil {
		t.warn("key: %v", err)
		return exitUsage
	}
	var clean bool
	if op.version, clean = parseVersion(version); !clean {
		t.warn("warning: version %q is no number from 0 to 18446744073709551615, taken as %d", version, op.version)
	}
	ctx, cancel := t.context(ctx)
	defer cancel()
	answer := op.run(ctx, t.client)
	if t.raw && answer.Code == phxkv.CodeOK && (op.name == "getlocal" || op.name == "getglobal") {
		_, err = t.stdout.Write(answer.Data.Value)
	} else {
		_, err = io.WriteString(t.stdout, op.describe(answer, t.encoding))
	}
	if err != nil {
		t.warn("writing the answer: %v", err)
		return exitFail
	}
	if answer.Err != nil {
		t.warn("%v", answer.Err)
	}
	if t.strict && answer.Code != phxkv.CodeOK {
		return exitFail
	}
	return exitOK
}
