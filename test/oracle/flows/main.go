// Turns monitor events and access records into flows with Cilium's own parser. A line in, a line out; the first line is the world.
package main

import (
	"bufio"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/cilium/cilium/api/v1/flow"
	"github.com/cilium/cilium/pkg/hubble/observer/types"
	"github.com/cilium/cilium/pkg/hubble/parser"
	"github.com/cilium/cilium/pkg/hubble/parser/options"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/proxy/accesslog"
)

type redaction struct {
	Query    bool     `json:"query"`
	UserInfo bool     `json:"userInfo"`
	Allow    []string `json:"allow"`
	Deny     []string `json:"deny"`
}

type end struct {
	ID       uint64   `json:"id"`
	Address  string   `json:"address"`
	Port     uint16   `json:"port"`
	Identity uint64   `json:"identity"`
	Labels   []string `json:"labels"`
}

type record struct {
	Type        string      `json:"type"`
	Verdict     string      `json:"verdict"`
	Time        string      `json:"time"`
	Direction   string      `json:"direction"`
	Source      end         `json:"source"`
	Destination end         `json:"destination"`
	Transport   uint16      `json:"transport"`
	HTTP        *httpRecord `json:"http"`
	DNS         *dnsRecord  `json:"dns"`
}

type httpRecord struct {
	Code     int         `json:"code"`
	Method   string      `json:"method"`
	URL      string      `json:"url"`
	Protocol string      `json:"protocol"`
	Headers  [][2]string `json:"headers"`
}

type dnsRecord struct {
	Query  string       `json:"query"`
	Type   uint16       `json:"type"`
	IPs    []netip.Addr `json:"ips"`
	TTL    uint32       `json:"ttl"`
	CNAMEs []string     `json:"cnames"`
	RCode  int          `json:"rcode"`
	Types  []uint16     `json:"types"`
}

type question struct {
	Event  []byte     `json:"event"`
	Record *record    `json:"record"`
	Redact *redaction `json:"redact"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	lines.Scan()
	var known world
	must(json.Unmarshal(lines.Bytes(), &known))
	parsers := map[string]*parser.Parser{}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		var asked question
		must(json.Unmarshal(lines.Bytes(), &asked))
		key, _ := json.Marshal(asked.Redact)
		if parsers[string(key)] == nil {
			parsers[string(key)] = newParser(&known, asked.Redact)
		}
		out.WriteString(answer(parsers[string(key)], asked))
		out.WriteString("\n")
	}
}

func newParser(known *world, redact *redaction) *parser.Parser {
	var chosen []options.Option
	if redact != nil {
		chosen = append(chosen, options.WithRedact(redact.Query, redact.UserInfo, redact.Allow, redact.Deny))
	}
	made, err := parser.New(slog.New(slog.DiscardHandler), known, known, known, known, known, known, nil, chosen...)
	must(err)
	return made
}

func answer(with *parser.Parser, asked question) string {
	event := &types.MonitorEvent{UUID: uuid.Nil, Timestamp: time.Unix(1, 0)}
	if asked.Record == nil {
		event.Payload = &types.PerfEvent{Data: asked.Event}
	} else {
		event.Payload = &types.AgentEvent{Type: 129, Message: *logRecord(asked.Record)}
	}
	decoded, err := with.Decode(event)
	if err != nil {
		text, _ := json.Marshal(map[string]string{"error": err.Error()})
		return string(text)
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(decoded.Event.(*flow.Flow))
	must(err)
	// protojson varies its spaces on purpose
	var plain any
	must(json.Unmarshal(text, &plain))
	text, err = json.Marshal(plain)
	must(err)
	return string(text)
}

func endpointInfo(from end) accesslog.EndpointInfo {
	info := accesslog.EndpointInfo{ID: from.ID, Port: from.Port, Identity: from.Identity}
	if netip.MustParseAddr(from.Address).Is4() {
		info.IPv4 = from.Address
	} else {
		info.IPv6 = from.Address
	}
	info.Labels = labels.ParseLabelArray(from.Labels...)
	return info
}

func logRecord(from *record) *accesslog.LogRecord {
	made := &accesslog.LogRecord{
		Type:                accesslog.FlowType(from.Type),
		Timestamp:           from.Time,
		ObservationPoint:    accesslog.ObservationPoint(from.Direction),
		SourceEndpoint:      endpointInfo(from.Source),
		DestinationEndpoint: endpointInfo(from.Destination),
		Verdict:             accesslog.FlowVerdict(from.Verdict),
		TransportProtocol:   accesslog.TransportProtocol(from.Transport),
	}
	if made.SourceEndpoint.IPv6 != "" {
		made.IPVersion = accesslog.VersionIPV6
	}
	if from.HTTP != nil {
		location, err := url.Parse(from.HTTP.URL)
		must(err)
		headers := http.Header{}
		for _, header := range from.HTTP.Headers {
			headers.Add(header[0], header[1])
		}
		made.HTTP = &accesslog.LogRecordHTTP{
			Code: from.HTTP.Code, Method: from.HTTP.Method, URL: location, Protocol: from.HTTP.Protocol, Headers: headers,
		}
	}
	if from.DNS != nil {
		made.DNS = &accesslog.LogRecordDNS{
			Query: from.DNS.Query, IPs: from.DNS.IPs, TTL: from.DNS.TTL, CNAMEs: from.DNS.CNAMEs, RCode: from.DNS.RCode,
			ObservationSource: accesslog.DNSSourceProxy, QTypes: []uint16{from.DNS.Type}, AnswerTypes: from.DNS.Types,
		}
	}
	return made
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
