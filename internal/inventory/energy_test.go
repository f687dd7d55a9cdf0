package inventory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

func TestEnergy(t *testing.T) {
	for text, want := range map[string]inventory.Energy{
		"energy: {price: 0.32, currency: EUR}": {Price: 0.32, Currency: "EUR"},
		"energy: {price: 5, currency: JPY}":    {Price: 5, Currency: "JPY"},
	} {
		lab, err := inventory.Parse("lab.yaml", []byte(good+text+"\n"))
		require.NoError(t, err)
		require.Equal(t, want, *lab.Energy)
	}
	lab, err := inventory.Parse("lab.yaml", []byte(good))
	require.NoError(t, err)
	require.Nil(t, lab.Energy)
}

func TestBadEnergy(t *testing.T) {
	for _, b := range []bad{
		{name: "price is text", text: good + "energy: {price: cheap, currency: EUR}\n", place: "22:17", field: "energy.price", says: []string{"want a number, got text", "0.32"}},
		{name: "price is quoted", text: good + "energy: {price: \"0.32\", currency: EUR}\n", place: "22:17", field: "energy.price", says: []string{"want a number"}},
		{name: "price with a comma", text: good + "energy:\n  price: 0,32\n  currency: EUR\n", place: "23:10", field: "energy.price", says: []string{"number"}},
		{name: "price is nothing", text: good + "energy: {price: 0, currency: EUR}\n", place: "22:17", field: "energy.price", says: []string{"no price"}},
		{name: "price is infinite", text: good + "energy: {price: .inf, currency: EUR}\n", place: "22:17", field: "energy.price", says: []string{"want a number"}},
		{name: "price below nothing", text: good + "energy: {price: -1, currency: EUR}\n", place: "22:17", field: "energy.price", says: []string{"no price"}},
		{name: "no currency", text: good + "energy: {price: 0.32}\n", place: "22:9", field: "energy", says: []string{"currency"}},
		{name: "a symbol", text: good + "energy: {price: 0.32, currency: €}\n", place: "22:33", field: "energy.currency", says: []string{"ISO 4217"}},
	} {
		b.run(t)
	}
}
