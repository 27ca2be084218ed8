// Plays operations on Cilium's DNS cache of one endpoint and tells what it holds after each. A line in, a line out.
package main

import (
	"bufio"
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"sort"
	"time"

	"github.com/cilium/cilium/pkg/fqdn"
)

type operation struct {
	What      string       `json:"what"`
	Name      string       `json:"name"`
	Addresses []netip.Addr `json:"addresses"`
	TTL       int          `json:"ttl"`
	NowMs     int64        `json:"nowMs"`
}

type run struct {
	MaxAddresses int         `json:"maxAddresses"`
	Operations   []operation `json:"operations"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked run
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		if err := answers.Encode(play(asked)); err != nil {
			panic(err)
		}
	}
}

func play(asked run) [][]string {
	cache := fqdn.NewDNSCacheWithLimit(0, asked.MaxAddresses)
	zombies := fqdn.NewDNSZombieMappings(slog.New(slog.DiscardHandler), 10000, asked.MaxAddresses)
	states := [][]string{}
	for _, each := range asked.Operations {
		now := time.UnixMilli(each.NowMs)
		switch each.What {
		case "record":
			// As the agent's message handler does, which passes on no answer without addresses.
			if len(each.Addresses) > 0 && cache.Update(now, each.Name, each.Addresses, each.TTL).Upserted {
				zombies.ForceExpireByNameIP(now, each.Name, each.Addresses...)
			}
		case "seen":
			for _, address := range each.Addresses {
				zombies.MarkAlive(now, address)
			}
			zombies.SetCTGCTime(now, now)
		case "collect":
			cache.GC(now, zombies)
			zombies.GC()
		case "forget":
			only := regexp.MustCompile("^" + regexp.QuoteMeta(each.Name) + "$")
			cache.ForceExpire(now, only)
			zombies.ForceExpire(now, only)
		}
		states = append(states, held(cache, zombies))
	}
	return states
}

func held(cache *fqdn.DNSCache, zombies *fqdn.DNSZombieMappings) []string {
	pairs := []string{}
	for address, names := range cache.GetIPs() {
		for _, name := range names {
			pairs = append(pairs, "lookup "+name+" "+address.String())
		}
	}
	text, err := zombies.MarshalJSON()
	if err != nil {
		panic(err)
	}
	var kept struct {
		Deletes map[string]struct {
			Names []string `json:"names"`
		} `json:"deletes"`
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		panic(err)
	}
	for address, zombie := range kept.Deletes {
		for _, name := range zombie.Names {
			pairs = append(pairs, "zombie "+name+" "+address)
		}
	}
	sort.Strings(pairs)
	return pairs
}
