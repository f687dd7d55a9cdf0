package inventory

import "regexp"

// Energy says what a kWh costs: then reports and `stats` tell money beside kWh, where the lab is metered.
type Energy struct {
	Price float64 `json:"price"` // of a kWh, more than 0
	// Currency is its code (ISO 4217): EUR.
	Currency string `json:"currency" jsonschema:"pattern=^[A-Z]{3}$"`
}

// mostPrice is what no kWh costs, in any currency: somebody has forgotten the point.
const mostPrice = 1_000_000

var currency = regexp.MustCompile(`^[A-Z]{3}$`)

func (c *checker) energy() {
	e := c.f.Energy
	if e == nil {
		return
	}
	if c.has("energy.price") && (e.Price <= 0 || e.Price > mostPrice) {
		c.add("energy.price", "this is no price of a kWh", "a number greater than 0, in energy.currency: 0.32")
	}
	if c.has("energy.currency") && !currency.MatchString(e.Currency) {
		c.add("energy.currency", "this is no currency", "its three letters, as in ISO 4217: EUR")
	}
}
