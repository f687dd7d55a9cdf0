package simlab

import "github.com/vmware/govmomi/vim25/types"

// begin is the epoch of a guest after a change of its power state.
func (g *guest) begin(power string) int {
	g.power, g.tools, g.ready, g.stopping, g.wantStop = power, false, false, false, false
	g.epoch++
	return g.epoch
}

// powerOn starts a guest: its Tools answer when it has booted, its service a moment later.
func (l *Lab) powerOn(t *touched, g *guest) {
	epoch := g.begin(guestOn)
	t.guest(g)
	still := func(fn func()) func() {
		return func() {
			l.change(func(t *touched) {
				if g.epoch == epoch {
					fn()
					t.guest(g)
				}
			})
		}
	}
	if !g.spec.NoTools {
		l.after(g.spec.Boot, still(func() { g.tools = true }))
	}
	l.after(g.spec.Boot+serviceAnswers, still(func() { g.ready = true }))
}

// powerOff takes the power from a guest, or sees it off when its OS is done.
func (l *Lab) powerOff(t *touched, g *guest) {
	g.begin(guestOff)
	g.question = nil
	t.guest(g)
}

// crash is what happens to a running guest whose host dies.
func (l *Lab) crash(t *touched, g *guest) {
	if g.power != guestOn {
		return
	}
	if g.vcls == nil {
		g.crashes++
	}
	l.powerOff(t, g)
}

// stop is a guest OS told to shut down.
func (l *Lab) stop(t *touched, g *guest) {
	if g.spec.IgnoresShutdown || g.stopping {
		return
	}
	if g.question != nil { // the VM stands still until somebody answers
		g.wantStop = true
		return
	}
	g.stopping = true
	epoch := g.epoch
	l.after(g.spec.Shutdown, func() {
		l.change(func(t *touched) {
			if g.epoch == epoch && g.power == guestOn {
				l.powerOff(t, g)
			}
		})
	})
	t.guest(g)
}

// answer takes the question away. What waited for it goes on.
func (l *Lab) answer(t *touched, g *guest) {
	g.question = nil
	t.guest(g)
	if g.wantStop {
		g.wantStop = false
		l.stop(t, g)
	}
}

func question(text string) *types.VirtualMachineQuestionInfo {
	return &types.VirtualMachineQuestionInfo{
		Id: "7", Text: text,
		Choice: types.ChoiceOption{
			ChoiceInfo: []types.BaseElementDescription{
				&types.ElementDescription{Key: "0", Description: types.Description{Label: "Cancel", Summary: "Cancel"}},
				&types.ElementDescription{Key: "1", Description: types.Description{Label: "Retry", Summary: "Retry"}},
			},
			DefaultIndex: 1,
		},
	}
}

// Ask makes a running guest wait for an answer.
func (l *Lab) Ask(guestName, text string) {
	l.change(func(t *touched) {
		if g := l.guestNamed(guestName); g != nil {
			g.question = question(text)
			t.guest(g)
		}
	})
}
