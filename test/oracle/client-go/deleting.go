package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
)

// deletions uses preconditions, finalizers and a collection.
func deletions(s *session) {
	maps := s.client.CoreV1().ConfigMaps("default")
	made := must(maps.Create(s.context, settings("kept", nil), metav1.CreateOptions{}))
	other := types.UID("00000000-0000-0000-0000-000000000000")
	say("other uid", reason(maps.Delete(s.context, "kept", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})))
	say("other revision", reason(maps.Delete(s.context, "kept", metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{ResourceVersion: ptr.To("1")},
	})))
	say("dry run", reason(maps.Delete(s.context, "kept", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})))
	made.Finalizers = []string{"example.com/hold"}
	made = must(maps.Update(s.context, made, metav1.UpdateOptions{}))
	say("held", reason(maps.Delete(s.context, "kept", metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &made.UID, ResourceVersion: &made.ResourceVersion},
	})))
	held := must(maps.Get(s.context, "kept", metav1.GetOptions{}))
	say("terminating", held.DeletionTimestamp != nil)
	held.Finalizers = nil
	must(maps.Update(s.context, held, metav1.UpdateOptions{}))
	_, err := maps.Get(s.context, "kept", metav1.GetOptions{})
	say("gone", reason(err))
	for _, name := range []string{"c1", "c2", "d1"} {
		object := settings(name, nil)
		object.Labels = map[string]string{"group": name[:1]}
		must(maps.Create(s.context, object, metav1.CreateOptions{}))
	}
	must0(maps.DeleteCollection(s.context, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "group=c"}))
	say("left", len(must(maps.List(s.context, metav1.ListOptions{LabelSelector: "group"})).Items))
}

// propagation deletes three owners in three ways; the server's controllers do what is asked.
func propagation(s *session) {
	maps := s.client.CoreV1().ConfigMaps("default")
	gone := func(name string) bool {
		return wait.PollUntilContextTimeout(s.context, 10*time.Millisecond, 10*time.Second, true, conditionGone(s, name)) == nil
	}
	for _, policy := range []metav1.DeletionPropagation{
		metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan,
	} {
		owner := must(maps.Create(s.context, settings("owner", nil), metav1.CreateOptions{}))
		child := settings("child", nil)
		child.OwnerReferences = []metav1.OwnerReference{
			{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID, BlockOwnerDeletion: ptr.To(true)},
		}
		must(maps.Create(s.context, child, metav1.CreateOptions{}))
		must0(maps.Delete(s.context, "owner", metav1.DeleteOptions{PropagationPolicy: &policy}))
		result := map[string]any{"owner gone": gone("owner")}
		if policy == metav1.DeletePropagationOrphan {
			left := must(maps.Get(s.context, "child", metav1.GetOptions{}))
			result["child's owners"] = len(left.OwnerReferences)
			must0(maps.Delete(s.context, "child", metav1.DeleteOptions{}))
		} else {
			result["child gone"] = gone("child")
		}
		say(string(policy), result)
	}
	namespaces := s.client.CoreV1().Namespaces()
	must(namespaces.Create(s.context, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "short"}}, metav1.CreateOptions{}))
	must(s.client.CoreV1().ConfigMaps("short").Create(s.context, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "in"}}, metav1.CreateOptions{}))
	must0(namespaces.Delete(s.context, "short", metav1.DeleteOptions{}))
	say("namespace", wait.PollUntilContextTimeout(s.context, 10*time.Millisecond, 10*time.Second, true, namespaceGone(s)) == nil)
}

// conditionGone holds when the ConfigMap does not exist.
func conditionGone(s *session, name string) wait.ConditionWithContextFunc {
	return func(ctx context.Context) (bool, error) {
		_, err := s.client.CoreV1().ConfigMaps("default").Get(ctx, name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	}
}

// namespaceGone holds when the namespace has ended.
func namespaceGone(s *session) wait.ConditionWithContextFunc {
	return func(ctx context.Context) (bool, error) {
		_, err := s.client.CoreV1().Namespaces().Get(ctx, "short", metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	}
}
