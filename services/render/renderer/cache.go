package renderer

import (
	"container/list"
	"sync"
)

// entryOverhead is what an entry costs beside its bytes: key, list element, map slot. Measured at about 300 bytes, rounded up.
const entryOverhead = 512

// cache keeps the pictures used last, bounded by count and by bytes. The zero value keeps nothing; use newCache.
type cache struct {
	mu         sync.Mutex
	maxEntries int
	maxBytes   int64
	bytes      int64
	order      *list.List // front is the one used last
	byTag      map[string]*list.Element
	evicted    int64
}

type entry struct {
	tag  string
	data []byte
}

// newCache is an empty cache. A bound of 0 keeps nothing.
func newCache(maxEntries int, maxBytes int64) *cache {
	return &cache{maxEntries: maxEntries, maxBytes: maxBytes, order: list.New(), byTag: map[string]*list.Element{}}
}

// get returns the picture's bytes, which the caller must not change.
func (c *cache) get(tag string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.byTag[tag]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(element)
	return element.Value.(*entry).data, true
}

// put keeps data under tag, and drops the entries unused longest until both bounds hold again. What is larger than the whole cache is not kept:
// it would push out everything and still not fit.
func (c *cache) put(tag string, data []byte) {
	cost := int64(len(data)) + entryOverhead
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.maxEntries < 1 || cost > c.maxBytes {
		return
	}
	if element, ok := c.byTag[tag]; ok {
		c.remove(element)
	}
	c.byTag[tag] = c.order.PushFront(&entry{tag, data})
	c.bytes += cost
	for c.order.Len() > c.maxEntries || c.bytes > c.maxBytes {
		c.remove(c.order.Back())
		c.evicted++
	}
}

func (c *cache) remove(element *list.Element) {
	e := c.order.Remove(element).(*entry)
	delete(c.byTag, e.tag)
	c.bytes -= int64(len(e.data)) + entryOverhead
}

// stats are the cache's figures of one moment.
func (c *cache) stats() (entries int, bytes, evicted int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len(), c.bytes, c.evicted
}
