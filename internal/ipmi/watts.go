package ipmi

import (
	"context"

	"github.com/bougou/go-ipmi/pkg/command/dcmi"

	"nightshift/internal/fault"
)

// getPowerReading is a command of DCMI (1.5, §6.6.1), a group extension of IPMI: each message begins with the group's number.
var getPowerReading = command{0x2C, 0x02, "the power reading"}

// Watts reads what the server takes now, by DCMI. fault.Unsupported where the controller has no DCMI, or does not meter.
func (c *Client) Watts(ctx context.Context) (float64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(ctx); err != nil {
		return 0, err
	}
	data, err := c.read(ctx, getPowerReading, (&dcmi.GetDCMIPowerReadingRequest{}).Pack(), 18)
	if err != nil {
		return 0, err
	}
	watts, ok := wattsIn(data)
	if !ok {
		return 0, c.failf(fault.Unsupported, "it does not meter what the server takes just now")
	}
	return watts, nil
}

// wattsIn takes the current power out of an answer; false where nothing is metered.
func wattsIn(data []byte) (float64, bool) {
	var got dcmi.GetDCMIPowerReadingResponse
	if err := got.Unpack(data); err != nil || !got.PowerMeasurementActive {
		return 0, false
	}
	return float64(got.CurrentPower), true
}
