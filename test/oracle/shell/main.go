// Serves upstream's shell, with its command for metrics, on the socket that is named first. Its metrics are those of the
// page in Prometheus' text form that is named second.
package main

import (
	"log/slog"
	"math"
	"os"

	"github.com/cilium/hive/cell"
	"github.com/cilium/hive/shell"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/cilium/cilium/pkg/hive"
	"github.com/cilium/cilium/pkg/metrics"
	"github.com/cilium/cilium/pkg/option"
)

// page gives what was parsed as if it had been counted here.
type page map[string]*dto.MetricFamily

func (p *page) Describe(chan<- *prometheus.Desc) {}

func (p *page) Collect(out chan<- prometheus.Metric) {
	for name, family := range *p {
		for _, metric := range family.Metric {
			names, values := []string{}, []string{}
			for _, label := range metric.Label {
				names, values = append(names, label.GetName()), append(values, label.GetValue())
			}
			out <- constant(prometheus.NewDesc(name, family.GetHelp(), names, nil), family.GetType(), metric, values)
		}
	}
}

func constant(desc *prometheus.Desc, kind dto.MetricType, metric *dto.Metric, values []string) prometheus.Metric {
	switch kind {
	case dto.MetricType_COUNTER:
		return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, metric.Counter.GetValue(), values...)
	case dto.MetricType_GAUGE:
		return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, metric.Gauge.GetValue(), values...)
	default:
		h := metric.Histogram
		buckets := map[float64]uint64{}
		for _, bucket := range h.Bucket {
			// the bucket without end stands in the text alone
			if bound := bucket.GetUpperBound(); !math.IsInf(bound, 1) {
				buckets[bound] = bucket.GetCumulativeCount()
			}
		}
		return prometheus.MustNewConstHistogram(desc, h.GetSampleCount(), h.GetSampleSum(), buckets, values...)
	}
}

func load(path string) page {
	file, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(file)
	if err != nil {
		panic(err)
	}
	return families
}

func main() {
	families := load(os.Args[2])
	h := hive.New(
		metrics.NewCell("test"),
		cell.Provide(
			func() metrics.RegistryConfig { return metrics.RegistryConfig{} },
			func() *option.DaemonConfig { return option.Config },
		),
		shell.ServerCell(os.Args[1]),
		cell.Invoke(func(registry *metrics.Registry) { registry.MustRegister(&families) }),
	)
	if err := h.Run(slog.New(slog.DiscardHandler)); err != nil {
		panic(err)
	}
}
