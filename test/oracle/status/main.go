// Prints answers of the agent's status and health APIs as upstream's commands print them. A line of standard input is
// {"status": StatusResponse, "health": HealthStatusResponse, "verbose": bool}; a line of standard output is the text as a
// JSON string. Where the line is {"map": NAME, "rows": [...], "output": FORM}, records of the kernel's maps are printed as
// they are with -o.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"text/tabwriter"

	health "github.com/cilium/cilium/api/v1/health/models"
	"github.com/cilium/cilium/api/v1/models"
	"github.com/cilium/cilium/pkg/client"
	"github.com/cilium/cilium/pkg/command"
	healthClient "github.com/cilium/cilium/pkg/health/client"
	"github.com/cilium/cilium/pkg/maps/ctmap"
	"github.com/cilium/cilium/pkg/maps/policymap"
)

type question struct {
	Status  *models.StatusResponse
	Health  *health.HealthStatusResponse
	Verbose bool
	Brief   bool
	Map     string
	Rows    json.RawMessage
	Output  string
}

func read[T any](rows json.RawMessage) (all []T) {
	if err := json.Unmarshal(rows, &all); err != nil {
		panic(err)
	}
	return all
}

type connection[K any] struct {
	Key   K
	Value ctmap.CtEntry
}

// records are what upstream's commands hold of a map.
func records(name string, rows json.RawMessage) any {
	all := []ctmap.CtMapRecord{}
	switch name {
	case "connections of IPv4":
		for _, row := range read[connection[ctmap.CtKey4Global]](rows) {
			all = append(all, ctmap.CtMapRecord{Key: &row.Key, Value: row.Value})
		}
	case "connections of IPv6":
		for _, row := range read[connection[ctmap.CtKey6Global]](rows) {
			all = append(all, ctmap.CtMapRecord{Key: &row.Key, Value: row.Value})
		}
	default:
		return policymap.PolicyEntriesDump(read[policymap.PolicyEntryDump](rows))
	}
	return all
}

func answer(q question) string {
	var out bytes.Buffer
	if q.Brief {
		client.FormatStatusResponseBrief(&out, q.Status)
		return out.String()
	}
	w := tabwriter.NewWriter(&out, 2, 0, 3, ' ', 0)
	details, lines := client.StatusNoDetails, 10
	if q.Verbose {
		details, lines = client.StatusAllDetails, 0
	}
	client.FormatStatusResponse(w, q.Status, details)
	healthClient.FormatHealthStatusResponse(w, q.Health, q.Verbose, q.Verbose, lines)
	w.Flush()
	return out.String()
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		if q.Map != "" {
			if err := command.PrintOutputWithType(records(q.Map, q.Rows), q.Output); err != nil {
				panic(err)
			}
			continue
		}
		if err := out.Encode(answer(q)); err != nil {
			panic(err)
		}
	}
}
