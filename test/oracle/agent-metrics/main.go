// Lists the metrics of Cilium's agent: name, type, labels and buckets, a line each in JSON; then
// the names of those that are served before anything is counted.
package main

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cilium/cilium/pkg/metrics"
)

type family struct {
	Name    string    `json:"name"`
	Type    string    `json:"type"`
	Labels  []string  `json:"labels"`
	Buckets []float64 `json:"buckets,omitempty"`
}

var described = regexp.MustCompile(`fqName: "([^"]*)".*variableLabels: \{([^}]*)\}`)

func main() {
	out := json.NewEncoder(os.Stdout)
	atRest := []string{}
	all := reflect.ValueOf(metrics.NewLegacyMetrics()).Elem()
	for i := range all.NumField() {
		collector, ok := all.Field(i).Interface().(prometheus.Collector)
		if !ok {
			continue
		}
		atRest = append(atRest, served(collector)...)
		if found, ok := describe(collector, all.Field(i)); ok {
			if err := out.Encode(found); err != nil {
				panic(err)
			}
		}
	}
	if err := out.Encode(map[string][]string{"atRest": atRest}); err != nil {
		panic(err)
	}
}

func served(collector prometheus.Collector) (names []string) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil {
		panic(err)
	}
	for _, found := range families {
		names = append(names, found.GetName())
	}
	return names
}

func describe(collector prometheus.Collector, field reflect.Value) (found family, ok bool) {
	descriptions := make(chan *prometheus.Desc, 8)
	collector.Describe(descriptions)
	close(descriptions)
	for description := range descriptions {
		parts := described.FindStringSubmatch(description.String())
		if parts == nil {
			return found, false
		}
		found.Name = parts[1]
		found.Labels = []string{}
		if parts[2] != "" {
			found.Labels = strings.Split(parts[2], ",")
		}
		return gather(found, collector, field)
	}
	return found, false
}

// One series of empty labels tells type and buckets.
func gather(found family, collector prometheus.Collector, field reflect.Value) (family, bool) {
	if with := field.Elem().MethodByName("WithLabelValues"); with.IsValid() {
		values := make([]reflect.Value, len(found.Labels))
		for i := range values {
			values[i] = reflect.ValueOf("")
		}
		made := with.Call(values)[0].Interface()
		if observer, isObserver := made.(prometheus.Observer); isObserver {
			observer.Observe(0)
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		return found, false
	}
	found.Type = strings.ToLower(families[0].GetType().String())
	for _, bucket := range families[0].GetMetric()[0].GetHistogram().GetBucket() {
		if !math.IsInf(bucket.GetUpperBound(), 1) {
			found.Buckets = append(found.Buckets, bucket.GetUpperBound())
		}
	}
	return found, true
}
