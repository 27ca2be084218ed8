// Program client-go drives an API server as programs written with client-go do. Called as
// `client-go KUBECONFIG CASE`, it writes what it sees as lines of JSON; a failure is the exit code 1 and a sentence.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// session is what a case works with.
type session struct {
	context context.Context
	config  *rest.Config
	client  *kubernetes.Clientset
	input   *bufio.Scanner
}

var cases = map[string]func(*session){
	"informers":    informers,
	"paging":       paging,
	"watch":        watching,
	"watch-list":   watchList,
	"apply":        apply,
	"conflicts":    conflicts,
	"patches":      patches,
	"deletions":    deletions,
	"propagation":  propagation,
	"election":     election,
	"discovery":    discover,
	"dynamic":      dynamicObjects,
	"access":       access,
	"metadata":     metadataOnly,
	"protobuf":     protobuf,
	"subresources": subresources,
	"exec":         execute,
}

// say writes one line of what was seen.
func say(key string, value any) {
	must0(json.NewEncoder(os.Stdout).Encode(map[string]any{key: value}))
}

// await reads a line from the test, which has done its part.
func (s *session) await() {
	if !s.input.Scan() {
		os.Exit(0)
	}
}

// reason is the reason of a Status, or "" for success.
func reason(err error) string {
	if err != nil && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown {
		return err.Error()
	}
	return string(apierrors.ReasonForError(err))
}

func must0(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "client-go: %v\n", err)
		os.Exit(1)
	}
}

func must[T any](value T, err error) T {
	must0(err)
	return value
}

// settings makes a ConfigMap of one namespace that all cases use.
func settings(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Data: data}
}

func main() {
	config := must(clientcmd.BuildConfigFromFlags("", os.Args[1]))
	config.QPS, config.Burst = 1000, 1000
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	run, known := cases[os.Args[2]]
	if !known {
		must0(fmt.Errorf("no case %q", os.Args[2]))
	}
	run(&session{ctx, config, kubernetes.NewForConfigOrDie(config), bufio.NewScanner(os.Stdin)})
}
