// Go's own HTTP server: answers everything with 200 and prints what it took for requests, one JSON line each. The first line
// is the port on loopback.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"sync"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	var lock sync.Mutex
	lines := json.NewEncoder(os.Stdout)
	handler := http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		lock.Lock()
		_ = lines.Encode(map[string]string{
			"method": request.Method,
			"target": request.RequestURI,
			"path":   path.Clean("/" + request.URL.Path),
		})
		lock.Unlock()
		_, _ = io.Copy(io.Discard, request.Body)
		_, _ = response.Write([]byte("ok"))
	})
	_ = http.Serve(listener, handler)
}
