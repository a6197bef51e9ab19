package drift

import "time"

// slack is how long after the end of its interval a reconciliation may still be on its way.
const slack = time.Minute

// Stale reports whether the owner was not reconciled when it should have been: within limit or, if that is 0, within its
// interval and a tenth of it, at least a minute, for Flux spreads reconciliations and they take their time. Expected is
// the limit or the interval. Suspended owners, and those that are gone, are never stale.
func (o *OwnerResult) Stale(now time.Time, limit time.Duration) (expected time.Duration, stale bool) {
	expected, latest := limit, limit
	if limit == 0 {
		expected, latest = o.Interval, o.Interval+max(o.Interval/10, slack)
	}
	return expected, !o.Suspended && !o.Gone && now.Sub(o.Reconciled) > latest
}
