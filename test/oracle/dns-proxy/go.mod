module shieldgate.test/dns-proxy

go 1.26.0

require github.com/cilium/cilium v1.20.2

replace sigs.k8s.io/controller-tools => github.com/cilium/controller-tools v0.21.0-1
