package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
)

// retryPause is between two looks at a server that is not ready yet.
const retryPause = 20 * time.Millisecond

// createNamespace writes the namespace into a file that has none, so that it is there when the server starts.
func createNamespace(o Options) error {
	ns, err := sqliteschema.NewNamespaceConfig(clusterName, o.Namespace, false, o.SearchAttributes)
	if err != nil {
		return fmt.Errorf("namespace %s: %w", o.Namespace, err)
	}
	ns.Detail.Config.Retention = durationpb.New(o.Retention)
	if err := sqliteschema.CreateNamespaces(storage(o), ns); err != nil {
		return explain(o.Dir.Database(), "create namespace "+o.Namespace+" in", err)
	}
	return nil
}

// ready waits until the server does what runs need: it answers, has the namespace with the right retention, and finds runs
// by their search attributes.
func ready(ctx context.Context, o Options, address string) error {
	c, err := client.NewLazyClient(client.Options{HostPort: address, Namespace: o.Namespace, Logger: sdklog.NewStructuredLogger(o.Logger)})
	if err != nil {
		return fmt.Errorf("connect to the engine: %w", err)
	}
	defer c.Close()
	for _, stage := range []struct {
		what string
		do   func(context.Context, client.Client, Options) error
	}{
		{"answer", healthy}, {"know the namespace", retain}, {"know the search attributes", addSearchAttributes}, {"find runs", list},
	} {
		if err := eventually(ctx, func() error { return stage.do(ctx, c, o) }); err != nil {
			return fmt.Errorf("the engine did not %s: %w", stage.what, err)
		}
	}
	return nil
}

// finalError is one that waiting does not mend.
type finalError struct{ error }

// eventually repeats do until it works, fails for good, or the context ends; the error then has do's last.
func eventually(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || errors.As(err, new(finalError)) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (last: %w)", context.Cause(ctx), err)
		case <-time.After(retryPause):
		}
	}
}

func healthy(ctx context.Context, c client.Client, _ Options) error {
	_, err := c.CheckHealth(ctx, &client.CheckHealthRequest{})
	return err
}

// retain sets the retention where the file says another.
func retain(ctx context.Context, c client.Client, o Options) error {
	ns, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: o.Namespace})
	if err != nil {
		return err
	}
	if ns.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration() == o.Retention {
		return nil
	}
	_, err = c.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: o.Namespace,
		Config:    &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(o.Retention)},
	})
	return err
}

// addSearchAttributes adds those that a file of an earlier release lacks.
func addSearchAttributes(ctx context.Context, c client.Client, o Options) error {
	have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: o.Namespace})
	if err != nil {
		return err
	}
	missing := make(map[string]enums.IndexedValueType)
	for name, want := range o.SearchAttributes {
		is, ok := have.CustomAttributes[name]
		switch {
		case !ok:
			missing[name] = want
		case is != want:
			return finalError{fmt.Errorf("search attribute %s is of type %s in this file, %s is needed: a type cannot be changed, so begin with a new state directory", name, is, want)}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: o.Namespace, SearchAttributes: missing})
	if errors.As(err, new(*serviceerror.InvalidArgument)) { // more of a type than there can be
		return finalError{err}
	}
	return err
}

// list asks for runs by every search attribute at once; it fails while one is not known everywhere.
func list(ctx context.Context, c client.Client, o Options) error {
	var terms []string
	for name := range o.SearchAttributes {
		terms = append(terms, "`"+name+"` IS NULL")
	}
	slices.Sort(terms)
	_, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: o.Namespace, PageSize: 1, Query: strings.Join(terms, " AND ")})
	return err
}
