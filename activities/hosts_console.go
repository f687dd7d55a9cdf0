package activities

import (
	"context"
	"errors"
	"fmt"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// whyNotUp is what there is to know of a host that was switched on and does not come, and where a person looks.
func (a *Activities) whyNotUp(ctx context.Context, h *inventory.Host, t plan.Target) advice {
	const look = "a POST error or a prompt, a boot device that is missing, a purple screen, an address that is not its own"
	if h.BMC == nil {
		return advice{errors.New("it has no BMC that could tell more"), "look at its screen (" + look + "), put it right, then %s"}
	}
	next := "look at its console, through its BMC at " + h.BMC.URL + " (" + look + "), put it right or switch it off and on there, then %s"
	s, err := a.clients.server(h)
	if err == nil {
		defer s.close(ctx)
		var b live.BMC
		if b, err = s.read(ctx, func(b live.BMC) error { return sameServer(h, t, b) }); err == nil {
			return advice{errors.New(standing(b)), next}
		}
	}
	return advice{fmt.Errorf("its BMC does not tell more: %w", plain(err)), "look at its BMC at " + h.BMC.URL + ", then at its console (" + look + "), then %s"}
}

// standing is what a BMC tells of a host that does not come up.
func standing(b live.BMC) string {
	text := "its BMC says " + b.Power
	if b.Boot != "" {
		text += ", and of its boot " + b.Boot
	}
	return text
}
