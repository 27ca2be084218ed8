module shieldgate.test/cilium-dbg

go 1.26.0

require github.com/cilium/cilium v1.20.2

replace sigs.k8s.io/controller-tools => github.com/cilium/controller-tools v0.21.0-1

// The commit that Cilium names is no longer to be had.
replace github.com/osrg/gobgp/v4 => github.com/osrg/gobgp/v4 v4.7.0
