// Builds upstream's cilium-health command, the client that our health API is tested with.
package main

import "github.com/cilium/cilium/cilium-health/cmd"

func main() {
	cmd.Execute()
}
