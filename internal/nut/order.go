package nut

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// pollTracking is how often a server is asked what became of an order.
const pollTracking = 500 * time.Millisecond

// Login tells the server who gives the orders that follow. It says yes to anybody: user and password are compared with
// each order, whose ERR ACCESS-DENIED is a fault.Auth. Never try one again.
func (c *Client) Login(user string, password inventory.Secret) error {
	for _, w := range [][]string{{"USERNAME", user}, {"PASSWORD", password.Reveal()}} {
		words, err := c.ask(w...)
		if err != nil {
			return err
		}
		if words[0] != "OK" {
			return c.strange(w[0], words[:1])
		}
	}
	return nil
}

// noSuchVariable is set to find out whether a login may set variables: the server looks at that first.
const noSuchVariable = "nightshift.check"

// MaySet tells whether the login may set variables, without setting any: the right is looked at before the variable, which
// no UPS has. fault.Auth: upsd does not say whether the password is wrong or only the right is missing.
func (c *Client) MaySet(ups string) error {
	_, err := c.ask("SET", "VAR", ups, noSuchVariable, "0")
	if errors.Is(err, fault.Unsupported) || errors.Is(err, fault.Invalid) {
		return nil
	}
	return err
}

// Set sets a variable. Setting it twice does no more than once.
func (c *Client) Set(ctx context.Context, ups, name, value string) error {
	return c.order(ctx, "SET", "VAR", ups, name, value)
}

// Command has the UPS do something at once, and is sent once. param is left out where it is empty.
//
// nil: it was done, as far as the server tells; one that tracks orders tells what the driver answered. fault.NotDone marks
// an error after which nothing was done; of any other nothing is known.
func (c *Client) Command(ctx context.Context, ups, command, param string) error {
	words := []string{"INSTCMD", ups, command}
	if param != "" {
		words = append(words, param)
	}
	return c.order(ctx, words...)
}

// order sends an order. Where the server tracks orders (2.8.0 and later), it waits for the driver's answer.
func (c *Client) order(ctx context.Context, words ...string) error {
	if _, err := c.ask("SET", "TRACKING", "ON"); err != nil && !errors.Is(err, fault.Unsupported) && !errors.Is(err, fault.Invalid) {
		return fault.As(fault.NotDone, err)
	}
	answer, err := c.ask(words...)
	switch {
	case err != nil:
		return err
	case answer[0] != "OK" || len(answer) == 2 || len(answer) > 3:
		return c.strange(words[0], answer)
	case len(answer) == 1:
		return nil
	case answer[1] != "TRACKING":
		return c.strange(words[0], answer)
	}
	return c.track(ctx, words[0], answer[2])
}

// track waits until the driver has answered. ERR UNKNOWN and the like are its no.
func (c *Client) track(ctx context.Context, verb, id string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for {
		words, err := c.ask("GET", "TRACKING", id)
		switch {
		case saidNo(err):
			// What the driver said, or that the server has forgotten the order: no proof that nothing was done.
			return fault.As(fault.State, errors.New(err.Error()))
		case err != nil:
			return err
		case words[0] == "SUCCESS":
			return nil
		case words[0] != "PENDING":
			return c.strange("GET TRACKING", words)
		}
		select {
		case <-ctx.Done():
			return fault.As(fault.Unreachable, fmt.Errorf("%s: the driver did not answer %s within %s", c.name, verb, answerTimeout))
		case <-time.After(pollTracking):
		}
	}
}

func saidNo(err error) bool {
	return errors.Is(err, fault.State) || errors.Is(err, fault.Invalid) || errors.Is(err, fault.Unsupported)
}
