package file_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/riposte-sec/riposte/sources/file"
)

func ExampleReader_Next() {
	dir, err := os.MkdirTemp("", "events")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Mkdir(filepath.Join(dir, "zeek"), 0o700); err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "zeek", "conn.log"), []byte("{\"_path\":\"conn\"}\n"), 0o600); err != nil {
		panic(err)
	}
	r, err := file.Open([]string{dir}, file.Options{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = r.Close() }()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			panic(err)
		}
		fmt.Println(rec.Source, rec.Line, string(rec.Value))
	}
	// Output: zeek 1 {"_path":"conn"}
}
