// Counts flows with Hubble's own metric handlers. A line in is a list of metrics and flows; a line out is what was gathered.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/cilium/cilium/api/v1/flow"
	"github.com/cilium/cilium/pkg/hubble/metrics/api"
	_ "github.com/cilium/cilium/pkg/hubble/metrics/dns"
	_ "github.com/cilium/cilium/pkg/hubble/metrics/drop"
	_ "github.com/cilium/cilium/pkg/hubble/metrics/flow"
	_ "github.com/cilium/cilium/pkg/hubble/metrics/flows-to-world"
	_ "github.com/cilium/cilium/pkg/hubble/metrics/http"
	_ "github.com/cilium/cilium/pkg/hubble/metrics/icmp"
	_ "github.com/cilium/cilium/pkg/hubble/metrics/policy"
	_ "github.com/cilium/cilium/pkg/hubble/metrics/port-distribution"
	_ "github.com/cilium/cilium/pkg/hubble/metrics/sctp"
	_ "github.com/cilium/cilium/pkg/hubble/metrics/tcp"
	"github.com/cilium/cilium/pkg/k8s/types"
	metav1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/apis/meta/v1"
)

type question struct {
	Metrics string            `json:"metrics"`
	Flows   []json.RawMessage `json:"flows"`
	Gone    []string          `json:"gone"`
}

type series struct {
	Labels   map[string]string `json:"labels"`
	Value    float64           `json:"value"`
	Buckets  map[string]uint64 `json:"buckets,omitempty"`
	Exemplar []string          `json:"exemplars,omitempty"`
}

type family struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	Series []series `json:"series"`
}

type answer struct {
	Families []family `json:"families"`
	Error    string   `json:"error,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		must(json.Unmarshal(lines.Bytes(), &asked))
		must(out.Encode(count(asked)))
	}
	must(lines.Err())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func count(asked question) answer {
	registry := prometheus.NewPedanticRegistry()
	config := api.ParseStaticMetricsConfig(strings.Fields(asked.Metrics))
	handlers, err := api.DefaultRegistry().ConfigureHandlers(slog.New(slog.NewTextHandler(io.Discard, nil)), registry, config)
	if err != nil {
		return answer{Error: err.Error()}
	}
	for _, line := range asked.Flows {
		var one flow.Flow
		must(protojson.Unmarshal(line, &one))
		for _, handler := range *handlers {
			must(handler.Handler.ProcessFlow(context.Background(), &one))
		}
	}
	for _, pod := range asked.Gone {
		namespace, name, _ := strings.Cut(pod, "/")
		endpoint := &types.CiliumEndpoint{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
		api.ProcessCiliumEndpointDeletion(endpoint, *handlers)
	}
	gathered, err := registry.Gather()
	must(err)
	found := answer{Families: []family{}}
	for _, one := range gathered {
		found.Families = append(found.Families, toFamily(one))
	}
	return found
}

func toFamily(from *dto.MetricFamily) family {
	made := family{Name: from.GetName(), Type: strings.ToLower(from.GetType().String())}
	for _, metric := range from.GetMetric() {
		one := series{Labels: map[string]string{}}
		for _, label := range metric.GetLabel() {
			one.Labels[label.GetName()] = label.GetValue()
		}
		if counter := metric.GetCounter(); counter != nil {
			one.Value = counter.GetValue()
			one.Exemplar = appendExemplar(nil, counter.GetExemplar())
		}
		if histogram := metric.GetHistogram(); histogram != nil {
			one.Value = histogram.GetSampleSum()
			one.Buckets = map[string]uint64{}
			for _, bucket := range histogram.GetBucket() {
				if !math.IsInf(bucket.GetUpperBound(), 1) {
					text, _ := json.Marshal(bucket.GetUpperBound())
					one.Buckets[string(text)] = bucket.GetCumulativeCount()
				}
				one.Exemplar = appendExemplar(one.Exemplar, bucket.GetExemplar())
			}
			one.Buckets["+Inf"] = histogram.GetSampleCount()
		}
		made.Series = append(made.Series, one)
	}
	return made
}

func appendExemplar(to []string, from *dto.Exemplar) []string {
	if from == nil {
		return to
	}
	value, _ := json.Marshal(from.GetValue())
	return append(to, from.GetLabel()[0].GetName()+"="+from.GetLabel()[0].GetValue()+" "+string(value))
}
