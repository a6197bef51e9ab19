package breakglass

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

type answer struct{ date time.Time }

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{Body: http.NoBody, Header: http.Header{"Date": {a.date.UTC().Format(http.TimeFormat)}}}, nil
}

// TestAClockTellsTheServersTime has a server whose clock differs from this machine's.
func TestAClockTellsTheServersTime(t *testing.T) {
	for name, skew := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour, "equal": 0, "a little ahead": 300 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := &Clock{}
				server := func() time.Time { return time.Now().Add(skew) }
				ask := func(took time.Duration) {
					t.Helper()
					date := server()
					time.Sleep(took)
					resp, err := clock.Wrap(answer{date}).RoundTrip(&http.Request{})
					if err != nil {
						t.Fatal(err)
					}
					if err := resp.Body.Close(); err != nil {
						t.Fatal(err)
					}
				}
				within := func(lag time.Duration) {
					t.Helper()
					if behind := server().Sub(clock.Now()); behind < 0 || behind > lag {
						t.Errorf("it is %s behind", behind)
					}
				}
				time.Sleep(456 * time.Millisecond)
				ask(0)
				within(time.Second)
				time.Sleep(10 * time.Minute)
				within(time.Second)
				ask(1500 * time.Millisecond) // a slow answer makes nothing worse
				within(time.Second)
				for range 20 { // many answers make it better
					time.Sleep(1090 * time.Millisecond)
					ask(0)
				}
				within(100 * time.Millisecond)
				skew -= time.Minute // the server's clock is set back
				ask(0)
				within(time.Second)
			})
		})
	}
}
