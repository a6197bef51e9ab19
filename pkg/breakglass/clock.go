package breakglass

import (
	"net/http"
	"sync"
	"time"
)

// Clock tells the API server's time, by which BreakGlasses are created, whatever this machine's clock says: it reads the
// Date of the answers that pass through it. What it tells is never ahead of the API server, and behind it by at most a
// second and the time that an answer took, so that nothing ends early. Before the first answer it is this machine's
// clock. The zero Clock is ready; it may be used concurrently.
type Clock struct {
	mu sync.Mutex
	// date is the API server's time when this machine's monotonic clock said at.
	date, at time.Time
}

// stepped is how far the API server's clock may fall behind what was told before it is taken for one that was set back.
const stepped = 2 * time.Second

// Now returns the API server's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if c.at.IsZero() {
		return time.Now()
	}
	return c.date.Add(time.Since(c.at))
}

// observe learns from a Date, which is cut to seconds. One that is a little behind tells nothing: it was cut, or on its way.
func (c *Clock) observe(date time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if behind := c.now().Sub(date); c.at.IsZero() || behind < 0 || behind > stepped {
		c.date, c.at = date, time.Now()
	}
}

// Wrap returns a transport that learns the time from what next answers. It fits rest.Config.Wrap.
func (c *Clock) Wrap(next http.RoundTripper) http.RoundTripper {
	return observer{clock: c, next: next}
}

type observer struct {
	clock *Clock
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (o observer) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := o.next.RoundTrip(req)
	if err == nil {
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			o.clock.observe(date)
		}
	}
	return resp, err
}

// WrappedRoundTripper lets client-go reach the transport below.
func (o observer) WrappedRoundTripper() http.RoundTripper { return o.next }
