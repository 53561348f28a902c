package audit

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Bundle packs the tool and its benchmark: binary is kube-bench, config its folder cfg.
func Bundle(binary, config string) ([]byte, error) {
	var out bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	archive := tar.NewWriter(zipped)
	add := func(name, from string, mode int64) error {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(text))}); err != nil {
			return err
		}
		_, err = archive.Write(text)
		return err
	}
	errs := []error{add("kube-bench", binary, 0o755), add("cfg/config.yaml", filepath.Join(config, "config.yaml"), 0o644)}
	files, err := os.ReadDir(filepath.Join(config, Benchmark))
	errs = append(errs, err)
	for _, f := range files {
		errs = append(errs, add("cfg/"+Benchmark+"/"+f.Name(), filepath.Join(config, Benchmark, f.Name()), 0o644))
	}
	if err := errors.Join(append(errs, archive.Close(), zipped.Close())...); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return out.Bytes(), nil
}

// Reader gives a bundle anew each time.
func Reader(bundle []byte) func() (io.Reader, error) {
	return func() (io.Reader, error) { return bytes.NewReader(bundle), nil }
}
