module shieldgate.test/etcd

go 1.26.0

// The one that kube-apiserver 1.34 is tested with.
require go.etcd.io/etcd/server/v3 v3.6.4

tool go.etcd.io/etcd/server/v3
