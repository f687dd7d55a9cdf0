package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nightshift/internal/inventory"
)

// overhear gives the lab the channels that a runbook under test names, or one that takes everything, and shows what is sent
// through them instead of sending it. The lab file as it lies there stays as it is.
func (a *app) overhear(ctx context.Context, lab *inventory.Lab, names []string) (stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for messages of the test: %w", err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ Title, Message string }
		if json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&m) == nil {
			a.notef("Message through %s: %s\n    %s", strings.Trim(r.URL.Path, "/"), m.Title, strings.ReplaceAll(strings.TrimSpace(m.Message), "\n", "\n    "))
		}
	})}
	if len(names) == 0 {
		names = []string{"everybody"}
	}
	for _, name := range names {
		file := filepath.Join(lab.Dir, "secrets", name+".channel")
		if err := os.WriteFile(file, []byte("generic+http://"+l.Addr().String()+"/"+name+"?template=json\n"), 0o600); err != nil {
			return nil, errors.Join(fmt.Errorf("write the channels of the test: %w", err), l.Close())
		}
		lab.Notifications.Channels = append(lab.Notifications.Channels, inventory.Channel{Name: name, URL: inventory.SecretRef("file:" + file), On: []string{"message"}})
	}
	go func() { _ = srv.Serve(l) }()
	return func() { _ = srv.Close() }, nil
}
