package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/upswatch"
)

// tellTimeout is how long the server may take to take a message.
const tellTimeout = 30 * time.Second

// tellUPS tells people what happens to a UPS: a message of its own, for which the watch does not wait. Nil: nobody wants it.
func (w *Worker) tellUPS(ctx context.Context, c Config) func(upswatch.Event) {
	if !w.acts.Wants(runapi.EventUPS) {
		return nil
	}
	return func(e upswatch.Event) {
		w.watched.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, tellTimeout)
			defer cancel()
			_, err := c.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: upsNoticeID(c.Lab.Lab, e), TaskQueue: plan.TaskQueue(c.Lab.Lab),
				WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, StaticSummary: "Tell people of lab " + c.Lab.Lab + ": UPS " + e.UPS,
			}, runapi.NotifyType, upsNotice(c.Lab.Lab, e))
			if err != nil && !errors.As(err, new(*serviceerror.WorkflowExecutionAlreadyStarted)) && c.Logger != nil {
				c.Logger.Warn("nobody was told of the UPS", "ups", e.UPS, "error", err)
			}
		})
	}
}

func upsNotice(lab string, e upswatch.Event) runapi.Notice {
	return runapi.Notice{Event: runapi.EventUPS, Lab: lab, At: e.At.UTC(), Subject: "UPS " + e.UPS + ": " + e.Text, Lines: []string{"UPS " + e.UPS + ": " + e.Text},
		Commands: []runapi.Command{{Type: "nightshift status", Why: "shows the UPS, and what is under way"}, {Type: "nightshift lab check", Why: "asks the UPS and everything else"}}}
}

// upsNoticeID is one for what several workers see within the same minute.
func upsNoticeID(lab string, e upswatch.Event) string {
	sum := sha256.Sum256([]byte(e.UPS + "\n" + e.Text))
	return "nightshift-ups-" + lab + "-notify-" + e.At.UTC().Format("20060102-1504") + "-" + hex.EncodeToString(sum[:4])
}
