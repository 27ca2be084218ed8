// Plays DNS messages on Cilium's DNS proxy: what its client gets, whether the server was asked, what is learned. A line in, a line out.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/cilium/dns"

	"github.com/cilium/cilium/pkg/endpoint"
	"github.com/cilium/cilium/pkg/fqdn/dnsproxy"
	"github.com/cilium/cilium/pkg/fqdn/restore"
	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/ipcache"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"
	"github.com/cilium/cilium/pkg/u8proto"
)

// quiet is the silence after which nothing more is expected.
const quiet = 250 * time.Millisecond

// said is a message of the server; with the ID that it was asked under in place of its own where that is wanted.
type said struct {
	Hex   string `json:"hex"`
	OwnID bool   `json:"ownId"`
}

type run struct {
	Rules    []api.PortRuleDNS `json:"rules"`
	Question string            `json:"question"`
	Answers  []said            `json:"answers"`
}

type outcome struct {
	Gets    []int    `json:"gets"`
	Passes  bool     `json:"passes"`
	Learned []string `json:"learned"`
}

func main() {
	var runs []run
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var asked run
		check(json.Unmarshal(lines.Bytes(), &asked))
		runs = append(runs, asked)
	}
	outcomes := make([]outcome, len(runs))
	var all sync.WaitGroup
	for index, asked := range runs {
		all.Go(func() { outcomes[index] = play(asked) })
	}
	all.Wait()
	answers := json.NewEncoder(os.Stdout)
	for _, each := range outcomes {
		check(answers.Encode(each))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func bytesOf(text string) []byte {
	decoded, err := hex.DecodeString(text)
	check(err)
	return decoded
}

// anybody is selected, and asks for its endpoint.
type anybody struct{ policy.CachedSelector }

func (anybody) Selects(identity.NumericIdentity) bool { return true }
func (anybody) IsWildcard() bool                      { return true }
func (anybody) String() string                        { return "anybody" }

type world struct{ endpoint *endpoint.Endpoint }

func (w world) LookupRegisteredEndpoint(netip.Addr) (*endpoint.Endpoint, bool, error) {
	return w.endpoint, false, nil
}
func (world) LookupByIdentity(identity.NumericIdentity) []string { return nil }
func (world) LookupSecIDByIP(netip.Addr) (ipcache.Identity, bool) {
	return ipcache.Identity{ID: 1001}, true
}

// redirected is a client's way to the server, as the kernel tells it of a packet that it redirected.
type redirected struct {
	dns.ResponseWriter
	server net.Addr
}

func (r redirected) LocalAddr() net.Addr { return r.server }

func loopback() *net.UDPConn {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(err)
	return socket
}

func play(asked run) outcome {
	var learned []string
	var lock sync.Mutex
	server := &server{socket: loopback(), answers: asked.Answers}
	defer server.socket.Close()
	go server.serve()
	logger := slog.New(slog.DiscardHandler)
	proxy := dnsproxy.NewDNSProxy(dnsproxy.DNSProxyConfig{Logger: logger, IPv4: true, EnableDNSCompression: true},
		world{&endpoint.Endpoint{ID: 7}},
		func(_ time.Time, _ *endpoint.Endpoint, _ string, _ identity.NumericIdentity, _ netip.AddrPort, details *dnsproxy.MsgDetails, _ string, allowed bool, _ *dnsproxy.ProxyRequestContext) error {
			// As the agent's message handler, which learns from answers that are no errors.
			if !allowed || !details.Response || details.RCode != dns.RcodeSuccess {
				return nil
			}
			lock.Lock()
			defer lock.Unlock()
			for _, address := range details.ResponseIPs {
				learned = append(learned, address.String())
			}
			return nil
		})
	port := uint16(server.socket.LocalAddr().(*net.UDPAddr).Port)
	rules := policy.L7DataMap{anybody{}: &policy.PerSelectorPolicy{L7Rules: api.L7Rules{DNS: asked.Rules}}}
	_, err := proxy.UpdateAllowed(7, restore.MakeV2PortProto(port, u8proto.UDP), rules)
	check(err)
	listener := loopback()
	to := server.socket.LocalAddr()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		proxy.ServeDNS(redirected{w, to}, question)
	})
	go func() { _ = (&dns.Server{PacketConn: listener, Handler: handler}).ActivateAndServe() }()
	defer listener.Close()
	gets := exchange(listener.LocalAddr(), bytesOf(asked.Question))
	lock.Lock()
	defer lock.Unlock()
	return outcome{Gets: gets, Passes: server.wasAsked(), Learned: append([]string{}, learned...)}
}

// exchange tells the codes of the answers.
func exchange(to net.Addr, question []byte) []int {
	client := loopback()
	defer client.Close()
	_, err := client.WriteTo(question, to)
	check(err)
	codes := []int{}
	buffer := make([]byte, 1<<16)
	for {
		check(client.SetReadDeadline(time.Now().Add(quiet)))
		length, _, err := client.ReadFrom(buffer)
		if err != nil {
			return codes
		}
		if length > 3 {
			codes = append(codes, int(buffer[3]&15))
		}
	}
}

// server says what it is to say, whatever it is asked.
type server struct {
	socket  *net.UDPConn
	answers []said
	lock    sync.Mutex
	asked   bool
}

func (s *server) serve() {
	buffer := make([]byte, 1<<16)
	for {
		length, from, err := s.socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		s.lock.Lock()
		s.asked = true
		s.lock.Unlock()
		for _, each := range s.answers {
			answer := bytesOf(each.Hex)
			if each.OwnID && length >= 2 && len(answer) >= 2 {
				copy(answer, buffer[:2])
			}
			_, _ = s.socket.WriteTo(answer, from)
		}
	}
}

func (s *server) wasAsked() bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.asked
}
