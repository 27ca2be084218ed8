package main

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	appsconfig "k8s.io/client-go/applyconfigurations/apps/v1"
	coreconfig "k8s.io/client-go/applyconfigurations/core/v1"
	metaconfig "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
)

var everything = labels.Everything()

// owners lists who manages an object, in the order of its managed fields.
func owners(object metav1.Object) []string {
	names := []string{}
	for _, entry := range object.GetManagedFields() {
		names = append(names, entry.Manager+" "+string(entry.Operation)+" "+entry.Subresource)
	}
	return names
}

// apply lets two managers want the same field, and one of them gives its own up.
func apply(s *session) {
	maps := s.client.CoreV1().ConfigMaps("default")
	want := func(data map[string]string) *coreconfig.ConfigMapApplyConfiguration {
		return coreconfig.ConfigMap("applied", "default").WithData(data)
	}
	must(maps.Apply(s.context, want(map[string]string{"a": "1", "b": "1"}), metav1.ApplyOptions{FieldManager: "one"}))
	_, err := maps.Apply(s.context, want(map[string]string{"a": "2"}), metav1.ApplyOptions{FieldManager: "two"})
	say("conflict", reason(err))
	causes := []string{}
	if status, ok := err.(apierrors.APIStatus); ok {
		for _, cause := range status.Status().Details.Causes {
			causes = append(causes, string(cause.Type)+" "+cause.Field)
		}
	}
	say("causes", causes)
	forced := must(maps.Apply(s.context, want(map[string]string{"a": "2"}), metav1.ApplyOptions{FieldManager: "two", Force: true}))
	say("forced", forced.Data)
	say("owners", owners(forced))
	given := must(maps.Apply(s.context, want(map[string]string{}), metav1.ApplyOptions{FieldManager: "one"}))
	say("given up", given.Data)
	same := must(maps.Apply(s.context, want(map[string]string{"a": "2"}), metav1.ApplyOptions{FieldManager: "two"}))
	say("unchanged", same.ResourceVersion == given.ResourceVersion)
	extracted := must(coreconfig.ExtractConfigMap(same, "two"))
	say("extracted", extracted.Data)
	_, err = maps.Apply(s.context, want(nil), metav1.ApplyOptions{})
	say("no manager", reason(err))
	deployment := appsconfig.Deployment("web", "default").WithSpec(appsconfig.DeploymentSpec().WithReplicas(2).
		WithSelector(metaconfig.LabelSelector().WithMatchLabels(map[string]string{"app": "web"})).
		WithTemplate(coreconfig.PodTemplateSpec().WithLabels(map[string]string{"app": "web"}).
			WithSpec(coreconfig.PodSpec().WithContainers(coreconfig.Container().WithName("a").WithImage("nginx").
				WithPorts(coreconfig.ContainerPort().WithContainerPort(80))))))
	deployments := s.client.AppsV1().Deployments("default")
	made := must(deployments.Apply(s.context, deployment, metav1.ApplyOptions{FieldManager: "one"}))
	say("deployment", made.Generation)
	deployment.Spec.Template.Spec.Containers[0].WithEnv(coreconfig.EnvVar().WithName("E").WithValue("x"))
	changed := must(deployments.Apply(s.context, deployment, metav1.ApplyOptions{FieldManager: "one"}))
	say("changed", []any{changed.Generation, len(changed.Spec.Template.Spec.Containers), changed.Spec.Template.Spec.Containers[0].Env})
	status := appsconfig.Deployment("web", "default").WithStatus(appsconfig.DeploymentStatus().WithReplicas(1))
	reported := must(deployments.ApplyStatus(s.context, status, metav1.ApplyOptions{FieldManager: "three"}))
	say("status", []any{reported.Status.Replicas, reported.Generation, owners(reported)})
}

// conflicts has eight writers count one number up, each ten times, with client-go's retry.
func conflicts(s *session) {
	maps := s.client.CoreV1().ConfigMaps("default")
	made := must(maps.Create(s.context, settings("counter", map[string]string{"n": ""}), metav1.CreateOptions{}))
	stale := made.DeepCopy()
	must(maps.Update(s.context, made, metav1.UpdateOptions{}))
	made.Data["n"] = "x"
	must(maps.Update(s.context, made, metav1.UpdateOptions{}))
	_, err := maps.Update(s.context, stale, metav1.UpdateOptions{})
	say("stale", reason(err))
	var writers sync.WaitGroup
	backoff := retry.DefaultBackoff
	backoff.Steps = 50
	for range 8 {
		writers.Go(func() {
			for range 10 {
				must0(retry.RetryOnConflict(backoff, func() error {
					current, err := maps.Get(s.context, "counter", metav1.GetOptions{})
					if err != nil {
						return err
					}
					current.Data["n"] += "x"
					_, err = maps.Update(s.context, current, metav1.UpdateOptions{})
					return err
				}))
			}
		})
	}
	writers.Wait()
	say("count", len(must(maps.Get(s.context, "counter", metav1.GetOptions{})).Data["n"]))
	_, err = maps.Create(s.context, settings("counter", nil), metav1.CreateOptions{})
	say("again", reason(err))
	dry := must(maps.Create(s.context, settings("dry", nil), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}))
	say("dry", dry.UID != "")
	_, err = maps.Get(s.context, "dry", metav1.GetOptions{})
	say("nothing", reason(err))
}

// patches sends each of the four kinds.
func patches(s *session) {
	pods := s.client.CoreV1().Pods("default")
	must(pods.Create(s.context, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "patched", Labels: map[string]string{"a": "1", "b": "2"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: "one", Image: "nginx:1"}, {Name: "two", Image: "nginx:2"},
		}},
	}, metav1.CreateOptions{}))
	send := func(kind types.PatchType, body string) string {
		options := metav1.PatchOptions{}
		if kind == types.ApplyPatchType {
			options = metav1.PatchOptions{FieldManager: "patcher", Force: ptr.To(true)}
		}
		pod, err := pods.Patch(s.context, "patched", kind, []byte(body), options)
		if err != nil {
			return reason(err)
		}
		text := labels.Set(pod.Labels).String()
		for _, container := range pod.Spec.Containers {
			text += " " + container.Name + "=" + container.Image
		}
		return text
	}
	say("json", send(types.JSONPatchType,
		`[{"op":"test","path":"/metadata/labels/a","value":"1"},{"op":"replace","path":"/spec/containers/0/image","value":"nginx:3"}]`))
	say("json refused", send(types.JSONPatchType, `[{"op":"test","path":"/metadata/labels/a","value":"9"}]`))
	say("merge", send(types.MergePatchType, `{"metadata":{"labels":{"b":null,"c":"3"}}}`))
	say("strategic", send(types.StrategicMergePatchType, `{"spec":{"containers":[{"name":"two","image":"nginx:4"}]}}`))
	say("apply", send(types.ApplyPatchType,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"patched","labels":{"d":"4"}}}`))
	say("immutable", send(types.StrategicMergePatchType, `{"spec":{"nodeName":"x","hostNetwork":true}}`))
	say("no patch", send(types.MergePatchType, `{`))
}
