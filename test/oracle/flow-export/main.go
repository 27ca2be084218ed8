// Exports events with Hubble's own exporter. A line in has settings and events; a line out has the lines that were written.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/cilium/cilium/api/v1/observer"
	"github.com/cilium/cilium/pkg/hubble"
	v1 "github.com/cilium/cilium/pkg/hubble/api/v1"
	"github.com/cilium/cilium/pkg/hubble/exporter"
	"github.com/cilium/cilium/pkg/node/types"
)

type question struct {
	Allowlist string            `json:"allowlist"`
	Denylist  string            `json:"denylist"`
	Fields    []string          `json:"fields"`
	Aggregate []string          `json:"aggregate"`
	Events    []json.RawMessage `json:"events"`
}

type answer struct {
	Lines []string `json:"lines"`
	Error string   `json:"error,omitempty"`
}

type memory struct{ bytes.Buffer }

func (*memory) Close() error { return nil }

func main() {
	types.SetName("k8s-w1")
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		must(json.Unmarshal(lines.Bytes(), &asked))
		written, err := export(asked)
		made := answer{Lines: written}
		if err != nil {
			made.Error = err.Error()
		}
		must(out.Encode(made))
	}
	must(lines.Err())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func export(asked question) ([]string, error) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	allow, err := hubble.ParseFlowFilters(asked.Allowlist)
	if err != nil {
		return nil, err
	}
	deny, err := hubble.ParseFlowFilters(asked.Denylist)
	if err != nil {
		return nil, err
	}
	var out memory
	made, err := exporter.NewExporter(log,
		exporter.WithAllowList(log, allow),
		exporter.WithDenyList(log, deny),
		exporter.WithFieldMask(asked.Fields),
		exporter.WithFieldAggregate(asked.Aggregate),
		exporter.WithAggregationInterval(time.Hour),
		exporter.WithNewWriterFunc(func() (io.WriteCloser, error) { return &out, nil }),
	)
	if err != nil {
		return nil, err
	}
	for _, line := range asked.Events {
		must(made.Export(context.Background(), read(line)))
	}
	must(made.Stop())
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), nil
}

// Events come in the form in which they are exported.
func read(line []byte) *v1.Event {
	var event observer.ExportEvent
	must(protojson.Unmarshal(line, &event))
	var message proto.Message
	switch of := event.ResponseTypes.(type) {
	case *observer.ExportEvent_Flow:
		message = of.Flow
	case *observer.ExportEvent_LostEvents:
		message = of.LostEvents
	case *observer.ExportEvent_AgentEvent:
		message = of.AgentEvent
	}
	return &v1.Event{Timestamp: event.Time, Event: message}
}

