// Command kstatus prints what kstatus makes of objects: it reads a JSON list from the standard
// input, and writes the list of their statuses.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func run() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	// As Kubernetes reads JSON: whole numbers are int64.
	var objects []map[string]any
	if err := utiljson.Unmarshal(text, &objects); err != nil {
		return fmt.Errorf("reading the objects: %w", err)
	}
	statuses := make([]status.Status, 0, len(objects))
	for number, object := range objects {
		result, err := status.Compute(&unstructured.Unstructured{Object: object})
		if err != nil {
			return fmt.Errorf("object %d: %w", number, err)
		}
		statuses = append(statuses, result.Status)
	}
	return json.NewEncoder(os.Stdout).Encode(statuses)
}
