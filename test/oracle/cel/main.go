// Filters a flow by Hubble's own CEL expressions. A line in has an expression and a flow; a line out says whether it passes, or why the expression is none.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"os"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/cilium/cilium/api/v1/flow"
	v1 "github.com/cilium/cilium/pkg/hubble/api/v1"
	"github.com/cilium/cilium/pkg/hubble/filters"
)

type question struct {
	Expression string          `json:"expression"`
	Flow       json.RawMessage `json:"flow"`
}

type answer struct {
	Passes bool   `json:"passes"`
	Error  string `json:"error,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	out := json.NewEncoder(os.Stdout)
	log := slog.New(slog.DiscardHandler)
	for lines.Scan() {
		var asked question
		must(json.Unmarshal(lines.Bytes(), &asked))
		var seen flow.Flow
		must(protojson.Unmarshal(asked.Flow, &seen))
		filter := &flow.FlowFilter{Experimental: &flow.FlowFilter_Experimental{CelExpression: []string{asked.Expression}}}
		list, err := filters.BuildFilterList(context.Background(), []*flow.FlowFilter{filter}, filters.DefaultFilters(log))
		if err != nil {
			must(out.Encode(answer{Error: err.Error()}))
			continue
		}
		must(out.Encode(answer{Passes: list.MatchOne(&v1.Event{Event: &seen})}))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
