// Builds upstream's cilium-dbg command, the client that the agent's API is tested with.
package main

import "github.com/cilium/cilium/cilium-dbg/cmd"

func main() {
	cmd.Execute()
}
