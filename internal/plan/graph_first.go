package plan

import "time"

// First puts step i before all others that wait for the same slots: it is under way already, and was only interrupted.
// Say it before Offer.
func (g *Graph) First(i int) { g.rank[i] += 100 * 365 * 24 * time.Hour }
