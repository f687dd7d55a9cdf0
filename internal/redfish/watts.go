package redfish

import (
	"context"
	"net/http"
	"strings"

	"nightshift/internal/fault"
)

// mostWatts is what no server takes: a reading beyond is a fault of its firmware.
const mostWatts = 100_000

// mostChassis is how many chassis of a system are asked: blades name their enclosure too.
const mostChassis = 4

// Watts reads what the server takes now, from the alternating side of its power supplies: PowerControl[0].PowerConsumedWatts
// of the chassis' Power (DSP0268, Power; iDRAC7 to 9, iLO 4 to 6), or PowerWatts.Reading of its EnvironmentMetrics, which
// has taken its place. fault.Unsupported where it has neither.
func (c *Client) Watts(ctx context.Context) (float64, error) {
	path, err := c.systemPath(ctx)
	if err != nil {
		return 0, err
	}
	var system struct{ Links struct{ Chassis []link } }
	if err := c.get(ctx, path, &system); err != nil {
		return 0, c.fail("reading "+path, err)
	}
	for _, chassis := range system.Links.Chassis[:min(len(system.Links.Chassis), mostChassis)] {
		at := strings.TrimSuffix(chassis.path(), "/")
		// Every service that has a Power has it here; to read the link first would take an old controller half a minute more.
		watts, err := c.powerControl(ctx, at+"/Power")
		if err == nil && watts == nil {
			watts, err = c.environment(ctx, at)
		}
		switch {
		case err != nil:
			return 0, err
		case watts != nil && *watts >= 0 && *watts < mostWatts:
			return *watts, nil
		}
	}
	return 0, c.failf(fault.Unsupported, "it does not meter what the server takes")
}

// powerControl is nil where the chassis has no such resource, or tells no number.
func (c *Client) powerControl(ctx context.Context, path string) (*float64, error) {
	var power struct {
		PowerControl []struct{ PowerConsumedWatts *float64 }
	}
	if found, err := c.optional(ctx, path, &power); !found || len(power.PowerControl) == 0 {
		return nil, err
	}
	return power.PowerControl[0].PowerConsumedWatts, nil
}

func (c *Client) environment(ctx context.Context, chassis string) (*float64, error) {
	var links struct{ EnvironmentMetrics link }
	if found, err := c.optional(ctx, chassis, &links); !found || links.EnvironmentMetrics.ID == "" {
		return nil, err
	}
	var metrics struct {
		PowerWatts struct{ Reading *float64 }
	}
	if found, err := c.optional(ctx, links.EnvironmentMetrics.path(), &metrics); !found {
		return nil, err
	}
	return metrics.PowerWatts.Reading, nil
}

// optional reads what not every service has, or has in the standard's form: then it is not found, which is no error, and what
// was read of it means nothing: a number that is a text is left as zero.
func (c *Client) optional(ctx context.Context, path string, into any) (found bool, err error) {
	err = c.get(ctx, path, into)
	if status, _ := answer(err); status == http.StatusNotFound || status == http.StatusForbidden || broken(err) {
		return false, nil
	}
	if err != nil {
		return false, c.fail("reading "+path, err)
	}
	return true, nil
}
