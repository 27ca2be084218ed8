package main

import (
	"bytes"
	"errors"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// execute runs a shell in the pod that the test names, over both transports.
func execute(s *session) {
	options := &corev1.PodExecOptions{
		Command: []string{"sh", "-c", "cat; echo bad >&2; exit 7"}, Stdin: true, Stdout: true, Stderr: true,
	}
	address := s.client.CoreV1().RESTClient().Post().Namespace("default").Resource("pods").Name(os.Args[3]).
		SubResource("exec").VersionedParams(options, scheme.ParameterCodec).URL()
	executors := []remotecommand.Executor{
		must(remotecommand.NewSPDYExecutor(s.config, "POST", address)),
		must(remotecommand.NewWebSocketExecutor(s.config, "GET", address.String())),
	}
	for index, transport := range []string{"spdy", "websocket"} {
		var stdout, stderr bytes.Buffer
		input := strings.NewReader(strings.Repeat("0123456789abcde\n", 8192))
		err := executors[index].StreamWithContext(s.context, remotecommand.StreamOptions{Stdin: input, Stdout: &stdout, Stderr: &stderr})
		var exit exec.CodeExitError
		if !errors.As(err, &exit) {
			must0(err)
		}
		say(transport, []any{stdout.String(), stderr.String(), exit.Code})
	}
}
