package main

import (
	"encoding/json"
	"sort"
	"strings"

	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	autoscaling "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/openapi"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
)

// discover maps names to resources, from aggregated discovery and from the one before it.
func discover(s *session) {
	client := discovery.NewDiscoveryClientForConfigOrDie(s.config)
	mapper := restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client)), client, nil)
	found := map[string]string{}
	for _, name := range []string{"deploy", "po", "svc", "cnp", "ccnp", "cep", "sts", "cj", "ep", "roles", "lease"} {
		resource := must(mapper.ResourceFor(schema.GroupVersionResource{Resource: name}))
		kind := must(mapper.KindFor(resource))
		mapping := must(mapper.RESTMapping(kind.GroupKind(), kind.Version))
		found[name] = mapping.Resource.String() + " " + string(mapping.Scope.Name())
	}
	say("mapped", found)
	resources := func(client discovery.DiscoveryInterface) []string {
		names := []string{}
		_, lists, err := client.ServerGroupsAndResources()
		must0(err)
		for _, list := range lists {
			for _, resource := range list.APIResources {
				names = append(names, list.GroupVersion+"/"+resource.Name+" "+resource.Kind+" "+strings.Join(resource.Verbs, ","))
			}
		}
		sort.Strings(names)
		return names
	}
	legacy := discovery.NewDiscoveryClientForConfigOrDie(s.config)
	legacy.UseLegacyDiscovery = true
	aggregated, old := resources(client), resources(legacy)
	say("equal", strings.Join(aggregated, "\n") == strings.Join(old, "\n"))
	say("version", must(client.ServerVersion()).Major)
	paths := must(openapi.NewClient(client.RESTClient()).Paths())
	document := must(paths["apis/apps/v1"].Schema("application/json"))
	var parsed struct {
		Paths map[string]any `json:"paths"`
	}
	must0(json.Unmarshal(document, &parsed))
	say("openapi", parsed.Paths["/apis/apps/v1/namespaces/{namespace}/deployments"] != nil)
	say("openapi v2", must(client.OpenAPISchema()).Info.Title)
}

// dynamicObjects works with a Cilium policy and a kind that nobody serves, without types.
func dynamicObjects(s *session) {
	client := dynamic.NewForConfigOrDie(s.config)
	resource := schema.GroupVersionResource{Group: "cilium.io", Version: "v2", Resource: "ciliumnetworkpolicies"}
	policies := client.Resource(resource).Namespace("default")
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	informer := factory.ForResource(resource)
	factory.Start(s.context.Done())
	informer.Informer()
	factory.Start(s.context.Done())
	factory.WaitForCacheSync(s.context.Done())
	object := &unstructured.Unstructured{}
	must0(object.UnmarshalJSON([]byte(`{"apiVersion":"cilium.io/v2","kind":"CiliumNetworkPolicy","metadata":{"name":"p"},
		"spec":{"endpointSelector":{},"ingress":[{}]}}`)))
	made := must(policies.Create(s.context, object, metav1.CreateOptions{}))
	say("generation", made.GetGeneration())
	// The operator writes the policy's status in between.
	must0(retry.RetryOnConflict(retry.DefaultRetry, func() (err error) {
		made = must(policies.Get(s.context, "p", metav1.GetOptions{}))
		must0(unstructured.SetNestedField(made.Object, "everybody gets in", "spec", "description"))
		made, err = policies.Update(s.context, made, metav1.UpdateOptions{})
		return err
	}))
	say("next generation", made.GetGeneration())
	wrong := made.DeepCopy()
	must0(unstructured.SetNestedField(wrong.Object, "x", "spec", "ingress"))
	_, err := policies.Update(s.context, wrong, metav1.UpdateOptions{})
	say("wrong type", reason(err))
	must(policies.Apply(s.context, "applied", &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": map[string]any{"name": "applied"},
		"spec": map[string]any{"endpointSelector": map[string]any{}, "egress": []any{map[string]any{}}},
	}}, metav1.ApplyOptions{FieldManager: "dynamic"}))
	say("policies", len(must(policies.List(s.context, metav1.ListOptions{})).Items))
	_, err = client.Resource(schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "things"}).
		List(s.context, metav1.ListOptions{})
	say("unknown", reason(err))
}

// access asks who a token is and what it may do.
func access(s *session) {
	accounts := s.client.CoreV1().ServiceAccounts("default")
	must(accounts.Create(s.context, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}, metav1.CreateOptions{}))
	token := must(accounts.CreateToken(s.context, "robot", &authentication.TokenRequest{
		Spec: authentication.TokenRequestSpec{ExpirationSeconds: ptr.To(int64(600))},
	}, metav1.CreateOptions{})).Status.Token
	review := func(token string) authentication.TokenReviewStatus {
		return must(s.client.AuthenticationV1().TokenReviews().Create(s.context,
			&authentication.TokenReview{Spec: authentication.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})).Status
	}
	known := review(token)
	say("known", []any{known.Authenticated, known.User.Username, known.User.Groups})
	say("unknown", review("x.y.z").Authenticated)
	config := rest.AnonymousClientConfig(s.config)
	config.BearerToken = token
	robot := kubernetes.NewForConfigOrDie(config)
	_, err := robot.CoreV1().Pods("default").List(s.context, metav1.ListOptions{})
	say("forbidden", reason(err))
	self := must(robot.AuthenticationV1().SelfSubjectReviews().Create(s.context, &authentication.SelfSubjectReview{}, metav1.CreateOptions{}))
	say("self", self.Status.UserInfo.Username)
	may := must(s.client.AuthorizationV1().SubjectAccessReviews().Create(s.context, &authorization.SubjectAccessReview{
		Spec: authorization.SubjectAccessReviewSpec{
			User:               "system:serviceaccount:default:robot",
			ResourceAttributes: &authorization.ResourceAttributes{Namespace: "default", Verb: "get", Resource: "pods"},
		},
	}, metav1.CreateOptions{}))
	say("may", may.Status.Allowed)
	local := must(s.client.AuthorizationV1().LocalSubjectAccessReviews("default").Create(s.context, &authorization.LocalSubjectAccessReview{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default"}, Spec: may.Spec,
	}, metav1.CreateOptions{}))
	say("may here", local.Status.Allowed)
	rules := must(robot.AuthorizationV1().SelfSubjectRulesReviews().Create(s.context, &authorization.SelfSubjectRulesReview{
		Spec: authorization.SelfSubjectRulesReviewSpec{Namespace: "default"},
	}, metav1.CreateOptions{}))
	say("rules", []any{len(rules.Status.ResourceRules) > 0, rules.Status.Incomplete})
	config.BearerToken = "x.y.z"
	_, err = kubernetes.NewForConfigOrDie(config).CoreV1().Pods("default").List(s.context, metav1.ListOptions{})
	say("unauthorized", reason(err))
	acting := rest.CopyConfig(s.config)
	acting.Impersonate = rest.ImpersonationConfig{UserName: "jane", Groups: []string{"dev"}, Extra: map[string][]string{"Team": {"blue"}}}
	jane := must(kubernetes.NewForConfigOrDie(acting).AuthenticationV1().SelfSubjectReviews().Create(s.context, &authentication.SelfSubjectReview{}, metav1.CreateOptions{}))
	say("impersonated", []any{jane.Status.UserInfo.Username, jane.Status.UserInfo.Groups, jane.Status.UserInfo.Extra})
}

// metadataOnly lists and watches nothing but metadata.
func metadataOnly(s *session) {
	client := metadata.NewForConfigOrDie(s.config).Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace("default")
	must(s.client.CoreV1().ConfigMaps("default").Create(s.context, settings("m", map[string]string{"a": "b"}), metav1.CreateOptions{}))
	one := must(client.Get(s.context, "m", metav1.GetOptions{}))
	say("one", one.Name)
	stream := must(client.Watch(s.context, metav1.ListOptions{FieldSelector: "metadata.name=m", TimeoutSeconds: ptr.To(int64(1))}))
	event := <-stream.ResultChan()
	say("watched", []any{event.Type, event.Object.(*metav1.PartialObjectMetadata).Name})
	stream.Stop()
	patched := must(client.Patch(s.context, "m", "application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{}))
	say("patched", patched.Labels)
	say("listed", len(must(client.List(s.context, metav1.ListOptions{LabelSelector: "a=b"})).Items))
}

// protobuf prefers protobuf, as many controllers do; the server answers in JSON.
func protobuf(s *session) {
	config := rest.CopyConfig(s.config)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client := kubernetes.NewForConfigOrDie(config)
	maps := client.CoreV1().ConfigMaps("default")
	say("made", must(maps.Create(s.context, settings("binary", map[string]string{"a": "b"}), metav1.CreateOptions{})).Data)
	say("listed", len(must(maps.List(s.context, metav1.ListOptions{FieldSelector: "metadata.name=binary"})).Items))
	stream := must(maps.Watch(s.context, metav1.ListOptions{FieldSelector: "metadata.name=binary", TimeoutSeconds: ptr.To(int64(1))}))
	say("watched", (<-stream.ResultChan()).Type)
	stream.Stop()
	say("deleted", reason(maps.Delete(s.context, "binary", metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))})))
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf"
	_, err := kubernetes.NewForConfigOrDie(config).CoreV1().ConfigMaps("default").List(s.context, metav1.ListOptions{})
	say("only", reason(err))
}

// subresources scales, binds and evicts.
func subresources(s *session) {
	deployments := s.client.AppsV1().Deployments("default")
	say("scale", must(deployments.GetScale(s.context, "web", metav1.GetOptions{})).Spec.Replicas)
	scaled := must(deployments.UpdateScale(s.context, "web", &autoscaling.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}, Spec: autoscaling.ScaleSpec{Replicas: 3},
	}, metav1.UpdateOptions{}))
	say("scaled", []any{scaled.Spec.Replicas, scaled.Status.Selector})
	pods := s.client.CoreV1().Pods("default")
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "bound"}}
	pod.Spec.SchedulerName = "by-hand"
	pod.Spec.Containers = []corev1.Container{{Name: "a", Image: "nginx"}}
	must(pods.Create(s.context, pod, metav1.CreateOptions{}))
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "bound"}, Target: corev1.ObjectReference{Kind: "Node", Name: "k8s-w1"}}
	must0(pods.Bind(s.context, binding, metav1.CreateOptions{}))
	say("bound", must(pods.Get(s.context, "bound", metav1.GetOptions{})).Spec.NodeName)
	say("bound again", reason(pods.Bind(s.context, binding, metav1.CreateOptions{})))
	say("evicted", reason(pods.EvictV1(s.context, &policy.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "bound", Namespace: "default"}})))
	must(s.client.CoreV1().Events("default").Create(s.context, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "e-"}, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "bound", Namespace: "default"},
		Reason: "Told", Message: "by hand", Type: "Normal",
	}, metav1.CreateOptions{}))
	selector := s.client.CoreV1().Events("default").GetFieldSelector(ptr.To("bound"), ptr.To("default"), ptr.To("Pod"), nil)
	told := 0
	for _, event := range must(s.client.CoreV1().Events("default").List(s.context, metav1.ListOptions{FieldSelector: selector.String()})).Items {
		if event.Reason == "Told" {
			told++
		}
	}
	say("told", told)
}
