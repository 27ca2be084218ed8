package main

import (
	"fmt"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clientinformers "k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/pager"
	"k8s.io/utils/ptr"
)

// informers follows ConfigMaps with a resync each second; the test restarts the server in between.
func informers(s *session) {
	factory := clientinformers.NewSharedInformerFactoryWithOptions(s.client, time.Second,
		clientinformers.WithNamespace("default"))
	informer := factory.Core().V1().ConfigMaps().Informer()
	resynced := make(chan struct{}, 100)
	must(informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) { say("added", object.(*corev1.ConfigMap).Name) },
		UpdateFunc: func(before, after any) {
			if before.(*corev1.ConfigMap).ResourceVersion == after.(*corev1.ConfigMap).ResourceVersion {
				select {
				case resynced <- struct{}{}:
				default:
				}
				return
			}
			say("updated", after.(*corev1.ConfigMap).Name+"="+after.(*corev1.ConfigMap).Data["v"])
		},
		DeleteFunc: func(object any) {
			if gone, missed := object.(cache.DeletedFinalStateUnknown); missed {
				say("deleted", gone.Key)
				return
			}
			say("deleted", object.(*corev1.ConfigMap).Name)
		},
	}))
	factory.Start(s.context.Done())
	say("synced", cache.WaitForCacheSync(s.context.Done(), informer.HasSynced))
	<-resynced
	say("resynced", true)
	s.await()
	names := []string{}
	for _, settings := range must(factory.Core().V1().ConfigMaps().Lister().List(everything)) {
		names = append(names, settings.Name)
	}
	sort.Strings(names)
	say("cache", names)
}

// paging reads a list in pages, while the test's first page is already out of date.
func paging(s *session) {
	maps := s.client.CoreV1().ConfigMaps("default")
	for index := range 7 {
		must(maps.Create(s.context, settings(fmt.Sprintf("page-%d", index), nil), metav1.CreateOptions{}))
	}
	options := metav1.ListOptions{Limit: 3, FieldSelector: "metadata.name!=kube-root-ca.crt"}
	first := must(maps.List(s.context, options))
	say("first", len(first.Items))
	say("remaining", first.RemainingItemCount)
	must0(maps.Delete(s.context, "page-6", metav1.DeleteOptions{}))
	options.Continue = first.Continue
	second := must(maps.List(s.context, options))
	options.Continue = second.Continue
	third := must(maps.List(s.context, options))
	say("later", []int{len(second.Items), len(third.Items)})
	say("same revision", first.ResourceVersion == second.ResourceVersion && second.ResourceVersion == third.ResourceVersion)
	say("ends", third.Continue == "")
	seen := 0
	pages := pager.New(pager.SimplePageFunc(func(options metav1.ListOptions) (runtime.Object, error) {
		return maps.List(s.context, options)
	}))
	pages.PageSize = 2
	must0(pages.EachListItem(s.context, metav1.ListOptions{}, func(runtime.Object) error { seen++; return nil }))
	say("pager", seen)
	_, err := maps.List(s.context, metav1.ListOptions{Continue: "nonsense"})
	say("nonsense", reason(err))
	say("count", len(must(maps.List(s.context, metav1.ListOptions{ResourceVersion: "0", LabelSelector: "a in (b)"})).Items))
}

// watching reads changes from a revision, with a selector that an object enters and leaves.
func watching(s *session) {
	maps := s.client.CoreV1().ConfigMaps("default")
	start := must(maps.List(s.context, metav1.ListOptions{})).ResourceVersion
	made := must(maps.Create(s.context, settings("seen", nil), metav1.CreateOptions{}))
	made.Labels = map[string]string{"app": "a"}
	made = must(maps.Update(s.context, made, metav1.UpdateOptions{}))
	made.Labels = nil
	must(maps.Update(s.context, made, metav1.UpdateOptions{}))
	must0(maps.Delete(s.context, "seen", metav1.DeleteOptions{}))
	selectors := map[string]metav1.ListOptions{
		"all":   {ResourceVersion: start, FieldSelector: fields.OneTermEqualSelector("metadata.name", "seen").String()},
		"label": {ResourceVersion: start, LabelSelector: "app=a"},
	}
	for _, name := range []string{"all", "label"} {
		options := selectors[name]
		options.TimeoutSeconds = ptr.To(int64(1))
		types := []watch.EventType{}
		for event := range must(maps.Watch(s.context, options)).ResultChan() {
			types = append(types, event.Type)
		}
		say(name, types)
	}
}

// watchList asks for the initial events of a streaming list, to their end and one change beyond.
func watchList(s *session) {
	maps := s.client.CoreV1().ConfigMaps("default")
	must(maps.Create(s.context, settings("first", nil), metav1.CreateOptions{}))
	stream := must(maps.Watch(s.context, metav1.ListOptions{
		SendInitialEvents: ptr.To(true), AllowWatchBookmarks: true, TimeoutSeconds: ptr.To(int64(20)),
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
		FieldSelector:        "metadata.name!=kube-root-ca.crt",
	}))
	defer stream.Stop()
	for event := range stream.ResultChan() {
		object := must(meta.Accessor(event.Object))
		say(string(event.Type), map[string]any{"name": object.GetName(), "annotations": object.GetAnnotations()})
		if event.Type == watch.Bookmark {
			say("revision", object.GetResourceVersion() == must(maps.List(s.context, metav1.ListOptions{})).ResourceVersion)
			must(maps.Create(s.context, settings("second", nil), metav1.CreateOptions{}))
		}
		if object.GetName() == "second" {
			break
		}
	}
	_, err := maps.Watch(s.context, metav1.ListOptions{SendInitialEvents: ptr.To(true)})
	say("without match", reason(err))
	_, err = maps.Watch(s.context, metav1.ListOptions{
		SendInitialEvents: ptr.To(true), ResourceVersionMatch: metav1.ResourceVersionMatchExact,
	})
	say("exact", reason(err))
	_, err = maps.List(s.context, metav1.ListOptions{SendInitialEvents: ptr.To(true), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan})
	say("list", reason(err))
}
