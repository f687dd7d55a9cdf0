package engine

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/temporalio/ui-server/v2/server/api"
	"github.com/temporalio/ui-server/v2/server/auth"
	"github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/cors"
	"github.com/temporalio/ui-server/v2/server/csrf"
	"github.com/temporalio/ui-server/v2/server/headers"
	"github.com/temporalio/ui-server/v2/server/route"
	"github.com/temporalio/ui-server/v2/ui"
)

// uiStopTime is how long open pages may take to finish their requests.
const uiStopTime = time.Second

// webUI is the Temporal Web UI. It is put together from the parts of ui-server's own Server, which ends the process when its
// port is taken and answers to any host name: the page of a stranger whose name is made to point at 127.0.0.1 could start
// and approve runs.
type webUI struct {
	server *http.Server
	done   chan struct{}
}

func startUI(l net.Listener, temporal, namespace string, log *slog.Logger) (*webUI, error) {
	handler, err := uiHandler(config.Config{
		TemporalGRPCAddress: temporal,
		EnableUI:            true,
		DefaultNamespace:    namespace,
		DisableNewsFetch:    true,
		HideLogs:            true,
		CORS:                config.CORS{CookieInsecure: true}, // plain http
	}, log)
	if err != nil {
		return nil, err
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		handler = onlyLocalNames(handler)
	}
	u := &webUI{
		server: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)},
		done:   make(chan struct{}),
	}
	go func() {
		defer close(u.done)
		if err := u.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the Temporal Web UI stopped; runs go on", "error", err)
		}
	}()
	return u, nil
}

func (u *webUI) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, uiStopTime)
	defer cancel()
	err := u.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = u.server.Close()
	}
	<-u.done
	return err
}

// uiHandler is what server.NewServer of ui-server builds, in its order.
func uiHandler(c config.Config, log *slog.Logger) (http.Handler, error) {
	provider, err := config.NewConfigProviderWithRefresh(&c)
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.Logger.SetOutput(lines{log})
	e.Use(
		middleware.Recover(), middleware.Gzip(),
		cors.CORSMiddleware(cors.CORSConfig{
			AllowHeaders: []string{
				echo.HeaderOrigin, echo.HeaderContentType, echo.HeaderAccept, echo.HeaderXCSRFToken,
				echo.HeaderAuthorization, auth.AuthorizationExtrasHeader, "Caller-Type",
			},
			AllowCredentials: true, ConfigProvider: provider,
		}),
		middleware.Secure(),
		csrf.EnsureTokenCookie(false),
		middleware.CSRFWithConfig(csrf.MiddlewareConfig(provider, false)),
	)
	e.Pre(route.PublicPath(c.PublicPath))
	route.SetHealthRoute(e)
	forward := []api.Middleware{headers.WithForwardHeaders([]string{auth.AuthorizationExtrasHeader, "Caller-Type"})}
	if err := route.SetAPIRoutes(e, provider, forward); err != nil {
		return nil, err
	}
	route.SetAuthRoutes(e, provider)
	assets, err := ui.Assets()
	if err != nil {
		return nil, err
	}
	local, err := fs.Sub(assets, "local")
	if err != nil {
		return nil, err
	}
	if err := route.SetUIRoutes(e, c.PublicPath, local, provider); err != nil {
		return nil, err
	}
	route.SetRenderRoute(e, "/")
	return e, nil
}

// onlyLocalNames refuses requests that came by another name than localhost or an address, whatever the port: it may be
// forwarded.
func onlyLocalNames(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if host != "localhost" && net.ParseIP(strings.Trim(host, "[]")) == nil {
			http.Error(w, "nightshift: open this page as http://localhost or by its address", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// lines passes what echo logs, failures of its own, to slog.
type lines struct{ log *slog.Logger }

func (l lines) Write(p []byte) (int, error) {
	l.log.Warn("Temporal Web UI", "message", string(bytes.TrimSpace(p)))
	return len(p), nil
}
