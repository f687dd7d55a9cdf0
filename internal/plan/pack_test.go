package plan

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A lab of n guests with identities as real ones have them: what was there before the columns, and what they replace.
func packable(n int) Plan {
	rng := rand.New(rand.NewPCG(1, 2)) // the same plan each time
	p := Plan{Schema: SchemaVersion, Runbook: "power-down", Title: "Power down", Lab: "home", Created: time.Unix(1, 0).UTC(),
		Limits: map[string]int{"vcenter": 16}, Warnings: []Finding{{Subject: "guest a", Text: "b"}}}
	var remembered []RememberedGuest
	for i := range n {
		b := make([]byte, 16)
		for k := range b {
			b[k] = byte(rng.Uint32())
		}
		host := fmt.Sprintf("esx%02d", i%8)
		t := Target{Kind: Guest, Name: fmt.Sprintf("web%03d", i), Endpoint: "vc1", Ref: fmt.Sprintf("vm-%d", 1000+3*i), UUID: uuidText(b)}
		remembered = append(remembered, RememberedGuest{Endpoint: "vc1", UUID: t.UUID, Name: t.Name, Host: host, Ref: t.Ref, Tools: i%2 == 0})
		s := Step{ID: "shutdown-guest:" + t.Name, Title: "Shut down guest " + t.Name, Group: "Guests", Action: ShutdownGuest, Target: t,
			Params: Encode(ShutdownGuestParams{Method: ShutdownByTools, Timeout: Duration(time.Minute)}), Needs: []string{"remember"},
			Holds: []string{"vcenter:vc1", "host:" + host}, Timeout: Duration(time.Minute), OnFailure: Ask, Estimate: Duration(time.Second)}
		if i > 0 {
			s.Needs = append(s.Needs, p.Steps[rng.IntN(i)].ID)
		}
		p.Steps = append(p.Steps, s)
	}
	p.Steps = append(p.Steps, Step{ID: "remember", Title: "Remember", Action: RememberRunning, Target: Target{Kind: Lab, Name: "home"},
		Params: Encode(RememberParams{Guests: remembered}), Timeout: Duration(time.Minute)})
	return p
}

func packedAndBack(t *testing.T, p Plan) (packed []byte) {
	t.Helper()
	packed, err := p.Pack()
	require.NoError(t, err)
	q, err := Unpack(packed)
	require.NoError(t, err)
	require.Equal(t, p, q)
	require.Equal(t, p.Hash(), q.Hash())
	return packed
}

func TestAGuestTakesLittleMoreThanItsUUID(t *testing.T) {
	const n = 2000
	packed := packedAndBack(t, packable(n))
	require.Equal(t, byte(packedColumns), packed[0])
	require.Less(t, len(packed), 30*n)
}

// Names are whatever people call things: parts of one another, of their UUIDs, of our own words, of JSON.
func TestPackedWhateverThingsAreCalled(t *testing.T) {
	const id = "4c4c4544-0051-4810-8052-b4c04f4a4a4a"
	for name, target := range map[string]Target{
		"one letter":            {Name: "e", Ref: "s", UUID: id},
		"name in the reference": {Name: "vm", Ref: "vm-1", UUID: id},
		"reference in the name": {Name: "vm-1-old", Ref: "vm-1", UUID: id},
		"part of its UUID":      {Name: "4c4c", Ref: "0051", UUID: id},
		"its UUID":              {Name: id, Ref: id, UUID: id},
		"no UUID":               {Name: "C01", Ref: "domain-c8"},
		"UUID in capitals":      {Name: "C01", UUID: "4C4C4544-0051-4810-8052-B4C04F4A4A4A"},
		"UUID of another form":  {Name: "C01", UUID: "4c4c454400514810-8052-b4c04f4a4a4a-x"},
		"nothing":               {},
		"zeros":                 {Name: "vm0099", Ref: "vm-0099", UUID: id},
		"many digits":           {Name: "99999999999999999999999", Ref: "000000000000000009", UUID: id},
		"quotes and more":       {Name: `a"b\c<d>é` + "\u2028\t", Ref: `{"`, UUID: id},
		"stand-ins":             {Name: "a\x01b\x04", Ref: "\x03", UUID: id},
	} {
		t.Run(name, func(t *testing.T) {
			p := packable(3)
			for i := range 3 { // each beside its neighbour, by whose number it may be told
				to := target
				if i > 0 && to.Name != "" {
					to.Name += fmt.Sprint(i)
				}
				s := Step{ID: fmt.Sprintf("x:%d:%s", i, to.Name), Title: to.UUID + to.Name + to.Ref, Group: "Host " + to.Name, Action: CheckGuest, Target: to,
					Params: Encode(RememberParams{Guests: []RememberedGuest{{UUID: to.UUID, Name: to.Name, Ref: to.Ref, Host: to.Name},
						{UUID: p.Steps[0].Target.UUID, Name: p.Steps[0].Target.Name, Ref: "x"}}}), Timeout: 1}
				p.Steps = append(p.Steps, s)
			}
			packedAndBack(t, p)
		})
	}
}

// What cannot be written in columns is packed as it always was.
func TestPackedAsJSONWhereItMustBe(t *testing.T) {
	p := packable(2)
	p.Steps[0].Title = "two \x01 things"
	require.Equal(t, byte(0x78), packedAndBack(t, p)[0])
	p = packable(2)
	p.Steps[0].Needs = []string{"nobody"}
	require.Equal(t, byte(0x78), packedAndBack(t, p)[0])
	require.Equal(t, byte(packedColumns), packedAndBack(t, packable(0))[0])
}

// Plans that an earlier nightshift packed lie in histories.
func TestPlansOfBeforeAreRead(t *testing.T) {
	p := packable(5)
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	require.NoError(t, json.NewEncoder(w).Encode(p))
	require.NoError(t, w.Close())
	q, err := Unpack(b.Bytes())
	require.NoError(t, err)
	require.Equal(t, p, q)
}

func TestAPlanThatIsTooLargeIsRefused(t *testing.T) {
	p := packable(1)
	rng := rand.New(rand.NewPCG(3, 4)) // noise
	noise := make([]byte, MaxPacked*2)
	for i := range noise {
		noise[i] = byte('!' + rng.IntN(60))
	}
	p.Title = string(noise)
	_, err := p.Pack()
	require.ErrorContains(t, err, "run it in parts, by cluster")
}

// Whatever the bytes are, there is an answer, and what is a plan packs to what it was.
func FuzzUnpack(f *testing.F) {
	for _, n := range []int{0, 1, 40} {
		b, err := packable(n).Pack()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Unpack(b)
		if err != nil {
			return
		}
		again, err := p.pack()
		if err != nil {
			return // parameters that are no JSON
		}
		q, err := Unpack(again)
		require.NoError(t, err)
		require.Equal(t, p.Hash(), q.Hash())
	})
}

func BenchmarkUnpack(b *testing.B) {
	packed, err := packable(4000).Pack()
	require.NoError(b, err)
	for b.Loop() {
		if _, err := Unpack(packed); err != nil {
			b.Fatal(err)
		}
	}
}
