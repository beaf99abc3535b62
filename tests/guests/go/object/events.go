// What do the events of this instance know of each other?

package object

import "sync"

// How many events are in flight, how many that were at most while one of them
// waited, and who is waiting for a release.
var events = struct {
	sync.Mutex
	inFlight int
	peaks    map[*int]struct{} // for each event that watches, the most since
	released chan struct{}     // closed by the next release
}{peaks: map[*int]struct{}{}, released: make(chan struct{})}

// event is one event, in flight until its end.
type event struct{}

func begin() event {
	events.Lock()
	defer events.Unlock()
	events.inFlight++
	for peak := range events.peaks {
		*peak = max(*peak, events.inFlight)
	}
	return event{}
}

func (event) end() {
	events.Lock()
	defer events.Unlock()
	events.inFlight--
}

// peakDuring returns the most events that were in flight while wait ran.
func peakDuring(wait func()) int {
	peak := new(int)
	events.Lock()
	*peak = events.inFlight
	events.peaks[peak] = struct{}{}
	events.Unlock()

	wait()

	events.Lock()
	defer events.Unlock()
	delete(events.peaks, peak)
	return *peak
}

// waitForRelease waits for the next call of release, which another event makes.
func waitForRelease() {
	events.Lock()
	released := events.released
	events.Unlock()
	<-released
}

func release() {
	events.Lock()
	defer events.Unlock()
	close(events.released)
	events.released = make(chan struct{})
}
