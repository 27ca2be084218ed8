package main

import (
	"bytes"
	"errors"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// stream runs one exec or attach over one transport, and says what came back.
func (s *session) stream(transport, pod, subresource string, options runtime.Object, input string, tty bool) {
	request := s.client.CoreV1().RESTClient().Post().Namespace("default").Resource("pods").Name(pod).
		SubResource(subresource).VersionedParams(options, scheme.ParameterCodec)
	var executor remotecommand.Executor
	if transport == "spdy" {
		executor = must(remotecommand.NewSPDYExecutor(s.config, "POST", request.URL()))
	} else {
		executor = must(remotecommand.NewWebSocketExecutor(s.config, "GET", request.URL().String()))
	}
	var stdout, stderr bytes.Buffer
	to := remotecommand.StreamOptions{Stdin: strings.NewReader(input), Stdout: &stdout, Tty: tty}
	if !tty {
		to.Stderr = &stderr
	}
	err := executor.StreamWithContext(s.context, to)
	code := 0
	var exit exec.CodeExitError
	if errors.As(err, &exit) {
		code = exit.Code
	} else {
		must0(err)
	}
	say(transport, []any{stdout.String(), stderr.String(), code})
}

// execute runs a shell in the pod that the test names, over both transports.
func execute(s *session) {
	for _, transport := range []string{"spdy", "websocket"} {
		s.stream(transport, os.Args[3], "exec", &corev1.PodExecOptions{
			Command: []string{"sh", "-c", "cat; echo bad >&2; exit 7"}, Stdin: true, Stdout: true, Stderr: true,
		}, strings.Repeat("0123456789abcde\n", 8192), false)
	}
}

// attach speaks with the main program of the pod that the test names for the transport.
func attach(s *session) {
	for index, transport := range []string{"spdy", "websocket"} {
		s.stream(transport, os.Args[3+index], "attach",
			&corev1.PodAttachOptions{Stdin: true, Stdout: true, Stderr: true}, "echo hello; exit 3\n", false)
	}
}
