package main

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// election has two candidates; the first leads, lets go, and the second takes over.
func election(s *session) {
	leads := make(chan string, 2)
	candidate := func(ctx context.Context, name string) {
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Name: "leader", Namespace: "default"},
				Client:     s.client.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: name},
			},
			LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 100 * time.Millisecond,
			ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) { leads <- name; <-ctx.Done() },
				OnStoppedLeading: func() {},
			},
		})
	}
	first, stop := context.WithCancel(s.context)
	go candidate(first, "one")
	say("leader", <-leads)
	go candidate(s.context, "two")
	select {
	case name := <-leads:
		say("two leaders", name)
	case <-time.After(500 * time.Millisecond):
	}
	stop()
	say("next", <-leads)
	lease := must(s.client.CoordinationV1().Leases("default").Get(s.context, "leader", metav1.GetOptions{}))
	say("lease", []any{*lease.Spec.HolderIdentity, *lease.Spec.LeaseTransitions, *lease.Spec.LeaseDurationSeconds})
	say("precise", lease.Spec.RenewTime.Nanosecond()%1000 == 0)
}
