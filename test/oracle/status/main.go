// Prints answers of the agent's status and health APIs as upstream's commands print them. A line of standard input is
// {"status": StatusResponse, "health": HealthStatusResponse, "verbose": bool}; a line of standard output is the text as a
// JSON string.
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
	healthClient "github.com/cilium/cilium/pkg/health/client"
)

type question struct {
	Status  *models.StatusResponse
	Health  *health.HealthStatusResponse
	Verbose bool
	Brief   bool
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
		if err := out.Encode(answer(q)); err != nil {
			panic(err)
		}
	}
}
