// Builds upstream's hubble command, the client that our Observer and Relay are tested with.
package main

import (
	"os"

	"github.com/cilium/cilium/hubble/cmd"
)

func main() {
	if err := cmd.Execute(); err != nil {
		os.Exit(1)
	}
}
